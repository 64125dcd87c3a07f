/* planes.h -- the decision boundary around one sample, linearised.
 *
 * Seen from a point p, the rival k overtakes the label y on the plane
 *   <w_k, v> = <w_k, p> - f_k,   f_k = z_k - z_y,   w_k = grad f_k,
 * at the distance |f_k| / ||w_k||_q, q being dual to the norm that distances are measured in. One
 * gradient is asked for per rival, and the nearest plane is kept. A rival whose gradient vanishes
 * has no plane.
 *
 * For files that see `real`. */
#ifndef CJ_PLANES_H
#define CJ_PLANES_H

#include <math.h>
#include <string.h>

#include "attacks/sums.h"
#include "attacks/trial.h"

typedef struct planes {
  int64_t *rivals;           /* [K]; classes by falling clean logit */
  int64_t count;             /* of rivals in the list */
  const cj_projection *norm; /* of distances */
  int64_t at, end;           /* places in the list: whose gradient comes next, and past the last */
  int64_t nearest;           /* class of the nearest plane; -1: there is none */
  double f, size;            /* its f_k and ||w_k||_q */
  real *w;                   /* its w_k, [n] */
} planes;

/* --- memory -------------------------------------------------------------------------------------
 */

static inline size_t planes_vector_bytes(int64_t n) {
  return cj_aligned((size_t)n * sizeof(real));
}

static inline size_t planes_bytes(int64_t n, int64_t classes) {
  return cj_aligned((size_t)classes * sizeof(int64_t)) + planes_vector_bytes(n);
}

/* Puts the arrays of p into planes_bytes at `at`; returns what follows them. */
static inline char *planes_lay_out(planes *p, int64_t n, int64_t classes, char *at) {
  p->rivals = (int64_t *)(void *)at;
  p->w = (real *)(void *)(at + cj_aligned((size_t)classes * sizeof(int64_t)));
  return at + planes_bytes(n, classes);
}

/* The vector after `before` others. */
static inline real *planes_vector(char *at, int64_t n, size_t before) {
  return (real *)(void *)(at + before * planes_vector_bytes(n));
}

/* --- planes -------------------------------------------------------------------------------------
 */

/* Lists the `count` < K rivals of the highest last logits, falling; of equal ones the smaller class
 * first. */
static inline void planes_list(const cj_trial *t, planes *p, int64_t count) {
  const double *z = t->z;
  p->count = count;
  for (int64_t i = 0, last = -1; i < count; i++) {
    int64_t best = -1;
    for (int64_t k = 0; k < t->classes; k++) {
      const bool listed = last >= 0 && (z[k] > z[last] || (z[k] == z[last] && k <= last));
      if (k != t->y && !listed && (best < 0 || z[k] > z[best])) best = k;
    }
    p->rivals[i] = last = best;
  }
}

static inline cj_ask planes_ask(cj_trial *t, const planes *p) {
  cj_trial_slopes(t, p->rivals[p->at], t->y);
  return CJ_ASK_PULL;
}

/* Asks for the gradients of the rivals at places from..end-1 at the point of the last logits. */
static inline cj_ask planes_begin(cj_trial *t, planes *p, const cj_projection *norm, int64_t from,
                                  int64_t end) {
  p->norm = norm;
  p->at = from;
  p->end = end;
  p->nearest = -1;
  return from < end ? planes_ask(t, p) : CJ_ASK_END;
}

static inline double planes_dual(const cj_trial *t, const cj_projection *norm, const real *w) {
  const cj_projection *dual = norm == t->linf ? t->l1 : norm == t->l1 ? t->linf : t->l2;
  return dual->norm(t->n, w);
}

/* Takes the gradient g of the rival asked for. Says CJ_ASK_PULL when another rival is waiting,
 * CJ_ASK_END when no rival has a plane or a gradient was infinite, else CJ_ASK_POINT: the nearest
 * plane is known, and the method goes to a point. */
static inline cj_ask planes_take(cj_trial *t, planes *p, const real *g) {
  const int64_t k = p->rivals[p->at++];
  const double f = t->z[k] - t->z[t->y], size = planes_dual(t, p->norm, g);
  t->nan |= !isfinite(size);
  if (t->nan) return CJ_ASK_END;
  if (size >= 1e-12 && (p->nearest < 0 || fabs(f) / size < fabs(p->f) / p->size)) {
    p->nearest = k;
    p->f = f;
    p->size = size;
    memcpy(p->w, g, (size_t)t->n * sizeof(real));
  }
  if (p->at < p->end) return planes_ask(t, p);
  return p->nearest < 0 ? CJ_ASK_END : CJ_ASK_POINT;
}

/* --- points -------------------------------------------------------------------------------------
 */

/* point = base + scale * r, in the box. */
static inline void point_along(const cj_trial *t, const real *base, const real *r, double scale) {
  const real lo = (real)t->ball.lo, hi = (real)t->ball.hi;
  real *point = t->point;
  for (int64_t i = 0; i < t->n; i++)
    point[i] = clamp_real((real)((double)base[i] + scale * (double)r[i]), lo, hi);
}

/* point = base + scale * (to - base), in the box; `to` may be the point itself. */
static inline void point_between(const cj_trial *t, const real *base, const real *to,
                                 double scale) {
  const real lo = (real)t->ball.lo, hi = (real)t->ball.hi;
  real *point = t->point;
  for (int64_t i = 0; i < t->n; i++) {
    const double from = (double)base[i];
    point[i] = clamp_real((real)(from + scale * ((double)to[i] - from)), lo, hi);
  }
}

#endif
