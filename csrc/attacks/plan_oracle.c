/* plan_oracle.c -- attacks on compiled models: depth first, every piece of the samples on its own.
 *
 * What happens to a sample depends on nothing but the sample, so pieces may run in any order on any
 * thread; what they add up to is added in the order of the samples. */
#include "attacks/plan_oracle.h"

#include <stdio.h>
#include <string.h>

#include "attacks/measure.h"
#include "core/memory.h"
#include "core/threads.h"

enum { ROUND = 256, TEXT = 480 }; /* pieces whose sums are kept until they are added up */

static cj_status rows_like(cj_tensor *out, const cj_tensor *like, int64_t rows) {
  int64_t size[CJ_MAX_DIMS];
  memcpy(size, like->size, sizeof size);
  size[0] = rows;
  return cj_tensor_new(out, like->dtype, like->ndim, size);
}

static size_t row_bytes(const cj_tensor *t) {
  return (size_t)(cj_numel(t) / t->size[0]) * cj_dtype_bytes(t->dtype);
}

/* --- one frame as an oracle --------------------------------------------------------------------
 */

static void forward(cj_frame *f, int64_t rows, const void *x, void *z) {
  void *out[CJ_MOST_OUTPUTS] = {z};
  cj_frame_forward(f, rows, &x, out);
}

static void pull(cj_frame *f, const void *gz, void *gx) {
  const void *gy[CJ_MOST_OUTPUTS] = {gz};
  cj_frame_pull(f, gy, gx);
}

static cj_status frame_logits(void *self, const cj_tensor *x, bool pulls, cj_tensor *z) {
  cj_frame_oracle *o = self;
  (void)pulls;
  o->rows = x->size[0];
  CJ_TRY(rows_like(z, cj_plan_output(o->plan, 0), o->rows));
  forward(o->frame, o->rows, x->data, z->data);
  return CJ_OK;
}

static cj_status frame_pull(void *self, const cj_tensor *gz, bool keep, cj_tensor *gx) {
  cj_frame_oracle *o = self;
  (void)keep;
  CJ_TRY(rows_like(gx, cj_plan_input(o->plan, 0), o->rows));
  pull(o->frame, gz->data, gx->data);
  return CJ_OK;
}

cj_oracle cj_frame_oracle_open(cj_frame_oracle *f, const cj_plan *plan, cj_frame *frame) {
  *f = (cj_frame_oracle){.plan = plan, .frame = frame};
  return (cj_oracle){f, frame_logits, frame_pull, 0, 0};
}

/* --- all samples, piece by piece ---------------------------------------------------------------
 */

typedef struct outcome { /* of one piece */
  cj_status status;
  cj_report report;
  int64_t passes[2];
  char text[TEXT];
} outcome;

typedef struct campaign {
  const cj_attack *a;
  cj_crew *crew;
  const cj_samples *in;
  cj_findings *out;
  cj_step_sums *sums; /* of the pieces of this round, [ROUND][steps + 1]; NULL: not wanted */
  outcome *outcomes;
  int64_t piece, first;       /* samples of a piece; the round's first piece */
  atomic_int_fast64_t failed; /* the lowest piece of the round that failed */
} campaign;

/* Rows from..from+rows-1 of t, borrowed. */
static cj_tensor slice(const cj_tensor *t, int64_t from, int64_t rows) {
  cj_tensor part = *t;
  part.data = (char *)t->data + (size_t)from * row_bytes(t);
  part.size[0] = rows;
  part.node = NULL;
  return part;
}

static cj_status attack_piece(campaign *c, int64_t number, cj_frame *frame, outcome *o) {
  const int64_t from = (c->first + number) * c->piece, left = c->in->x->size[0] - from;
  const int64_t rows = left < c->piece ? left : c->piece;
  const cj_tensor x = slice(c->in->x, from, rows);
  cj_tensor x_adv = slice(c->out->x_adv, from, rows);
  cj_attack a = *c->a;
  cj_frame_oracle self;
  cj_oracle oracle = cj_frame_oracle_open(&self, c->crew->plan, frame);
  const cj_samples in = {.x = &x,
                         .y = c->in->y + from,
                         .targets = c->in->targets ? c->in->targets + from : NULL,
                         .index = c->in->index + from,
                         .radii = c->in->radii ? c->in->radii + from : NULL};
  cj_findings out = {.x_adv = &x_adv,
                     .records = c->out->records + from,
                     .sums = c->sums ? c->sums + number * (a.steps + 1) : NULL,
                     .extra = c->out->extra ? c->out->extra + from * a.extras : NULL};
  a.batch = rows;
  a.first = from;
  const cj_status status = cj_attack_run(&a, &oracle, &in, &out);
  o->report = out.report;
  o->passes[0] = oracle.forwards;
  o->passes[1] = oracle.backwards;
  return status;
}

static void note_failure(campaign *c, int64_t number) {
  int_fast64_t lowest = atomic_load(&c->failed);
  while (number < lowest && !atomic_compare_exchange_weak(&c->failed, &lowest, number)) continue;
}

static void run_piece(void *context, int64_t number) {
  campaign *c = context;
  outcome *o = &c->outcomes[number];
  int slot;
  if (number > atomic_load(&c->failed)) return; /* an error before it will be reported */
  cj_frame *frame = cj_crew_take(c->crew, &slot);
  o->status = attack_piece(c, number, frame, o);
  cj_crew_give(c->crew, slot);
  if (o->status == CJ_OK) return;
  snprintf(o->text, sizeof o->text, "%s", cj_errmsg());
  note_failure(c, number);
}

static void add_sums(cj_step_sums *sums, const cj_step_sums *add, int64_t count) {
  for (int64_t s = 0; s < count; s++) {
    sums[s].samples += add[s].samples;
    sums[s].correct += add[s].correct;
    sums[s].zeros += add[s].zeros;
    sums[s].loss += add[s].loss;
  }
}

/* Adds what the pieces of the round added up to, in their order. */
static void merge(const campaign *c, int64_t pieces, int64_t passes[2]) {
  const int64_t each = c->a->steps + 1;
  for (int64_t p = 0; p < pieces; p++) {
    const outcome *o = &c->outcomes[p];
    c->out->report.classes = o->report.classes;
    c->out->report.probabilities += o->report.probabilities;
    passes[0] += o->passes[0];
    passes[1] += o->passes[1];
    if (c->sums) add_sums(c->out->sums, c->sums + p * each, each);
  }
}

static cj_status run_round(campaign *c, int64_t pieces, int64_t passes[2]) {
  memset(c->outcomes, 0, (size_t)pieces * sizeof *c->outcomes);
  atomic_store(&c->failed, INT64_MAX);
  cj_parallel(pieces, run_piece, c);
  if (cj_stop_requested()) return cj_fail(CJ_ESTOP, "interrupted");
  const int64_t failed = atomic_load(&c->failed);
  if (failed < pieces) return cj_fail(c->outcomes[failed].status, "%s", c->outcomes[failed].text);
  merge(c, pieces, passes);
  return CJ_OK;
}

static cj_status run_rounds(campaign *c, int64_t pieces, int64_t passes[2]) {
  const size_t each = (size_t)(c->a->steps + 1), most = (size_t)(pieces < ROUND ? pieces : ROUND);
  cj_status status = CJ_OK;
  if (c->out->sums) c->sums = cj_alloc(most * each * sizeof *c->sums);
  c->outcomes = cj_alloc(most * sizeof *c->outcomes);
  if ((c->out->sums && !c->sums) || !c->outcomes)
    status = cj_fail(CJ_EMEM, "no memory for %lld steps", (long long)c->a->steps);
  for (c->first = 0; status == CJ_OK && c->first < pieces; c->first += ROUND) {
    const int64_t left = pieces - c->first;
    status = run_round(c, left < ROUND ? left : ROUND, passes);
  }
  cj_free(c->sums);
  cj_free(c->outcomes);
  return status;
}

cj_status cj_attack_run_planned(const cj_attack *a, cj_crew *crew, const cj_samples *in,
                                cj_findings *out, int64_t passes[2]) {
  const int64_t n = in->x->size[0];
  campaign c = {.a = a, .crew = crew, .in = in, .out = out, .piece = cj_crew_piece(crew, n)};
  passes[0] = passes[1] = 0;
  if (n == 0) return CJ_OK;
  CJ_TRY(cj_attack_check_box(in->x, &a->ball)); /* of all samples before anything else, as ever */
  if (out->sums) memset(out->sums, 0, (size_t)(a->steps + 1) * sizeof *out->sums);
  out->report = (cj_report){0};
  const int64_t pieces = (n + c.piece - 1) / c.piece;
  CJ_TRY(cj_crew_ready(crew, pieces));
  return run_rounds(&c, pieces, passes);
}

/* --- many frames as one oracle -----------------------------------------------------------------
 */

static cj_status make_frames(cj_batch_oracle *b, int64_t wanted) {
  if (wanted > b->room) {
    cj_frame **more = cj_alloc((size_t)wanted * sizeof *more);
    if (!more) return cj_fail(CJ_EMEM, "no memory for %lld pieces", (long long)wanted);
    if (b->count) memcpy(more, b->frames, (size_t)b->count * sizeof *more);
    cj_free(b->frames);
    b->frames = more;
    b->room = wanted;
  }
  while (b->count < wanted) {
    CJ_TRY(cj_frame_new(&b->frames[b->count], b->crew->plan));
    b->count++;
  }
  return CJ_OK;
}

static void logits_piece(void *context, int64_t piece) {
  const cj_batch_oracle *b = context;
  const int64_t from = piece * b->piece, left = b->rows - from;
  const cj_plan *p = b->crew->plan;
  forward(b->frames[piece], left < b->piece ? left : b->piece,
          b->x + (size_t)from * row_bytes(cj_plan_input(p, 0)),
          b->z + (size_t)from * row_bytes(cj_plan_output(p, 0)));
}

static cj_status batch_logits(void *self, const cj_tensor *x, bool pulls, cj_tensor *z) {
  cj_batch_oracle *b = self;
  (void)pulls;
  b->rows = x->size[0];
  b->piece = cj_crew_piece(b->crew, b->rows);
  const int64_t pieces = (b->rows + b->piece - 1) / b->piece;
  CJ_TRY(cj_plan_refresh(b->crew->plan, NULL)); /* a callback may have changed the weights */
  CJ_TRY(make_frames(b, pieces));
  CJ_TRY(rows_like(z, cj_plan_output(b->crew->plan, 0), b->rows));
  b->x = x->data;
  b->z = z->data;
  cj_parallel(pieces, logits_piece, b);
  return cj_stop_requested() ? cj_fail(CJ_ESTOP, "interrupted") : CJ_OK;
}

static void pull_piece(void *context, int64_t piece) {
  const cj_batch_oracle *b = context;
  const int64_t from = piece * b->piece;
  const cj_plan *p = b->crew->plan;
  pull(b->frames[piece], b->gz + (size_t)from * row_bytes(cj_plan_output(p, 0)),
       b->gx + (size_t)from * row_bytes(cj_plan_input(p, 0)));
}

static cj_status batch_pull(void *self, const cj_tensor *gz, bool keep, cj_tensor *gx) {
  cj_batch_oracle *b = self;
  (void)keep;
  CJ_TRY(rows_like(gx, cj_plan_input(b->crew->plan, 0), b->rows));
  b->gz = gz->data;
  b->gx = gx->data;
  cj_parallel((b->rows + b->piece - 1) / b->piece, pull_piece, b);
  return cj_stop_requested() ? cj_fail(CJ_ESTOP, "interrupted") : CJ_OK;
}

cj_oracle cj_batch_oracle_open(cj_batch_oracle *b, cj_crew *crew) {
  *b = (cj_batch_oracle){.crew = cj_crew_keep(crew)};
  return (cj_oracle){b, batch_logits, batch_pull, 0, 0};
}

void cj_batch_oracle_drop(cj_batch_oracle *b) {
  for (int64_t i = 0; i < b->count; i++) cj_frame_drop(b->frames[i]);
  cj_free(b->frames);
  cj_crew_drop(b->crew);
  *b = (cj_batch_oracle){0};
}
