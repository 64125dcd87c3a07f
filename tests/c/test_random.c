/* Known answers of Philox 4x32-10 from the authors' own distribution, and the laws of streams. */
#include <math.h>
#include <string.h>

#include "check.h"
#include "core/random.h"

static void check_words(uint32_t c, uint32_t k, const uint32_t expected[4]) {
  const uint32_t counter[4] = {c, c, c, c}, key[2] = {k, k};
  uint32_t out[4];
  cj_philox(counter, key, out);
  CHECK(memcmp(out, expected, sizeof out) == 0);
}

static void test_known_answers(void) {
  check_words(0, 0, (uint32_t[]){0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  check_words(~0u, ~0u, (uint32_t[]){0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  const uint32_t counter[4] = {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344};
  const uint32_t key[2] = {0xa4093822, 0x299f31d0};
  uint32_t out[4];
  cj_philox(counter, key, out);
  CHECK(out[0] == 0xd16cfe09 && out[1] == 0x94fdcceb && out[2] == 0x5001e420 &&
        out[3] == 0x24126ea1);
}

static void test_streams_differ(void) {
  const cj_stream a = cj_stream_open(1, "init", 0), b = cj_stream_open(1, "shuffle", 0);
  const cj_stream c = cj_stream_open(1, "init", 1), again = cj_stream_open(1, "init", 0);
  CHECK(cj_stream_uniform(&a, 5) == cj_stream_uniform(&again, 5));
  CHECK(cj_stream_uniform(&a, 5) != cj_stream_uniform(&b, 5));
  CHECK(cj_stream_uniform(&a, 5) != cj_stream_uniform(&c, 5));
}

/* Mean and variance within six standard errors of 1/2, 1/12 and 0, 1. */
static void test_moments(void) {
  enum { N = 40000 };
  const cj_stream s = cj_stream_open(7, "moments", 0);
  double u = 0, uu = 0, z = 0, zz = 0;
  for (uint64_t i = 0; i < N; i++) {
    const double a = cj_stream_uniform(&s, i), b = cj_stream_normal(&s, i);
    u += a;
    uu += a * a;
    z += b;
    zz += b * b;
  }
  CHECK(fabs(u / N - 0.5) < 6 * sqrt(1.0 / 12 / N));
  CHECK(fabs(uu / N - 1.0 / 3) < 6 * sqrt(4.0 / 45 / N));
  CHECK(fabs(z / N) < 6 / sqrt(N));
  CHECK(fabs(zz / N - 1) < 6 * sqrt(2.0 / N));
}

static void test_permutation(void) {
  const int64_t n = 1000;
  cj_tensor t = {0};
  CHECK(cj_tensor_new(&t, CJ_I64, 1, &n) == CJ_OK);
  const cj_stream s = cj_stream_open(3, "shuffle", 0);
  CHECK(cj_random_permutation(&t, &s) == CJ_OK);
  int seen[1000] = {0}, moved = 0;
  const int64_t *p = t.data;
  for (int64_t i = 0; i < n; i++) {
    CHECK(p[i] >= 0 && p[i] < n);
    seen[p[i]]++;
    moved += p[i] != i;
  }
  for (int64_t i = 0; i < n; i++) CHECK(seen[i] == 1);
  CHECK(moved > 950);
  cj_tensor_drop(&t);
}

static void test_uniform_stays_below(void) {
  const int64_t n = 20000;
  cj_tensor t = {0};
  CHECK(cj_tensor_new(&t, CJ_F32, 1, &n) == CJ_OK);
  const cj_stream s = cj_stream_open(9, "edge", 0);
  CHECK(cj_random_uniform(&t, &s, 1.0, 1.0 + 0x1p-22) == CJ_OK); /* two floats wide */
  for (int64_t i = 0; i < n; i++) CHECK(((float *)t.data)[i] < 1.0f + 0x1p-22f);
  cj_tensor_drop(&t);
}

/* Many at once are those one by one, wherever they begin and end. */
static void test_fills(void) {
  const cj_stream s = cj_stream_open(5, "fills", 3);
  double u[9], z[9];
  for (uint64_t first = 0; first < 4; first++)
    for (int64_t count = 0; count <= 8; count++) {
      u[count] = z[count] = -7;
      cj_stream_uniforms(&s, first, count, u);
      cj_stream_normals(&s, first, count, z);
      CHECK(u[count] == -7 && z[count] == -7);
      for (int64_t i = 0; i < count; i++) {
        CHECK(u[i] == cj_stream_uniform(&s, first + (uint64_t)i));
        CHECK(z[i] == cj_stream_normal(&s, first + (uint64_t)i));
      }
    }
}

int main(void) {
  test_known_answers();
  test_streams_differ();
  test_moments();
  test_permutation();
  test_uniform_stays_below();
  test_fills();
  CHECK_DONE();
}
