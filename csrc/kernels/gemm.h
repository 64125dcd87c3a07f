/* gemm.h -- matrix products whose every element is one chain over k in rising order, so that a row
 * of the result does not depend on how many other rows there are. */
#ifndef CJ_GEMM_H
#define CJ_GEMM_H

#include "kernels/kernel.h"

/* c[i, j] (+)= sum over p < k of a[i, p] * b[p, j] + bias[j]; strides count elements, c's rows are
 * contiguous. bias may be NULL. */
typedef struct cj_gemm {
  int64_t m, n, k;
  const real *a;
  int64_t a_row, a_col;
  const real *b;
  int64_t b_row, b_col;
  real *c;
  int64_t c_row;
  const real *bias;
  bool add;
} cj_gemm;

/* Bytes of scratch for a product of these sizes. */
size_t CJ_KERNEL(gemm_scratch)(int64_t m, int64_t n, int64_t k);
void CJ_KERNEL(gemm)(const cj_gemm *g, void *scratch);

#endif
