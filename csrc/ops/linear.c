/* linear.c -- y[b, o] = sum over i of x[b, i] w[o, i] + bias[o].
 *
 * x [..., I], weight [O, I], bias [O] or none -> [..., O]. One row of y does not depend on the
 * others (kernels/gemm.h). */
#include "expect.h"
#include "kernels/gemm.h"

/* Rows of x: all its elements but for the last dimension. */
static int64_t rows_of(const cj_tensor *x) {
  int64_t rows = 1;
  for (int d = 0; d + 1 < x->ndim; d++) rows *= x->size[d];
  return rows;
}

static cj_status linear_infer(cj_args *a, cj_tensor *y) {
  const cj_tensor *x = a->in[0], *w = a->in[1];
  char left[CJ_SHAPE_TEXT], right[CJ_SHAPE_TEXT];
  CJ_TRY(cj_expect_dtype(w, "weight", CJ_REAL));
  CJ_TRY(cj_expect_ndim(w, "weight", 2));
  if (x->ndim < 1 || x->size[x->ndim - 1] != w->size[1])
    return cj_fail(CJ_ESHAPE, "expected x [..., %lld] for weight %s ([out, in]), got %s",
                   (long long)w->size[1], cj_shape_text(right, w), cj_shape_text(left, x));
  CJ_TRY(expect_vector(a->in[2], "bias", w->size[0]));
  int64_t size[CJ_MAX_DIMS];
  for (int d = 0; d < x->ndim; d++) size[d] = x->size[d];
  size[x->ndim - 1] = w->size[0];
  return cj_tensor_describe(y, CJ_REAL, x->ndim, size);
}

static size_t linear_scratch(const cj_args *a) {
  const int64_t m = rows_of(a->in[0]), o = a->in[1]->size[0], i = a->in[1]->size[1];
  size_t most = CJ_KERNEL(gemm_scratch)(m, o, i);
  const size_t input = CJ_KERNEL(gemm_scratch)(m, i, o);
  const size_t weight = CJ_KERNEL(gemm_scratch)(o, i, m);
  if (input > most) most = input;
  return weight > most ? weight : most;
}

static void linear_forward(const cj_args *a, cj_tensor *y) {
  const int64_t o = a->in[1]->size[0], i = a->in[1]->size[1];
  const cj_gemm g = {.m = rows_of(a->in[0]),
                     .n = o,
                     .k = i,
                     .a = a->in[0]->data,
                     .a_row = i,
                     .a_col = 1,
                     .b = a->in[1]->data,
                     .b_row = 1,
                     .b_col = i,
                     .c = y->data,
                     .c_row = o,
                     .bias = optional_data(a->in[2])};
  CJ_KERNEL(gemm)(&g, a->scratch);
}

static void linear_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                            cj_tensor *const *gx) {
  const int64_t o = a->in[1]->size[0], i = a->in[1]->size[1], m = rows_of(y);
  if (gx[0]) {
    const cj_gemm g = {.m = m,
                       .n = i,
                       .k = o,
                       .a = gy->data,
                       .a_row = o,
                       .a_col = 1,
                       .b = a->in[1]->data,
                       .b_row = i,
                       .b_col = 1,
                       .c = gx[0]->data,
                       .c_row = i,
                       .add = true};
    CJ_KERNEL(gemm)(&g, a->scratch);
  }
  if (gx[1]) {
    const cj_gemm g = {.m = o,
                       .n = i,
                       .k = m,
                       .a = gy->data,
                       .a_row = 1,
                       .a_col = o,
                       .b = a->in[0]->data,
                       .b_row = i,
                       .b_col = 1,
                       .c = gx[1]->data,
                       .c_row = i,
                       .add = true};
    CJ_KERNEL(gemm)(&g, a->scratch);
  }
  if (gx[2]) {
    real *gb = gx[2]->data;
    const real *g = gy->data;
    for (int64_t r = 0; r < m; r++)
      for (int64_t j = 0; j < o; j++) gb[j] += g[r * o + j];
  }
}

CJ_OPS(linear) = {
    {"linear", 3, 0, linear_infer, linear_forward, linear_backward, CJ_OPTIONAL(1) | CJ_APART,
     linear_scratch},
    {0},
};
