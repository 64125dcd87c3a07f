/* convert.c -- copies: of the same type (clone), to another (to), and in the place of a tensor
 * (copy).
 *
 * Floats become integers by cutting off the fraction; what does not fit becomes the nearest integer
 * that does, NaN becomes 0. Between the float types both copies carry gradients. */
#include "ops/fold.h"
#include "ops/walk.h"

typedef struct copying {
  const real *from;
  void *to;
} copying;

static void clone_run(const void *context, const cj_run *r) {
  const copying *c = context;
  const real *from = c->from + r->offset[0];
  real *to = (real *)c->to + r->at;
  if (r->step[0] == 1)
    memcpy(to, from, (size_t)r->n * sizeof(real));
  else
    for (int64_t i = 0; i < r->n; i++) to[i] = from[i * r->step[0]];
}

static void f32_run(const void *context, const cj_run *r) {
  const copying *c = context;
  const real *from = c->from + r->offset[0];
  float *to = (float *)c->to + r->at;
  const int64_t step = r->step[0];
  if (step == 1)
    for (int64_t i = 0; i < r->n; i++) to[i] = (float)from[i];
  else
    for (int64_t i = 0; i < r->n; i++) to[i] = (float)from[i * step];
}

static void f64_run(const void *context, const cj_run *r) {
  const copying *c = context;
  const real *from = c->from + r->offset[0];
  double *to = (double *)c->to + r->at;
  for (int64_t i = 0; i < r->n; i++) to[i] = (double)from[i * r->step[0]];
}

static int64_t as_i64(real v) {
#if CJ_IS_FLOAT
  if (!(v < (real)0x1p63)) return v == v ? INT64_MAX : 0;
  return v < -(real)0x1p63 ? INT64_MIN : (int64_t)v;
#else
  return (int64_t)v;
#endif
}

static void i64_run(const void *context, const cj_run *r) {
  const copying *c = context;
  const real *from = c->from + r->offset[0];
  int64_t *to = (int64_t *)c->to + r->at;
  for (int64_t i = 0; i < r->n; i++) to[i] = as_i64(from[i * r->step[0]]);
}

static uint8_t as_u8(real v) {
  return (uint8_t)(int)(v > 0 ? (v < 255 ? v : 255) : 0); /* NaN: 0 */
}

static void u8_run(const void *context, const cj_run *r) {
  const copying *c = context;
  const real *from = c->from + r->offset[0];
  uint8_t *to = (uint8_t *)c->to + r->at;
  const int64_t step = r->step[0];
  if (step == 1)
    for (int64_t i = 0; i < r->n; i++) to[i] = as_u8(from[i]);
  else
    for (int64_t i = 0; i < r->n; i++) to[i] = as_u8(from[i * step]);
}

static const cj_run_task runs[CJ_DTYPES] = {
    [CJ_F32] = f32_run, [CJ_F64] = f64_run, [CJ_I64] = i64_run, [CJ_U8] = u8_run};

static void copy_with(const cj_args *a, cj_tensor *y, cj_run_task run) {
  const cj_walk walk = cj_walk_over(y, 1, a->in);
  const copying c = {a->in[0]->data, y->data};
  cj_walk_all(&walk, run, &c);
}

static void clone_forward(const cj_args *a, cj_tensor *y) {
  copy_with(a, y, clone_run);
}

/* num: the type, as cj_dtype. */
static cj_status to_infer(cj_args *a, cj_tensor *y) {
  int64_t dtype;
  CJ_TRY(cj_expect_int(a, 0, "the element type", 0, CJ_DTYPES - 1, &dtype));
  return cj_tensor_describe(y, (cj_dtype)dtype, a->in[0]->ndim, a->in[0]->size);
}

/* in[1] as y's type: x:copy_(source) is this, stored in x. */
static cj_status copy_infer(cj_args *a, cj_tensor *y) {
  char want[CJ_SHAPE_TEXT], have[CJ_SHAPE_TEXT];
  if (!cj_same_shape(a->in[0], a->in[1]))
    return cj_fail(CJ_ESHAPE, "expected a source of sizes %s, got %s",
                   cj_shape_text(want, a->in[0]), cj_shape_text(have, a->in[1]));
  return cj_infer_same(a, y);
}

static void copy_forward(const cj_args *a, cj_tensor *y) {
  cj_tensor_copy(y, a->in[1]); /* of equal sizes: cannot fail */
}

static void to_forward(const cj_args *a, cj_tensor *y) {
  copy_with(a, y, y->dtype == CJ_REAL ? clone_run : runs[y->dtype]);
}

#if CJ_IS_FLOAT
static void clone_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                           cj_tensor *const *gx) {
  (void)a, (void)y;
  const fold_source source = {gy->data, NULL, NULL};
  if (gx[0]) fold_broadcast(gx[0], gy, source);
}

static void from_f32(const void *context, int64_t at, int64_t n, real *buffer) {
  const float *g = (const float *)context + at;
  for (int64_t i = 0; i < n; i++) buffer[i] = (real)g[i];
}

static void from_f64(const void *context, int64_t at, int64_t n, real *buffer) {
  const double *g = (const double *)context + at;
  for (int64_t i = 0; i < n; i++) buffer[i] = (real)g[i];
}

/* Integers have no gradient: nothing flows back from them. */
static void to_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                        cj_tensor *const *gx) {
  (void)a, (void)y;
  if (!gx[0] || !cj_dtype_float(gy->dtype)) return;
  const fold_source source = {NULL, gy->dtype == CJ_F32 ? from_f32 : from_f64, gy->data};
  fold_broadcast(gx[0], gy, source);
}
#define IF_FLOAT(function) function
#else
#define IF_FLOAT(function) NULL
#endif

enum { COPY = CJ_STRIDED | CJ_DROPS_INPUTS | CJ_APART };

CJ_OPS(convert) = {
    {"clone", 1, 0, cj_infer_same, clone_forward, IF_FLOAT(clone_backward), COPY, NULL},
    {"copy", 2, 0, copy_infer, copy_forward, NULL, CJ_STRIDED | CJ_ELEMENTWISE, NULL},
    {"to", 1, 1, to_infer, to_forward, IF_FLOAT(to_backward), COPY, NULL},
    {0},
};
