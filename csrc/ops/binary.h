/* binary.h -- operators on two broadcast operands, element by element.
 *
 * A forward is written as an expression of x and z, the elements of the first and second operand; a
 * gradient also of g, the result's gradient. The loops for the usual steps (both 1; one of them 0)
 * are spelled out so that the compiler can vectorise them. */
#ifndef CJ_BINARY_H
#define CJ_BINARY_H

#include "ops/fold.h"
#include "ops/walk.h"

typedef struct cj_pair {
  const real *x, *z, *g; /* g: the result's gradient; NULL forward */
  void *out;             /* element number `first` of the result */
  int64_t first;
  const cj_walk *walk;
  cj_run_task slope;
} cj_pair;

/* The elements are independent: out may be one of the operands itself. */
#define CJ_EACH(i, n) _Pragma("GCC ivdep") for (int64_t i = 0; i < (n); i++)

#define CJ_PAIR_LOOPS(result, prepare, expression)                                                 \
  const cj_pair *p = context;                                                                      \
  result *out = (result *)p->out + (r->at - p->first);                                             \
  const real *px = p->x + r->offset[0], *pz = p->z + r->offset[1];                                 \
  const int64_t sx = r->step[0], sz = r->step[1];                                                  \
  if (sx == 1 && sz == 1) {                                                                        \
    CJ_EACH(i, r->n) {                                                                             \
      const real x = px[i], z = pz[i];                                                             \
      prepare;                                                                                     \
      out[i] = (result)(expression);                                                               \
      (void)x, (void)z;                                                                            \
    }                                                                                              \
  } else if (sx == 1 && sz == 0) {                                                                 \
    const real z = *pz;                                                                            \
    CJ_EACH(i, r->n) {                                                                             \
      const real x = px[i];                                                                        \
      prepare;                                                                                     \
      out[i] = (result)(expression);                                                               \
      (void)x, (void)z;                                                                            \
    }                                                                                              \
  } else if (sx == 0 && sz == 1) {                                                                 \
    const real x = *px;                                                                            \
    CJ_EACH(i, r->n) {                                                                             \
      const real z = pz[i];                                                                        \
      prepare;                                                                                     \
      out[i] = (result)(expression);                                                               \
      (void)x, (void)z;                                                                            \
    }                                                                                              \
  } else {                                                                                         \
    CJ_EACH(i, r->n) {                                                                             \
      const real x = px[i * sx], z = pz[i * sz];                                                   \
      prepare;                                                                                     \
      out[i] = (result)(expression);                                                               \
      (void)x, (void)z;                                                                            \
    }                                                                                              \
  }

static inline void cj_binary_forward(const cj_args *a, cj_tensor *y, cj_run_task run) {
  const cj_walk walk = cj_walk_over(y, 2, a->in);
  const cj_pair p = {.x = a->in[0]->data, .z = a->in[1]->data, .out = y->data, .walk = &walk};
  cj_walk_all(&walk, run, &p);
}

/* Defines the forward function `name` and its loop `run_name`; the elements of the result are of
 * type `result`. */
#define CJ_BINARY_FORWARD(name, run_name, result, expression)                                      \
  static void run_name(const void *context, const cj_run *r) {                                     \
    CJ_PAIR_LOOPS(result, (void)0, expression)                                                     \
  }                                                                                                \
  static void name(const cj_args *a, cj_tensor *y) {                                               \
    cj_binary_forward(a, y, run_name);                                                             \
  }

#if CJ_IS_FLOAT
static inline void cj_binary_take(const void *context, int64_t at, int64_t n, real *buffer) {
  cj_pair p = *(const cj_pair *)context;
  p.out = buffer;
  p.first = at;
  cj_walk_part(p.walk, at, at + n, p.slope, &p);
}

/* dx and dz: slopes; NULL: gy itself. */
static inline void cj_binary_backward(const cj_args *a, const cj_tensor *gy, cj_tensor *const *gx,
                                      cj_run_task dx, cj_run_task dz) {
  const cj_run_task slope[2] = {dx, dz};
  const cj_walk walk = cj_walk_over(gy, 2, a->in);
  cj_pair p = {.x = a->in[0]->data, .z = a->in[1]->data, .g = gy->data, .walk = &walk};
  for (int i = 0; i < 2; i++) {
    if (!gx[i]) continue;
    p.slope = slope[i];
    const fold_source source = {gy->data, slope[i] ? cj_binary_take : NULL, &p};
    fold_broadcast(gx[i], gy, source);
  }
}

/* Defines the loop `name` for the gradient of one operand's element. */
#define CJ_BINARY_SLOPE(name, expression)                                                          \
  static void name(const void *context, const cj_run *r) {                                         \
    const real *pg = ((const cj_pair *)context)->g + r->at;                                        \
    CJ_PAIR_LOOPS(real, const real g = pg[i], expression)                                          \
  }

/* Defines the backward function `name` and the loops for the two gradients. */
#define CJ_BINARY_BACKWARD(name, x_name, x_expression, z_name, z_expression)                       \
  CJ_BINARY_SLOPE(x_name, x_expression)                                                            \
  CJ_BINARY_SLOPE(z_name, z_expression)                                                            \
  static void name(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,                      \
                   cj_tensor *const *gx) {                                                         \
    (void)y;                                                                                       \
    cj_binary_backward(a, gy, gx, x_name, z_name);                                                 \
  }
#endif

#endif
