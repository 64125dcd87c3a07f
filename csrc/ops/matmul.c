/* matmul.c -- matrix products, [..., M, K] x [..., K, N] -> [..., M, N]; leading dimensions
 * broadcast.
 *
 * The result and the gradient of the first operand come from kernels/gemm.h, in which a row does
 * not depend on how many other rows there are; OpenBLAS gives no such promise. The gradient of the
 * second operand sums over all rows anyway: OpenBLAS computes it, one thread per call, in blocks of
 * fixed size that threads share. */
#include <cblas.h>
#include <limits.h>
#include <string.h>

#include "core/threads.h"
#include "kernels/gemm.h"
#include "ops/op.h"

enum { ROWS = 128, COLUMNS = 512, SLICES = 64, SMALL = 100000 };

static int64_t last(const cj_tensor *t, int from_end) {
  return t->size[t->ndim - from_end];
}

static int64_t step(const cj_tensor *t, int from_end) {
  return t->stride[t->ndim - from_end];
}

static int64_t batches(const cj_tensor *t) {
  int64_t n = 1;
  for (int d = 0; d < t->ndim - 2; d++) n *= t->size[d];
  return n;
}

/* Matrix i of the batch `space`, seen in t, which repeats where its leading sizes are 1: the number
 * of t's matrix, and where it starts. */
typedef struct place {
  int64_t number, offset;
} place;

static place place_of(const cj_tensor *t, const cj_tensor *space, int64_t i) {
  place p = {0, 0};
  int64_t matrices = 1;
  for (int d = space->ndim - 3, e = t->ndim - 3; d >= 0 && e >= 0; d--, e--) {
    const int64_t index = t->size[e] == 1 ? 0 : i % space->size[d];
    p.number += index * matrices;
    p.offset += index * t->stride[e];
    matrices *= t->size[e];
    i /= space->size[d];
  }
  return p;
}

static const real *matrix(const cj_tensor *t, const cj_tensor *space, int64_t i) {
  return (const real *)t->data + place_of(t, space, i).offset;
}

/* t with its last two dimensions exchanged. */
static cj_tensor turned(const cj_tensor *t) {
  cj_tensor u = *t;
  const int p = t->ndim - 2, q = t->ndim - 1;
  u.size[p] = t->size[q];
  u.size[q] = t->size[p];
  u.stride[p] = t->stride[q];
  u.stride[q] = t->stride[p];
  return u;
}

/* --- rows that do not depend on each other --------------------------------------------------- */

/* result (+)= left x right for every matrix of the batch `space` that the sizes broadcast to. */
typedef struct product {
  cj_tensor left, right, result, space; /* borrowed: sizes, strides and data */
  bool add;
  char *scratch;
  size_t scratch_bytes; /* of one slice */
  int64_t slices;       /* the result's matrices are dealt out to so many pieces of work */
} product;

static void multiply(const product *p, int64_t i, bool add, void *scratch) {
  const cj_gemm g = {.m = last(&p->left, 2),
                     .n = last(&p->right, 1),
                     .k = last(&p->left, 1),
                     .a = matrix(&p->left, &p->space, i),
                     .a_row = step(&p->left, 2),
                     .a_col = step(&p->left, 1),
                     .b = matrix(&p->right, &p->space, i),
                     .b_row = step(&p->right, 2),
                     .b_col = step(&p->right, 1),
                     .c = (real *)matrix(&p->result, &p->space, i),
                     .c_row = step(&p->result, 2),
                     .add = add};
  CJ_KERNEL(gemm)(&g, scratch);
}

/* One matrix of the result: all of the space that belong to it, in order. */
static void sum_matrix(const product *p, int64_t number, void *scratch) {
  const int64_t space = batches(&p->space);
  bool add = p->add;
  if (batches(&p->result) == space) {
    multiply(p, number, add, scratch);
    return;
  }
  for (int64_t i = 0; i < space; i++) {
    if (place_of(&p->result, &p->space, i).number != number) continue;
    multiply(p, i, add, scratch);
    add = true;
  }
}

static void slice(void *context, int64_t piece) {
  const product *p = context;
  const int64_t results = batches(&p->result);
  for (int64_t i = piece; i < results; i += p->slices)
    sum_matrix(p, i, p->scratch + (size_t)piece * p->scratch_bytes);
}

/* Many small matrices are shared out whole; the threads work on one large matrix together. */
static int64_t slices_for(int64_t results, int64_t m, int64_t n, int64_t k) {
  if ((double)m * (double)n * (double)k > SMALL) return 1;
  return results < SLICES ? results : SLICES;
}

static size_t aligned(size_t bytes) {
  return (bytes + 63) / 64 * 64;
}

static void run(product *p, void *scratch) {
  const int64_t m = last(&p->left, 2), n = last(&p->right, 1), k = last(&p->left, 1);
  p->scratch = scratch;
  p->scratch_bytes = aligned(CJ_KERNEL(gemm_scratch)(m, n, k));
  p->slices = slices_for(batches(&p->result), m, n, k);
  cj_parallel(p->slices, slice, p);
}

/* --- sums over rows -------------------------------------------------------------------------- */

/* How OpenBLAS can read a matrix: rows or columns of neighbouring elements, or not at all. */
typedef enum reading { BY_ROWS, BY_COLUMNS, UNREADABLE } reading;

static reading reading_of(const cj_tensor *t) {
  const int64_t row = step(t, 2), column = step(t, 1);
  if (row > INT_MAX || column > INT_MAX) return UNREADABLE;
  if (column == 1 && row >= last(t, 1)) return BY_ROWS;
  return row == 1 && column >= last(t, 2) ? BY_COLUMNS : UNREADABLE;
}

/* result += left x right, one block of ROWS x COLUMNS of one matrix. */
static void blas_block(const product *p, int64_t i, int64_t row, int64_t column) {
  const cj_tensor *left = &p->left, *right = &p->right;
  const int64_t rows = last(&p->result, 2), columns = last(&p->result, 1);
  const int m = (int)(rows - row < ROWS ? rows - row : ROWS);
  const int n = (int)(columns - column < COLUMNS ? columns - column : COLUMNS);
  const int k = (int)last(left, 1);
  const bool plain = reading_of(left) == BY_ROWS;
  const int64_t wide = plain ? step(left, 2) : step(left, 1);
  const real *a = matrix(left, &p->space, i) + row * step(left, 2);
  const real *b = matrix(right, &p->space, i) + column;
  real *c = (real *)matrix(&p->result, &p->space, i) + row * columns + column;
#if defined(CJ_TYPE_f32)
  cblas_sgemm(CblasRowMajor, plain ? CblasNoTrans : CblasTrans, CblasNoTrans, m, n, k, 1, a,
              (int)wide, b, (int)last(right, 1), 1, c, (int)columns);
#else
  cblas_dgemm(CblasRowMajor, plain ? CblasNoTrans : CblasTrans, CblasNoTrans, m, n, k, 1, a,
              (int)wide, b, (int)last(right, 1), 1, c, (int)columns);
#endif
}

static void blas_piece(void *context, int64_t piece) {
  const product *p = context;
  const int64_t wide = (last(&p->result, 1) + COLUMNS - 1) / COLUMNS;
  const int64_t high = (last(&p->result, 2) + ROWS - 1) / ROWS;
  const int64_t column = piece % wide * COLUMNS, row = piece / wide % high * ROWS;
  const int64_t number = piece / (wide * high), space = batches(&p->space);
  const bool one = batches(&p->result) == space;
  for (int64_t i = one ? number : 0; i < (one ? number + 1 : space); i++)
    if (one || place_of(&p->result, &p->space, i).number == number) blas_block(p, i, row, column);
}

static void run_blas(product *p) {
  const int64_t high = (last(&p->result, 2) + ROWS - 1) / ROWS;
  const int64_t wide = (last(&p->result, 1) + COLUMNS - 1) / COLUMNS;
  cj_parallel(batches(&p->result) * high * wide, blas_piece, p);
}

/* --- the operator ---------------------------------------------------------------------------- */

/* Leading dimensions join the rows where the second operand is a single matrix and the first one's
 * strides allow it. */
static bool joins(const cj_args *a) {
  const cj_tensor *x = a->in[0];
  if (batches(a->in[1]) != 1 || x->ndim < a->in[1]->ndim) return false;
  for (int d = 0; d < x->ndim - 2; d++)
    if (x->stride[d] != x->stride[d + 1] * x->size[d + 1]) return false;
  return true;
}

static cj_tensor joined(const cj_tensor *t, bool join) {
  cj_tensor flat = *t;
  if (!join) return flat;
  flat.ndim = 2;
  flat.size[0] = batches(t) * last(t, 2);
  flat.size[1] = last(t, 1);
  flat.stride[0] = step(t, 2);
  flat.stride[1] = step(t, 1);
  return flat;
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
  const bool join = joins(a);
  product p = {.left = joined(a->in[0], join), .right = *a->in[1], .result = joined(y, join)};
  p.space = p.result;
  if (cj_numel(y)) run(&p, a->scratch);
}

/* gx0 += gy x right^T; gx1 += left^T x gy. */
static void matmul_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                            cj_tensor *const *gx) {
  (void)y;
  if (cj_numel(gy) == 0 || last(a->in[0], 1) == 0) return;
  const bool join = joins(a);
  const cj_tensor g = joined(gy, join), left = joined(a->in[0], join);
  if (gx[0]) {
    product p = {.left = g, .right = turned(a->in[1]), .result = joined(gx[0], join)};
    p.space = g;
    p.add = true;
    run(&p, a->scratch);
  }
  if (gx[1]) {
    product p = {.left = turned(&left), .right = g, .result = *gx[1], .space = g, .add = true};
    if (reading_of(&p.left) != UNREADABLE)
      run_blas(&p);
    else
      run(&p, a->scratch);
  }
}

/* For the largest of the products of both ways. */
static size_t matmul_scratch(const cj_args *a) {
  const bool join = joins(a);
  const cj_tensor x = joined(a->in[0], join);
  const int64_t m = last(&x, 2), k = last(&x, 1), n = last(a->in[1], 1);
  size_t most = CJ_KERNEL(gemm_scratch)(m, n, k);
  const size_t others[2] = {CJ_KERNEL(gemm_scratch)(m, k, n), CJ_KERNEL(gemm_scratch)(k, n, m)};
  for (int i = 0; i < 2; i++)
    if (others[i] > most) most = others[i];
  const int64_t results = join ? 1 : batches(a->in[0]) * batches(a->in[1]);
  return aligned(most) * (size_t)slices_for(results, m, n, k);
}

CJ_OPS(matmul) = {
    {"matmul", 2, 0, matmul_infer, matmul_forward, matmul_backward, CJ_STRIDED, matmul_scratch},
    {0},
};
