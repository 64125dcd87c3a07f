/* deepfool.h -- the step of DeepFool [Moosavi-Dezfooli, Fawzi & Frossard 2016, algorithm 2].
 *
 * r grows by the shortest way onto the nearest plane (planes.h) and `stab` beyond it:
 *   l2:   r += (|f| / ||w||_2 + stab) * w / ||w||_2
 *   linf: r += (|f| / ||w||_1 + stab) * sign(w)
 *   l1:   r_j += (|f| / ||w||_inf + stab) * sign(w_j) at the largest |w_j|, the first of equal ones
 *
 * For files that see `real`. */
#ifndef CJ_DEEPFOOL_H
#define CJ_DEEPFOOL_H

#include "attacks/planes.h"

static inline void deepfool_add_l1(int64_t n, double length, const real *w, real *r) {
  int64_t top = 0;
  for (int64_t i = 1; i < n; i++)
    if (fabs((double)w[i]) > fabs((double)w[top])) top = i;
  r[top] += (real)(w[top] > 0 ? length : -length);
}

static inline void deepfool_add(const cj_trial *t, const planes *p, double stab, real *r) {
  const double length = fabs(p->f) / p->size + stab;
  const bool flat = p->norm == t->linf;
  const double scale = flat ? length : length / p->size;
  if (p->norm == t->l1) {
    deepfool_add_l1(t->n, length, p->w, r);
    return;
  }
  for (int64_t i = 0; i < t->n; i++) {
    const double way = flat ? (double)((p->w[i] > 0) - (p->w[i] < 0)) : (double)p->w[i];
    r[i] = (real)((double)r[i] + scale * way);
  }
}

#endif
