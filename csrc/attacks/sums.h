/* sums.h -- sums over one sample, in double, in 16 fixed parts: the same bits on every instruction
 * set. For the files that see `real`. */
#ifndef CJ_SUMS_H
#define CJ_SUMS_H

#include "kernels/kernel.h"

enum { CJ_PARTS = 16 };

static inline double fold_parts(const double *part) {
  double sum = 0;
  for (int p = 0; p < CJ_PARTS; p++) sum += part[p];
  return sum;
}

static inline double sum_squares(int64_t n, const real *v) {
  double part[CJ_PARTS] = {0};
  int64_t i = 0;
  for (; i + CJ_PARTS <= n; i += CJ_PARTS)
    for (int p = 0; p < CJ_PARTS; p++) part[p] += (double)v[i + p] * (double)v[i + p];
  for (; i < n; i++) part[i % CJ_PARTS] += (double)v[i] * (double)v[i];
  return fold_parts(part);
}

static inline real clamp_real(real v, real low, real high) {
  v = v < low ? low : v;
  return v > high ? high : v;
}

#endif
