/* Linear layers against plain loops in double. */
#include "core/threads.h"
#include "each_isa.h"
#include "kernels/dense.h"
#include "sample.h"

/* A chain of N multiply-adds is off by at most N roundings of the sum of its terms' sizes; with
 * random signs far less, so that 64 roundings cover the chains of these cases. */
static double tolerance(double size) {
  return 64 * (sizeof(real) == 4 ? 6e-8 : 1.2e-16) * (size + 1);
}

static bool same_bytes(const void *a, const void *b, int64_t count, size_t size) {
  return memcmp(a, b, (size_t)count * size) == 0;
}

/* y = x w^T, from w [out, in] or, turned, [in, out]; parts of the finish are on as their bits. */
static void test_forward(cj_dense s, bool turned, unsigned parts) {
  const int64_t count = s.rows * s.out;
  real *x = sample_array(s.rows * s.in, 1), *w = sample_array(s.in * s.out, 2);
  real *bias = sample_array(s.out, 3), *old = sample_array(count, 4);
  real *y = parts & 2 ? sample_array(count, 4) : sample_poison(count);
  real *alone = parts & 2 ? sample_array(count, 4) : sample_poison(count);
  real *packed = sample_poison(CJ_KERNEL(dense_packed)(&s));
  uint8_t *mask = malloc((size_t)count + 1), *signs = malloc((size_t)count + 1);
  for (int64_t i = 0; i < count; i++) mask[i] = i % 3 != 0;
  memset(signs, 0x5A, (size_t)count + 1);
  y[count] = 77;
  cj_dense_finish f = {.bias = parts & 1 ? bias : NULL,
                       .add = parts & 2,
                       .mask = parts & 4 ? mask : NULL,
                       .clip = parts & 8,
                       .signs = parts & 16 ? signs : NULL};
  cj_set_threads(2);
  CJ_KERNEL(dense_pack)(&s, w, turned, packed);
  CJ_KERNEL(dense_forward)(&s, x, packed, &f, y);
  for (int64_t n = 0; n < s.rows; n++)
    for (int64_t o = 0; o < s.out; o++) {
      const int64_t at = n * s.out + o;
      double want = (parts & 1 ? (double)bias[o] : 0) + (parts & 2 ? (double)old[at] : 0), size = 0;
      for (int64_t i = 0; i < s.in; i++) {
        const double v = (double)x[n * s.in + i] * (double)w[turned ? i * s.out + o : o * s.in + i];
        want += v;
        size += fabs(v);
      }
      if (parts & 4 && !mask[at]) want = 0;
      if (parts & 8 && want < 0) want = 0;
      CHECK(fabs((double)y[at] - want) <= tolerance(size));
      if (parts & 4 && !mask[at]) CHECK(y[at] == 0);
      if (parts & 16) CHECK(signs[at] == !(parts & 8 && y[at] == 0));
    }
  CHECK(y[count] == 77 && signs[count] == 0x5A);
  cj_set_threads(1);
  f.signs = NULL;
  cj_dense one = s;
  one.rows = 1;
  for (int64_t n = 0; n < s.rows; n++) {
    f.mask = parts & 4 ? mask + n * s.out : NULL;
    CJ_KERNEL(dense_forward)(&one, x + n * s.in, packed, &f, alone + n * s.out);
  }
  CHECK(same_bytes(y, alone, count, sizeof(real)));
  free(signs);
  free(mask);
  free(packed);
  free(alone);
  free(y);
  free(old);
  free(bias);
  free(w);
  free(x);
}

static void test_weight(cj_dense s) {
  const int64_t count = s.in * s.out;
  real *x = sample_array(s.rows * s.in, 1), *gy = sample_array(s.rows * s.out, 2);
  real *gw = sample_array(count, 3), *start = sample_array(count, 3);
  real *again = sample_array(count, 3), *gb = sample_array(s.out, 4);
  real *bias = sample_array(s.out, 4);
  void *scratch = malloc(CJ_KERNEL(dense_weight_scratch)(&s) + 1);
  gw[count] = gb[s.out] = 77;
  cj_set_threads(2);
  CJ_KERNEL(dense_weight)(&s, x, gy, gw, gb, scratch);
  for (int64_t o = 0; o < s.out; o++) {
    double sum = (double)bias[o], bias_size = 0;
    for (int64_t n = 0; n < s.rows; n++) {
      sum += (double)gy[n * s.out + o];
      bias_size += fabs((double)gy[n * s.out + o]);
    }
    CHECK(fabs((double)gb[o] - sum) <= tolerance(bias_size));
    for (int64_t i = 0; i < s.in; i++) {
      double want = (double)start[o * s.in + i], size = 0;
      for (int64_t n = 0; n < s.rows; n++) {
        const double v = (double)gy[n * s.out + o] * (double)x[n * s.in + i];
        want += v;
        size += fabs(v);
      }
      CHECK(fabs((double)gw[o * s.in + i] - want) <= tolerance(size));
    }
  }
  CHECK(gw[count] == 77 && gb[s.out] == 77);
  cj_set_threads(1);
  CJ_KERNEL(dense_weight)(&s, x, gy, again, NULL, scratch);
  CHECK(same_bytes(gw, again, count, sizeof(real)));
  CJ_KERNEL(dense_weight)(&s, x, gy, NULL, gb, scratch);
  CHECK(same_bytes(gw, again, count, sizeof(real)));
  free(scratch);
  free(bias);
  free(gb);
  free(again);
  free(start);
  free(gw);
  free(gy);
  free(x);
}

/* A NaN stays a NaN, and counts as above zero; infinities pass. */
static void test_not_numbers(void) {
  const cj_dense s = {.rows = 1, .in = 1, .out = 3};
  const real x[] = {1}, w[] = {(real)NAN, (real)INFINITY, -(real)INFINITY};
  real *packed = sample_poison(CJ_KERNEL(dense_packed)(&s)), y[3];
  uint8_t signs[3];
  CJ_KERNEL(dense_pack)(&s, w, false, packed);
  CJ_KERNEL(dense_forward)(&s, x, packed, &(cj_dense_finish){.clip = true, .signs = signs}, y);
  CHECK(isnan(y[0]) && isinf(y[1]) && y[2] == 0);
  CHECK(signs[0] == 1 && signs[1] == 1 && signs[2] == 0);
  free(packed);
}

static const cj_dense cases[] = {{1, 1, 1},     {0, 5, 7},     {3, 17, 33},   {14, 64, 32},
                                 {16, 100, 10}, {29, 3, 70},   {128, 40, 48}, {300, 33, 20},
                                 {5, 0, 9},     {57, 257, 15}, {2, 16, 16},   {130, 10, 100}};

int CJ_KERNEL(test)(void) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (unsigned parts = 0; parts < 32; parts++)
      if (parts == 0 || parts == 31 || parts % 5 == i % 5)
        test_forward(cases[i], parts % 2 == i % 2, parts);
    test_weight(cases[i]);
  }
  test_not_numbers();
  CHECK_DONE();
}
