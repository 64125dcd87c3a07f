/* each.h -- operators on one contiguous operand, element by element.
 *
 * A forward is written as an expression of x (the element) and num (the operator's numbers as
 * `real`); a backward of g (the result's gradient), x and y (the result), of which the operator's
 * flags keep one or both. */
#ifndef CJ_EACH_H
#define CJ_EACH_H

#include "core/threads.h"
#include "ops/op.h"

enum { CJ_EACH_PIECE = 16384, CJ_EACH_NUMBERS = 2 };

typedef struct cj_each {
  const real *x, *y, *g; /* operand; result and its gradient */
  real *out;             /* the result, or the operand's gradient */
  real num[CJ_EACH_NUMBERS];
  int64_t total;
  void (*run)(const struct cj_each *e, int64_t at, int64_t end);
} cj_each;

static inline void cj_each_piece(void *context, int64_t piece) {
  const cj_each *e = context;
  const int64_t at = piece * CJ_EACH_PIECE;
  e->run(e, at, at + CJ_EACH_PIECE < e->total ? at + CJ_EACH_PIECE : e->total);
}

/* A number as an element: integers saturate. */
static inline real cj_as_real(double v) {
#if CJ_IS_FLOAT
  return (real)v;
#else
  const double low = CJ_REAL == CJ_U8 ? 0.0 : -0x1p63, high = CJ_REAL == CJ_U8 ? 255.0 : 0x1p63;
  if (v >= high) return CJ_REAL == CJ_U8 ? (real)255 : (real)INT64_MAX;
  return v > low ? (real)v : (real)low;
#endif
}

static inline void cj_each_all(const cj_args *a, cj_each *e, int64_t total) {
  for (int i = 0; i < a->numbers && i < CJ_EACH_NUMBERS; i++) e->num[i] = cj_as_real(a->num[i]);
  e->total = total;
  if (total <= CJ_EACH_PIECE) {
    e->run(e, 0, total);
  } else {
    cj_parallel((total + CJ_EACH_PIECE - 1) / CJ_EACH_PIECE, cj_each_piece, e);
  }
}

/* Defines the forward function `name` and its loop `run`. */
#define CJ_EACH_FORWARD(name, run_name, expression)                                                \
  static void run_name(const cj_each *e, int64_t at, int64_t end) {                                \
    const real *px = e->x, *num = e->num;                                                          \
    real *out = e->out;                                                                            \
    (void)num;                                                                                     \
    _Pragma("GCC ivdep") for (int64_t i = at; i < end; i++) {                                      \
      const real x = px[i];                                                                        \
      out[i] = (real)(expression);                                                                 \
    }                                                                                              \
  }                                                                                                \
  static void name(const cj_args *a, cj_tensor *y) {                                               \
    cj_each e = {.x = a->in[0]->data, .out = y->data, .run = run_name};                            \
    cj_each_all(a, &e, cj_numel(y));                                                               \
  }

/* Defines the backward function `name`, which adds the expression to gx, and its loop `run`.
 * `value` says what the expression may read beside g: x or y. */
#define CJ_EACH_BACKWARD(name, run_name, value, expression)                                        \
  static void run_name(const cj_each *e, int64_t at, int64_t end) {                                \
    const real *pg = e->g, *pv = e->value ? e->value : pg, *num = e->num;                          \
    real *out = e->out;                                                                            \
    (void)num;                                                                                     \
    _Pragma("GCC ivdep") for (int64_t i = at; i < end; i++) {                                      \
      const real value = pv[i], g = pg[i];                                                         \
      (void)value;                                                                                 \
      out[i] += (real)(expression);                                                                \
    }                                                                                              \
  }                                                                                                \
  static void name(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,                      \
                   cj_tensor *const *gx) {                                                         \
    if (!gx[0]) return;                                                                            \
    cj_each e = {.x = a->in[0]->data, .y = y->data, .g = gy->data, .run = run_name};               \
    e.out = gx[0]->data;                                                                           \
    cj_each_all(a, &e, cj_numel(gy));                                                              \
  }

#endif
