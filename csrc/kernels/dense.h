/* dense.h -- linear layers on rows: y [rows, out] = x [rows, in] w^T + bias with packed weights.
 * A row of the result does not depend on how many there are. */
#ifndef CJ_DENSE_H
#define CJ_DENSE_H

#include "kernels/kernel.h"

typedef struct cj_dense {
  int64_t rows, in, out;
} cj_dense;

/* Elements of packed weights; from w [out, in]. turned: for gx [rows, in] = gy [rows, out] w, for
 * which the caller swaps in and out (w is then [in, out] in the struct's terms). */
int64_t CJ_KERNEL(dense_packed)(const cj_dense *s);
void CJ_KERNEL(dense_pack)(const cj_dense *s, const real *w, bool turned, real *packed);

/* y = x w^T + bias (may be NULL), plus the old y with add; then, with mask, 0 where mask is 0;
 * then, with clip, 0 where <= 0 (NaN stays), and signs (unless NULL) gets 0 there, else 1. mask and
 * signs are [rows, out] bytes. */
typedef struct cj_dense_finish {
  const real *bias;
  const uint8_t *mask;
  bool add, clip;
  uint8_t *signs;
} cj_dense_finish;
void CJ_KERNEL(dense_forward)(const cj_dense *s, const real *x, const real *packed,
                              const cj_dense_finish *f, real *y);

/* gw [out, in] += gy^T x, gb [out] += sum of gy; rows are summed in fixed parts. Either may be
 * NULL. scratch: dense_weight_scratch(s) bytes. */
size_t CJ_KERNEL(dense_weight_scratch)(const cj_dense *s);
void CJ_KERNEL(dense_weight)(const cj_dense *s, const real *x, const real *gy, real *gw, real *gb,
                             void *scratch);

#endif
