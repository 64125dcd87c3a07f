/* First convolutions against plain loops in double. */
#include "core/threads.h"
#include "each_isa.h"
#include "kernels/stem.h"
#include "sample.h"

/* A chain of N multiply-adds is off by at most N roundings of the sum of its terms' sizes; with
 * random signs far less, so that 64 roundings cover the chains of these cases. */
static double tolerance(double size) {
  return 64 * (sizeof(real) == 4 ? 6e-8 : 1.2e-16) * (size + 1);
}

typedef struct net {
  cj_conv s;
  int64_t more_ring;
  real *x, *w, *gy, *packed, *input_packed, *scale;
  sample_picture pg;
  void *scratch;
} net;

static double x_at(const net *k, int64_t n, int64_t c, int64_t i, int64_t j) {
  const cj_conv *s = &k->s;
  if (i < 0 || j < 0 || i >= s->h || j >= s->w) return 0;
  return (double)k->x[((n * s->c_in + c) * s->h + i) * s->w + j];
}

static double w_at(const net *k, int64_t o, int64_t c, int64_t r, int64_t t) {
  const cj_conv *s = &k->s;
  return (double)k->w[((o * s->c_in + c) * s->kh + r) * s->kw + t];
}

static double gy_at(const net *k, int64_t n, int64_t o, int64_t i, int64_t j) {
  const cj_conv *s = &k->s;
  return (double)k->gy[((n * s->c_out + o) * s->oh + i) * s->ow + j];
}

static double y_sum(const net *k, int64_t n, int64_t o, int64_t i, int64_t j, double *size) {
  const cj_conv *s = &k->s;
  double sum = *size = 0;
  for (int64_t c = 0; c < s->c_in; c++)
    for (int64_t r = 0; r < s->kh; r++)
      for (int64_t t = 0; t < s->kw; t++) {
        const double v = w_at(k, o, c, r, t) * x_at(k, n, c, i * s->stride_h - s->pad_h + r,
                                                    j * s->stride_w - s->pad_w + t);
        sum += v;
        *size += fabs(v);
      }
  sum *= (double)k->scale[o];
  *size *= fabs((double)k->scale[o]);
  return sum;
}

/* Scatters gy into gx and the sizes of its terms into size. */
static void gx_sums(const net *k, double *gx, double *size) {
  const cj_conv *s = &k->s;
  for (int64_t n = 0; n < s->batch; n++)
    for (int64_t o = 0; o < s->c_out; o++)
      for (int64_t i = 0; i < s->oh; i++)
        for (int64_t j = 0; j < s->ow; j++)
          for (int64_t c = 0; c < s->c_in; c++)
            for (int64_t r = 0; r < s->kh; r++)
              for (int64_t t = 0; t < s->kw; t++) {
                const int64_t a = i * s->stride_h - s->pad_h + r,
                              b = j * s->stride_w - s->pad_w + t;
                if (a < 0 || b < 0 || a >= s->h || b >= s->w) continue;
                const int64_t at = ((n * s->c_in + c) * s->h + a) * s->w + b;
                const double v = w_at(k, o, c, r, t) * (double)k->scale[o] * gy_at(k, n, o, i, j);
                gx[at] += v;
                size[at] += fabs(v);
              }
}

static double gw_sum(const net *k, int64_t o, int64_t c, int64_t r, int64_t t, double *size) {
  const cj_conv *s = &k->s;
  double sum = *size = 0;
  for (int64_t n = 0; n < s->batch; n++)
    for (int64_t i = 0; i < s->oh; i++)
      for (int64_t j = 0; j < s->ow; j++) {
        const double v = gy_at(k, n, o, i, j) * x_at(k, n, c, i * s->stride_h - s->pad_h + r,
                                                     j * s->stride_w - s->pad_w + t);
        sum += v;
        *size += fabs(v);
      }
  return sum;
}

static bool same_bytes(const real *a, const real *b, int64_t count) {
  return memcmp(a, b, (size_t)count * sizeof *a) == 0;
}

typedef enum finish_kind { NOTHING, RELU, ALL, FINISH_KINDS } finish_kind;

/* What follows the sum: `sign` becomes the bit that belongs to it. */
static double finished(const cj_finish *f, int64_t o, double add, bool mask, double v, bool *sign) {
  if (f->bias) v += (double)f->bias[o];
  if (f->add) v += add;
  if (f->mask && !mask) v *= (double)f->slope;
  *sign = !(v <= 0);
  return f->clip && !*sign ? v * (double)f->slope : v;
}

static void check_values(const net *k, const cj_finish *f, const cj_picture *y) {
  const cj_conv *s = &k->s;
  const int64_t blocks = picture_blocks(y);
  for (int64_t n = 0; n < s->batch; n++)
    for (int64_t o = 0; o < blocks * BLOCK; o++)
      for (int64_t i = 0; i < s->oh; i++)
        for (int64_t j = 0; j < s->ow; j++) {
          const double got = (double)picture_at(y, n, o / BLOCK, i, j)[o % BLOCK];
          if (o >= s->c_out) {
            CHECK(got == 0);
            continue;
          }
          const int64_t bit = ((n * blocks + o / BLOCK) * s->oh + i) * s->ow + j;
          bool sign;
          double size;
          const double sum = y_sum(k, n, o, i, j, &size);
          const double add = f->add ? (double)picture_at(f->add, n, o / BLOCK, i, j)[o % BLOCK] : 0;
          const bool mask = f->mask && f->mask[bit] >> (o % BLOCK) & 1;
          const double want = finished(f, o, add, mask, sum, &sign);
          CHECK(fabs(got - want) <= tolerance(size));
          if (f->signs && fabs(want) > tolerance(size))
            CHECK((f->signs[bit] >> (o % BLOCK) & 1) == sign);
        }
}

static void check_forward(const net *k, finish_kind kind) {
  const cj_conv *s = &k->s;
  const int64_t blocks = (s->c_out + BLOCK - 1) / BLOCK;
  const int64_t bits = s->batch * blocks * s->oh * s->ow;
  sample_picture y = sample_picture_new(s->batch, s->c_out, s->oh, s->ow, k->more_ring, 16);
  sample_picture alone = sample_picture_new(s->batch, s->c_out, s->oh, s->ow, k->more_ring, 16);
  real *bias = sample_array(blocks * BLOCK, 9), *other;
  sample_picture add = sample_picture_random(s->batch, s->c_out, s->oh, s->ow, 1, 0, 8, &other);
  for (int64_t o = s->c_out; o < blocks * BLOCK; o++) bias[o] = 0;
  uint16_t *mask = malloc(((size_t)bits + 1) * 2), *signs = calloc((size_t)bits + 1, 2);
  for (int64_t i = 0; i < bits; i++) mask[i] = (uint16_t)(i * 40503);
  const cj_finish kinds[FINISH_KINDS] = {[RELU] = {.bias = bias, .clip = true, .signs = signs},
                                         [ALL] = {.bias = bias,
                                                  .add = &add.p,
                                                  .mask = mask,
                                                  .clip = true,
                                                  .signs = signs,
                                                  .slope = (real)0.25}};
  CJ_KERNEL(stem_forward)(s, k->x, k->packed, &kinds[kind], &y.p, k->scratch, 2);
  check_values(k, &kinds[kind], &y.p);
  cj_conv one = *s;
  one.batch = 1;
  for (int64_t n = 0; n < s->batch; n++) {
    cj_picture at = alone.p, add_at = add.p;
    at.data += n * at.image;
    add_at.data += n * add_at.image;
    cj_finish f = kinds[kind];
    f.signs = NULL;
    f.mask = f.mask ? mask + n * blocks * s->oh * s->ow : NULL;
    f.add = f.add ? &add_at : NULL;
    CJ_KERNEL(stem_forward)
    (&one, k->x + n * s->c_in * s->h * s->w, k->packed, &f, &at, k->scratch, 1);
  }
  CHECK(same_bytes(y.memory, alone.memory, y.size)); /* what is outside the pictures too */
  free(signs);
  free(mask);
  free(add.memory);
  free(other);
  free(bias);
  free(alone.memory);
  free(y.memory);
}

static void check_input(const net *k, bool add) {
  const cj_conv *s = &k->s;
  const int64_t count = s->batch * s->c_in * s->h * s->w;
  double *want = calloc((size_t)count + 1, sizeof *want);
  double *size = calloc((size_t)count + 1, sizeof *size);
  real *gx = add ? sample_array(count, 5) : sample_poison(count);
  for (int64_t i = 0; i < count && add; i++) want[i] = (double)gx[i];
  gx[count] = 77;
  gx_sums(k, want, size);
  CJ_KERNEL(stem_input)(s, &k->pg.p, k->input_packed, gx, add, k->scratch, 2);
  for (int64_t i = 0; i < count; i++) CHECK(fabs((double)gx[i] - want[i]) <= tolerance(size[i]));
  CHECK(gx[count] == 77);
  real *alone = add ? sample_array(count, 5) : sample_poison(count);
  cj_conv one = *s;
  one.batch = 1;
  for (int64_t n = 0; n < s->batch; n++) {
    cj_picture at = k->pg.p;
    at.data += n * at.image;
    CJ_KERNEL(stem_input)
    (&one, &at, k->input_packed, alone + n * s->c_in * s->h * s->w, add, k->scratch, 1);
  }
  CHECK(same_bytes(gx, alone, count));
  free(alone);
  free(gx);
  free(size);
  free(want);
}

static void check_weight(const net *k) {
  const cj_conv *s = &k->s;
  const int64_t count = s->c_out * s->c_in * s->kh * s->kw;
  real *gw = sample_array(count, 5), *again = sample_array(count, 5);
  real *start = sample_array(count, 5), *gb = calloc((size_t)s->c_out, sizeof *gb);
  void *scratch = malloc(CJ_KERNEL(stem_weight_scratch)(s) + 1);
  memset(scratch, 0xFF, CJ_KERNEL(stem_weight_scratch)(s));
  gw[count] = 77;
  CJ_KERNEL(stem_weight)(s, k->x, &k->pg.p, gw, gb, scratch);
  int64_t at = 0;
  for (int64_t o = 0; o < s->c_out; o++) {
    double size;
    for (int64_t c = 0; c < s->c_in; c++)
      for (int64_t r = 0; r < s->kh; r++)
        for (int64_t t = 0; t < s->kw; t++, at++) {
          const double want = (double)start[at] + gw_sum(k, o, c, r, t, &size);
          CHECK(fabs((double)gw[at] - want) <= tolerance(size));
        }
    double sum = size = 0;
    for (int64_t n = 0; n < s->batch; n++)
      for (int64_t i = 0; i < s->oh; i++)
        for (int64_t j = 0; j < s->ow; j++) {
          sum += gy_at(k, n, o, i, j);
          size += fabs(gy_at(k, n, o, i, j));
        }
    CHECK(fabs((double)gb[o] - sum) <= tolerance(size));
  }
  CHECK(gw[count] == 77);
  cj_set_threads(1);
  CJ_KERNEL(stem_weight)(s, k->x, &k->pg.p, again, NULL, scratch);
  CHECK(same_bytes(gw, again, count));
  CJ_KERNEL(stem_weight)(s, k->x, &k->pg.p, NULL, gb, scratch);
  CHECK(same_bytes(gw, again, count));
  cj_set_threads(2);
  free(scratch);
  free(gb);
  free(start);
  free(again);
  free(gw);
}

static void test_case(cj_conv s, int64_t more_ring) {
  s.groups = s.dil_h = s.dil_w = 1;
  s.oh = cj_conv_out(s.h, s.kh, s.stride_h, s.pad_h, 1);
  s.ow = cj_conv_out(s.w, s.kw, s.stride_w, s.pad_w, 1);
  net k = {.s = s, .more_ring = more_ring};
  k.x = sample_array(s.batch * s.c_in * s.h * s.w, 1);
  k.w = sample_array(s.c_out * s.c_in * s.kh * s.kw, 2);
  k.scale = sample_array(s.c_out, 3);
  k.packed = sample_poison(CJ_KERNEL(stem_packed)(&s));
  k.input_packed = sample_poison(CJ_KERNEL(stem_input_packed)(&s));
  CJ_KERNEL(stem_pack)(&s, k.w, k.scale, k.packed);
  CJ_KERNEL(stem_input_pack)(&s, k.w, k.scale, k.input_packed);
  k.pg =
      sample_picture_random(s.batch, s.c_out, s.oh, s.ow,
                            CJ_KERNEL(stem_input_ring)(&s) + more_ring, 16 * more_ring, 4, &k.gy);
  const size_t bytes = CJ_KERNEL(stem_scratch)(&s, 2);
  k.scratch = malloc(bytes + 1);
  memset(k.scratch, 0xFF, bytes);
  cj_set_threads(2);
  for (int kind = 0; kind < FINISH_KINDS; kind++) check_forward(&k, (finish_kind)kind);
  check_input(&k, false);
  check_input(&k, true);
  check_weight(&k);
  free(k.scratch);
  free(k.pg.memory);
  free(k.gy);
  free(k.input_packed);
  free(k.packed);
  free(k.scale);
  free(k.w);
  free(k.x);
}

/* batch, channels in and out, height, width, kernel, stride, padding. */
static const int64_t cases[][8] = {
    {1, 1, 1, 1, 1, 1, 1, 0},     {3, 1, 16, 9, 28, 3, 1, 1},  {2, 1, 32, 28, 28, 5, 1, 2},
    {2, 3, 64, 8, 33, 3, 1, 1},   {0, 3, 17, 5, 5, 3, 1, 1},   {3, 1, 6, 11, 15, 5, 1, 2},
    {2, 2, 40, 9, 7, 4, 2, 1},    {1, 3, 17, 23, 21, 7, 2, 3}, {2, 4, 5, 6, 3, 3, 1, 1},
    {1, 1, 20, 12, 13, 11, 3, 4}, {2, 3, 33, 7, 6, 2, 2, 0},   {1, 3, 7, 7, 9, 1, 3, 0},
    {2, 1, 17, 2, 2, 3, 1, 1},    {1, 2, 3, 20, 21, 18, 1, 4}, {1, 1, 16, 64, 64, 3, 1, 1},
    {1, 2, 9, 9, 9, 6, 1, 0},     {2, 1, 18, 5, 1, 5, 1, 4},   {1, 3, 16, 5, 5, 2, 4, 1},
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
                      .c_in = 2,
                      .c_out = 21,
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
                      .c_in = 1,
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
