/* reduce.h -- what operators that fold a tensor over its dimensions share.
 *
 * Their numbers: some of their own, then keepdim, then the dimensions (none: all). */
#ifndef CJ_REDUCE_H
#define CJ_REDUCE_H

#include "ops/dims.h"
#include "ops/fold.h"

/* Which dimensions are folded? They start at num[first]. */
static inline cj_status cj_read_dims(const cj_args *a, int first, bool fold[CJ_MAX_DIMS]) {
  const cj_tensor *x = a->in[0];
  if (a->numbers < first)
    return cj_fail(CJ_EARG, "expected at least %d numbers, got %d", first, a->numbers);
  for (int d = 0; d < x->ndim; d++) fold[d] = a->numbers == first;
  for (int i = first; i < a->numbers; i++) {
    int dim;
    CJ_TRY(cj_expect_dim(a, i, &dim));
    if (fold[dim]) return cj_fail(CJ_EARG, "expected each dimension once, got %d twice", dim + 1);
    fold[dim] = true;
  }
  return CJ_OK;
}

/* The shape rule: a folded dimension disappears, or with keepdim (num[first - 1]) stays as 1. */
static inline cj_status cj_infer_folded(const cj_args *a, cj_tensor *y, cj_dtype dtype, int first) {
  const cj_tensor *x = a->in[0];
  bool fold[CJ_MAX_DIMS] = {false};
  CJ_TRY(cj_read_dims(a, first, fold));
  int64_t size[CJ_MAX_DIMS] = {0};
  int ndim = 0;
  for (int d = 0; d < x->ndim; d++)
    if (!fold[d] || a->num[first - 1] != 0) size[ndim++] = fold[d] ? 1 : x->size[d];
  return cj_tensor_describe(y, dtype, ndim, size);
}

/* After infer, which has checked the numbers. */
static inline fold_plan cj_folded_plan(const cj_args *a, int first) {
  bool fold[CJ_MAX_DIMS] = {false};
  if (cj_read_dims(a, first, fold) != CJ_OK) memset(fold, 0, sizeof fold);
  return fold_plan_make(a->in[0], fold);
}

#endif
