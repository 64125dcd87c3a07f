/* expect.h -- checks that the operators of networks share. `what` names the argument. */
#ifndef CJ_EXPECT_H
#define CJ_EXPECT_H

#include "op.h"

/* t has exactly these sizes and the type of this table. */
static inline cj_status expect_sizes(const cj_tensor *t, const char *what, int ndim,
                                     const int64_t *size) {
  char got[CJ_SHAPE_TEXT], wanted[CJ_SHAPE_TEXT];
  CJ_TRY(cj_expect_dtype(t, what, CJ_REAL));
  cj_tensor model = {0};
  CJ_TRY(cj_tensor_describe(&model, CJ_REAL, ndim, size));
  if (cj_same_shape(t, &model)) return CJ_OK;
  return cj_fail(CJ_ESHAPE, "expected sizes %s for %s, got %s", cj_shape_text(wanted, &model), what,
                 cj_shape_text(got, t));
}

/* As expect_sizes for one dimension; an absent tensor passes. */
static inline cj_status expect_vector(const cj_tensor *t, const char *what, int64_t size) {
  return t ? expect_sizes(t, what, 1, &size) : CJ_OK;
}

/* Two whole numbers num[i], num[i + 1] from low to high: height and width. */
static inline cj_status expect_pair(const cj_args *a, int i, const char *what, int64_t low,
                                    int64_t high, int64_t *h, int64_t *w) {
  CJ_TRY(cj_expect_int(a, i, what, low, high, h));
  return cj_expect_int(a, i + 1, what, low, high, w);
}

/* An image batch [B, C, H, W] of this table's type. */
static inline cj_status expect_images(const cj_tensor *t, const char *what) {
  char text[CJ_SHAPE_TEXT];
  CJ_TRY(cj_expect_dtype(t, what, CJ_REAL));
  if (t->ndim == 4) return CJ_OK;
  return cj_fail(CJ_ESHAPE, "expected sizes [B, C, H, W] for %s, got %s", what,
                 cj_shape_text(text, t));
}

static inline const real *optional_data(const cj_tensor *t) {
  return t ? t->data : NULL;
}

static inline int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

#endif
