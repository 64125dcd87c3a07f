/* fab.c -- the fast adaptive boundary attack, a search for the nearest misclassified point
 * [Croce & Hein 2020b, algorithm 1], and its targeted form FAB-T.
 *
 * From x_i the boundary is linearised (planes.h), and the plane nearest to x_i is taken. d1 and d2
 * lead x_i and x onto it inside the box (hyperplane.h). Then
 *   a       = min(||d1|| / (||d1|| + ||d2||), alpha_max)
 *   x_{i+1} = clip((1 - a) (x_i + eta d1) + a (x + eta d2))
 * and, if that is misclassified, x_{i+1} <- x + beta (x_{i+1} - x). Every misclassified point that
 * is met is a candidate.
 *
 * The first restart runs from x, later ones from a random point at most half as far from x as the
 * best candidate, or the edge of the ball. With targets = T > 0 a restart is T runs, one for each
 * of the T rivals of the highest clean logits: one gradient a step instead of K - 1. Any
 * misclassification counts all the same.
 *
 * The final search makes secant steps between x and the best candidate. On an affine model the
 * secant finds the boundary itself, where nothing is misclassified yet: so it goes a little
 * further.
 */
#include "attacks/hyperplane.h"
#include "attacks/planes.h"

enum { TURNS = 3 }; /* of the final search */
static const double further = 1 + 1e-4;

typedef enum phase {
  START,     /* the point is where the next step begins */
  CANDIDATE, /* the point is where a step ended */
  SEARCH     /* the point is on the way to the best candidate */
} phase;

typedef struct fab {
  planes p;
  phase phase;
  int64_t run, step; /* step: of the run */
  double distance;   /* of the best candidate, however far; infinite: there is none */
  double *clean;     /* [K] logits of x */
  real *d1, *d2, *best;
  void *scratch; /* of the norm's random start, or of its way onto a plane: of l1, n indices fit */
  /* The final search. Points of it are x + share * (best - x), leads are z_y - z_rival, `near` is
   * the last that was not misclassified, and the best candidate itself is `far`. */
  int64_t rival, turn;
  double share, near_share, near_lead, far_lead;
} fab;

enum { ALPHA_MAX, ETA, BETA, TARGETS, FINAL };

static size_t fab_state(const cj_attack *a, int64_t n, int64_t classes) {
  return cj_aligned(sizeof(fab)) + cj_aligned((size_t)classes * sizeof(double)) +
         planes_bytes(n, classes) + 3 * planes_vector_bytes(n) +
         (size_t)n * cj_projection_find(a->norm, CJ_REAL)->scratch;
}

static void meet(cj_trial *t, fab *s) {
  const int64_t all = t->classes - 1, targets = (int64_t)t->a->numbers[TARGETS];
  const size_t logits = (size_t)t->classes * sizeof(double);
  char *at = (char *)t->state + cj_aligned(sizeof *s);
  s->clean = (double *)(void *)at;
  at = planes_lay_out(&s->p, t->n, t->classes, at + cj_aligned(logits));
  s->d1 = planes_vector(at, t->n, 0);
  s->d2 = planes_vector(at, t->n, 1);
  s->best = planes_vector(at, t->n, 2);
  s->scratch = planes_vector(at, t->n, 3);
  s->distance = INFINITY;
  memcpy(s->clean, t->z, logits);
  planes_list(t, &s->p, targets > 0 ? min64(targets, all) : all);
}

static void record(cj_trial *t, fab *s) {
  const double distance = cj_trial_distance(t, t->ball_norm, s->d1);
  cj_trial_keep_nearest(t, distance);
  if (distance >= s->distance) return;
  s->distance = distance;
  s->rival = cj_trial_pred(t);
  s->far_lead = t->z[t->y] - t->z[s->rival];
  memcpy(s->best, t->point, (size_t)t->n * sizeof(real));
}

/* --- the final search ---------------------------------------------------------------------------
 */

static cj_ask search(cj_trial *t, fab *s) {
  const double rise = s->near_lead - s->far_lead;
  if (s->turn++ == TURNS || !(rise > 0)) return CJ_ASK_END;
  const double cut = s->near_share + (1 - s->near_share) * s->near_lead / rise;
  s->share = cut * further;
  if (s->share >= 1) return CJ_ASK_END;
  point_between(t, t->x, s->best, s->share);
  return CJ_ASK_LOGITS;
}

static cj_ask search_begin(cj_trial *t, fab *s) {
  if (t->a->numbers[FINAL] == 0 || isinf(s->distance)) return CJ_ASK_END;
  s->phase = SEARCH;
  s->near_lead = s->clean[t->y] - s->clean[s->rival];
  return search(t, s);
}

/* The point is the best candidate now, of which shares are counted, or not misclassified. */
static cj_ask searched(cj_trial *t, fab *s) {
  if (cj_trial_reached(t))
    s->near_share /= s->share;
  else {
    s->near_share = s->share;
    s->near_lead = t->z[t->y] - t->z[s->rival];
  }
  return search(t, s);
}

/* --- runs ---------------------------------------------------------------------------------------
 */

static bool targeted(const cj_trial *t) {
  return t->a->numbers[TARGETS] > 0;
}

static cj_ask begin_step(cj_trial *t, fab *s) {
  const int64_t from = targeted(t) ? s->run % s->p.count : 0;
  return planes_begin(t, &s->p, t->ball_norm, from, targeted(t) ? from + 1 : s->p.count);
}

/* Half of the distance within which something nearer may lie: of the best candidate, the edge of
 * the ball, or the far corner of the box. */
static double start_radius(const cj_trial *t, const fab *s) {
  const double side = t->ball.hi - t->ball.lo, n = (double)t->n;
  const double corner = t->ball_norm == t->linf ? side
                        : t->ball_norm == t->l2 ? side * sqrt(n)
                                                : side * n;
  return fmin(fmin(s->distance, t->ball.eps), corner) / 2;
}

/* From x in the first restart, at random in the others. */
static cj_ask begin_run(cj_trial *t, fab *s) {
  const int64_t runs = targeted(t) ? s->p.count : 1;
  const cj_ball near = {start_radius(t, s), t->ball.lo, t->ball.hi};
  const cj_start_key key = {t->a->seed, t->index, (uint64_t)s->run};
  const bool random = s->run >= runs;
  if (s->run == runs * t->a->restarts || (random && isinf(near.eps))) return search_begin(t, s);
  if (random)
    t->ball_norm->start(&near, &key, t->n, t->x, t->point, s->scratch);
  else
    memcpy(t->point, t->x, (size_t)t->n * sizeof(real));
  s->step = 0;
  s->phase = START;
  return CJ_ASK_POINT;
}

static cj_ask end_run(cj_trial *t, fab *s) {
  s->run++;
  return begin_run(t, s);
}

static cj_ask end_step(cj_trial *t, fab *s) {
  if (s->step == t->a->steps) return end_run(t, s);
  if (!cj_trial_reached(t)) return begin_step(t, s);
  point_between(t, t->x, t->point, t->a->numbers[BETA]);
  s->phase = START;
  return CJ_ASK_POINT;
}

static cj_ask fab_seen(cj_trial *t) {
  fab *s = t->state;
  cj_trial_loss(t);
  if (!s->d1) meet(t, s);
  if (t->a->steps == 0 || s->p.count == 0) return CJ_ASK_END;
  if (cj_trial_reached(t)) record(t, s);
  if (t->kept.hit && t->a->early) return CJ_ASK_END;
  switch (s->phase) {
  case START:
    return begin_step(t, s);
  case CANDIDATE:
    return end_step(t, s);
  default:
    return searched(t, s);
  }
}

/* --- a step -------------------------------------------------------------------------------------
 */

/* <w, point - x> */
static double offset(const cj_trial *t, const fab *s) {
  const real *x = t->x, *point = t->point, *w = s->p.w;
  double part[CJ_PARTS] = {0};
  for (int64_t i = 0; i < t->n; i++)
    part[i % CJ_PARTS] += (double)w[i] * ((double)point[i] - (double)x[i]);
  return fold_parts(part);
}

static void step(cj_trial *t, fab *s) {
  const real *x = t->x, lo = (real)t->ball.lo, hi = (real)t->ball.hi;
  const double eta = t->a->numbers[ETA], c = offset(t, s) - s->p.f;
  const plane_norm norm = t->ball_norm == t->linf ? PLANE_LINF
                          : t->ball_norm == t->l2 ? PLANE_L2
                                                  : PLANE_L1;
  real *point = t->point;
  hyperplane_step(norm, &t->ball, t->n, s->p.w, -s->p.f, point, s->d1, s->scratch);
  hyperplane_step(norm, &t->ball, t->n, s->p.w, c, x, s->d2, s->scratch);
  const double l1 = t->ball_norm->norm(t->n, s->d1), l2 = t->ball_norm->norm(t->n, s->d2);
  const double share = l1 > 0 ? l1 / (l1 + l2) : 0, a = fmin(share, t->a->numbers[ALPHA_MAX]);
  for (int64_t i = 0; i < t->n; i++) {
    const double from_point = (double)point[i] + eta * (double)s->d1[i];
    const double from_x = (double)x[i] + eta * (double)s->d2[i];
    point[i] = clamp_real((real)((1 - a) * from_point + a * from_x), lo, hi);
  }
}

static cj_ask fab_pulled(cj_trial *t) {
  fab *s = t->state;
  const cj_ask ask = planes_take(t, &s->p, t->g);
  if (ask == CJ_ASK_END && !t->nan) return end_run(t, s);
  if (ask != CJ_ASK_POINT) return ask;
  step(t, s);
  t->record->iters++;
  s->phase = CANDIDATE;
  return ++s->step < t->a->steps ? CJ_ASK_POINT : CJ_ASK_LOGITS;
}

CJ_METHODS(fab) = {
    {.name = "fab",
     .numbers = (const char *const[]){"alpha_max", "eta", "beta", "targets", "final", NULL},
     .state = fab_state,
     .seen = fab_seen,
     .pulled = fab_pulled},
    {0}};
