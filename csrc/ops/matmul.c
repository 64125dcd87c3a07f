/* matmul.c -- matrix products, [..., M, K] x [..., K, N] -> [..., M, N]; leading dimensions
 * broadcast.
 *
 * OpenBLAS multiplies, one thread per call; threads share blocks of ROWS x COLUMNS of the result. A
 * row's last bits may depend on how many rows a call has, so every call of forward and of the first
 * operand's gradient has exactly ROWS rows: a row comes out the same whatever batch it is part of.
 * A last block that is not full starts earlier, or is filled up with zeros when there are fewer
 * rows in all. */
#include <cblas.h>
#include <limits.h>
#include <string.h>

#include "core/threads.h"
#include "ops/op.h"

enum { ROWS = 64, COLUMNS = 512 };

/* result (+)= left x right for every matrix of the batch `space` that the sizes broadcast to. */
typedef struct product {
  cj_tensor left, right, result, space; /* borrowed; only sizes, strides and data are used */
  bool left_turned, right_turned;       /* stored as the transpose */
  bool add;
  const real *padded; /* left with ROWS rows per matrix, if it has fewer */
} product;

static int64_t batches(const cj_tensor *t) {
  int64_t n = 1;
  for (int d = 0; d < t->ndim - 2; d++) n *= t->size[d];
  return n;
}

static int64_t last(const cj_tensor *t, int from_end) {
  return t->size[t->ndim - from_end];
}

/* Which of t's matrices does matrix i of the space use? */
static int64_t matrix_of(const cj_tensor *t, const cj_tensor *space, int64_t i) {
  int64_t number = 0, step = 1;
  for (int d = space->ndim - 3, e = t->ndim - 3; d >= 0 && e >= 0; d--, e--) {
    if (t->size[e] != 1) number += i % space->size[d] * step;
    step *= t->size[e];
    i /= space->size[d];
  }
  return number;
}

static const real *matrix(const cj_tensor *t, int64_t number) {
  return (const real *)t->data + number * last(t, 2) * last(t, 1);
}

static void multiply(bool left_turned, bool right_turned, int64_t m, int64_t n, int64_t k,
                     const real *left, int64_t left_step, const real *right, int64_t right_step,
                     real beta, real *c, int64_t c_step) {
  const CBLAS_TRANSPOSE tl = left_turned ? CblasTrans : CblasNoTrans;
  const CBLAS_TRANSPOSE tr = right_turned ? CblasTrans : CblasNoTrans;
#if defined(CJ_TYPE_f32)
  cblas_sgemm(CblasRowMajor, tl, tr, (int)m, (int)n, (int)k, 1, left, (int)left_step, right,
              (int)right_step, beta, c, (int)c_step);
#else
  cblas_dgemm(CblasRowMajor, tl, tr, (int)m, (int)n, (int)k, 1, left, (int)left_step, right,
              (int)right_step, beta, c, (int)c_step);
#endif
}

/* Rows from..rows-1 of a tile, whose first row is number `start`, go to or are added to c. */
static void put_tile(const real *tile, int64_t start, int64_t from, int64_t rows, int64_t n,
                     real *c, int64_t c_step, bool add) {
  for (int64_t i = from; i < rows; i++) {
    const real *row = tile + (i - start) * n;
    for (int64_t j = 0; j < n; j++) c[i * c_step + j] = add ? c[i * c_step + j] + row[j] : row[j];
  }
}

/* Block at (row, column) of matrix i of the space, with a call of exactly ROWS rows. Adding goes
 * through a tile, too, so that the order of additions does not depend on the block's place. */
static void whole_rows(const product *p, int64_t i, int64_t row, int64_t column, bool add) {
  const int64_t rows = last(&p->result, 2), columns = last(&p->result, 1), k = last(&p->left, 1);
  const int64_t n = columns - column < COLUMNS ? columns - column : COLUMNS;
  const int64_t m = matrix_of(&p->left, &p->space, i);
  const int64_t right_step = last(&p->right, 1);
  const real *right = matrix(&p->right, matrix_of(&p->right, &p->space, i)) +
                      (p->right_turned ? column * right_step : column);
  real *c = (real *)matrix(&p->result, matrix_of(&p->result, &p->space, i)) + column;
  const int64_t start = rows < ROWS ? 0 : row + ROWS > rows ? rows - ROWS : row;
  const real *left = rows < ROWS ? p->padded + m * ROWS * k : matrix(&p->left, m) + start * k;
  if (start == row && rows >= ROWS && !add) {
    multiply(false, p->right_turned, ROWS, n, k, left, k, right, right_step, 0, c + row * columns,
             columns);
    return;
  }
  real tile[ROWS * COLUMNS];
  multiply(false, p->right_turned, ROWS, n, k, left, k, right, right_step, 0, tile, n);
  const int64_t end = row + ROWS < rows ? row + ROWS : rows;
  put_tile(tile, start, row, end, n, c, columns, add);
}

/* The same for left^T x right, whose rows are not samples: no filling up. Always adds. */
static void turned_rows(const product *p, int64_t i, int64_t row, int64_t column) {
  const int64_t rows = last(&p->result, 2), columns = last(&p->result, 1);
  const int64_t m = rows - row < ROWS ? rows - row : ROWS;
  const int64_t n = columns - column < COLUMNS ? columns - column : COLUMNS;
  const real *left = matrix(&p->left, matrix_of(&p->left, &p->space, i)) + row;
  const real *right = matrix(&p->right, matrix_of(&p->right, &p->space, i)) + column;
  real *c = (real *)matrix(&p->result, matrix_of(&p->result, &p->space, i));
  multiply(true, false, m, n, last(&p->left, 2), left, last(&p->left, 1), right, last(&p->right, 1),
           1, c + row * columns + column, columns);
}

/* One block of one result matrix: sums over the matrices of the space that belong to it, in order.
 */
static void block(void *context, int64_t piece) {
  const product *p = context;
  const int64_t wide = (last(&p->result, 1) + COLUMNS - 1) / COLUMNS;
  const int64_t high = (last(&p->result, 2) + ROWS - 1) / ROWS;
  const int64_t column = piece % wide * COLUMNS, row = piece / wide % high * ROWS;
  const int64_t number = piece / (wide * high), space = batches(&p->space);
  const bool one = batches(&p->result) == space;
  bool add = p->add;
  for (int64_t i = one ? number : 0; i < (one ? number + 1 : space); i++) {
    if (!one && matrix_of(&p->result, &p->space, i) != number) continue;
    if (p->left_turned)
      turned_rows(p, i, row, column);
    else
      whole_rows(p, i, row, column, add);
    add = true;
  }
}

static void pad_rows(void *context, int64_t number) {
  const product *p = context;
  const int64_t rows = last(&p->left, 2), k = last(&p->left, 1);
  real *to = (real *)p->padded + number * ROWS * k;
  memcpy(to, matrix(&p->left, number), (size_t)(rows * k) * sizeof(real));
  memset(to + rows * k, 0, (size_t)((ROWS - rows) * k) * sizeof(real));
}

static void run(product *p, void *scratch) {
  const int64_t rows = last(&p->result, 2), columns = last(&p->result, 1);
  p->padded = scratch;
  if (!p->left_turned && rows < ROWS) cj_parallel(batches(&p->left), pad_rows, p);
  const int64_t blocks = ((rows + ROWS - 1) / ROWS) * ((columns + COLUMNS - 1) / COLUMNS);
  cj_parallel(blocks * batches(&p->result), block, p);
}

/* Leading dimensions join the rows when the second operand is a single matrix. */
static cj_tensor joined(const cj_tensor *t, bool join) {
  cj_tensor flat = *t;
  if (!join) return flat;
  flat.size[0] = batches(t) * last(t, 2);
  flat.size[1] = last(t, 1);
  flat.ndim = 2;
  return flat;
}

static bool joins(const cj_args *a) {
  return batches(a->in[1]) == 1 && a->in[0]->ndim >= a->in[1]->ndim;
}

static cj_status matmul_infer(cj_args *a, cj_tensor *y) {
  const cj_tensor *p = a->in[0], *q = a->in[1];
  char left[CJ_SHAPE_TEXT], right[CJ_SHAPE_TEXT];
  cj_shape_text(left, p);
  cj_shape_text(right, q);
  if (p->ndim < 2 || q->ndim < 2)
    return cj_fail(CJ_ESHAPE, "expected two or more dimensions, got %s x %s", left, right);
  if (last(p, 1) != last(q, 2))
    return cj_fail(CJ_ESHAPE, "inner sizes differ, %s x %s", left, right);
  if (last(p, 1) > INT_MAX || last(q, 1) > INT_MAX || batches(p) * last(p, 2) > INT_MAX)
    return cj_fail(CJ_ESHAPE, "too large for a product, %s x %s", left, right);
  cj_tensor outer[2] = {*p, *q};
  outer[0].ndim -= 2;
  outer[1].ndim -= 2;
  const cj_tensor *const in[2] = {&outer[0], &outer[1]};
  cj_args leading = {.count = 2, .in = in};
  CJ_TRY(cj_infer_broadcast(&leading, y));
  int64_t size[CJ_MAX_DIMS + 2] = {0};
  memcpy(size, y->size, (size_t)y->ndim * sizeof *size);
  size[y->ndim] = last(p, 2);
  size[y->ndim + 1] = last(q, 1);
  return cj_tensor_describe(y, CJ_REAL, y->ndim + 2, size);
}

static void matmul_forward(const cj_args *a, cj_tensor *y) {
  if (cj_numel(y) == 0) return;
  if (last(a->in[0], 1) == 0) {
    memset(y->data, 0, (size_t)cj_numel(y) * sizeof(real));
    return;
  }
  const bool join = joins(a);
  product p = {.left = joined(a->in[0], join), .right = *a->in[1], .result = joined(y, join)};
  p.space = p.result;
  run(&p, a->scratch);
}

/* gx0 += gy x right^T; gx1 += left^T x gy. */
static void matmul_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                            cj_tensor *const *gx) {
  (void)y;
  if (cj_numel(gy) == 0 || last(a->in[0], 1) == 0) return;
  const bool join = joins(a);
  const cj_tensor g = joined(gy, join);
  if (gx[0]) {
    product p = {.left = g, .right = *a->in[1], .result = joined(gx[0], join), .space = g};
    p.right_turned = p.add = true;
    run(&p, a->scratch);
  }
  if (gx[1]) {
    product p = {.left = joined(a->in[0], join), .right = g, .result = *gx[1], .space = g};
    p.left_turned = p.add = true;
    run(&p, a->scratch);
  }
}

/* Room for the filled-up rows of in[0] or, on the way back, of gy. */
static size_t matmul_scratch(const cj_args *a) {
  const cj_tensor *p = a->in[0], *q = a->in[1];
  const bool join = joins(a);
  if ((join ? batches(p) : 1) * last(p, 2) >= ROWS) return 0;
  const int64_t most = join ? 1 : batches(p) * batches(q); /* at least as many as y has */
  const int64_t k = last(p, 1) > last(q, 1) ? last(p, 1) : last(q, 1);
  return (size_t)(most * k) * ROWS * sizeof(real);
}

CJ_OPS(matmul) = {
    {"matmul", 2, 0, matmul_infer, matmul_forward, matmul_backward, 0, matmul_scratch},
    {0},
};
