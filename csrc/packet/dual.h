/* dual.h -- numbers with their standard errors: a value and its derivatives by the means of base
 * terms.
 *
 * A reported quantity q is a smooth function of means m = mean(b) over N samples. With its gradient
 * h = dq/dm its standard error is sqrt(h' Cov(b) h / N): sample by sample, h'(b - m) is the
 * influence function of q [notebooks/uncertainty.md]. Formulas are written once, in terms of
 * these numbers. */
#ifndef CJ_PACKET_DUAL_H
#define CJ_PACKET_DUAL_H

#include <math.h>

enum { CJ_MOST_TERMS = 12 };

typedef struct cj_dual {
  double v, d[CJ_MOST_TERMS];
} cj_dual;

/* A plain number; the mean of base term k. */
static inline cj_dual dual_number(double v) {
  return (cj_dual){.v = v};
}

static inline cj_dual dual_mean(double v, int k) {
  cj_dual a = {.v = v};
  a.d[k] = 1;
  return a;
}

/* The function of a (and b) with that value and those partial derivatives. */
static inline cj_dual dual_chain(double v, const cj_dual *a, double da, const cj_dual *b,
                                 double db) {
  cj_dual y = {.v = v};
  for (int k = 0; k < CJ_MOST_TERMS; k++) y.d[k] = da * a->d[k] + db * b->d[k];
  return y;
}

static inline cj_dual dual_add(cj_dual a, cj_dual b) {
  return dual_chain(a.v + b.v, &a, 1, &b, 1);
}

static inline cj_dual dual_sub(cj_dual a, cj_dual b) {
  return dual_chain(a.v - b.v, &a, 1, &b, -1);
}

static inline cj_dual dual_mul(cj_dual a, cj_dual b) {
  return dual_chain(a.v * b.v, &a, b.v, &b, a.v);
}

static inline cj_dual dual_div(cj_dual a, cj_dual b) {
  return dual_chain(a.v / b.v, &a, 1 / b.v, &b, -a.v / (b.v * b.v));
}

static inline cj_dual dual_scale(double c, cj_dual a) {
  return dual_chain(c * a.v, &a, c, &a, 0);
}

/* 0 where a is not above 0, with slope 0. */
static inline cj_dual dual_sqrt(cj_dual a) {
  const double root = a.v > 0 ? sqrt(a.v) : 0;
  return dual_chain(root, &a, root > 0 ? 0.5 / root : 0, &a, 0);
}

static inline cj_dual dual_abs(cj_dual a) {
  return dual_chain(fabs(a.v), &a, a.v < 0 ? -1 : 1, &a, 0);
}

/* Standard error of a over `count` samples; cov: covariance of the base terms, [terms * terms]. */
static inline double dual_error(const cj_dual *a, int terms, const double *cov, double count) {
  double sum = 0;
  for (int p = 0; p < terms; p++)
    for (int q = 0; q < terms; q++) sum += a->d[p] * cov[p * terms + q] * a->d[q];
  return sum > 0 && count > 0 ? sqrt(sum / count) : 0;
}

#endif
