/* matrix_sums.h -- where the sums of a batch of matrix.c are; matrix_estimate.c reads them. */
#ifndef CJ_PACKET_MATRIX_SUMS_H
#define CJ_PACKET_MATRIX_SUMS_H

#include <stdbool.h>
#include <stdint.h>

/* w is at 0. Of the symmetric zz and dd the lower triangle, row by row. */
typedef struct matrix_places {
  int64_t z, d, zz, dd, dz, s, sz, e, all;
} matrix_places;

static inline matrix_places matrix_layout(int64_t k, int64_t n, bool surface) {
  const int64_t half = k * (k + 1) / 2;
  matrix_places p = {.z = 1, .d = 1 + k, .zz = 1 + 2 * k};
  p.dd = p.zz + half;
  p.dz = p.dd + half;
  p.s = p.dz + k * k;
  p.sz = p.s + k;
  p.e = p.sz + k * k;
  p.all = surface ? p.e + n : p.s;
  return p;
}

#endif
