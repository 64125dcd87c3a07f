/* pad.c -- more (or, with negative amounts, fewer) elements at the ends of the last dimensions.
 *
 * Amounts come in pairs (before, after), the last dimension first, as in PyTorch. Modes: constant
 * (a value), reflect (the border element is not repeated), replicate (it is). */
#include "core/threads.h"
#include "expect.h"

enum { MODE, VALUE, AMOUNTS }; /* numbers; the pairs follow */
enum mode { CONSTANT, REFLECT, REPLICATE };
enum { LARGE = 1 << 24 };

typedef struct pad {
  const cj_tensor *x, *y;
  int64_t before[CJ_MAX_DIMS];
  int mode;
  real value;
  int64_t slices, slice; /* of y along its first dimension; rows of each */
  const real *from;
  real *to;
} pad;

static int64_t amount(const cj_args *a, int ndim, int d, int side) {
  const int i = AMOUNTS + 2 * (ndim - 1 - d) + side;
  return i < a->numbers ? (int64_t)a->num[i] : 0;
}

static cj_status check_dim(const cj_args *a, const cj_tensor *x, int d, int64_t *size) {
  const int64_t before = amount(a, x->ndim, d, 0), after = amount(a, x->ndim, d, 1);
  *size = x->size[d] + before + after;
  if (*size < 0 || x->size[d] + before < 0 || x->size[d] + after < 0)
    return cj_fail(CJ_ESHAPE,
                   "amounts %lld and %lld cut more than the %lld elements of dimension %d",
                   (long long)before, (long long)after, (long long)x->size[d], d + 1);
  const int64_t most = x->size[d] - ((int)a->num[MODE] == REFLECT);
  const bool far = (int)a->num[MODE] == REFLECT && (before > most || after > most);
  if (far || ((int)a->num[MODE] == REPLICATE && most < 1 && (before > 0 || after > 0)))
    return cj_fail(
        CJ_ESHAPE,
        "amounts %lld and %lld are too large for this mode: dimension %d has %lld elements",
        (long long)before, (long long)after, d + 1, (long long)x->size[d]);
  return CJ_OK;
}

static cj_status pad_infer(cj_args *a, cj_tensor *y) {
  const cj_tensor *x = a->in[0];
  int64_t size[CJ_MAX_DIMS], whole;
  const int count = a->numbers - AMOUNTS;
  char text[CJ_SHAPE_TEXT];
  if (count < 0 || count % 2 || count > 2 * x->ndim)
    return cj_fail(CJ_EARG,
                   "expected a pair of amounts for up to %d dimensions of x %s, got %d numbers",
                   x->ndim, cj_shape_text(text, x), count < 0 ? 0 : count);
  CJ_TRY(cj_expect_int(a, MODE, "mode", CONSTANT, REPLICATE, &whole));
  for (int i = AMOUNTS; i < a->numbers; i++)
    CJ_TRY(cj_expect_int(a, i, "amounts", -LARGE, LARGE, &whole));
  for (int d = 0; d < x->ndim; d++) CJ_TRY(check_dim(a, x, d, &size[d]));
  return cj_tensor_describe(y, CJ_REAL, x->ndim, size);
}

/* Where element i of the result comes from; -1: from nowhere. */
static int64_t source(const pad *p, int d, int64_t i) {
  const int64_t n = p->x->size[d];
  i -= p->before[d];
  if (i >= 0 && i < n) return i;
  if (p->mode == CONSTANT) return -1;
  if (p->mode == REPLICATE) return i < 0 ? 0 : n - 1;
  return i < 0 ? -i : 2 * (n - 1) - i;
}

/* Start of the row of x that row `row` of y comes from; -1: from nowhere. */
static int64_t source_row(const pad *p, int64_t row) {
  int64_t at = 0, stride = p->x->size[p->x->ndim - 1];
  for (int d = p->x->ndim - 2; d >= 0; d--) {
    const int64_t i = source(p, d, row % p->y->size[d]);
    if (i < 0) return -1;
    at += i * stride;
    stride *= p->x->size[d];
    row /= p->y->size[d];
  }
  return at;
}

static void pad_slice(void *context, int64_t slice) {
  const pad *p = context;
  const int last = p->x->ndim - 1;
  const int64_t width = p->y->size[last];
  for (int64_t row = slice * p->slice; row < (slice + 1) * p->slice; row++) {
    const int64_t at = source_row(p, row);
    real *to = p->to + row * width;
    for (int64_t j = 0; j < width; j++) {
      const int64_t i = at < 0 ? -1 : source(p, last, j);
      to[j] = i < 0 ? p->value : p->from[at + i];
    }
  }
}

static void pad_slice_backward(void *context, int64_t slice) {
  const pad *p = context;
  const int last = p->x->ndim - 1;
  const int64_t width = p->y->size[last];
  for (int64_t row = slice * p->slice; row < (slice + 1) * p->slice; row++) {
    const int64_t at = source_row(p, row);
    for (int64_t j = 0; j < width && at >= 0; j++) {
      const int64_t i = source(p, last, j);
      if (i >= 0) p->to[at + i] += p->from[row * width + j];
    }
  }
}

static pad pad_of(const cj_args *a, const cj_tensor *y) {
  pad p = {.x = a->in[0], .y = y, .mode = (int)a->num[MODE], .value = (real)a->num[VALUE]};
  for (int d = 0; d < y->ndim; d++) p.before[d] = amount(a, y->ndim, d, 0);
  p.slices = y->ndim > 1 ? y->size[0] : 1;
  p.slice = 1;
  for (int d = 1; d + 1 < y->ndim; d++) p.slice *= y->size[d];
  return p;
}

static void pad_forward(const cj_args *a, cj_tensor *y) {
  pad p = pad_of(a, y);
  p.from = a->in[0]->data;
  p.to = y->data;
  if (y->ndim == 0)
    cj_tensor_copy(y, a->in[0]);
  else if (cj_numel(y) > 0)
    cj_parallel(p.slices, pad_slice, &p);
}

static void pad_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                         cj_tensor *const *gx) {
  pad p = pad_of(a, y);
  p.from = gy->data;
  p.to = gx[0]->data;
  if (y->ndim == 0) {
    p.to[0] += p.from[0];
    return;
  }
  if (p.mode != CONSTANT && y->size[0] != p.x->size[0]) { /* slices may share elements of x */
    p.slice *= p.slices;
    p.slices = 1;
  }
  if (cj_numel(y) > 0) cj_parallel(p.slices, pad_slice_backward, &p);
}

CJ_OPS(pad) = {
    {"pad", 1, CJ_ANY, pad_infer, pad_forward, pad_backward, CJ_DROPS_INPUTS | CJ_APART, NULL},
    {0},
};
