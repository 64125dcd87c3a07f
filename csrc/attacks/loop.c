/* loop.c -- start, steps, projection, box, best so far, restarts, early stopping, counts, verdicts.
 *
 * Invariant: a verdict comes from a forward pass on exactly the bytes that are returned. The last
 * pass of a sample is usually that pass; where an earlier iterate is returned, or none was good
 * enough to keep, one more pass is made. */
#include "attacks/loop.h"

#include <math.h>
#include <string.h>

#include "attacks/measure.h"
#include "core/memory.h"
#include "core/random.h"
#include "core/threads.h"

enum {
  PIECE = 8,      /* samples per parallel piece; a size, so results cannot depend on threads */
  SMALL = 1 << 18 /* elements below which one thread is quicker */
};

/* What the loop knows about one sample of the chunk, beyond its record. */
typedef struct lane {
  int64_t y, target; /* target < 0: untargeted */
  bool done;         /* no further restart */
  bool stopped;      /* no further step in this restart */
  bool nan;          /* NaN or infinity turned up */
  bool kept, hit;    /* x_adv holds a candidate; it reached the goal */
  bool last;         /* the sample's last forward pass was on what is kept */
  double value;      /* loss of what is kept */
  int64_t seen_pred; /* of the last iterate judged */
  double seen_value;
} lane;

typedef struct run {
  const cj_attack *a;
  cj_oracle *o;
  const cj_direction *direction;
  const cj_projection *projection, *linf, *l2, *l1;
  int64_t n, classes; /* elements per sample; K, 0 before the first pass */
  size_t bytes;       /* per sample */
  /* The chunk. */
  int64_t first, rows;
  const int64_t *index, *targets, *y;
  const char *x;
  char *x_adv;
  cj_record *records;
  cj_step_sums *trace;
  cj_report report;
  const cj_tensor *like; /* for sizes and type */
  /* Memory for one chunk. */
  lane *lanes;
  int64_t *row;    /* chunk row of each active sample */
  int64_t *from;   /* its place among the active ones before the step */
  int64_t *sample; /* its row in the whole input */
  double *slopes;  /* [rows, K]; NULL before the first pass */
  double *size;    /* largest |g| of each active sample */
  char *state;     /* of the direction, per chunk row */
  char *scratch;   /* scratch_bytes for each piece */
  size_t scratch_bytes;
  /* The iterates of the active samples, their gradient and their direction. */
  int64_t active, going;
  cj_tensor now, next, g, d;
  int64_t step;
} run;

const char *cj_verdict_name(cj_verdict v) {
  static const char *const names[] = {"ALREADY", "SUCCESS", "FAIL", "NAN"};
  return names[v];
}

/* --- small parts -------------------------------------------------------------------------------
 */

static char *row_of(const cj_tensor *t, int64_t j, size_t bytes) {
  return (char *)t->data + (size_t)j * bytes;
}

static cj_status batch_like(const run *r, cj_tensor *out, int64_t rows) {
  int64_t size[CJ_MAX_DIMS];
  memcpy(size, r->like->size, sizeof size);
  size[0] = rows;
  cj_tensor_drop(out);
  return cj_tensor_new(out, r->like->dtype, r->like->ndim, size);
}

static bool finite_row(const double *z, int64_t classes) {
  for (int64_t k = 0; k < classes; k++)
    if (!isfinite(z[k])) return false;
  return true;
}

/* No logit is negative and they add up to 1: the softmax is part of the model. */
static bool looks_like_probabilities(const double *z, int64_t classes) {
  double sum = 0;
  for (int64_t k = 0; k < classes; k++) {
    if (z[k] < 0) return false;
    sum += z[k];
  }
  return fabs(sum - 1) < 1e-4;
}

static bool reached(const lane *s, int64_t pred) {
  return s->target >= 0 ? pred == s->target : pred != s->y;
}

static cj_status check_class(const char *what, int64_t value, int64_t classes, int64_t sample) {
  if (value >= 0 && value < classes) return CJ_OK;
  return cj_fail(CJ_EARG, "expected %s in 0..%lld, got %lld for sample %lld", what,
                 (long long)(classes - 1), (long long)value, (long long)(sample + 1));
}

/* The target of chunk row i, from the clean logits z. */
static int64_t choose_target(const run *r, int64_t i, const double *z) {
  const int64_t y = r->y[i], classes = r->classes;
  switch (r->a->goal) {
  case CJ_GOAL_GIVEN:
    return r->targets[i];
  case CJ_GOAL_LEAST: {
    const int64_t least = cj_smallest(classes, z, -1);
    return least == y ? cj_smallest(classes, z, y) : least;
  }
  case CJ_GOAL_SECOND:
    return cj_largest(classes, z, y);
  case CJ_GOAL_RANDOM: {
    const cj_stream s = cj_stream_open(r->a->seed, "attack.target", (uint64_t)r->index[i]);
    const int64_t k = (int64_t)cj_stream_below(&s, 0, (uint64_t)(classes - 1));
    return k + (k >= y);
  }
  case CJ_GOAL_LABEL:
    return y;
  case CJ_GOAL_AWAY:
    break;
  }
  return -1;
}

/* --- judging -----------------------------------------------------------------------------------
 */

/* The first pass on the clean input: labels, targets and logits are checked, and samples that are
 * there already are left alone. */
static cj_status meet(run *r, int64_t i, const double *z) {
  lane *s = &r->lanes[i];
  cj_record *record = &r->records[i];
  if (!finite_row(z, r->classes))
    return cj_fail(CJ_EARG, "expected finite logits, got NaN or infinity for sample %lld",
                   (long long)(r->a->first + r->first + i + 1));
  CJ_TRY(check_class("labels", r->y[i], r->classes, r->a->first + r->first + i));
  r->report.probabilities += looks_like_probabilities(z, r->classes);
  s->y = r->y[i];
  s->target = record->target = choose_target(r, i, z);
  if (s->target >= 0)
    CJ_TRY(check_class("targets", s->target, r->classes, r->a->first + r->first + i));
  record->pred_clean = record->pred_adv = cj_largest(r->classes, z, -1);
  record->loss_first = cj_loss_value(r->a->loss, r->classes, z, s->y, s->target, NULL);
  record->loss_best = record->loss_adv = record->loss_first;
  if (r->a->goal != CJ_GOAL_LABEL && reached(s, record->pred_clean))
    record->verdict = CJ_ALREADY;
  else
    record->verdict = CJ_FAILED;
  record->broken = record->pred_clean != s->y;
  if (record->verdict == CJ_ALREADY && !r->a->every) {
    s->done = s->stopped = s->kept = s->last = s->hit = true; /* x_adv is x */
    s->value = record->loss_first;
  }
  return CJ_OK;
}

/* Keeps iterate j, just judged, if nothing is kept, if it is the first success, or if it is as
 * successful and has the higher loss. */
static void offer(run *r, int64_t j) {
  const int64_t i = r->row[j];
  lane *s = &r->lanes[i];
  const bool hit = reached(s, s->seen_pred);
  char *keep = r->x_adv + (size_t)i * r->bytes;
  const char *seen = row_of(&r->now, j, r->bytes);
  if (s->kept && (s->hit != hit ? s->hit : s->seen_value <= s->value)) {
    s->last = s->seen_value == s->value && memcmp(keep, seen, r->bytes) == 0;
    return;
  }
  memcpy(keep, seen, r->bytes);
  s->kept = s->last = true;
  s->hit = hit;
  s->value = s->seen_value;
  r->records[i].pred_adv = s->seen_pred;
  r->records[i].loss_adv = s->seen_value;
}

static void judge_finite(run *r, int64_t j, const double *z) {
  const int64_t i = r->row[j];
  lane *s = &r->lanes[i];
  cj_record *record = &r->records[i];
  double *slope = r->slopes + j * r->classes;
  s->seen_pred = cj_largest(r->classes, z, -1);
  s->seen_value = cj_loss_value(r->a->loss, r->classes, z, s->y, s->target, slope);
  record->broken |= s->seen_pred != s->y;
  record->loss_best = fmax(record->loss_best, s->seen_value);
  const bool over = r->step == r->a->steps || (r->a->early && reached(s, s->seen_pred));
  s->stopped = s->nan || over;
  if (r->a->best || s->stopped) offer(r, j);
  if (!r->trace) return;
  r->trace[r->step].samples++;
  r->trace[r->step].correct += s->seen_pred == s->y;
  r->trace[r->step].loss += s->seen_value;
}

/* Looks at the logits of iterate j; its slopes become those of the loss, or zeros if it stops. */
static void judge(run *r, int64_t j, const double *z) {
  const int64_t i = r->row[j];
  lane *s = &r->lanes[i];
  r->records[i].forwards++;
  if (!s->stopped) {
    s->last = false;
    if (finite_row(z, r->classes))
      judge_finite(r, j, z);
    else
      s->nan = s->stopped = true;
  }
  if (s->stopped) memset(r->slopes + j * r->classes, 0, (size_t)r->classes * sizeof(double));
}

static cj_status take_logits(run *r, const cj_tensor *x, bool pulls, cj_logits *l) {
  CJ_TRY(cj_oracle_logits(r->o, x, pulls, r->classes, l));
  if (r->slopes) return CJ_OK;
  r->classes = l->classes;
  r->slopes = cj_alloc((size_t)(r->a->batch * l->classes) * sizeof(double));
  if (r->slopes) return CJ_OK;
  cj_logits_drop(l);
  return cj_fail(CJ_EMEM, "no memory for slopes");
}

/* One forward pass on the iterates. clean: they are the inputs themselves, seen for the first time.
 */
static cj_status pass(run *r, bool clean, bool judged, cj_logits *l) {
  CJ_TRY(take_logits(r, &r->now, judged && r->step < r->a->steps, l));
  for (int64_t j = 0; clean && j < r->active; j++) {
    const cj_status status = meet(r, r->row[j], l->z + j * l->classes);
    if (status == CJ_OK) continue;
    cj_logits_drop(l);
    return status;
  }
  for (int64_t j = 0; j < r->active; j++) {
    if (judged)
      judge(r, j, l->z + j * l->classes);
    else
      r->records[r->row[j]].forwards++;
  }
  return CJ_OK;
}

/* --- stepping ----------------------------------------------------------------------------------
 */

/* Runs task for the pieces of `rows` samples; on one thread where more would cost more than they
 * save. */
static void share_out(run *r, int64_t rows, cj_task task) {
  const int64_t pieces = (rows + PIECE - 1) / PIECE;
  if (rows * r->n >= SMALL || r->projection->scratch)
    cj_parallel(pieces, task, r);
  else
    for (int64_t piece = 0; piece < pieces; piece++) task(r, piece);
}

static void inspect_piece(void *self, int64_t piece) {
  run *r = self;
  for (int64_t j = piece * PIECE; j < r->active && j < (piece + 1) * PIECE; j++)
    r->size[j] = r->linf->norm(r->n, row_of(&r->g, j, r->bytes));
}

/* Looks at the gradients and lists in `from` the samples that go on. */
static void inspect(run *r) {
  share_out(r, r->active, inspect_piece);
  r->going = 0;
  for (int64_t j = 0; j < r->active; j++) {
    lane *s = &r->lanes[r->row[j]];
    cj_record *record = &r->records[r->row[j]];
    if (s->stopped) continue;
    record->backwards++;
    if (isnan(r->size[j])) {
      s->nan = s->stopped = true;
      if (!s->kept) offer(r, j);
      continue;
    }
    if (r->size[j] == 0) {
      record->zeros++;
      if (r->trace) r->trace[r->step].zeros++;
    }
    record->iters++;
    r->from[r->going++] = j;
  }
}

static void scale_row(const run *r, void *d) {
  const cj_projection *p = r->a->scale == CJ_SCALE_LINF ? r->linf : r->l2;
  cj_attack_divide(r->like->dtype, r->n, d, p->norm(r->n, d));
}

/* The step of the k-th sample that goes on, from `now` to `next`. */
static void move_one(run *r, int64_t k, char *scratch) {
  const int64_t j = r->from[k], i = r->row[j];
  char *d = scratch;
  bool usable = true;
  if (r->direction) {
    const size_t states = (size_t)r->direction->states * r->bytes;
    r->direction->apply(r->a->numbers, r->n, row_of(&r->g, j, r->bytes),
                        r->state ? r->state + (size_t)i * states : NULL, d);
  } else
    memcpy(d, row_of(&r->d, k, r->bytes), r->bytes);
  if (!r->direction || isinf(r->size[j])) usable = isfinite(r->linf->norm(r->n, d));
  if (usable && r->a->scale != CJ_SCALE_NONE) scale_row(r, d);
  if (!usable) r->lanes[i].nan = true; /* stays where it is and stops at the next pass */
  r->projection->move(&r->a->ball, r->n, usable ? r->a->alpha : 0, usable ? d : NULL,
                      r->x + (size_t)i * r->bytes, row_of(&r->now, j, r->bytes),
                      row_of(&r->next, k, r->bytes), scratch + r->bytes);
}

static void move_piece(void *self, int64_t piece) {
  run *r = self;
  for (int64_t k = piece * PIECE; k < r->going && k < (piece + 1) * PIECE; k++)
    move_one(r, k, r->scratch + (size_t)piece * r->scratch_bytes);
}

/* Has the direction made outside, for the samples that go on only. */
static cj_status call_direct(run *r) {
  cj_tensor g = {0};
  cj_tensor_drop(&r->d);
  if (r->going == r->active)
    cj_tensor_share(&g, &r->g);
  else
    CJ_TRY(batch_like(r, &g, r->going));
  for (int64_t k = 0; r->going < r->active && k < r->going; k++)
    memcpy(row_of(&g, k, r->bytes), row_of(&r->g, r->from[k], r->bytes), r->bytes);
  const cj_status status = r->a->direct(r->a->direct_self, r->step, r->going, r->from, &g, &r->d);
  cj_tensor_drop(&g);
  return status;
}

/* One step of every sample that goes on; the others leave. */
static cj_status advance(run *r, const cj_logits *l) {
  cj_tensor_drop(&r->g);
  CJ_TRY(cj_oracle_pull(r->o, l, r->slopes, false, &r->g));
  inspect(r);
  if (r->going == 0) return CJ_OK;
  if (!r->direction) CJ_TRY(call_direct(r));
  CJ_TRY(batch_like(r, &r->next, r->going));
  share_out(r, r->going, move_piece);
  for (int64_t k = 0; k < r->going; k++) {
    r->row[k] = r->row[r->from[k]];
    r->sample[k] = r->first + r->row[k];
  }
  cj_tensor_drop(&r->now);
  r->now = r->next;
  r->next = (cj_tensor){0};
  return CJ_OK;
}

static bool any_goes_on(const run *r) {
  for (int64_t j = 0; j < r->active; j++)
    if (!r->lanes[r->row[j]].stopped) return true;
  return false;
}

/* Passes and steps until nobody goes on. */
static cj_status climb(run *r, bool clean, bool watched) {
  for (r->step = 0;; r->step++) {
    cj_logits l = {0};
    if (cj_stop_requested()) return cj_fail(CJ_ESTOP, "interrupted");
    if (watched && r->a->watch)
      CJ_TRY(r->a->watch(r->a->watch_self, r->step, r->active, r->sample, &r->now));
    CJ_TRY(pass(r, clean && r->step == 0, true, &l));
    r->going = 0;
    const cj_status status = any_goes_on(r) ? advance(r, &l) : CJ_OK;
    cj_logits_drop(&l);
    if (status != CJ_OK || r->going == 0) return status;
    r->active = r->going;
  }
}

/* --- chunks ------------------------------------------------------------------------------------
 */

/* Makes the samples that are not done active, at x or at a random start. */
static cj_status begin(run *r, bool random, int64_t restart) {
  r->active = 0;
  for (int64_t i = 0; i < r->rows; i++) {
    if (r->lanes[i].done) continue;
    r->lanes[i].stopped = false;
    r->row[r->active] = i;
    r->sample[r->active++] = r->first + i;
  }
  if (r->active == 0) return CJ_OK;
  CJ_TRY(batch_like(r, &r->now, r->active));
  for (int64_t j = 0; j < r->active; j++) {
    const int64_t i = r->row[j];
    const char *x = r->x + (size_t)i * r->bytes;
    const cj_start_key key = {r->a->seed, (uint64_t)r->index[i], (uint64_t)restart};
    char *out = row_of(&r->now, j, r->bytes);
    if (random)
      r->projection->start(&r->a->ball, &key, r->n, x, out, r->scratch);
    else
      memcpy(out, x, r->bytes);
  }
  if (r->state) memset(r->state, 0, (size_t)(r->rows * r->direction->states) * r->bytes);
  return CJ_OK;
}

/* A pass on the clean inputs before a random start. */
static cj_status meet_all(run *r) {
  cj_logits l = {0};
  CJ_TRY(begin(r, false, 0));
  const cj_status status = pass(r, true, false, &l);
  cj_logits_drop(&l);
  return status;
}

/* The pass on what is returned, for samples whose last pass was on something else. */
static cj_status confirm(run *r) {
  cj_logits l = {0};
  r->active = 0;
  for (int64_t i = 0; i < r->rows; i++)
    if (!r->lanes[i].last) r->row[r->active++] = i;
  if (r->active == 0) return CJ_OK;
  CJ_TRY(batch_like(r, &r->now, r->active));
  for (int64_t j = 0; j < r->active; j++)
    memcpy(row_of(&r->now, j, r->bytes), r->x_adv + (size_t)r->row[j] * r->bytes, r->bytes);
  CJ_TRY(take_logits(r, &r->now, false, &l));
  for (int64_t j = 0; j < r->active; j++) {
    const double *z = l.z + j * l.classes;
    lane *s = &r->lanes[r->row[j]];
    cj_record *record = &r->records[r->row[j]];
    record->forwards++;
    record->pred_adv = cj_largest(l.classes, z, -1);
    record->loss_adv = cj_loss_value(r->a->loss, l.classes, z, s->y, s->target, NULL);
    s->hit = reached(s, record->pred_adv);
  }
  cj_logits_drop(&l);
  return CJ_OK;
}

/* Norms of x_adv - x in the stored precision; d is scratch for one sample. */
static void measure(const run *r, int64_t i, void *d) {
  cj_record *record = &r->records[i];
  const void *x = r->x + (size_t)i * r->bytes, *out = r->x_adv + (size_t)i * r->bytes;
  record->l0 = (double)cj_attack_subtract(r->like->dtype, r->n, out, x, d);
  record->linf = r->linf->norm(r->n, d);
  record->l2 = r->l2->norm(r->n, d);
  record->l1 = r->l1->norm(r->n, d);
}

static void measure_piece(void *self, int64_t piece) {
  const run *r = self;
  for (int64_t i = piece * PIECE; i < r->rows && i < (piece + 1) * PIECE; i++)
    measure(r, i, r->scratch + (size_t)piece * r->scratch_bytes);
}

static void settle(run *r) {
  for (int64_t i = 0; i < r->rows; i++) {
    const lane *s = &r->lanes[i];
    cj_record *record = &r->records[i];
    record->broken |= record->pred_adv != s->y;
    if (record->verdict != CJ_ALREADY)
      record->verdict = s->hit ? CJ_SUCCESS : s->nan ? CJ_NAN : CJ_FAILED;
  }
  share_out(r, r->rows, measure_piece);
}

static cj_status run_chunk(run *r) {
  const bool random = r->a->random_start && r->a->steps > 0;
  cj_step_sums *trace = r->trace;
  memset(r->lanes, 0, (size_t)r->rows * sizeof(lane));
  memset(r->records, 0, (size_t)r->rows * sizeof(cj_record));
  memcpy(r->x_adv, r->x, (size_t)r->rows * r->bytes);
  if (random) CJ_TRY(meet_all(r));
  for (int64_t restart = 0; restart < r->a->restarts; restart++) {
    CJ_TRY(begin(r, random, restart));
    if (r->active == 0) break;
    r->trace = restart == 0 ? trace : NULL;
    const cj_status status = climb(r, restart == 0 && !random, restart == 0);
    r->trace = trace;
    CJ_TRY(status);
    for (int64_t i = 0; i < r->rows; i++) r->lanes[i].done |= r->lanes[i].hit || r->lanes[i].nan;
  }
  CJ_TRY(confirm(r));
  settle(r);
  return CJ_OK;
}

static cj_status prepare(run *r) {
  const int64_t rows = r->a->batch;
  const cj_dtype type = r->like->dtype;
  r->projection = cj_projection_find(r->a->norm, type);
  r->linf = cj_projection_find("linf", type);
  r->l2 = cj_projection_find("l2", type);
  r->l1 = cj_projection_find("l1", type);
  if (!r->projection) return cj_fail(CJ_EARG, "expected a known norm, got \"%s\"", r->a->norm);
  if (r->a->direction) {
    r->direction = cj_direction_find(r->a->direction, type);
    if (!r->direction)
      return cj_fail(CJ_EARG, "expected a known direction, got \"%s\"", r->a->direction);
  }
  r->scratch_bytes = r->bytes + (size_t)r->n * r->projection->scratch;
  r->scratch_bytes = (r->scratch_bytes + CJ_ALIGN - 1) / CJ_ALIGN * CJ_ALIGN;
  const size_t states = r->direction ? (size_t)r->direction->states : 0;
  r->lanes = cj_alloc((size_t)rows * sizeof(lane));
  r->row = cj_alloc((size_t)rows * sizeof(int64_t));
  r->from = cj_alloc((size_t)rows * sizeof(int64_t));
  r->sample = cj_alloc((size_t)rows * sizeof(int64_t));
  r->size = cj_alloc((size_t)rows * sizeof(double));
  r->scratch = cj_alloc((size_t)((rows + PIECE - 1) / PIECE) * r->scratch_bytes);
  if (states) r->state = cj_alloc((size_t)rows * states * r->bytes);
  if (!r->lanes || !r->row || !r->from || !r->sample || !r->size || !r->scratch ||
      (states && !r->state))
    return cj_fail(CJ_EMEM, "no memory for %lld samples", (long long)rows);
  return CJ_OK;
}

static void release(run *r) {
  void *blocks[] = {r->lanes, r->row, r->from, r->sample, r->size, r->scratch, r->state, r->slopes};
  for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) cj_free(blocks[i]);
  cj_tensor_drop(&r->now);
  cj_tensor_drop(&r->next);
  cj_tensor_drop(&r->g);
  cj_tensor_drop(&r->d);
}

cj_status cj_attack_run(const cj_attack *a, cj_oracle *o, const cj_tensor *x, const int64_t *y,
                        const int64_t *targets, const int64_t *index, cj_tensor *x_adv,
                        cj_record *records, cj_step_sums *trace, cj_report *report) {
  const int64_t samples = x->size[0];
  run r = {.a = a, .o = o, .like = x};
  if (samples == 0) return CJ_OK;
  CJ_TRY(cj_attack_check_box(x, &a->ball));
  r.n = cj_numel(x) / samples;
  r.bytes = (size_t)r.n * cj_dtype_bytes(x->dtype);
  if (trace) memset(trace, 0, (size_t)(a->steps + 1) * sizeof(cj_step_sums));
  cj_status status = prepare(&r);
  for (r.first = 0; status == CJ_OK && r.first < samples; r.first += a->batch) {
    r.rows = samples - r.first < a->batch ? samples - r.first : a->batch;
    r.index = index + r.first;
    r.targets = targets ? targets + r.first : NULL;
    r.y = y + r.first;
    r.x = (const char *)x->data + (size_t)r.first * r.bytes;
    r.x_adv = (char *)x_adv->data + (size_t)r.first * r.bytes;
    r.records = records + r.first;
    r.trace = trace;
    status = run_chunk(&r);
  }
  r.report.classes = r.classes;
  *report = r.report;
  release(&r);
  return status;
}
