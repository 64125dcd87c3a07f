/* Quadrature of packets without Lua: closed forms, failing looks, every failing allocation. */
#include <math.h>

#include "check.h"
#include "core/memory.h"
#include "packet/fourier.h"
#include "packet/quadrature.h"

enum { NEVER = -1 };

/* l = |x_1 - at| + x_2 / 4 (without x_2 on a line); fails at call number `fails`. */
typedef struct tent {
  double at;
  int axes, calls, fails;
} tent;

static cj_status look(void *self, const cj_slice_points *p) {
  tent *t = self;
  if (t->calls++ == t->fails) return cj_fail(CJ_ECALL, "no more");
  for (int64_t k = 0; k < p->count; k++) {
    const double *x = p->x + k * t->axes;
    p->l[k] = fabs(x[0] - t->at) + (t->axes == 2 ? x[1] / 4 : 0);
    p->slope[k * t->axes] = x[0] < t->at ? -1 : 1;
    if (t->axes == 2) p->slope[2 * k + 1] = 0.25;
  }
  return CJ_OK;
}

static cj_slice slice_of(tent *t, double tolerance, int64_t most) {
  return (cj_slice){.axes = t->axes,
                    .high = {1, 1},
                    .look = look,
                    .self = t,
                    .tolerance = tolerance,
                    .panels = 2,
                    .most = most,
                    .batch = 100};
}

static void test_line(void) {
  tent t = {.at = 0.3, .axes = 1, .fails = NEVER};
  const cj_slice s = slice_of(&t, 1e-13, 100000);
  cj_slice_result r;
  CHECK(cj_slice_measure(&s, &r) == CJ_OK);
  const double beta = (pow(0.3, 3) + pow(0.7, 3)) / 3;
  CHECK(r.converged);
  CHECK(fabs(r.value.beta - beta) < 1e-13);
  CHECK(fabs(r.value.axis[0].g - sqrt(1 / beta)) < 1e-12);
  CHECK(fabs(r.value.axis[0].c - (0.49 - 0.09) / (2 * beta)) < 1e-12);
  CHECK(fabs(r.value.axis[0].b_gap) < 1e-12 && fabs(r.value.axis[0].c_gap) < 1e-12);
  CHECK(r.value.axis[0].slack > 0);
}

static void test_plane(void) {
  tent t = {.at = 0.25, .axes = 2, .fails = NEVER};
  const cj_slice s = slice_of(&t, 1e-6, 40000);
  cj_slice_result r;
  CHECK(cj_slice_measure(&s, &r) == CJ_OK);
  /* E l^2 of a sum: E|x - a| = (a^2 + b^2) / 2, b = 1 - a */
  const double a = 0.25, b = 0.75, first = (a * a + b * b) / 2;
  const double second = (a * a * a + b * b * b) / 3;
  CHECK(fabs(r.value.beta - (second + first / 4 + 1.0 / 48)) < 1e-9);
  for (int i = 0; i < 2; i++) {
    CHECK(fabs(r.value.axis[i].b_gap) < 1e-6);
    CHECK(r.value.axis[i].slack > 0);
  }
  CHECK(r.value.eigen[0] > -1e-9 && r.value.eigen[1] >= r.value.eigen[0]);
}

static void test_failing_looks(void) {
  const size_t before = cj_memory_used();
  int calls = 0;
  for (int fails = 0;; fails++) {
    tent t = {.at = 0.3, .axes = 2, .fails = fails};
    const cj_slice s = slice_of(&t, 1e-6, 3000);
    cj_slice_result r;
    const cj_status status = cj_slice_measure(&s, &r);
    CHECK(cj_memory_used() == before);
    if (status == CJ_OK) break;
    CHECK(status == CJ_ECALL);
    calls++;
  }
  CHECK(calls > 10);
}

static void test_failing_allocations(void) {
  const size_t before = cj_memory_used();
  cj_status status = CJ_EMEM;
  int64_t n = 0;
  for (; status != CJ_OK && n < 1000; n++) {
    tent t = {.at = 0.3, .axes = 2, .fails = NEVER};
    const cj_slice s = slice_of(&t, 1e-6, 3000);
    cj_slice_result r;
    cj_memory_fail_after(n);
    status = cj_slice_measure(&s, &r);
    cj_memory_fail_after(-1);
    CHECK(cj_memory_used() == before);
    CHECK(status == CJ_OK || status == CJ_EMEM);
  }
  CHECK(status == CJ_OK && n > 10);
}

/* Twice forward is the sequence backwards, times its length. */
static void test_fourier(void) {
  enum { ROWS = 4, COLUMNS = 16, N = ROWS * COLUMNS };
  double z[2 * N], kept[2 * N];
  for (int k = 0; k < 2 * N; k++) z[k] = kept[k] = sin(k * 1.7) + 0.1 * k;
  CHECK(cj_fourier(ROWS, COLUMNS, z) == CJ_OK);
  CHECK(cj_fourier(ROWS, COLUMNS, z) == CJ_OK);
  for (int r = 0; r < ROWS; r++)
    for (int c = 0; c < COLUMNS; c++) {
      const int from = (ROWS - r) % ROWS * COLUMNS + (COLUMNS - c) % COLUMNS;
      for (int part = 0; part < 2; part++)
        CHECK(fabs(z[2 * (r * COLUMNS + c) + part] / N - kept[2 * from + part]) < 1e-13);
    }
  CHECK(cj_fourier(1, 1, z) == CJ_OK);
  CHECK(cj_fourier(1, 6, z) == CJ_EARG);
  CHECK(cj_fourier(0, 1, z) == CJ_EARG);
}

int main(void) {
  test_line();
  test_plane();
  test_failing_looks();
  test_failing_allocations();
  test_fourier();
  CHECK_DONE();
}
