/* loop.c -- chunks of trials: start, questions to the oracle, verdicts, counts.
 *
 * Invariant: a verdict comes from a forward pass on exactly the bytes that are returned. The last
 * pass of a sample is usually that pass, and a clean input was looked at first; where an earlier
 * point is returned, one more pass is made. */
#include "attacks/loop.h"

#include <math.h>
#include <string.h>

#include "attacks/measure.h"
#include "attacks/trial.h"
#include "core/threads.h"

enum {
  PIECE = 8,      /* samples per parallel piece; a size, so results cannot depend on threads */
  SMALL = 1 << 18 /* elements below which one thread is quicker */
};

typedef struct run {
  const cj_attack *a;
  cj_oracle *o;
  const cj_method *method;
  cj_trial blank;        /* what all trials share */
  int64_t classes;       /* K, 0 before the first pass */
  size_t bytes;          /* of a sample */
  size_t state_bytes;    /* of a trial's state */
  const cj_tensor *like; /* for sizes and type */
  cj_report report;
  /* The chunk. */
  int64_t first, rows;
  cj_samples in;
  cj_findings out;
  /* Memory for one chunk. */
  cj_trial *trials;
  cj_ask *asks;
  int64_t *row;                    /* chunk row of each active sample */
  int64_t *sample;                 /* its row in the whole input, where a callback asks */
  int64_t *from;                   /* the active samples whose direction is asked for */
  double *slopes;                  /* [rows, K]; NULL before the first pass */
  char *points, *states, *scratch; /* scratch: one sample for each piece */
  /* The points of the active samples, their gradient and their direction. */
  int64_t active, round;
  cj_tensor now, g, d;
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

static cj_status check_class(const char *what, int64_t value, int64_t classes, int64_t sample) {
  if (value >= 0 && value < classes) return CJ_OK;
  return cj_fail(CJ_EARG, "expected %s in 0..%lld, got %lld for sample %lld", what,
                 (long long)(classes - 1), (long long)value, (long long)(sample + 1));
}

/* The target of chunk row i, from the clean logits z. */
static int64_t choose_target(const run *r, int64_t i, const double *z) {
  const int64_t y = r->in.y[i], classes = r->classes;
  switch (r->a->goal) {
  case CJ_GOAL_GIVEN:
    return r->in.targets[i];
  case CJ_GOAL_LEAST: {
    const int64_t least = cj_smallest(classes, z, -1);
    return least == y ? cj_smallest(classes, z, y) : least;
  }
  case CJ_GOAL_SECOND:
    return cj_largest(classes, z, y);
  case CJ_GOAL_RANDOM: {
    const cj_stream s = cj_stream_open(r->a->seed, "attack.target", (uint64_t)r->in.index[i]);
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

/* --- looking -----------------------------------------------------------------------------------
 */

/* The first pass on the clean input: labels, targets and logits are checked, and samples that are
 * there already are left alone. */
static cj_status meet(run *r, int64_t i) {
  cj_trial *t = &r->trials[i];
  const int64_t number = r->a->first + r->first + i;
  if (!finite_row(t->z, r->classes))
    return cj_fail(CJ_EARG, "expected finite logits, got NaN or infinity for sample %lld",
                   (long long)(number + 1));
  CJ_TRY(check_class("labels", r->in.y[i], r->classes, number));
  r->report.probabilities += looks_like_probabilities(t->z, r->classes);
  t->y = r->in.y[i];
  t->target = t->record->target = choose_target(r, i, t->z);
  if (r->a->goal != CJ_GOAL_AWAY) CJ_TRY(check_class("targets", t->target, r->classes, number));
  cj_record *record = t->record;
  record->pred_clean = record->pred_adv = cj_trial_pred(t);
  record->loss_first = cj_loss_value(r->a->loss, r->classes, t->z, t->y, t->target, NULL);
  record->loss_best = record->loss_adv = record->loss_first;
  const bool already = r->a->goal != CJ_GOAL_LABEL && cj_trial_reached(t);
  record->verdict = already ? CJ_ALREADY : CJ_FAILED;
  record->broken = record->pred_clean != t->y;
  if (already && !(r->a->every && r->method->every)) {
    t->kept = (cj_kept){.any = true, .hit = true, .last = true, .value = record->loss_first};
    r->asks[i] = CJ_ASK_END; /* x_adv is x */
  }
  return CJ_OK;
}

/* State and slopes for the number of classes that the first logits have. */
static cj_status take_logits(run *r, const cj_tensor *x, bool pulls, cj_logits *l) {
  CJ_TRY(cj_oracle_logits(r->o, x, pulls, r->classes, l));
  if (r->slopes) return CJ_OK;
  const size_t rows = (size_t)r->a->batch;
  r->classes = r->blank.classes = l->classes;
  r->state_bytes = cj_aligned(r->method->state(r->a, r->blank.n, l->classes));
  r->slopes = cj_alloc(rows * (size_t)l->classes * sizeof(double));
  r->states = cj_alloc(rows * r->state_bytes);
  if (r->slopes && r->states) return CJ_OK;
  cj_logits_drop(l);
  return cj_fail(CJ_EMEM, "no memory for the state of %lld samples", (long long)rows);
}

/* Is this pass part of the first restart's path? The look at clean inputs before a random start is
 * not. */
static bool on_the_path(const run *r, const cj_trial *t) {
  const bool before = r->round == 0 && r->a->random_start && r->a->steps > 0;
  return r->method->traced && t->restart == 0 && !before;
}

static void look_piece(void *self, int64_t piece) {
  run *r = self;
  for (int64_t j = piece * PIECE; j < r->active && j < (piece + 1) * PIECE; j++) {
    const int64_t i = r->row[j];
    if (r->asks[i] == CJ_ASK_END) continue;
    r->trials[i].kept.last = false;
    r->asks[i] = r->trials[i].nan ? CJ_ASK_END : r->method->seen(&r->trials[i]);
  }
}

/* Runs task for the pieces of the active samples; on one thread where more would cost more than
 * they save. */
static void share_out(run *r, int64_t rows, cj_task task) {
  const int64_t pieces = (rows + PIECE - 1) / PIECE;
  const bool heavy = !r->method->traced || r->blank.ball_norm->scratch;
  if (heavy || rows * r->blank.n >= SMALL)
    cj_parallel(pieces, task, r);
  else
    for (int64_t piece = 0; piece < pieces; piece++) task(r, piece);
}

/* Counts the points that were looked at, in the order of the samples. */
static void count_looks(run *r, const double *z) {
  for (int64_t j = 0; j < r->active; j++) {
    cj_trial *t = &r->trials[r->row[j]];
    if (r->asks[r->row[j]] == CJ_ASK_END) continue;
    if (!finite_row(z + j * r->classes, r->classes)) {
      t->nan = true;
      continue;
    }
    if (r->method->inside) t->record->broken |= cj_trial_pred(t) != t->y;
    if (!r->out.sums || !on_the_path(r, t)) continue;
    r->out.sums[t->step].samples++;
    r->out.sums[t->step].correct += cj_trial_pred(t) == t->y;
    r->out.sums[t->step].loss += cj_loss_value(r->a->loss, r->classes, t->z, t->y, t->target, NULL);
  }
}

/* The logits of all points, and what the method makes of them. */
static cj_status look(run *r, cj_logits *l) {
  bool pulls = r->round == 0 && r->a->steps > 0;
  for (int64_t j = 0; j < r->active; j++) pulls |= r->asks[r->row[j]] == CJ_ASK_POINT;
  CJ_TRY(take_logits(r, &r->now, pulls, l));
  for (int64_t j = 0; j < r->active; j++) {
    cj_trial *t = &r->trials[r->row[j]];
    t->classes = r->classes;
    t->z = l->z + j * r->classes;
    t->slopes = r->slopes + j * r->classes;
    t->record->forwards++;
    if (r->round > 0) continue;
    t->state = r->states + (size_t)r->row[j] * r->state_bytes;
    memset(t->state, 0, r->state_bytes);
    CJ_TRY(meet(r, r->row[j]));
  }
  count_looks(r, l->z);
  share_out(r, r->active, look_piece);
  return CJ_OK;
}

/* --- pulling -----------------------------------------------------------------------------------
 */

static void measure_piece(void *self, int64_t piece) {
  run *r = self;
  for (int64_t j = piece * PIECE; j < r->active && j < (piece + 1) * PIECE; j++) {
    cj_trial *t = &r->trials[r->row[j]];
    t->g = row_of(&r->g, j, r->bytes);
    if (r->asks[r->row[j]] == CJ_ASK_PULL) t->size = t->linf->norm(t->n, t->g);
  }
}

/* Looks at the gradients; samples with NaN end. */
static void inspect(run *r) {
  share_out(r, r->active, measure_piece);
  for (int64_t j = 0; j < r->active; j++) {
    cj_trial *t = &r->trials[r->row[j]];
    if (r->asks[r->row[j]] != CJ_ASK_PULL) continue;
    t->record->backwards++;
    if (isnan(t->size)) {
      t->nan = true;
      r->asks[r->row[j]] = CJ_ASK_END;
      if (!t->kept.any && r->method->inside) cj_trial_keep_highest(t, t->value);
    } else if (t->size == 0) {
      t->record->zeros++;
      if (r->out.sums && on_the_path(r, t)) r->out.sums[t->step].zeros++;
    }
  }
}

/* The rows of `all` whose direction is asked for, in `out`, empty before. */
static cj_status asking(const run *r, const cj_tensor *all, int64_t going, cj_tensor *out) {
  if (going == r->active) {
    cj_tensor_share(out, all);
    return CJ_OK;
  }
  CJ_TRY(batch_like(r, out, going));
  for (int64_t k = 0; k < going; k++)
    memcpy(row_of(out, k, r->bytes), row_of(all, r->from[k], r->bytes), r->bytes);
  return CJ_OK;
}

/* Has the direction made outside, for the samples that go on only. */
static cj_status call_direct(run *r) {
  cj_tensor x = {0}, g = {0};
  int64_t going = 0;
  cj_tensor_drop(&r->d);
  for (int64_t j = 0; j < r->active; j++)
    if (r->asks[r->row[j]] == CJ_ASK_PULL) r->from[going++] = j;
  if (going == 0) return CJ_OK;
  for (int64_t k = 0; k < going; k++) r->sample[k] = r->first + r->row[r->from[k]];
  const cj_stand at = {.step = r->trials[r->row[r->from[0]]].step,
                       .rows = going,
                       .sample = r->sample,
                       .from = r->from,
                       .x = &x,
                       .g = &g};
  cj_status status = asking(r, &r->now, going, &x);
  if (status == CJ_OK) status = asking(r, &r->g, going, &g);
  if (status == CJ_OK) status = r->a->direct(r->a->direct_self, &at, &r->d);
  cj_tensor_drop(&x);
  cj_tensor_drop(&g);
  for (int64_t k = 0; status == CJ_OK && k < going; k++)
    r->trials[r->row[r->from[k]]].d = row_of(&r->d, k, r->bytes);
  return status;
}

static void pulled_piece(void *self, int64_t piece) {
  run *r = self;
  for (int64_t j = piece * PIECE; j < r->active && j < (piece + 1) * PIECE; j++) {
    const int64_t i = r->row[j];
    if (r->asks[i] == CJ_ASK_PULL) r->asks[i] = r->method->pulled(&r->trials[i]);
  }
}

static bool any_pulls(const run *r) {
  for (int64_t j = 0; j < r->active; j++)
    if (r->asks[r->row[j]] == CJ_ASK_PULL) return true;
  return false;
}

/* Gradients until nobody asks for one. */
static cj_status pull(run *r, const cj_logits *l) {
  while (any_pulls(r)) {
    for (int64_t j = 0; j < r->active; j++)
      if (r->asks[r->row[j]] != CJ_ASK_PULL)
        memset(r->slopes + j * r->classes, 0, (size_t)r->classes * sizeof(double));
    cj_tensor_drop(&r->g);
    CJ_TRY(cj_oracle_pull(r->o, l, r->slopes, !r->method->traced, &r->g));
    inspect(r);
    if (r->a->direct) CJ_TRY(call_direct(r));
    share_out(r, r->active, pulled_piece);
  }
  return CJ_OK;
}

/* --- chunks ------------------------------------------------------------------------------------
 */

/* The samples that go on, and their points in `now`. */
static cj_status gather(run *r) {
  int64_t active = 0;
  for (int64_t j = 0; j < r->active; j++)
    if (r->asks[r->row[j]] != CJ_ASK_END) r->row[active++] = r->row[j];
  r->active = active;
  if (active == 0) return CJ_OK;
  CJ_TRY(batch_like(r, &r->now, active));
  for (int64_t j = 0; j < active; j++) {
    r->sample[j] = r->first + r->row[j];
    memcpy(row_of(&r->now, j, r->bytes), r->trials[r->row[j]].point, r->bytes);
  }
  return CJ_OK;
}

/* Questions and answers until nobody asks. */
static cj_status play(run *r) {
  for (r->round = 0;; r->round++) {
    cj_logits l = {0};
    CJ_TRY(gather(r));
    if (r->active == 0) return CJ_OK;
    if (cj_stop_requested()) return cj_fail(CJ_ESTOP, "interrupted");
    const cj_trial *t = &r->trials[r->row[0]];
    if (r->a->watch && on_the_path(r, t))
      CJ_TRY(r->a->watch(r->a->watch_self, t->step, r->active, r->sample, &r->now));
    cj_status status = look(r, &l);
    if (status == CJ_OK) status = pull(r, &l);
    cj_logits_drop(&l);
    CJ_TRY(status);
  }
}

/* The pass on what is returned, for samples whose last pass was on something else. */
static cj_status confirm(run *r) {
  cj_logits l = {0};
  r->active = 0;
  for (int64_t i = 0; i < r->rows; i++)
    if (r->trials[i].kept.any && !r->trials[i].kept.last) r->row[r->active++] = i;
  if (r->active == 0) return CJ_OK;
  CJ_TRY(batch_like(r, &r->now, r->active));
  for (int64_t j = 0; j < r->active; j++)
    memcpy(row_of(&r->now, j, r->bytes), r->trials[r->row[j]].x_adv, r->bytes);
  CJ_TRY(take_logits(r, &r->now, false, &l));
  for (int64_t j = 0; j < r->active; j++) {
    cj_trial *t = &r->trials[r->row[j]];
    t->z = l.z + j * l.classes;
    t->record->forwards++;
    t->record->pred_adv = cj_trial_pred(t);
    t->record->loss_adv = cj_loss_value(r->a->loss, l.classes, t->z, t->y, t->target, NULL);
    t->kept.hit = cj_trial_reached(t);
  }
  cj_logits_drop(&l);
  return CJ_OK;
}

/* Norms of x_adv - x in the stored precision; d is scratch for one sample. */
static void measure(const run *r, int64_t i, void *d) {
  const cj_trial *t = &r->trials[i];
  t->record->l0 = (double)cj_attack_subtract(t->dtype, t->n, t->x_adv, t->x, d);
  t->record->linf = t->linf->norm(t->n, d);
  t->record->l2 = t->l2->norm(t->n, d);
  t->record->l1 = t->l1->norm(t->n, d);
}

static void norms_piece(void *self, int64_t piece) {
  const run *r = self;
  for (int64_t i = piece * PIECE; i < r->rows && i < (piece + 1) * PIECE; i++)
    measure(r, i, r->scratch + (size_t)piece * cj_aligned(r->bytes));
}

static void settle(run *r) {
  for (int64_t i = 0; i < r->rows; i++) {
    const cj_trial *t = &r->trials[i];
    cj_record *record = t->record;
    record->broken |= record->pred_adv != t->y;
    if (record->verdict != CJ_ALREADY)
      record->verdict = t->kept.hit ? CJ_SUCCESS : t->nan ? CJ_NAN : CJ_FAILED;
  }
  share_out(r, r->rows, norms_piece);
}

/* Trial i of the chunk, at its clean input. */
static void begin(run *r, int64_t i) {
  const size_t at = (size_t)i * r->bytes;
  const double eps = r->a->ball.eps, radius = r->in.radii ? r->in.radii[i] : eps;
  cj_trial *t = &r->trials[i];
  *t = r->blank;
  t->index = (uint64_t)r->in.index[i];
  t->ball.eps = radius;
  t->alpha = radius == eps || !(eps > 0) ? r->a->alpha : r->a->alpha * (radius / eps);
  t->x = (const char *)r->in.x->data + (size_t)r->first * r->bytes + at;
  t->x_adv = (char *)r->out.x_adv->data + (size_t)r->first * r->bytes + at;
  t->point = r->points + at;
  t->record = &r->out.records[i];
  t->extra = r->out.extra ? r->out.extra + i * r->a->extras : NULL;
  memcpy(t->point, t->x, r->bytes);
  memcpy(t->x_adv, t->x, r->bytes);
  memset(t->record, 0, sizeof *t->record);
  if (t->extra) memset(t->extra, 0, (size_t)r->a->extras * sizeof(double));
  r->asks[i] = CJ_ASK_POINT;
  r->row[i] = i;
}

static cj_status run_chunk(run *r) {
  for (int64_t i = 0; i < r->rows; i++) begin(r, i);
  r->active = r->rows;
  CJ_TRY(play(r));
  CJ_TRY(confirm(r));
  settle(r);
  return CJ_OK;
}

/* --- the call ----------------------------------------------------------------------------------
 */

static cj_status find_parts(run *r) {
  const cj_attack *a = r->a;
  const cj_dtype type = r->like->dtype;
  r->method = cj_method_find(a->method, type);
  r->blank.ball_norm = cj_projection_find(a->norm, type);
  r->blank.linf = cj_projection_find("linf", type);
  r->blank.l2 = cj_projection_find("l2", type);
  r->blank.l1 = cj_projection_find("l1", type);
  if (!r->method) return cj_fail(CJ_EARG, "expected a known method, got \"%s\"", a->method);
  if (!r->blank.ball_norm) return cj_fail(CJ_EARG, "expected a known norm, got \"%s\"", a->norm);
  if (a->direction && !cj_direction_find(a->direction, type))
    return cj_fail(CJ_EARG, "expected a known direction, got \"%s\"", a->direction);
  return CJ_OK;
}

static cj_status prepare(run *r) {
  const size_t rows = (size_t)r->a->batch, pieces = (rows + PIECE - 1) / PIECE;
  CJ_TRY(find_parts(r));
  r->trials = cj_alloc(rows * sizeof(cj_trial));
  r->asks = cj_alloc(rows * sizeof(cj_ask));
  r->row = cj_alloc(rows * sizeof(int64_t));
  r->from = cj_alloc(rows * sizeof(int64_t));
  r->sample = cj_alloc(rows * sizeof(int64_t));
  r->points = cj_alloc(rows * r->bytes);
  r->scratch = cj_alloc(pieces * cj_aligned(r->bytes));
  if (!r->trials || !r->asks || !r->row || !r->from || !r->sample || !r->points || !r->scratch)
    return cj_fail(CJ_EMEM, "no memory for %lld samples", (long long)rows);
  return CJ_OK;
}

static void release(run *r) {
  void *blocks[] = {r->trials, r->asks,   r->row,    r->from,   r->sample,
                    r->points, r->states, r->slopes, r->scratch};
  for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) cj_free(blocks[i]);
  cj_tensor_drop(&r->now);
  cj_tensor_drop(&r->g);
  cj_tensor_drop(&r->d);
}

/* Sizes of one sample. */
static void shape(run *r, const cj_tensor *x) {
  const bool image = x->ndim == 4;
  r->blank.a = r->a;
  r->blank.ball = r->a->ball;
  r->blank.dtype = x->dtype;
  r->blank.n = cj_numel(x) / x->size[0];
  r->blank.channels = image ? x->size[1] : 1;
  r->blank.height = image ? x->size[2] : 1;
  r->blank.width = image ? x->size[3] : r->blank.n;
  r->bytes = (size_t)r->blank.n * cj_dtype_bytes(x->dtype);
}

static void take_chunk(run *r, const cj_samples *in, const cj_findings *out) {
  const int64_t first = r->first, left = in->x->size[0] - first;
  r->rows = left < r->a->batch ? left : r->a->batch;
  r->in = (cj_samples){.x = in->x,
                       .y = in->y + first,
                       .targets = in->targets ? in->targets + first : NULL,
                       .index = in->index + first,
                       .radii = in->radii ? in->radii + first : NULL};
  r->out = *out;
  r->out.records += first;
  if (out->extra) r->out.extra += first * r->a->extras;
}

cj_status cj_attack_run(const cj_attack *a, cj_oracle *o, const cj_samples *in, cj_findings *out) {
  run r = {.a = a, .o = o, .like = in->x};
  const int64_t samples = in->x->size[0];
  if (samples == 0) return CJ_OK;
  CJ_TRY(cj_attack_check_box(in->x, &a->ball));
  shape(&r, in->x);
  if (out->sums) memset(out->sums, 0, (size_t)(a->steps + 1) * sizeof(cj_step_sums));
  cj_status status = prepare(&r);
  for (r.first = 0; status == CJ_OK && r.first < samples; r.first += a->batch) {
    take_chunk(&r, in, out);
    status = run_chunk(&r);
  }
  r.report.classes = r.classes;
  out->report = r.report;
  release(&r);
  return status;
}
