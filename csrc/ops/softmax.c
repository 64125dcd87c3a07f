/* softmax.c -- probabilities from logits along one dimension, and the predicted class.
 *
 * softmax: p_k = exp(x_k - m) / sum of exp(x_j - m), m the largest; log_softmax: x_k - m - log of
 * that sum, which keeps its digits where p is tiny. predict: the smallest index among the largest
 * logits of each row, a label counted from 0; a NaN counts as largest. */
#include <math.h>

#include "core/threads.h"
#include "expect.h"

#if defined(CJ_TYPE_f32)
#define EXP expf
#define LOG logf
#else
#define EXP exp
#define LOG log
#endif

/* x seen as [outer, n, inner], the middle being the dimension in question. */
typedef struct slices {
  int64_t outer, n, inner;
  const real *x, *y, *gy;
  real *out;
  bool logs;
} slices;

static slices slices_of(const cj_tensor *x, const double *num) {
  const int d = (int)num[0] < 0 ? (int)num[0] + x->ndim : (int)num[0];
  slices s = {.outer = 1, .n = x->ndim ? x->size[d] : 1, .inner = 1};
  for (int i = 0; i < x->ndim; i++)
    if (i < d)
      s.outer *= x->size[i];
    else if (i > d)
      s.inner *= x->size[i];
  return s;
}

enum { ROWS = 16 }; /* of outer, per piece */

static void each_row(slices *s, cj_task task) {
  cj_parallel((s->outer + ROWS - 1) / ROWS, task, s);
}

static void softmax_slice(const slices *s, const real *x, real *y) {
  real most = -(real)INFINITY, sum = 0;
  for (int64_t k = 0; k < s->n; k++)
    if (x[k * s->inner] > most) most = x[k * s->inner];
  if (most == -(real)INFINITY) most = 0; /* all -inf: 0/0 below, as it should be */
  for (int64_t k = 0; k < s->n; k++) {
    const real e = EXP(x[k * s->inner] - most);
    y[k * s->inner] = s->logs ? x[k * s->inner] - most : e;
    sum += e;
  }
  const real log_sum = s->logs ? LOG(sum) : 0;
  for (int64_t k = 0; k < s->n; k++)
    y[k * s->inner] = s->logs ? y[k * s->inner] - log_sum : y[k * s->inner] / sum;
}

static void softmax_piece(void *context, int64_t piece) {
  const slices *s = context;
  for (int64_t i = piece * ROWS; i < least(s->outer, (piece + 1) * ROWS); i++)
    for (int64_t j = 0; j < s->inner; j++)
      softmax_slice(s, s->x + i * s->n * s->inner + j, s->out + i * s->n * s->inner + j);
}

/* softmax: gx += p (gy - sum p gy); log_softmax: gx += gy - p sum gy. */
static void softmax_slice_backward(const slices *s, const real *y, const real *gy, real *gx) {
  real sum = 0;
  for (int64_t k = 0; k < s->n * s->inner; k += s->inner) sum += s->logs ? gy[k] : gy[k] * y[k];
  for (int64_t k = 0; k < s->n * s->inner; k += s->inner)
    gx[k] += s->logs ? gy[k] - EXP(y[k]) * sum : y[k] * (gy[k] - sum);
}

static void softmax_piece_backward(void *context, int64_t piece) {
  const slices *s = context;
  for (int64_t i = piece * ROWS; i < least(s->outer, (piece + 1) * ROWS); i++)
    for (int64_t j = 0; j < s->inner; j++) {
      const int64_t at = i * s->n * s->inner + j;
      softmax_slice_backward(s, s->y + at, s->gy + at, s->out + at);
    }
}

static cj_status softmax_infer(cj_args *a, cj_tensor *y) {
  int64_t dim;
  const int ndim = a->in[0]->ndim ? a->in[0]->ndim : 1;
  CJ_TRY(cj_expect_int(a, 0, "dim", -ndim, ndim - 1, &dim));
  return cj_infer_same(a, y);
}

static void run(const cj_args *a, cj_tensor *y, bool logs) {
  slices s = slices_of(a->in[0], a->num);
  s.x = a->in[0]->data;
  s.out = y->data;
  s.logs = logs;
  each_row(&s, softmax_piece);
}

static void run_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy, cj_tensor *gx,
                         bool logs) {
  slices s = slices_of(y, a->num);
  s.y = y->data;
  s.gy = gy->data;
  s.out = gx->data;
  s.logs = logs;
  each_row(&s, softmax_piece_backward);
}

static void softmax_forward(const cj_args *a, cj_tensor *y) {
  run(a, y, false);
}

static void softmax_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                             cj_tensor *const *gx) {
  run_backward(a, y, gy, gx[0], false);
}

static void log_softmax_forward(const cj_args *a, cj_tensor *y) {
  run(a, y, true);
}

static void log_softmax_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                                 cj_tensor *const *gx) {
  run_backward(a, y, gy, gx[0], true);
}

static cj_status predict_infer(cj_args *a, cj_tensor *y) {
  const cj_tensor *x = a->in[0];
  char text[CJ_SHAPE_TEXT];
  if (x->ndim < 1 || x->size[x->ndim - 1] < 1)
    return cj_fail(CJ_ESHAPE, "expected logits [..., K] with K of at least 1, got %s",
                   cj_shape_text(text, x));
  return cj_tensor_describe(y, CJ_I64, x->ndim - 1, x->size);
}

static void predict_forward(const cj_args *a, cj_tensor *y) {
  const cj_tensor *t = a->in[0];
  const int64_t classes = t->size[t->ndim - 1], rows = cj_numel(y);
  const real *x = t->data;
  int64_t *label = y->data;
  for (int64_t i = 0; i < rows; i++, x += classes) {
    label[i] = 0;
    for (int64_t k = 1; k < classes; k++)
      if (x[k] > x[label[i]] || (x[k] != x[k] && x[label[i]] == x[label[i]])) label[i] = k;
  }
}

CJ_OPS(softmax) = {
    {"softmax", 1, 1, softmax_infer, softmax_forward, softmax_backward,
     CJ_KEEPS_OUTPUT | CJ_DROPS_INPUTS | CJ_ALONG, NULL},
    {"log_softmax", 1, 1, softmax_infer, log_softmax_forward, log_softmax_backward,
     CJ_KEEPS_OUTPUT | CJ_DROPS_INPUTS | CJ_ALONG, NULL},
    {"predict", 1, 0, predict_infer, predict_forward, NULL, 0, NULL},
    {0},
};
