/* cw2.c -- Carlini and Wagner's attack of least Euclidean distance [Carlini & Wagner 2017, sections
 * V-VI; nn_robust_attacks@c6b8f6a].
 *
 *   min over w of ||x(w) - x(w_0)||^2 + c max(0, f + kappa),  x(w) = lo + (hi - lo) (tanh w + 1) /
 * 2
 *
 * f is the lead of the label over its best rival (toward a target: of the best rival over the
 * target). Adam starts anew at w_0, which stands for x, for each of `csteps` values of c: ten times
 * the last one until one has succeeded, then bisection. The nearest success of all steps is kept.
 *
 * x is shrunk toward the middle of the box by 1e-6 before w_0 = atanh of it, so that pixels at a
 * bound have finite w and a slope. Every c asks the same about x(w_0): it is asked once. Where the
 * hinge is at rest no gradient is asked for. */
#include <math.h>
#include <string.h>

#include "attacks/sums.h"
#include "attacks/trial.h"
#include "kernels/elementary.h"
#include "kernels/kernel.h"

#if defined(CJ_TYPE_f32)
#define SQRT sqrtf
#define FABS fabsf
#else
#define SQRT sqrt
#define FABS fabs
#endif

enum { KAPPA, C_FIRST, C_STEPS, RATE, ABORT }; /* places in a->numbers */
enum { ARRAYS = 7, CHECKS = 10, LAST_TAKES_UPPER = 10 };

static const double inside = 0.999999, greatest_c = 1e10, bisected_below = 1e9;

typedef struct cw2 {
  int64_t run, step; /* values of c done; steps done with this one */
  double c, lower, upper;
  double lead;             /* f + kappa at x(w_0) */
  double checked;          /* the loss at the last check of this c */
  bool won;                /* this c has succeeded */
  real *w, *m, *v, *slope; /* slope: dx/dw */
  real *base, *first;      /* x(w_0); gradient of f there */
  real *d;                 /* room for a difference, or a gradient */
} cw2;

/* --- the variable w ----------------------------------------------------------------------------
 */

/* point = x(w), and its slope. (tanh w + 1) / 2 = 1 / (1 + e) for w > 0 and e / (1 + e) for w < 0,
 * e = exp(-2 |w|), keeps all digits of the slope 2 e / (1 + e)^2 near the bounds. */
static void place(const cj_trial *t, cw2 *s) {
  const real lo = (real)t->ball.lo, hi = (real)t->ball.hi, width = hi - lo;
  real *point = t->point;
  for (int64_t i = 0; i < t->n; i++) {
    const real w = s->w[i], e = cj_exp(-2 * FABS(w)), r = 1 / (1 + e);
    point[i] = clamp_real(lo + width * (w < 0 ? e * r : r), lo, hi);
    s->slope[i] = width * 2 * e * r * r;
  }
}

static void return_to_x(const cj_trial *t, cw2 *s) {
  const double lo = t->ball.lo, hi = t->ball.hi;
  const real *x = t->x;
  for (int64_t i = 0; i < t->n; i++) {
    const double at = 2 * (fmin(fmax((double)x[i], lo), hi) - lo) / (hi - lo) - 1;
    s->w[i] = (real)atanh(inside * at);
  }
  memset(s->m, 0, (size_t)t->n * sizeof(real));
  memset(s->v, 0, (size_t)t->n * sizeof(real));
  place(t, s);
  memcpy(s->base, t->point, (size_t)t->n * sizeof(real));
}

/* The step-th step of Adam (0.9, 0.999, 1e-8) along g. */
static void adam(int64_t n, double rate, int64_t step, const real *restrict g, real *restrict m,
                 real *restrict v, real *restrict w) {
  const real size = (real)(rate / (1 - pow(0.9, (double)step)));
  const real root = (real)(1 / sqrt(1 - pow(0.999, (double)step)));
  for (int64_t i = 0; i < n; i++) {
    m[i] += (real)0.1 * (g[i] - m[i]);
    v[i] += (real)0.001 * (g[i] * g[i] - v[i]);
    w[i] -= size * m[i] / (SQRT(v[i]) * root + (real)1e-8);
  }
}

/* One step down. f: gradient of the lead, NULL where the hinge is at rest. */
static void descend(cj_trial *t, cw2 *s, const real *f) {
  const real c = (real)s->c, *point = t->point, *base = s->base, *slope = s->slope;
  real *g = s->d;
  for (int64_t i = 0; i < t->n; i++) g[i] = 2 * (point[i] - base[i]);
  for (int64_t i = 0; f && i < t->n; i++) g[i] += c * f[i];
  for (int64_t i = 0; i < t->n; i++) g[i] *= slope[i];
  adam(t->n, t->a->numbers[RATE], ++s->step, g, s->m, s->v, s->w);
  place(t, s);
  t->record->iters++;
}

/* --- judging -----------------------------------------------------------------------------------
 */

/* The class that f is about, and its best rival. */
static int64_t about(const cj_trial *t) {
  return t->target >= 0 ? t->target : t->y;
}

static int64_t rival(const cj_trial *t) {
  return cj_largest(t->classes, t->z, about(t));
}

/* f + kappa. */
static double lead(const cj_trial *t) {
  const double ahead = t->z[about(t)] - t->z[rival(t)];
  return (t->target >= 0 ? -ahead : ahead) + t->a->numbers[KAPPA];
}

/* Is the goal reached with kappa to spare? Equal logits count for the smaller class. */
static bool succeeds(const cj_trial *t) {
  const bool first = about(t) < rival(t);
  const double f = lead(t);
  return f < 0 || (f == 0 && (t->target >= 0 ? first : !first));
}

static void ask_about_lead(cj_trial *t) {
  const int64_t k = about(t), other = rival(t);
  cj_trial_slopes(t, t->target >= 0 ? other : k, t->target >= 0 ? k : other);
}

/* ||x(w) - x(w_0)||^2 + c max(0, f + kappa). */
static double loss(const cj_trial *t, const cw2 *s) {
  const real *point = t->point;
  for (int64_t i = 0; i < t->n; i++) s->d[i] = point[i] - s->base[i];
  return sum_squares(t->n, s->d) + s->c * fmax(lead(t), 0);
}

/* Has the loss stopped falling since a tenth of the steps ago? */
static bool stuck(const cj_trial *t, cw2 *s) {
  const int64_t every = max64(t->a->steps / CHECKS, 1);
  if (t->a->numbers[ABORT] == 0 || s->step % every != 0) return false;
  const double before = s->checked;
  s->checked = loss(t, s);
  return s->checked > 0.9999 * before;
}

/* --- the search for c --------------------------------------------------------------------------
 */

static cj_ask start(cj_trial *t, cw2 *s) {
  s->step = 0;
  s->won = false;
  s->checked = s->c * s->lead;
  return_to_x(t, s);
  descend(t, s, s->first);
  return CJ_ASK_POINT;
}

static cj_ask next_c(cj_trial *t, cw2 *s) {
  const int64_t runs = (int64_t)t->a->numbers[C_STEPS];
  if (s->won)
    s->upper = fmin(s->upper, s->c);
  else
    s->lower = fmax(s->lower, s->c);
  s->c = s->upper < bisected_below ? (s->lower + s->upper) / 2 : 10 * s->c;
  if (++s->run == runs) return CJ_ASK_END;
  if (runs >= LAST_TAKES_UPPER && s->run == runs - 1) s->c = s->upper;
  return start(t, s);
}

static void lay_out(const cj_trial *t, cw2 *s) {
  real **arrays[ARRAYS] = {&s->w, &s->m, &s->v, &s->slope, &s->base, &s->first, &s->d};
  char *at = (char *)t->state + cj_aligned(sizeof(cw2));
  for (int i = 0; i < ARRAYS; i++)
    *arrays[i] = (real *)(at + (size_t)i * cj_aligned((size_t)t->n * sizeof(real)));
}

static cj_ask begin(cj_trial *t, cw2 *s) {
  lay_out(t, s);
  s->c = t->a->numbers[C_FIRST];
  s->upper = greatest_c;
  s->checked = INFINITY;
  if (!(t->ball.eps > 0) || t->a->steps == 0) return CJ_ASK_END;
  return_to_x(t, s);
  return CJ_ASK_POINT;
}

static cj_ask cw2_seen(cj_trial *t) {
  cw2 *s = t->state;
  cj_trial_loss(t);
  if (!s->w) return begin(t, s);
  if (s->run == 0 && s->step == 0) s->lead = lead(t);
  const bool success = succeeds(t);
  s->won |= success;
  if (success) cj_trial_keep_nearest(t, cj_trial_distance(t, t->l2, s->d));
  if (s->step == t->a->steps || stuck(t, s)) return next_c(t, s);
  if (!success || lead(t) > 0) {
    ask_about_lead(t);
    return CJ_ASK_PULL;
  }
  descend(t, s, NULL);
  return CJ_ASK_POINT;
}

static cj_ask cw2_pulled(cj_trial *t) {
  cw2 *s = t->state;
  t->nan |= isinf(t->size) != 0;
  if (t->nan) return CJ_ASK_END;
  if (s->step == 0) memcpy(s->first, t->g, (size_t)t->n * sizeof(real));
  descend(t, s, t->g);
  return CJ_ASK_POINT;
}

static size_t cw2_state(const cj_attack *a, int64_t n, int64_t classes) {
  (void)a, (void)classes;
  return cj_aligned(sizeof(cw2)) + ARRAYS * cj_aligned((size_t)n * sizeof(real));
}

CJ_METHODS(cw2) = {{.name = "cw2",
                    .numbers = (const char *const[]){"kappa", "c0", "csteps", "lr", "abort", NULL},
                    .state = cw2_state,
                    .seen = cw2_seen,
                    .pulled = cw2_pulled},
                   {0}};
