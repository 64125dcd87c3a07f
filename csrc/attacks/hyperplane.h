/* hyperplane.h -- the shortest way onto a plane inside a box.
 *
 *   min ||delta||_p   with   <w, delta> = c,   lo <= x + delta <= hi
 *
 * Signs turned so that c > 0, entry i can go u_i toward the plane: u_i = hi - x_i or x_i - lo.
 *   linf: delta_i = min(lambda, u_i)
 *   l2:   delta_i = min(lambda |w_i|, u_i)
 *   l1:   entries are filled up to u_i in the order of falling |w_i|, the last one partly
 * with the signs of w. Where sum |w_i| u_i <= c the plane lies outside the box: every entry is
 * filled, and the far corner is the answer.
 *
 * h(lambda) = <w, delta> is concave and piecewise linear, and lambda = 0 lies left of its root: so
 * Newton's steps only go up. Each but the last fills at least one more entry, and the last is
 * exact; in practice there are a few.
 *
 * For files that see `real`. */
#ifndef CJ_HYPERPLANE_H
#define CJ_HYPERPLANE_H

#include "attacks/attack.h"
#include "attacks/largest.h"
#include "attacks/sums.h"

typedef enum plane_norm { PLANE_LINF, PLANE_L2, PLANE_L1 } plane_norm;

/* One problem: c >= 0, and `turn` is the sign that made it so. */
typedef struct plane_way {
  plane_norm norm;
  double lo, hi, turn, c;
  int64_t n;
  const real *w, *x;
} plane_way;

/* How far entry i can go toward the plane. */
static inline double plane_room(const plane_way *p, int64_t i) {
  const double x = (double)p->x[i];
  const double room = p->turn * (double)p->w[i] > 0 ? p->hi - x : x - p->lo;
  return room > 0 ? room : 0;
}

/* Where lambda fills entry i, its share of c; else its share of the slope. */
static inline void plane_add(const plane_way *p, double lambda, int64_t i, double *full,
                             double *slope) {
  const double size = fabs((double)p->w[i]), pace = p->norm == PLANE_L2 ? size : 1;
  const double room = plane_room(p, i);
  const bool filled = lambda * pace >= room;
  *full += filled ? size * room : 0;
  *slope += filled ? 0 : size * pace;
}

/* One step of Newton's method from lambda; lambda itself where every entry is filled. */
static inline double plane_newton(const plane_way *p, double lambda) {
  double full[CJ_PARTS] = {0}, slope[CJ_PARTS] = {0};
  int64_t i = 0;
  for (; i + CJ_PARTS <= p->n; i += CJ_PARTS)
    for (int q = 0; q < CJ_PARTS; q++) plane_add(p, lambda, i + q, &full[q], &slope[q]);
  for (int q = 0; i + q < p->n; q++) plane_add(p, lambda, i + q, &full[q], &slope[q]);
  const double rise = fold_parts(slope);
  return rise > 0 ? (p->c - fold_parts(full)) / rise : lambda;
}

static inline double plane_lambda(const plane_way *p) {
  double lambda = 0, next = plane_newton(p, 0);
  for (; next > lambda; next = plane_newton(p, lambda)) lambda = next;
  return lambda;
}

static inline void plane_fill(const plane_way *p, real *delta, int64_t *index) {
  largest order = largest_open(p->n, p->w, index);
  double rest = p->c;
  for (int64_t i = 0; i < p->n; i++) delta[i] = 0;
  while (rest > 0 && order.count > 0) {
    const int64_t i = largest_take(&order);
    const double size = fabs((double)p->w[i]);
    if (size == 0) return;
    const double way = fmin(plane_room(p, i), rest / size);
    delta[i] = (real)(p->turn * (double)p->w[i] > 0 ? way : -way);
    rest -= size * way;
  }
}

/* Writes delta, [n]. The plane is <w, delta> = c. index: room for n numbers under the l1 norm, else
 * unused. */
static inline void hyperplane_step(plane_norm norm, const cj_ball *box, int64_t n, const real *w,
                                   double c, const real *x, real *delta, int64_t *index) {
  const plane_way p = {norm, box->lo, box->hi, c < 0 ? -1 : 1, fabs(c), n, w, x};
  if (norm == PLANE_L1) {
    plane_fill(&p, delta, index);
    return;
  }
  const double lambda = plane_lambda(&p);
  for (int64_t i = 0; i < n; i++) {
    const double toward = p.turn * (double)w[i], pace = norm == PLANE_L2 ? fabs(toward) : 1;
    const double room = plane_room(&p, i), way = lambda * pace < room ? lambda * pace : room;
    delta[i] = (real)(toward > 0 ? way : toward < 0 ? -way : 0);
  }
}

#endif
