/* optim.c -- one step of an optimiser for one parameter p with gradient g, in place.
 *
 * The formulas, and their order, are PyTorch's (2.x, single tensor, not differentiable), so a run
 * can be compared step by step. State tensors have the sizes of p and begin as zeros.
 * weight_decay w: g += w p, but adamw: p *= 1 - lr w. */
#include <math.h>

#include "core/threads.h"
#include "expect.h"

#if defined(CJ_TYPE_f32)
#define SQRT sqrtf
#else
#define SQRT sqrt
#endif

enum { BLOCK = 16384 }; /* elements per piece */

typedef struct step {
  int64_t n;
  real *p;
  const real *g;
  real *state[3]; /* NULL where absent */
  const double *num;
} step;

/* p, g and the states of one type and size, all contiguous: copies would not be written back. */
static cj_status step_infer(cj_args *a, cj_tensor *y) {
  static const char *const names[] = {"parameter", "gradient", "first state", "second state",
                                      "third state"};
  for (int i = 0; i < a->count; i++) {
    if (!a->in[i]) continue;
    CJ_TRY(expect_sizes(a->in[i], names[i], a->in[0]->ndim, a->in[0]->size));
    if (!cj_contiguous(a->in[i]))
      return cj_fail(CJ_EARG, "expected a contiguous tensor for %s", names[i]);
  }
  for (int i = 0; i < a->numbers; i++)
    if (a->num[i] != a->num[i])
      return cj_fail(CJ_EARG, "expected a number as parameter %d, got nan", i + 1);
  cj_tensor_detach(y, a->in[0]);
  return CJ_OK;
}

static void each_block(const cj_args *a, cj_tensor *y, cj_task task) {
  step s = {.n = cj_numel(y), .p = y->data, .g = a->in[1]->data, .num = a->num};
  for (int i = 2; i < a->count; i++) s.state[i - 2] = a->in[i] ? a->in[i]->data : NULL;
  cj_parallel((s.n + BLOCK - 1) / BLOCK, task, &s);
}

/* --- sgd: buf = momentum buf + g; p -= lr (nesterov ? g + momentum buf : buf) -------------------
 */

enum { SGD_LR, SGD_MOMENTUM, SGD_DECAY, SGD_NESTEROV, SGD_NUMBERS };

static void sgd_block(void *context, int64_t block) {
  const step *s = context;
  const real lr = (real)s->num[SGD_LR], momentum = (real)s->num[SGD_MOMENTUM];
  const real decay = (real)s->num[SGD_DECAY];
  const bool nesterov = s->num[SGD_NESTEROV] != 0;
  real *p = s->p, *buf = s->state[0];
  for (int64_t i = block * BLOCK; i < least(s->n, (block + 1) * BLOCK); i++) {
    real g = s->g[i] + decay * p[i];
    if (buf) {
      buf[i] = momentum * buf[i] + g;
      g = nesterov ? g + momentum * buf[i] : buf[i];
    }
    p[i] -= lr * g;
  }
}

static cj_status sgd_infer(cj_args *a, cj_tensor *y) {
  if (a->num[SGD_MOMENTUM] != 0 && !a->in[2])
    return cj_fail(CJ_EARG, "expected a state tensor for momentum %g, got none",
                   a->num[SGD_MOMENTUM]);
  return step_infer(a, y);
}

static void sgd_step(const cj_args *a, cj_tensor *y) {
  each_block(a, y, sgd_block);
}

/* --- adam: m = m + (1 - b1)(g - m); v = b2 v + (1 - b2) g g;
 *     p -= lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps) -----------------------------------
 */

enum { ADAM_LR, ADAM_BETA1, ADAM_BETA2, ADAM_EPS, ADAM_DECAY, ADAM_STEP, ADAM_NUMBERS };

static inline __attribute__((always_inline)) void adam(const step *s, int64_t block,
                                                       bool decoupled) {
  const double *num = s->num;
  const real b2 = (real)num[ADAM_BETA2], rest1 = (real)(1 - num[ADAM_BETA1]);
  const real rest2 = (real)(1 - num[ADAM_BETA2]), eps = (real)num[ADAM_EPS];
  const real size = (real)(num[ADAM_LR] / (1 - pow(num[ADAM_BETA1], num[ADAM_STEP])));
  const real root = (real)sqrt(1 - pow(num[ADAM_BETA2], num[ADAM_STEP]));
  const real decay = decoupled ? 0 : (real)num[ADAM_DECAY];
  const real keep = decoupled ? (real)(1 - num[ADAM_LR] * num[ADAM_DECAY]) : 1;
  real *p = s->p, *m = s->state[0], *v = s->state[1];
  for (int64_t i = block * BLOCK; i < least(s->n, (block + 1) * BLOCK); i++) {
    const real old = p[i] * keep, g = s->g[i] + decay * old;
    m[i] += rest1 * (g - m[i]);
    v[i] = b2 * v[i] + rest2 * g * g;
    p[i] = old - size * (m[i] / (SQRT(v[i]) / root + eps));
  }
}

static void adam_block(void *context, int64_t block) {
  adam(context, block, false);
}

static void adamw_block(void *context, int64_t block) {
  adam(context, block, true);
}

static cj_status adam_infer(cj_args *a, cj_tensor *y) {
  int64_t t;
  CJ_TRY(cj_expect_int(a, ADAM_STEP, "step", 1, INT64_C(1) << 53, &t));
  if (!a->in[2] || !a->in[3]) return cj_fail(CJ_EARG, "expected two state tensors, got fewer");
  return step_infer(a, y);
}

static void adam_step(const cj_args *a, cj_tensor *y) {
  each_block(a, y, adam_block);
}

static void adamw_step(const cj_args *a, cj_tensor *y) {
  each_block(a, y, adamw_block);
}

/* --- rmsprop: s = alpha s + (1 - alpha) g g; d = sqrt(s - mean g squared, if centred) + eps;
 *     with momentum: buf = momentum buf + g / d, p -= lr buf; else p -= lr g / d ------------------
 */

enum { RMS_LR, RMS_ALPHA, RMS_EPS, RMS_DECAY, RMS_MOMENTUM, RMS_NUMBERS };

static void rmsprop_block(void *context, int64_t block) {
  const step *s = context;
  const real lr = (real)s->num[RMS_LR], alpha = (real)s->num[RMS_ALPHA];
  const real rest = (real)(1 - s->num[RMS_ALPHA]), eps = (real)s->num[RMS_EPS];
  const real decay = (real)s->num[RMS_DECAY], momentum = (real)s->num[RMS_MOMENTUM];
  real *p = s->p, *square = s->state[0], *buf = s->state[1], *mean = s->state[2];
  for (int64_t i = block * BLOCK; i < least(s->n, (block + 1) * BLOCK); i++) {
    const real g = s->g[i] + decay * p[i];
    square[i] = alpha * square[i] + rest * g * g;
    real spread = square[i];
    if (mean) {
      mean[i] += rest * (g - mean[i]);
      spread -= mean[i] * mean[i];
    }
    const real d = SQRT(spread) + eps;
    if (buf) {
      buf[i] = momentum * buf[i] + g / d;
      p[i] -= lr * buf[i];
    } else {
      p[i] -= lr * (g / d);
    }
  }
}

static cj_status rmsprop_infer(cj_args *a, cj_tensor *y) {
  if (!a->in[2]) return cj_fail(CJ_EARG, "expected a state tensor of squares, got none");
  if (a->num[RMS_MOMENTUM] != 0 && !a->in[3])
    return cj_fail(CJ_EARG, "expected a state tensor for momentum %g, got none",
                   a->num[RMS_MOMENTUM]);
  return step_infer(a, y);
}

static void rmsprop_step(const cj_args *a, cj_tensor *y) {
  each_block(a, y, rmsprop_block);
}

enum { STEP = CJ_VIEW | CJ_MUTATES | CJ_STRIDED };

CJ_OPS(optim) = {
    {"sgd_step", 3, SGD_NUMBERS, sgd_infer, sgd_step, NULL, STEP | CJ_OPTIONAL(1), NULL},
    {"adam_step", 4, ADAM_NUMBERS, adam_infer, adam_step, NULL, STEP, NULL},
    {"adamw_step", 4, ADAM_NUMBERS, adam_infer, adamw_step, NULL, STEP, NULL},
    {"rmsprop_step", 5, RMS_NUMBERS, rmsprop_infer, rmsprop_step, NULL, STEP | CJ_OPTIONAL(2),
     NULL},
    {0},
};
