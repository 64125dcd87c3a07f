/* The attack loop on an affine oracle written in C: no Lua, no tape. Golden values, counts, failing
 * calls, failing memory. */
#include "check.h"

#include <math.h>
#include <string.h>

#include "attacks/loop.h"
#include "core/memory.h"
#include "core/threads.h"

enum { K = 3, D = 4 };
static const double weights[K][D] = {{2, -1, 0, 1}, {0, 1, 2, -1}, {-1, 2, 1, 2}};
static const double biases[K] = {0, -.5, -1.55};

/* z = W x + b; the call number `fail_at` fails (0: none); after `shrink_at` calls a class is gone.
 */
typedef struct affine {
  int calls, fail_at, shrink_at;
  cj_dtype dtype;
} affine;

static double at(const cj_tensor *t, int64_t i) {
  return t->dtype == CJ_F32 ? (double)((float *)t->data)[i] : ((double *)t->data)[i];
}

static void put(cj_tensor *t, int64_t i, double v) {
  if (t->dtype == CJ_F32)
    ((float *)t->data)[i] = (float)v;
  else
    ((double *)t->data)[i] = v;
}

static cj_status affine_logits(void *self, const cj_tensor *x, bool pulls, cj_tensor *z) {
  affine *a = self;
  (void)pulls;
  if (++a->calls == a->fail_at) return cj_fail(CJ_ECALL, "no answer");
  const int64_t classes = a->shrink_at && a->calls > a->shrink_at ? K - 1 : K;
  const int64_t size[2] = {x->size[0], classes};
  CJ_TRY(cj_tensor_new(z, x->dtype, 2, size));
  for (int64_t b = 0; b < size[0]; b++)
    for (int64_t k = 0; k < classes; k++) {
      double sum = biases[k];
      for (int64_t d = 0; d < D; d++) sum += weights[k][d] * at(x, b * D + d);
      put(z, b * classes + k, sum);
    }
  a->dtype = x->dtype;
  return CJ_OK;
}

static cj_status affine_pull(void *self, const cj_tensor *gz, bool keep, cj_tensor *gx) {
  affine *a = self;
  const int64_t size[2] = {gz->size[0], D};
  (void)keep;
  if (++a->calls == a->fail_at) return cj_fail(CJ_ECALL, "no gradient");
  CJ_TRY(cj_tensor_new(gx, a->dtype, 2, size));
  for (int64_t b = 0; b < size[0]; b++)
    for (int64_t d = 0; d < D; d++) {
      double sum = 0;
      for (int64_t k = 0; k < K; k++) sum += weights[k][d] * at(gz, b * K + k);
      put(gx, b * D + d, sum);
    }
  return CJ_OK;
}

static cj_tensor halves(cj_dtype dtype, int64_t rows) {
  cj_tensor t = {0};
  const int64_t size[2] = {rows, D};
  CHECK(cj_tensor_new(&t, dtype, 2, size) == CJ_OK);
  cj_tensor_fill(&t, 0.5);
  return t;
}

static cj_attack pgd(double eps) {
  return (cj_attack){.method = "ascent",
                     .norm = "linf",
                     .direction = "sign",
                     .ball = {eps, 0, 1},
                     .alpha = eps / 4,
                     .steps = 4,
                     .restarts = 1,
                     .batch = 2,
                     .best = true};
}

enum { N = 5 };
static const int64_t labels[N] = {0, 0, 1, 0, 0}, numbers[N] = {0, 1, 2, 3, 4};

static cj_status attack(const cj_attack *a, cj_oracle *o, cj_dtype dtype, cj_record *records,
                        cj_tensor *x_adv) {
  cj_step_sums sums[64];
  cj_tensor x = halves(dtype, N);
  *x_adv = halves(dtype, N);
  const cj_samples in = {.x = &x, .y = labels, .index = numbers};
  cj_findings out = {.x_adv = x_adv, .records = records, .sums = sums};
  const cj_status status = cj_attack_run(a, o, &in, &out);
  for (int64_t i = 0; i < N * D; i++) CHECK(at(&x, i) == 0.5);
  cj_tensor_drop(&x);
  return status;
}

static void test_golden(cj_dtype dtype) {
  for (int over = 0; over < 2; over++) {
    affine self = {0};
    cj_oracle o = {&self, affine_logits, affine_pull, 0, 0};
    const cj_attack a = pgd(over ? 0.063 : 0.062);
    cj_record r[N];
    cj_tensor x_adv = {0};
    int64_t forwards = 0;
    CHECK(attack(&a, &o, dtype, r, &x_adv) == CJ_OK);
    for (int i = 0; i < N; i++) {
      const bool wrong = i == 2;
      CHECK(r[i].verdict == (wrong ? CJ_ALREADY : over ? CJ_SUCCESS : CJ_FAILED));
      CHECK(fabs(r[i].linf - (wrong ? 0 : a.ball.eps)) < 1e-6);
      CHECK(r[i].backwards == (wrong ? 0 : 4) && r[i].forwards == (wrong ? 1 : 5));
      CHECK(r[i].broken == (wrong || over));
      forwards += r[i].forwards;
    }
    CHECK(forwards == o.forwards);
    cj_tensor_drop(&x_adv);
  }
}

static void test_questions(void) {
  affine self = {0};
  cj_oracle o = {&self, affine_logits, affine_pull, 0, 0};
  cj_tensor x = halves(CJ_F64, 2), gx[2] = {{0}, {0}};
  const int64_t y[2] = {0, 2}, targets[2] = {1, 1}, choice[4] = {0, 1, 2, 0};
  double loss[2];
  CHECK(cj_oracle_gradient(&o, CJ_LOSS_CE, &x, y, NULL, loss, gx) == CJ_OK);
  const double z[K] = {1, .5, .45}, sum = exp(1) + exp(.5) + exp(.45);
  for (int b = 0; b < 2; b++) {
    CHECK(fabs(loss[b] - (log(sum) - z[y[b]])) < 1e-14);
    for (int d = 0; d < D; d++) {
      double g = -weights[y[b]][d];
      for (int k = 0; k < K; k++) g += exp(z[k]) / sum * weights[k][d];
      CHECK(fabs(at(&gx[0], b * D + d) - g) < 1e-14);
    }
  }
  cj_tensor_drop(&gx[0]);
  CHECK(cj_oracle_gradient(&o, CJ_LOSS_MARGIN, &x, y, targets, loss, gx) == CJ_OK);
  CHECK(fabs(loss[0] + .5) < 1e-14 && fabs(loss[1] + .5) < 1e-14);
  CHECK(fabs(at(&gx[0], 0) + 2) < 1e-14);
  cj_tensor_drop(&gx[0]);
  CHECK(o.forwards == 4 && o.backwards == 4);
  CHECK(cj_oracle_classes(&o, &x, 2, choice, gx) == CJ_OK);
  for (int j = 0; j < 2; j++) {
    for (int64_t i = 0; i < 2 * D; i++)
      CHECK(at(&gx[j], i) == weights[choice[i / D * 2 + j]][i % D]);
    cj_tensor_drop(&gx[j]);
  }
  CHECK(o.forwards == 6 && o.backwards == 8);
  cj_tensor_drop(&x);
}

/* Every call of the oracle fails once; every byte comes back. */
static void test_failing_calls(void) {
  const size_t before = cj_memory_used();
  int good = 0;
  for (int n = 1; n < 40 && !good; n++) {
    affine self = {.fail_at = n};
    cj_oracle o = {&self, affine_logits, affine_pull, 0, 0};
    const cj_attack a = pgd(0.1);
    cj_record r[N];
    cj_tensor x_adv = {0};
    const cj_status status = attack(&a, &o, CJ_F32, r, &x_adv);
    CHECK(status == (self.calls < n ? CJ_OK : CJ_ECALL));
    good = status == CJ_OK;
    cj_tensor_drop(&x_adv);
    CHECK(cj_memory_used() == before);
  }
  CHECK(good);
}

static void test_failing_memory(void) {
  const char *const norms[] = {"linf", "l2", "l1"};
  for (int k = 0; k < 3; k++) {
    cj_tensor x = halves(CJ_F32, N), x_adv = halves(CJ_F32, N);
    const size_t before = cj_memory_used();
    cj_status status = CJ_EMEM;
    int tries = 0;
    for (; status != CJ_OK && tries < 500; tries++) {
      affine self = {0};
      cj_oracle o = {&self, affine_logits, affine_pull, 0, 0};
      cj_attack a = pgd(0.1);
      cj_record r[N];
      const cj_samples in = {.x = &x, .y = labels, .index = numbers};
      cj_findings out = {.x_adv = &x_adv, .records = r};
      a.norm = norms[k];
      a.random_start = true;
      a.restarts = 2;
      cj_memory_fail_after(tries);
      status = cj_attack_run(&a, &o, &in, &out);
      cj_memory_fail_after(-1);
      CHECK(status == CJ_OK || status == CJ_EMEM);
      CHECK(cj_memory_used() == before);
    }
    CHECK(status == CJ_OK && tries > 10);
    cj_tensor_drop(&x);
    cj_tensor_drop(&x_adv);
  }
}

static void test_misuse(void) {
  affine self = {.shrink_at = 1};
  cj_oracle o = {&self, affine_logits, affine_pull, 0, 0};
  cj_attack a = pgd(0.1);
  cj_record r[N];
  cj_tensor x_adv = {0};
  CHECK(attack(&a, &o, CJ_F64, r, &x_adv) == CJ_ESHAPE);
  CHECK(strstr(cj_errmsg(), "3 classes as before, got 2"));
  cj_tensor_drop(&x_adv);
  self = (affine){0};
  a.norm = "l3";
  CHECK(attack(&a, &o, CJ_F64, r, &x_adv) == CJ_EARG);
  cj_tensor_drop(&x_adv);
  a = pgd(0.1);
  a.ball.hi = 0.4;
  CHECK(attack(&a, &o, CJ_F64, r, &x_adv) == CJ_EARG);
  CHECK(strstr(cj_errmsg(), "expected x in 0..0.4, got 0.5 in sample 1"));
  cj_tensor_drop(&x_adv);
  a = pgd(0.1);
  cj_stop_request();
  CHECK(attack(&a, &o, CJ_F64, r, &x_adv) == CJ_ESTOP);
  cj_stop_clear();
  cj_tensor_drop(&x_adv);
}

int main(void) {
  test_golden(CJ_F32);
  test_golden(CJ_F64);
  test_questions();
  test_failing_calls();
  test_failing_memory();
  test_misuse();
  CHECK_DONE();
}
