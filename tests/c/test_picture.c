/* Pictures: what is written, what is left alone, and the finish of values in registers. */
#include <string.h>

#include "canvas.h"
#include "each_isa.h"
#include "kernels/finish.h"

static real plain_value(int64_t k) {
  return (real)((k * 37 + 11) % 101) - 50;
}

static void test_copies(int64_t count, int64_t channels, int64_t height, int64_t width,
                        int64_t ring, int64_t gap) {
  canvas c = canvas_new(count, channels, height, width, ring, gap);
  const int64_t total = count * channels * height * width;
  real *plain = malloc((size_t)(total + 1) * sizeof(real));
  for (int64_t k = 0; k < total; k++) plain[k] = plain_value(k);
  plain[total] = 77;
  CJ_KERNEL(picture_fill)(&c.p, count, plain, false);
  CJ_KERNEL(picture_clear_ring)(&c.p, count);
  for (int64_t at = 0; at < c.size; at++) {
    const canvas_place here = canvas_place_of(&c, at);
    const real got = c.memory[at];
    if (here.outside)
      CHECK(isnan(got));
    else if (here.ring || here.channel >= channels)
      CHECK(got == 0);
    else
      CHECK(got ==
            plain_value(((here.n * channels + here.channel) * height + here.i) * width + here.j));
  }
  CJ_KERNEL(picture_read)(&c.p, count, plain, true);
  for (int64_t k = 0; k < total; k++) CHECK(plain[k] == 2 * plain_value(k));
  CJ_KERNEL(picture_fill)(&c.p, count, plain, true);
  CJ_KERNEL(picture_read)(&c.p, count, plain, false);
  for (int64_t k = 0; k < total; k++) CHECK(plain[k] == 3 * plain_value(k));
  CHECK(plain[total] == 77);
  free(plain);
  free(c.memory);
}

/* The same, slowly. A NaN counts as above zero. */
static real finished(const cj_finish *f, int64_t channel, real add, bool mask, real v, bool *sign) {
  if (f->bias) v += f->bias[channel];
  if (f->add) v += add;
  if (f->mask && !mask) v = f->slope == 0 ? 0 : v * f->slope;
  *sign = !(v <= 0);
  return f->clip && !*sign ? (f->slope == 0 ? 0 : v * f->slope) : v;
}

static bool same(real a, real b) {
  return a == b || (isnan(a) && isnan(b));
}

static real value_at(int64_t j, int64_t c) {
  if (j == 3) return c % 3 == 0 ? (real)NAN : c % 3 == 1 ? (real)INFINITY : -(real)INFINITY;
  return (real)((j * 16 + c) * 29 % 17 - 8);
}

static void test_finish(unsigned parts, real slope) {
  enum { WIDTH = 5, COUNT = 2, HEIGHT = 2, CHANNELS = 20 };
  canvas y = canvas_new(COUNT, CHANNELS, HEIGHT, WIDTH, 1, 3);
  canvas add = canvas_new(COUNT, CHANNELS, HEIGHT, WIDTH, 2, 0);
  real bias[2 * BLOCK];
  uint16_t mask[COUNT * 2 * HEIGHT * WIDTH], signs[COUNT * 2 * HEIGHT * WIDTH + 1];
  for (int i = 0; i < 2 * BLOCK; i++) bias[i] = (real)(i % 5) - 2;
  for (int i = 0; i < COUNT * 2 * HEIGHT * WIDTH; i++) mask[i] = (uint16_t)(i * 40503);
  memset(signs, 0x5A, sizeof signs);
  for (int64_t at = 0; at < add.size; at++) add.memory[at] = (real)(at % 7) - 3;
  const cj_finish f = {.bias = parts & 1 ? bias : NULL,
                       .add = parts & 2 ? &add.p : NULL,
                       .mask = parts & 4 ? mask : NULL,
                       .clip = parts & 8,
                       .signs = parts & 16 ? signs : NULL,
                       .slope = slope};
  const int64_t n = 1, block = 1, i = 1;
  const cj_finish_line line = finish_line(&f, &y.p, n, block, i);
  for (int64_t j = 0; j < WIDTH; j++) {
    real plain[BLOCK];
    for (int c = 0; c < BLOCK; c++) plain[c] = value_at(j, c);
    vec v[PIXEL_VECS];
    for (int k = 0; k < PIXEL_VECS; k++) v[k] = vec_load(plain + k * LANES);
    finish_pixel(&line, j, v);
    const int64_t bits = ((n * 2 + block) * HEIGHT + i) * WIDTH + j;
    for (int c = 0; c < BLOCK; c++) {
      bool sign;
      const real want = finished(&f, block * BLOCK + c, picture_at(&add.p, n, block, i, j)[c],
                                 mask[bits] >> c & 1, value_at(j, c), &sign);
      CHECK(same(picture_at(&y.p, n, block, i, j)[c], want));
      if (f.signs) CHECK((signs[bits] >> c & 1) == sign);
    }
  }
  for (int64_t at = 0; at < y.size; at++) {
    const canvas_place here = canvas_place_of(&y, at);
    const bool written =
        !here.outside && !here.ring && here.n == n && here.i == i && here.channel / BLOCK == block;
    if (!written) CHECK(isnan(y.memory[at]));
  }
  CHECK(signs[0] == 0x5A5A && signs[COUNT * 2 * HEIGHT * WIDTH] == 0x5A5A);
  free(add.memory);
  free(y.memory);
}

int CJ_KERNEL(test)(void) {
  test_copies(1, 1, 1, 1, 0, 0);
  test_copies(3, 17, 5, 3, 2, 5);
  test_copies(2, 16, 1, 7, 1, 0);
  test_copies(1, 33, 4, 9, 3, 16);
  test_copies(0, 5, 3, 3, 1, 0);
  for (unsigned parts = 0; parts < 32; parts++) {
    if (parts & 16 && !(parts & 8)) continue; /* signs only with clip */
    test_finish(parts, 0);
    test_finish(parts, (real)0.25);
  }
  CHECK_DONE();
}
