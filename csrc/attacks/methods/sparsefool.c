/* sparsefool.c -- SparseFool, which changes few elements
 * [Modas, Moosavi-Dezfooli & Frossard 2019, algorithms 1 and 2].
 *
 * From x_i, x_0 = x, at most `outer` times:
 *   DeepFool (l2, at most `steps` steps) leads along r to another class k.
 *   The boundary is taken to be the plane through x_i + lambda r with the unit normal
 *     w = grad (z_k - z_y) / ||grad (z_k - z_y)||_2 at x_i + r.
 *   x_{i+1} is the end of the way from x_i over that plane, one element at a time in the order of
 *   falling |w|, each as far as is needed or the box allows.
 *   Candidate: clip(x + (1 + overshoot) (x_{i+1} - x)); the first misclassified one is the result.
 * As in the authors' code, gradients are taken where DeepFool has not overshot, and the box does
 * not hold DeepFool back: entries at their bound would make r longer than the way to the boundary.
 * The distance that counts is the number of pixels: places where some channel has changed by more
 * than 1e-6. */
#include "attacks/deepfool.h"
#include "attacks/largest.h"

typedef enum phase {
  TURN,   /* the point is x_i */
  STEP,   /* x_i + r, where DeepFool goes on */
  BEYOND, /* x_i + (1 + overshoot) r: does DeepFool end? */
  NORMAL, /* x_i + r, where w is taken */
  CANDIDATE
} phase;

typedef struct sparsefool {
  planes p;
  phase phase;
  int64_t step, class; /* of DeepFool: steps made, and the class that it found */
  real *r, *base;      /* base: x_i */
  int64_t *index;
} sparsefool;

enum { LAMBDA, OUTER, OVERSHOOT, CLASSES, STAB };

/* A move goes this much over the plane, and is at least so long. */
static const double over = 1e-3, shortest = 1e-4;

static size_t sparsefool_state(const cj_attack *a, int64_t n, int64_t classes) {
  (void)a;
  return cj_aligned(sizeof(sparsefool)) + planes_bytes(n, classes) + 2 * planes_vector_bytes(n) +
         (size_t)n * sizeof(int64_t);
}

static void meet(cj_trial *t, sparsefool *s) {
  char *at = (char *)t->state + cj_aligned(sizeof *s);
  at = planes_lay_out(&s->p, t->n, t->classes, at);
  s->r = planes_vector(at, t->n, 0);
  s->base = planes_vector(at, t->n, 1);
  s->index = (int64_t *)(void *)planes_vector(at, t->n, 2);
  memcpy(s->base, t->x, (size_t)t->n * sizeof(real));
}

/* To x_i + scale * r, which may lie outside the box: only candidates must not. */
static cj_ask go(cj_trial *t, sparsefool *s, phase next, double scale) {
  real *point = t->point;
  for (int64_t i = 0; i < t->n; i++)
    point[i] = (real)((double)s->base[i] + scale * (double)s->r[i]);
  s->phase = next;
  return next == BEYOND ? CJ_ASK_LOGITS : CJ_ASK_POINT;
}

static cj_ask linearise(cj_trial *t, sparsefool *s) {
  return planes_begin(t, &s->p, t->l2, 0, s->p.count);
}

/* DeepFool from the point, which is x_i. */
static cj_ask begin_turn(cj_trial *t, sparsefool *s) {
  if (t->record->iters == (int64_t)t->a->numbers[OUTER] || t->a->steps == 0) return CJ_ASK_END;
  t->record->iters++;
  s->step = 0;
  memset(s->r, 0, (size_t)t->n * sizeof(real));
  planes_list(t, &s->p, min64((int64_t)t->a->numbers[CLASSES], t->classes) - 1);
  return linearise(t, s);
}

static cj_ask judge_step(cj_trial *t, sparsefool *s) {
  if (cj_trial_reached(t)) {
    s->class = cj_trial_pred(t);
    return go(t, s, NORMAL, 1);
  }
  return s->step < t->a->steps ? go(t, s, STEP, 1) : CJ_ASK_END;
}

/* Places where some channel of the point has changed. */
static int64_t pixels(const cj_trial *t) {
  const real *x = t->x, *point = t->point;
  const int64_t places = t->height * t->width;
  int64_t count = 0;
  for (int64_t i = 0; i < places; i++) {
    bool changed = false;
    for (int64_t c = 0; c < t->channels; c++)
      changed |= fabs((double)point[c * places + i] - (double)x[c * places + i]) > 1e-6;
    count += changed;
  }
  return count;
}

static cj_ask keep(cj_trial *t) {
  const double count = (double)pixels(t);
  if (cj_trial_keep_nearest(t, count)) t->extra[0] = count;
  return CJ_ASK_END;
}

/* x_{i+1} failed: the next turn begins there. */
static cj_ask next_turn(cj_trial *t, sparsefool *s) {
  memcpy(t->point, s->base, (size_t)t->n * sizeof(real));
  s->phase = TURN;
  return CJ_ASK_POINT;
}

static cj_ask sparsefool_seen(cj_trial *t) {
  sparsefool *s = t->state;
  cj_trial_loss(t);
  if (!s->r) meet(t, s);
  switch (s->phase) {
  case TURN:
    return cj_trial_reached(t) ? keep(t) : begin_turn(t, s);
  case STEP:
    return linearise(t, s);
  case BEYOND:
    return judge_step(t, s);
  case NORMAL:
    cj_trial_slopes(t, s->class, t->y);
    return CJ_ASK_PULL;
  default:
    return cj_trial_reached(t) ? keep(t) : next_turn(t, s);
  }
}

static int sign(double v) {
  return (v > 0) - (v < 0);
}

/* Moves s->base over the plane through base + lambda r with the normal g of length `size`. */
static void cross(const cj_trial *t, sparsefool *s, const real *g, double size) {
  const real lo = (real)t->ball.lo, hi = (real)t->ball.hi;
  double part[CJ_PARTS] = {0};
  for (int64_t i = 0; i < t->n; i++) part[i % CJ_PARTS] += (double)g[i] * (double)s->r[i];
  double f = -t->a->numbers[LAMBDA] * fold_parts(part) / size; /* <w, base - boundary> */
  const int side = sign(f);
  largest order = largest_open(t->n, g, s->index);
  while (sign(f) == side && order.count > 0) {
    const int64_t i = largest_take(&order);
    const double w = (double)g[i] / size, from = (double)s->base[i];
    if (w == 0) return;
    const double way = fmax(fabs(f + over * side) / fabs(w), shortest);
    s->base[i] = clamp_real((real)(from + way * sign(w)), lo, hi);
    f += w * ((double)s->base[i] - from);
  }
}

static cj_ask take_normal(cj_trial *t, sparsefool *s) {
  const double size = t->l2->norm(t->n, t->g);
  t->nan |= !isfinite(size);
  if (t->nan || size < 1e-12) return CJ_ASK_END;
  cross(t, s, t->g, size);
  point_between(t, t->x, s->base, 1 + t->a->numbers[OVERSHOOT]);
  s->phase = CANDIDATE;
  return CJ_ASK_LOGITS;
}

static cj_ask sparsefool_pulled(cj_trial *t) {
  sparsefool *s = t->state;
  if (s->phase == NORMAL) return take_normal(t, s);
  const cj_ask ask = planes_take(t, &s->p, t->g);
  if (ask != CJ_ASK_POINT) return ask;
  deepfool_add(t, &s->p, t->a->numbers[STAB], s->r);
  s->step++;
  return go(t, s, BEYOND, 1 + t->a->numbers[OVERSHOOT]);
}

CJ_METHODS(sparsefool) = {
    {.name = "sparsefool",
     .numbers = (const char *const[]){"lambda", "outer", "overshoot", "classes", "stab", NULL},
     .state = sparsefool_state,
     .seen = sparsefool_seen,
     .pulled = sparsefool_pulled},
    {0}};
