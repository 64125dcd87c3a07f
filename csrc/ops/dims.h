/* dims.h -- dimensions among an operator's numbers. They arrive 0-based; negative ones count from
 * the end. Messages count from 1, as the scripts that read them do. */
#ifndef CJ_DIMS_H
#define CJ_DIMS_H

#include <math.h>

#include "ops/op.h"

/* num[i] as one of ndim dimensions, 0..ndim-1, in *out. */
static inline cj_status cj_expect_dim_of(const cj_args *a, int i, int ndim, int *out) {
  const double v = a->num[i];
  *out = 0;
  if (v == floor(v) && v >= -ndim && v < ndim) {
    *out = (int)(v < 0 ? v + ndim : v);
    return CJ_OK;
  }
  return cj_fail(CJ_EARG, "expected a dimension from 1 to %d (or -1 to -%d), got %g", ndim, ndim,
                 v < 0 ? v : v + 1);
}

/* num[i] as a dimension of in[0]. */
static inline cj_status cj_expect_dim(const cj_args *a, int i, int *out) {
  char text[CJ_SHAPE_TEXT];
  *out = 0;
  if (a->in[0]->ndim == 0)
    return cj_fail(CJ_ESHAPE, "expected at least one dimension, got sizes %s",
                   cj_shape_text(text, a->in[0]));
  return cj_expect_dim_of(a, i, a->in[0]->ndim, out);
}

/* num[i] as a size: a whole number, 0 or more. */
static inline cj_status cj_expect_size(const cj_args *a, int i, const char *what, int64_t *out) {
  return cj_expect_int(a, i, what, 0, INT64_C(1) << 53, out);
}

#endif
