/* Weight gradients of pictures against plain loops in double. */
#include "core/threads.h"
#include "each_isa.h"
#include "kernels/direct.h"
#include "sample.h"

/* One element of gw, and the sum of the sizes of its terms. */
static double naive(const cj_conv *s, const real *x, const real *gy, int64_t o, int64_t c,
                    int64_t r, int64_t t, double *size) {
  double sum = *size = 0;
  for (int64_t n = 0; n < s->batch; n++)
    for (int64_t i = 0; i < s->oh; i++)
      for (int64_t j = 0; j < s->ow; j++) {
        const int64_t a = i * s->stride_h - s->pad_h + r, b = j * s->stride_w - s->pad_w + t;
        if (a < 0 || b < 0 || a >= s->h || b >= s->w) continue;
        const double term = (double)x[((n * s->c_in + c) * s->h + a) * s->w + b] *
                            (double)gy[((n * s->c_out + o) * s->oh + i) * s->ow + j];
        sum += term;
        *size += fabs(term);
      }
  return sum;
}

/* A sum of N terms in any order is off by at most N roundings of the sum of their sizes. Here each
 * register sums a strip and parts are added, so the longest chain is shorter; random signs make 64
 * roundings ample. */
static double tolerance(double size) {
  return 64 * (sizeof(real) == 4 ? 6e-8 : 1.2e-16) * (size + 1);
}

static void check_values(const cj_conv *s, const real *x, const real *gy, const real *gw) {
  int64_t at = 0;
  for (int64_t o = 0; o < s->c_out; o++)
    for (int64_t c = 0; c < s->c_in; c++)
      for (int64_t r = 0; r < s->kh; r++)
        for (int64_t t = 0; t < s->kw; t++, at++) {
          double size;
          const double want = 0.5 + naive(s, x, gy, o, c, r, t, &size);
          CHECK(fabs((double)gw[at] - want) <= tolerance(size));
        }
}

static void check_bias(const cj_conv *s, const real *gy, const real *gb) {
  for (int64_t o = 0; o < s->c_out; o++) {
    double sum = 0.5, size = 0;
    for (int64_t n = 0; n < s->batch; n++)
      for (int64_t i = 0; i < s->oh * s->ow; i++) {
        const double v = (double)gy[(n * s->c_out + o) * s->oh * s->ow + i];
        sum += v;
        size += fabs(v);
      }
    CHECK(fabs((double)gb[o] - sum) <= tolerance(size));
  }
}

static void fill(real *to, int64_t count, real value) {
  for (int64_t i = 0; i < count; i++) to[i] = value;
}

static void test_case(cj_conv s, int64_t more_ring) {
  s.groups = s.dil_h = s.dil_w = 1;
  s.oh = cj_conv_out(s.h, s.kh, s.stride_h, s.pad_h, 1);
  s.ow = cj_conv_out(s.w, s.kw, s.stride_w, s.pad_w, 1);
  const int64_t pad = s.pad_h > s.pad_w ? s.pad_h : s.pad_w;
  const int64_t count = s.c_out * s.c_in * s.kh * s.kw;
  real *x, *gy;
  sample_picture px =
      sample_picture_random(s.batch, s.c_in, s.h, s.w, pad + more_ring, more_ring * 48, 1, &x);
  sample_picture pg =
      sample_picture_random(s.batch, s.c_out, s.oh, s.ow, more_ring, more_ring * 16, 2, &gy);
  real *gw = malloc((size_t)(count + 1) * sizeof(real)), *gb = malloc((size_t)s.c_out * sizeof *gb);
  real *again = malloc((size_t)(count + 1) * sizeof(real));
  const size_t bytes = CJ_KERNEL(direct_weight_scratch)(&s);
  char *scratch = malloc(bytes + 1);
  memset(scratch, 0xFF, bytes + 1);
  fill(gw, count + 1, (real)0.5);
  fill(gb, s.c_out, (real)0.5);
  fill(again, count + 1, (real)0.5);
  cj_set_threads(2);
  CJ_KERNEL(direct_weight)(&s, &px.p, &pg.p, gw, gb, scratch);
  check_values(&s, x, gy, gw);
  check_bias(&s, gy, gb);
  CHECK(gw[count] == (real)0.5);
  CHECK((unsigned char)scratch[bytes] == 0xFF);
  cj_set_threads(1);
  CJ_KERNEL(direct_weight)(&s, &px.p, &pg.p, again, NULL, scratch);
  CHECK(memcmp(gw, again, (size_t)count * sizeof(real)) == 0);
  fill(gb, s.c_out, (real)0.5);
  CJ_KERNEL(direct_weight)(&s, &px.p, &pg.p, NULL, gb, scratch);
  check_bias(&s, gy, gb);
  free(scratch);
  free(again);
  free(gb);
  free(gw);
  free(pg.memory);
  free(px.memory);
  free(gy);
  free(x);
}

/* batch, channels in and out, size, kernel, stride, padding. */
static const int64_t cases[][8] = {
    {1, 1, 1, 1, 1, 1, 1, 0},     {3, 17, 19, 5, 7, 3, 1, 1},  {0, 3, 4, 5, 5, 3, 1, 1},
    {2, 16, 16, 9, 8, 3, 1, 1},   {3, 33, 5, 6, 7, 5, 1, 2},   {2, 5, 33, 6, 7, 5, 1, 2},
    {1, 20, 18, 9, 9, 4, 2, 1},   {2, 16, 40, 8, 6, 2, 2, 0},  {5, 18, 3, 7, 5, 1, 1, 0},
    {2, 18, 35, 7, 5, 1, 2, 0},   {1, 3, 17, 15, 11, 7, 2, 3}, {1, 2, 2, 12, 13, 11, 3, 4},
    {9, 32, 32, 14, 14, 3, 1, 1}, {2, 16, 3, 40, 40, 3, 1, 1}, {33, 32, 16, 4, 4, 3, 1, 1},
    {1, 144, 160, 3, 3, 3, 1, 1}, {2, 4, 6, 9, 9, 6, 1, 0},    {1, 1, 3, 60, 61, 58, 1, 0},
};

int CJ_KERNEL(test)(void) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const int64_t *c = cases[i];
    const cj_conv s = {.batch = c[0],
                       .c_in = c[1],
                       .c_out = c[2],
                       .h = c[3],
                       .w = c[4],
                       .kh = c[5],
                       .kw = c[5],
                       .stride_h = c[6],
                       .stride_w = c[6],
                       .pad_h = c[7],
                       .pad_w = c[7]};
    test_case(s, (int64_t)i % 3);
  }
  /* Height and width differ in everything. */
  test_case((cj_conv){.batch = 2,
                      .c_in = 20,
                      .c_out = 7,
                      .h = 11,
                      .w = 8,
                      .kh = 5,
                      .kw = 2,
                      .stride_h = 3,
                      .stride_w = 1,
                      .pad_h = 2,
                      .pad_w = 0},
            0);
  test_case((cj_conv){.batch = 3,
                      .c_in = 7,
                      .c_out = 16,
                      .h = 6,
                      .w = 21,
                      .kh = 1,
                      .kw = 7,
                      .stride_h = 1,
                      .stride_w = 2,
                      .pad_h = 0,
                      .pad_w = 3},
            1);
  CHECK_DONE();
}
