/* concat.c -- tensors one behind the other along a dimension. */
#include <string.h>

#include "core/threads.h"
#include "ops/dims.h"

/* Everything outside the dimension is a row: result row r holds, for each input, its row r. */
typedef struct layout {
  int64_t rows, inner; /* product of the sizes before and behind the dimension */
  int dim;
} layout;

static layout layout_of(const cj_args *a) {
  layout l = {1, 1, 0};
  if (cj_expect_dim(a, 0, &l.dim) != CJ_OK) return l; /* infer has checked */
  for (int d = 0; d < l.dim; d++) l.rows *= a->in[0]->size[d];
  for (int d = l.dim + 1; d < a->in[0]->ndim; d++) l.inner *= a->in[0]->size[d];
  return l;
}

static cj_status check_fits(const cj_tensor *first, const cj_tensor *other, int number, int dim) {
  bool fits = first->ndim == other->ndim;
  char here[CJ_SHAPE_TEXT], there[CJ_SHAPE_TEXT];
  if (first->dtype != other->dtype)
    return cj_fail(CJ_EDTYPE, "expected tensors of one type, got %s and, as number %d, %s",
                   cj_dtype_name(first->dtype), number, cj_dtype_name(other->dtype));
  for (int d = 0; d < first->ndim && fits; d++) fits = d == dim || first->size[d] == other->size[d];
  if (fits) return CJ_OK;
  return cj_fail(CJ_ESHAPE,
                 "expected sizes that differ in dimension %d only, got %s and, as number %d, %s",
                 dim + 1, cj_shape_text(here, first), number, cj_shape_text(there, other));
}

/* num: dim. */
static cj_status cat_infer(cj_args *a, cj_tensor *y) {
  int dim;
  CJ_TRY(cj_expect_dim(a, 0, &dim));
  int64_t size[CJ_MAX_DIMS], sum = 0;
  for (int i = 0; i < a->count; i++) {
    if (!a->in[i]) return cj_fail(CJ_EARG, "expected a tensor as number %d, got none", i + 1);
    CJ_TRY(check_fits(a->in[0], a->in[i], i + 1, dim));
    sum += a->in[i]->size[dim];
  }
  memcpy(size, a->in[0]->size, sizeof size);
  size[dim] = sum;
  return cj_tensor_describe(y, CJ_REAL, a->in[0]->ndim, size);
}

typedef struct job {
  const cj_args *a;
  const real *from; /* backward: gy */
  real *to;         /* forward: y */
  cj_tensor *const *gx;
  layout l;
  int64_t row; /* elements of a row of y */
  int64_t per_piece;
} job;

static void copy_rows(void *context, int64_t piece) {
  const job *j = context;
  const int64_t end =
      (piece + 1) * j->per_piece < j->l.rows ? (piece + 1) * j->per_piece : j->l.rows;
  for (int64_t r = piece * j->per_piece; r < end; r++) {
    real *to = j->to + r * j->row;
    for (int i = 0; i < j->a->count; i++) {
      const int64_t n = j->a->in[i]->size[j->l.dim] * j->l.inner;
      memcpy(to, (const real *)j->a->in[i]->data + r * n, (size_t)n * sizeof(real));
      to += n;
    }
  }
}

/* About 64K elements to a piece. */
static void run(job *j, const cj_tensor *y, cj_task task) {
  if (cj_numel(y) == 0) return;
  j->row = cj_numel(y) / j->l.rows;
  j->per_piece = 65536 / j->row + 1;
  cj_parallel((j->l.rows + j->per_piece - 1) / j->per_piece, task, j);
}

static void cat_forward(const cj_args *a, cj_tensor *y) {
  job j = {.a = a, .to = y->data, .l = layout_of(a)};
  run(&j, y, copy_rows);
}

#if CJ_IS_FLOAT
static void add_rows(void *context, int64_t piece) {
  const job *j = context;
  const int64_t end =
      (piece + 1) * j->per_piece < j->l.rows ? (piece + 1) * j->per_piece : j->l.rows;
  for (int64_t r = piece * j->per_piece; r < end; r++) {
    const real *from = j->from + r * j->row;
    for (int i = 0; i < j->a->count; i++) {
      const int64_t n = j->a->in[i]->size[j->l.dim] * j->l.inner;
      if (j->gx[i]) {
        real *to = (real *)j->gx[i]->data + r * n;
        for (int64_t k = 0; k < n; k++) to[k] += from[k];
      }
      from += n;
    }
  }
}

static void cat_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                         cj_tensor *const *gx) {
  (void)y;
  job j = {.a = a, .from = gy->data, .gx = gx, .l = layout_of(a)};
  run(&j, gy, add_rows);
}
#define IF_FLOAT(function) function
#else
#define IF_FLOAT(function) NULL
#endif

CJ_OPS(concat) = {
    {"cat", -1, 1, cat_infer, cat_forward, IF_FLOAT(cat_backward), CJ_DROPS_INPUTS | CJ_ALONG,
     NULL},
    {0},
};
