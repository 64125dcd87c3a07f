/* loss.c -- the losses of training and attacks, with a reduction: none, mean or sum.
 *
 * cross_entropy, logits [B, K], labels int64 [B] in 0..K-1: log of the sum of exp(x_k) minus x_y.
 * With m the largest logit it is (m - x_y) + log1p(sum over the others of exp(x_k - m)): a
 * confident right answer keeps the digits of its tiny loss. Its slope is p_k, and minus the sum of
 * the others' p at k = y for the same reason. bce_with_logits, x and t of one shape: max(x, 0) - x
 * t + log1p(exp(-|x|)). mse: (x - t)^2. l1: |x - t|, slope 0 at 0. */
#include <math.h>

#include "core/threads.h"
#include "expect.h"

#if defined(CJ_TYPE_f32)
#define EXP expf
#define LOG1P log1pf
#define FABS fabsf
#else
#define EXP exp
#define LOG1P log1p
#define FABS fabs
#endif

enum reduction { NONE, MEAN, SUM };

/* y keeps `ndim` sizes of in[0] when nothing is reduced, else it is a scalar. */
static cj_status reduced(cj_args *a, cj_tensor *y, int ndim) {
  int64_t how;
  CJ_TRY(cj_expect_int(a, 0, "reduction (0 none, 1 mean, 2 sum)", NONE, SUM, &how));
  return cj_tensor_describe(y, CJ_REAL, how == NONE ? ndim : 0, a->in[0]->size);
}

/* The factor of the reduction for n losses. */
static real factor(const cj_args *a, int64_t n) {
  return (int)a->num[0] == MEAN ? 1 / (real)n : 1;
}

/* Sums n values: sixteen partial sums, folded in a fixed order. */
static real total(const real *v, int64_t n) {
  real sum[16] = {0};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (int64_t j = 0; j < 16; j++) sum[j] += v[i + j];
  for (int64_t j = 0; i + j < n; j++) sum[j] += v[i + j];
  for (int width = 8; width > 0; width /= 2)
    for (int j = 0; j < width; j++) sum[j] += sum[j + width];
  return sum[0];
}

/* --- cross entropy --------------------------------------------------------------------------- */

typedef struct entropy {
  int64_t batch, classes;
  const real *x, *gy;
  const int64_t *label;
  real *out; /* losses [B], or gradients [B, K] */
  bool one_gy;
  real scale;
} entropy;

static cj_status cross_entropy_infer(cj_args *a, cj_tensor *y) {
  const cj_tensor *x = a->in[0], *t = a->in[1];
  char left[CJ_SHAPE_TEXT], right[CJ_SHAPE_TEXT];
  CJ_TRY(cj_expect_ndim(x, "logits", 2));
  CJ_TRY(cj_expect_dtype(t, "labels", CJ_I64));
  if (t->ndim != 1 || t->size[0] != x->size[0])
    return cj_fail(CJ_ESHAPE, "expected one label for each row of logits %s, got labels %s",
                   cj_shape_text(left, x), cj_shape_text(right, t));
  const int64_t *label = t->data;
  for (int64_t i = 0; i < t->size[0]; i++)
    if (label[i] < 0 || label[i] >= x->size[1])
      return cj_fail(CJ_EARG, "expected labels from 0 to %lld, got %lld for sample %lld",
                     (long long)x->size[1] - 1, (long long)label[i], (long long)i + 1);
  return reduced(a, y, 1);
}

static size_t cross_entropy_scratch(const cj_args *a) {
  return (size_t)a->in[0]->size[0] * sizeof(real);
}

static int64_t largest(const real *x, int64_t n) {
  int64_t best = 0;
  for (int64_t k = 1; k < n; k++)
    if (x[k] > x[best]) best = k;
  return best;
}

static void entropy_row(void *context, int64_t i) {
  const entropy *e = context;
  const real *x = e->x + i * e->classes;
  const int64_t best = largest(x, e->classes);
  real others = 0;
  for (int64_t k = 0; k < e->classes; k++)
    if (k != best) others += EXP(x[k] - x[best]);
  e->out[i] = (x[best] - x[e->label[i]]) + LOG1P(others);
}

static void entropy_row_backward(void *context, int64_t i) {
  const entropy *e = context;
  const real *x = e->x + i * e->classes;
  const real most = x[largest(x, e->classes)], g = e->scale * e->gy[e->one_gy ? 0 : i];
  const int64_t label = e->label[i];
  real *gx = e->out + i * e->classes;
  real sum = 0, others = 0;
  for (int64_t k = 0; k < e->classes; k++) sum += EXP(x[k] - most);
  for (int64_t k = 0; k < e->classes; k++)
    if (k != label) {
      const real p = EXP(x[k] - most) / sum;
      others += p;
      gx[k] += g * p;
    }
  gx[label] -= g * others;
}

static entropy entropy_of(const cj_args *a) {
  return (entropy){.batch = a->in[0]->size[0],
                   .classes = a->in[0]->size[1],
                   .x = a->in[0]->data,
                   .label = a->in[1]->data,
                   .scale = factor(a, a->in[0]->size[0])};
}

/* Rows are short: a few hundred exponentials are not worth a second thread. */
static void each_sample(entropy *e, cj_task task) {
  for (int64_t i = 0; i < e->batch; i++) task(e, i);
}

static void cross_entropy_forward(const cj_args *a, cj_tensor *y) {
  entropy e = entropy_of(a);
  const bool none = (int)a->num[0] == NONE;
  e.out = none ? y->data : a->scratch;
  each_sample(&e, entropy_row);
  if (!none) *(real *)y->data = total(e.out, e.batch) * e.scale;
}

static void cross_entropy_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                                   cj_tensor *const *gx) {
  (void)y;
  if (!gx[0]) return;
  entropy e = entropy_of(a);
  e.one_gy = (int)a->num[0] != NONE;
  e.gy = gy->data;
  e.out = gx[0]->data;
  each_sample(&e, entropy_row_backward);
}

/* --- losses of pairs ------------------------------------------------------------------------- */

static inline real bce_value(real x, real t) {
  return (x > 0 ? x : 0) - x * t + LOG1P(EXP(-FABS(x)));
}

/* sigmoid(x) - t, without overflow. */
static inline real bce_slope_x(real x, real t) {
  const real e = EXP(-FABS(x));
  return (x >= 0 ? 1 / (1 + e) : e / (1 + e)) - t;
}

static inline real bce_slope_t(real x, real t) {
  (void)t;
  return -x;
}

static inline real mse_value(real x, real t) {
  return (x - t) * (x - t);
}

static inline real mse_slope_x(real x, real t) {
  return 2 * (x - t);
}

static inline real mse_slope_t(real x, real t) {
  return -2 * (x - t);
}

static inline real l1_value(real x, real t) {
  return FABS(x - t);
}

static inline real l1_slope_x(real x, real t) {
  return (real)((x > t) - (x < t));
}

static inline real l1_slope_t(real x, real t) {
  return (real)((x < t) - (x > t));
}

static cj_status pair_infer(cj_args *a, cj_tensor *y) {
  CJ_TRY(expect_sizes(a->in[1], "target", a->in[0]->ndim, a->in[0]->size));
  return reduced(a, y, a->in[0]->ndim);
}

enum { BLOCK = 4096 }; /* losses per piece */

typedef struct pairs {
  int64_t n;
  const real *x, *t, *gy;
  real *y;    /* losses, or gradients */
  real *sums; /* of each block; NULL: write the losses themselves */
  bool one_gy;
  real scale;
} pairs;

static inline __attribute__((always_inline)) void pair_block(const pairs *p, int64_t block,
                                                             real (*value)(real x, real t)) {
  real part[BLOCK];
  const int64_t from = block * BLOCK, n = least(BLOCK, p->n - from);
  real *to = p->sums ? part : p->y + from;
  for (int64_t i = 0; i < n; i++) to[i] = value(p->x[from + i], p->t[from + i]);
  if (p->sums) p->sums[block] = total(part, n);
}

static inline __attribute__((always_inline)) void slope_block(const pairs *p, int64_t block,
                                                              real (*slope)(real x, real t)) {
  const int64_t from = block * BLOCK, to = least(from + BLOCK, p->n);
  if (p->one_gy)
    for (int64_t i = from; i < to; i++) p->y[i] += p->scale * p->gy[0] * slope(p->x[i], p->t[i]);
  else
    for (int64_t i = from; i < to; i++) p->y[i] += p->gy[i] * slope(p->x[i], p->t[i]);
}

static void bce_block(void *context, int64_t block) {
  pair_block(context, block, bce_value);
}

static void bce_block_x(void *context, int64_t block) {
  slope_block(context, block, bce_slope_x);
}

static void bce_block_t(void *context, int64_t block) {
  slope_block(context, block, bce_slope_t);
}

static void mse_block(void *context, int64_t block) {
  pair_block(context, block, mse_value);
}

static void mse_block_x(void *context, int64_t block) {
  slope_block(context, block, mse_slope_x);
}

static void mse_block_t(void *context, int64_t block) {
  slope_block(context, block, mse_slope_t);
}

static void l1_block(void *context, int64_t block) {
  pair_block(context, block, l1_value);
}

static void l1_block_x(void *context, int64_t block) {
  slope_block(context, block, l1_slope_x);
}

static void l1_block_t(void *context, int64_t block) {
  slope_block(context, block, l1_slope_t);
}

static size_t pair_scratch(const cj_args *a) {
  return (size_t)(cj_numel(a->in[0]) / BLOCK + 1) * sizeof(real);
}

static void pair_forward(const cj_args *a, cj_tensor *y, cj_task block) {
  const int64_t n = cj_numel(a->in[0]), blocks = (n + BLOCK - 1) / BLOCK;
  pairs p = {.n = n,
             .x = a->in[0]->data,
             .t = a->in[1]->data,
             .y = y->data,
             .sums = (int)a->num[0] == NONE ? NULL : a->scratch};
  cj_parallel(blocks, block, &p);
  if (p.sums) *p.y = total(p.sums, blocks) * factor(a, n);
}

static void pair_backward(const cj_args *a, const cj_tensor *gy, cj_tensor *const *gx,
                          cj_task block_x, cj_task block_t) {
  const int64_t n = cj_numel(a->in[0]), blocks = (n + BLOCK - 1) / BLOCK;
  pairs p = {.n = n,
             .x = a->in[0]->data,
             .t = a->in[1]->data,
             .gy = gy->data,
             .one_gy = (int)a->num[0] != NONE,
             .scale = factor(a, n)};
  if (gx[0]) {
    p.y = gx[0]->data;
    cj_parallel(blocks, block_x, &p);
  }
  if (gx[1]) {
    p.y = gx[1]->data;
    cj_parallel(blocks, block_t, &p);
  }
}

static void bce_forward(const cj_args *a, cj_tensor *y) {
  pair_forward(a, y, bce_block);
}

static void bce_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                         cj_tensor *const *gx) {
  (void)y;
  pair_backward(a, gy, gx, bce_block_x, bce_block_t);
}

static void mse_forward(const cj_args *a, cj_tensor *y) {
  pair_forward(a, y, mse_block);
}

static void mse_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                         cj_tensor *const *gx) {
  (void)y;
  pair_backward(a, gy, gx, mse_block_x, mse_block_t);
}

static void l1_forward(const cj_args *a, cj_tensor *y) {
  pair_forward(a, y, l1_block);
}

static void l1_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                        cj_tensor *const *gx) {
  (void)y;
  pair_backward(a, gy, gx, l1_block_x, l1_block_t);
}

CJ_OPS(loss) = {
    {"cross_entropy", 2, 1, cross_entropy_infer, cross_entropy_forward, cross_entropy_backward, 0,
     cross_entropy_scratch},
    {"bce_with_logits", 2, 1, pair_infer, bce_forward, bce_backward, 0, pair_scratch},
    {"mse_loss", 2, 1, pair_infer, mse_forward, mse_backward, 0, pair_scratch},
    {"l1_loss", 2, 1, pair_infer, l1_forward, l1_backward, 0, pair_scratch},
    {0},
};
