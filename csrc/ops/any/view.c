/* view.c -- other ways to look at the same elements: nothing is copied.
 *
 * Each operator is its shape rule alone. On the way back the same rule is applied to gx, and gy is
 * added through the strides that it gives. reshape takes contiguous tensors; others arrive as a
 * copy. */
#include "ops/dims.h"
#include "ops/fold.h"
#include "ops/walk.h"

static void drop_dim(cj_tensor *y, int dim) {
  y->ndim--;
  for (int d = dim; d < y->ndim; d++) {
    y->size[d] = y->size[d + 1];
    y->stride[d] = y->stride[d + 1];
  }
}

static void skip(cj_tensor *y, int dim, int64_t count) {
  y->data = (real *)y->data + count * y->stride[dim];
}

/* num: dim, index (negative ones count from the end). */
static cj_status select_infer(cj_args *a, cj_tensor *y) {
  int dim;
  CJ_TRY(cj_expect_dim(a, 0, &dim));
  const int64_t size = a->in[0]->size[dim];
  const double v = a->num[1];
  if (v != floor(v) || v < -(double)size || v >= (double)size)
    return cj_fail(CJ_EARG, "expected an index from 1 to %lld in dimension %d, got %g",
                   (long long)size, dim + 1, v < 0 ? v : v + 1);
  cj_tensor_detach(y, a->in[0]);
  skip(y, dim, (int64_t)v + (v < 0 ? size : 0));
  drop_dim(y, dim);
  return CJ_OK;
}

/* num: dim, first index, count. */
static cj_status narrow_infer(cj_args *a, cj_tensor *y) {
  int dim;
  CJ_TRY(cj_expect_dim(a, 0, &dim));
  const int64_t size = a->in[0]->size[dim];
  const double from = a->num[1] < 0 ? a->num[1] + (double)size : a->num[1], count = a->num[2];
  if (from != floor(from) || count != floor(count) || from < 0 || count < 0 ||
      from + count > (double)size)
    return cj_fail(CJ_EARG, "%g elements from index %g on do not fit in the %lld of dimension %d",
                   count, from + 1, (long long)size, dim + 1);
  cj_tensor_detach(y, a->in[0]);
  skip(y, dim, (int64_t)from);
  y->size[dim] = (int64_t)count;
  return CJ_OK;
}

/* num: two dims, which change places. */
static cj_status transpose_infer(cj_args *a, cj_tensor *y) {
  int p, q;
  CJ_TRY(cj_expect_dim(a, 0, &p));
  CJ_TRY(cj_expect_dim(a, 1, &q));
  const cj_tensor *x = a->in[0];
  cj_tensor_detach(y, x);
  y->size[p] = x->size[q];
  y->stride[p] = x->stride[q];
  y->size[q] = x->size[p];
  y->stride[q] = x->stride[p];
  return CJ_OK;
}

/* Elements that are not in row-major order arrive as a copy. */
static cj_status contiguous_infer(cj_args *a, cj_tensor *y) {
  cj_tensor_detach(y, a->in[0]);
  return CJ_OK;
}

/* num: for each dimension of y, which one of x it is. */
static cj_status permute_infer(cj_args *a, cj_tensor *y) {
  const cj_tensor *x = a->in[0];
  int from[CJ_MAX_DIMS] = {0};
  bool used[CJ_MAX_DIMS] = {false};
  if (a->numbers != x->ndim)
    return cj_fail(CJ_EARG, "expected each of the %d dimensions once, got %d", x->ndim, a->numbers);
  for (int d = 0; d < x->ndim; d++) {
    CJ_TRY(cj_expect_dim(a, d, &from[d]));
    if (used[from[d]])
      return cj_fail(CJ_EARG, "expected each dimension once, got %d twice", from[d] + 1);
    used[from[d]] = true;
  }
  cj_tensor_detach(y, x);
  for (int d = 0; d < x->ndim; d++) {
    y->size[d] = x->size[from[d]];
    y->stride[d] = x->stride[from[d]];
  }
  return CJ_OK;
}

/* Reads the sizes a->num; a -1 becomes whatever makes numel come out. */
static cj_status read_sizes(const cj_args *a, int64_t size[CJ_MAX_DIMS]) {
  const int64_t numel = cj_numel(a->in[0]);
  int64_t known = 1;
  int open = -1;
  char text[CJ_SHAPE_TEXT];
  if (a->numbers > CJ_MAX_DIMS)
    return cj_fail(CJ_EARG, "expected at most %d sizes, got %d", CJ_MAX_DIMS, a->numbers);
  for (int d = 0; d < a->numbers; d++) {
    if (a->num[d] == -1 && open < 0) {
      open = d;
      continue;
    }
    CJ_TRY(cj_expect_size(a, d, "a size (-1 at most once)", &size[d]));
    if (size[d] > 0 && known > INT64_MAX / size[d]) known = 0;
    known *= size[d];
  }
  if (open >= 0) size[open] = known ? numel / known : 0;
  if (open >= 0 ? (known == 0 || numel % known) : known != numel) {
    cj_tensor wish = {.ndim = a->numbers};
    for (int d = 0; d < a->numbers; d++) wish.size[d] = d == open ? -1 : size[d];
    char wished[CJ_SHAPE_TEXT];
    return cj_fail(CJ_ESHAPE, "%lld elements of sizes %s do not fit in sizes %s", (long long)numel,
                   cj_shape_text(text, a->in[0]), cj_shape_text(wished, &wish));
  }
  return CJ_OK;
}

/* num: the new sizes. */
static cj_status reshape_infer(cj_args *a, cj_tensor *y) {
  int64_t size[CJ_MAX_DIMS] = {0};
  CJ_TRY(read_sizes(a, size));
  cj_tensor_detach(y, a->in[0]);
  return cj_tensor_describe(y, CJ_REAL, a->numbers, size);
}

/* num: the new sizes; -1 keeps a size, new dimensions come in front. */
static cj_status expand_infer(cj_args *a, cj_tensor *y) {
  const cj_tensor *x = a->in[0];
  const int added = a->numbers - x->ndim;
  int64_t size[CJ_MAX_DIMS] = {0};
  if (added < 0 || a->numbers > CJ_MAX_DIMS)
    return cj_fail(CJ_EARG, "expected %d to %d sizes, got %d", x->ndim, CJ_MAX_DIMS, a->numbers);
  for (int d = 0; d < a->numbers; d++) {
    const int64_t old = d < added ? 1 : x->size[d - added];
    if (a->num[d] == -1 && d >= added) {
      size[d] = old;
      continue;
    }
    CJ_TRY(cj_expect_size(a, d, "a size (or -1 to keep it)", &size[d]));
    if (old != 1 && old != size[d])
      return cj_fail(CJ_ESHAPE, "expected size %lld in dimension %d, got %lld; only 1 can grow",
                     (long long)old, d + 1, (long long)size[d]);
  }
  cj_tensor checked = {0};
  CJ_TRY(cj_tensor_describe(&checked, CJ_REAL, a->numbers, size));
  cj_tensor_detach(y, x);
  y->ndim = a->numbers;
  memcpy(y->size, size, sizeof size);
  cj_walk_strides(y->stride, x, y);
  return CJ_OK;
}

/* num: dims of size 1 to take out; none: all of size 1. */
static cj_status squeeze_infer(cj_args *a, cj_tensor *y) {
  const cj_tensor *x = a->in[0];
  bool drop[CJ_MAX_DIMS] = {false};
  for (int d = 0; d < x->ndim; d++) drop[d] = a->numbers == 0 && x->size[d] == 1;
  for (int i = 0; i < a->numbers; i++) {
    int dim;
    CJ_TRY(cj_expect_dim(a, i, &dim));
    drop[dim] = x->size[dim] == 1;
  }
  cj_tensor_detach(y, x);
  for (int d = x->ndim - 1; d >= 0; d--)
    if (drop[d]) drop_dim(y, d);
  return CJ_OK;
}

/* num: where in y the new dimension of size 1 stands. */
static cj_status unsqueeze_infer(cj_args *a, cj_tensor *y) {
  const cj_tensor *x = a->in[0];
  int dim;
  if (x->ndim == CJ_MAX_DIMS)
    return cj_fail(CJ_ESHAPE, "expected at most %d dimensions, got %d", CJ_MAX_DIMS - 1, x->ndim);
  CJ_TRY(cj_expect_dim_of(a, 0, x->ndim + 1, &dim));
  cj_tensor_detach(y, x);
  for (int d = y->ndim++; d > dim; d--) {
    y->size[d] = y->size[d - 1];
    y->stride[d] = y->stride[d - 1];
  }
  y->size[dim] = 1;
  y->stride[dim] = 1;
  return CJ_OK;
}

#if CJ_IS_FLOAT
typedef struct addition {
  real *to;
  const real *from;
} addition;

static void add_run(const void *context, const cj_run *r) {
  const addition *s = context;
  real *to = s->to + r->offset[0];
  const real *from = s->from + r->at;
  const int64_t step = r->step[0];
  if (step == 1) {
    for (int64_t i = 0; i < r->n; i++) to[i] += from[i];
  } else {
    for (int64_t i = 0; i < r->n; i++) to[i * step] += from[i];
  }
}

/* The rule cannot fail: it passed for the same numbers and sizes on the way forward. */
static void view_backward(const cj_args *a, const cj_tensor *gy, cj_tensor *const *gx,
                          cj_status (*infer)(cj_args *, cj_tensor *)) {
  if (!gx[0]) return;
  const cj_tensor *const in[1] = {gx[0]};
  cj_args same = {.count = 1, .in = in, .numbers = a->numbers, .num = a->num};
  cj_tensor view = {.dtype = CJ_REAL};
  if (infer(&same, &view) != CJ_OK) return;
  const cj_walk walk = cj_walk_strided(gy, 1, &view.stride);
  const addition sum = {view.data, gy->data};
  cj_walk_all(&walk, add_run, &sum);
  cj_tensor_drop(&view);
}

static void select_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                            cj_tensor *const *gx) {
  (void)y;
  view_backward(a, gy, gx, select_infer);
}
static void narrow_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                            cj_tensor *const *gx) {
  (void)y;
  view_backward(a, gy, gx, narrow_infer);
}
static void transpose_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                               cj_tensor *const *gx) {
  (void)y;
  view_backward(a, gy, gx, transpose_infer);
}
static void permute_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                             cj_tensor *const *gx) {
  (void)y;
  view_backward(a, gy, gx, permute_infer);
}

/* The elements kept their order: reshape, squeeze, unsqueeze. Or were repeated: expand. */
static void order_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                           cj_tensor *const *gx) {
  (void)a, (void)y;
  const fold_source source = {gy->data, NULL, NULL};
  if (gx[0]) fold_broadcast(gx[0], gy, source);
}
#define BACKWARD(function) function
#else
#define BACKWARD(function) NULL
#endif

enum { VIEW = CJ_VIEW | CJ_DROPS_INPUTS, STRIDED_VIEW = VIEW | CJ_STRIDED };

CJ_OPS(view) = {
    {"select", 1, 2, select_infer, NULL, BACKWARD(select_backward), STRIDED_VIEW | CJ_ALONG, NULL},
    {"narrow", 1, 3, narrow_infer, NULL, BACKWARD(narrow_backward), STRIDED_VIEW | CJ_ALONG, NULL},
    {"transpose", 1, 2, transpose_infer, NULL, BACKWARD(transpose_backward), STRIDED_VIEW, NULL},
    {"permute", 1, CJ_ANY, permute_infer, NULL, BACKWARD(permute_backward), STRIDED_VIEW, NULL},
    {"reshape", 1, CJ_ANY, reshape_infer, NULL, BACKWARD(order_backward), VIEW, NULL},
    {"expand", 1, CJ_ANY, expand_infer, NULL, BACKWARD(order_backward), STRIDED_VIEW, NULL},
    {"contiguous", 1, 0, contiguous_infer, NULL, BACKWARD(order_backward), VIEW, NULL},
    {"squeeze", 1, CJ_ANY, squeeze_infer, NULL, BACKWARD(order_backward), STRIDED_VIEW, NULL},
    {"unsqueeze", 1, 1, unsqueeze_infer, NULL, BACKWARD(order_backward), STRIDED_VIEW, NULL},
    {0},
};
