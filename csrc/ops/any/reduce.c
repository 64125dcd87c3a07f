/* reduce.c -- folds a tensor over all dimensions, one, or several: sum, mean and product.
 *
 * Numbers: keepdim, then the dimensions (none: all). Sums and products of floats run in double,
 * sums with 16 partial sums; those of integers are int64 and wrap around. */
#include "ops/reduce.h"
#include "ops/walk.h"

enum { FIRST_DIM = 1 };

#if CJ_IS_FLOAT
typedef real total;
enum { TOTAL = CJ_REAL };
#define IF_FLOAT(function) function
#else
typedef int64_t total;
enum { TOTAL = CJ_I64 };
#define IF_FLOAT(function) NULL
#endif

typedef struct output {
  total *y;
  double divisor;
} output;

static cj_status total_infer(cj_args *a, cj_tensor *y) {
  return cj_infer_folded(a, y, (cj_dtype)TOTAL, FIRST_DIM);
}

static void store(const void *context, const fold_state *s, int64_t first, int64_t width) {
  total *y = ((const output *)context)->y + first;
  for (int64_t i = 0; i < width; i++) y[i] = (total)s->value[i];
}

static void fold_all(const cj_args *a, cj_tensor *y, const fold_kind *kind) {
  const fold_plan plan = cj_folded_plan(a, FIRST_DIM);
  const fold_source source = {a->in[0]->data, NULL, NULL};
  const output out = {.y = y->data};
  fold_run(&plan, kind, source, store, &out);
}

/* --- sum and mean ---------------------------------------------------------------------------- */

static void sum_forward(const cj_args *a, cj_tensor *y) {
  fold_all(a, y, &fold_sum);
}

#if CJ_IS_FLOAT
static void store_mean(const void *context, const fold_state *s, int64_t first, int64_t width) {
  const output *out = context;
  for (int64_t i = 0; i < width; i++) out->y[first + i] = (real)(s->value[i] / out->divisor);
}

static void mean_forward(const cj_args *a, cj_tensor *y) {
  const fold_plan plan = cj_folded_plan(a, FIRST_DIM);
  const fold_source source = {a->in[0]->data, NULL, NULL};
  const output out = {.y = y->data, .divisor = (double)plan.length};
  fold_run(&plan, &fold_sum, source, store_mean, &out);
}

typedef struct spread {
  const real *gy;
  real *gx;
  double divisor;
} spread;

static void spread_run(const void *context, const cj_run *r) {
  const spread *s = context;
  const real *gy = s->gy + r->offset[0];
  real *gx = s->gx + r->at;
  const real divisor = (real)s->divisor;
  if (r->step[0] == 0) {
    const real g = *gy / divisor;
    for (int64_t i = 0; i < r->n; i++) gx[i] += g;
  } else {
    for (int64_t i = 0; i < r->n; i++) gx[i] += gy[i * r->step[0]] / divisor;
  }
}

/* gx += gy / divisor, repeated along the folded dimensions. */
static void spread_back(const cj_args *a, const cj_tensor *gy, cj_tensor *gx, double divisor) {
  bool fold[CJ_MAX_DIMS] = {false};
  if (!gx || cj_read_dims(a, FIRST_DIM, fold) != CJ_OK) return;
  int64_t stride[1][CJ_MAX_DIMS] = {{0}}, step = 1;
  for (int d = gx->ndim - 1; d >= 0; d--) {
    if (fold[d]) continue;
    stride[0][d] = step;
    step *= gx->size[d];
  }
  const spread s = {gy->data, gx->data, divisor};
  const cj_walk walk = cj_walk_strided(gx, 1, stride);
  cj_walk_all(&walk, spread_run, &s);
}

static void sum_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                         cj_tensor *const *gx) {
  (void)y;
  spread_back(a, gy, gx[0], 1.0);
}

static void mean_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                          cj_tensor *const *gx) {
  (void)y;
  spread_back(a, gy, gx[0], (double)cj_folded_plan(a, FIRST_DIM).length);
}
#endif

/* --- product --------------------------------------------------------------------------------- */

static void prod_begin(fold_state *s, int64_t width) {
  for (int64_t i = 0; i < width; i++) s->value[i] = 1;
}

static accum times(accum p, accum q) {
  return (accum)((accum_wraps)p * (accum_wraps)q);
}

static void prod_row(fold_state *s, const real *x, int64_t n, int64_t at) {
  (void)at;
  for (int64_t i = 0; i < n; i++) s->value[0] = times(s->value[0], (accum)x[i]);
}

static void prod_columns(fold_state *s, const real *x, int64_t width, int64_t at) {
  (void)at;
  for (int64_t i = 0; i < width; i++) s->value[i] = times(s->value[i], (accum)x[i]);
}

static void prod_merge(fold_state *s, const fold_state *later, int64_t width) {
  for (int64_t i = 0; i < width; i++) s->value[i] = times(s->value[i], later->value[i]);
}

static void prod_forward(const cj_args *a, cj_tensor *y) {
  static const fold_kind kind = {prod_begin, prod_row, prod_columns, NULL, prod_merge};
  fold_all(a, y, &kind);
}

#if CJ_IS_FLOAT
/* An element's slope is the product of the others: all / element. A single zero has a slope of its
 * own; with two zeros every slope is 0. */
static void prod_back_one(const fold_plan *p, int64_t result, const real *x, double g, real *gx) {
  double others = g;
  int64_t zeros = 0, zero = 0;
  for (int64_t at = 0; at < p->length; at++) {
    const int64_t i = fold_locate(p, result, at);
    if (x[i] == 0) {
      zeros++;
      zero = i;
    } else {
      others *= (double)x[i];
    }
  }
  if (zeros == 1) gx[zero] += (real)others;
  for (int64_t at = 0; at < p->length && !zeros; at++) {
    const int64_t i = fold_locate(p, result, at);
    gx[i] += (real)(others / (double)x[i]);
  }
}

static void prod_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                          cj_tensor *const *gx) {
  (void)y;
  if (!gx[0]) return;
  const fold_plan plan = cj_folded_plan(a, FIRST_DIM);
  for (int64_t i = 0; i < plan.results; i++)
    prod_back_one(&plan, i, a->in[0]->data, (double)((const real *)gy->data)[i], gx[0]->data);
}
#endif

CJ_OPS(reduce) = {
    {"sum", 1, CJ_ANY, total_infer, sum_forward, IF_FLOAT(sum_backward), CJ_DROPS_INPUTS, NULL},
    {"prod", 1, CJ_ANY, total_infer, prod_forward, IF_FLOAT(prod_backward), 0, NULL},
#if CJ_IS_FLOAT
    {"mean", 1, CJ_ANY, total_infer, mean_forward, mean_backward, CJ_DROPS_INPUTS, NULL},
#endif
    {0},
};
