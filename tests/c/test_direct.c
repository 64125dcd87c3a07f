/* Direct convolution of pictures against loops in double.
 *
 * Values are in [-1, 1], so a sum of `terms` products is off by at most terms * terms / 2 roundings
 * of half an epsilon when added one after the other; roundings being random, by about sqrt(terms)
 * times sqrt(terms) epsilons. Held is terms * epsilon. */
#include <float.h>
#include <string.h>

#include "canvas.h"
#include "core/threads.h"
#include "each_isa.h"
#include "kernels/direct.h"

#if defined(CJ_TYPE_f32)
#define EPSILON FLT_EPSILON
#else
#define EPSILON DBL_EPSILON
#endif

static real *values_new(int64_t count, uint64_t seed) {
  real *v = malloc((size_t)(count > 0 ? count : 1) * sizeof(real));
  for (int64_t i = 0; i < count; i++) v[i] = canvas_random(&seed);
  return v;
}

static cj_conv sizes(int64_t batch, int64_t c_in, int64_t c_out, int64_t h, int64_t w, int64_t kh,
                     int64_t kw) {
  cj_conv s = {.batch = batch, .groups = 1, .c_in = c_in, .c_out = c_out, .h = h, .w = w};
  s.kh = kh, s.kw = kw, s.stride_h = s.stride_w = s.dil_h = s.dil_w = 1;
  s.pad_h = (kh - 1) / 2, s.pad_w = (kw - 1) / 2;
  s.oh = cj_conv_out(h, kh, 1, s.pad_h, 1);
  s.ow = cj_conv_out(w, kw, 1, s.pad_w, 1);
  return s;
}

static cj_conv stepped(cj_conv s, int64_t stride_h, int64_t stride_w, int64_t pad_h,
                       int64_t pad_w) {
  s.stride_h = stride_h, s.stride_w = stride_w, s.pad_h = pad_h, s.pad_w = pad_w;
  s.oh = cj_conv_out(s.h, s.kh, stride_h, pad_h, 1);
  s.ow = cj_conv_out(s.w, s.kw, stride_w, pad_w, 1);
  return s;
}

/* The oracle: sums for one image, x [c_in, h, w] and y [c_out, oh, ow] in canvases. */
typedef struct term {
  int64_t c, i, j; /* of x */
  int64_t o, a, b; /* of y */
  double weight;
} term;

/* Calls `add` for all products of image n. */
static void each_term(const cj_conv *s, const real *w, const real *scale,
                      void (*add)(void *context, const term *t), void *context) {
  term t;
  for (t.o = 0; t.o < s->c_out; t.o++)
    for (t.a = 0; t.a < s->oh; t.a++)
      for (t.b = 0; t.b < s->ow; t.b++)
        for (t.c = 0; t.c < s->c_in; t.c++)
          for (int64_t r = 0; r < s->kh; r++)
            for (int64_t q = 0; q < s->kw; q++) {
              t.i = t.a * s->stride_h - s->pad_h + r, t.j = t.b * s->stride_w - s->pad_w + q;
              if (t.i < 0 || t.j < 0 || t.i >= s->h || t.j >= s->w) continue;
              t.weight = w[((t.o * s->c_in + t.c) * s->kh + r) * s->kw + q];
              if (scale) t.weight *= scale[t.o];
              add(context, &t);
            }
}

typedef struct sums {
  const cj_conv *s;
  const canvas *from;
  int64_t n;
  double *to;
} sums;

static void add_forward(void *context, const term *t) {
  const sums *m = context;
  m->to[(t->o * m->s->oh + t->a) * m->s->ow + t->b] +=
      t->weight * (double)*canvas_at(m->from, m->n, t->c, t->i, t->j);
}

static void add_back(void *context, const term *t) {
  const sums *m = context;
  m->to[(t->c * m->s->h + t->i) * m->s->w + t->j] +=
      t->weight * (double)*canvas_at(m->from, m->n, t->o, t->a, t->b);
}

/* One direction of a layer: pictures of both sides, its weights and its finish. */
typedef struct bench {
  cj_conv s;
  bool back;
  canvas from, to, add;
  real *w, *scale, *packed, *bias;
  uint16_t *mask, *signs;
  bool added;     /* is `add` added? */
  int64_t pixels; /* of the result, with all blocks and images */
  cj_finish f;
} bench;

static bench bench_new(cj_conv s, bool back, bool dressed, int64_t extra) {
  bench b = {.s = s, .back = back};
  const int64_t ring =
      extra + (back ? CJ_KERNEL(direct_input_ring)(&s) : CJ_KERNEL(direct_ring)(&s));
  const canvas x = canvas_new(s.batch, s.c_in, s.h, s.w, back ? extra : ring, 7 * extra);
  const canvas y = canvas_new(s.batch, s.c_out, s.oh, s.ow, back ? ring : extra, 3 * extra);
  b.from = back ? y : x, b.to = back ? x : y;
  canvas_fill(&b.from, 1);
  b.w = values_new(s.c_out * s.c_in * s.kh * s.kw, 2);
  b.packed = malloc((size_t)CJ_KERNEL(direct_packed)(&s) * sizeof(real));
  const cj_picture *p = &b.to.p;
  const int64_t blocks = picture_blocks(p);
  b.pixels = s.batch * blocks * p->height * p->width;
  b.add = canvas_new(s.batch, p->channels, p->height, p->width, 2, 0);
  canvas_fill(&b.add, 3);
  b.bias = values_new(blocks * BLOCK, 4);
  for (int64_t c = p->channels; c < blocks * BLOCK; c++) b.bias[c] = 0;
  b.scale = dressed ? values_new(s.c_out, 5) : NULL;
  b.mask = malloc((size_t)(b.pixels + 1) * sizeof *b.mask);
  b.signs = malloc((size_t)(b.pixels + 1) * sizeof *b.signs);
  for (int64_t i = 0; i <= b.pixels; i++) b.mask[i] = (uint16_t)(i * 40503);
  if (dressed) b.f = (cj_finish){b.bias, NULL, b.mask, true, b.signs, back ? 0 : (real)0.25};
  b.added = dressed;
  (back ? CJ_KERNEL(direct_input_pack) : CJ_KERNEL(direct_pack))(&s, b.w, b.scale, b.packed);
  return b;
}

static void bench_drop(bench *b) {
  free(b->from.memory), free(b->to.memory), free(b->add.memory);
  free(b->w), free(b->scale), free(b->packed), free(b->bias), free(b->mask), free(b->signs);
}

static void bench_run(bench *b) {
  b->f.add = b->added ? &b->add.p : NULL;
  for (int64_t i = 0; i < b->to.size; i++) b->to.memory[i] = (real)NAN;
  memset(b->signs, 0x5A, (size_t)(b->pixels + 1) * sizeof *b->signs);
  (b->back ? CJ_KERNEL(direct_input) : CJ_KERNEL(direct_forward))(&b->s, &b->from.p, b->packed,
                                                                  &b->f, &b->to.p);
}

/* Is the finished value of one place right? Near 0 either sign is. */
static bool place_right(const bench *b, int64_t n, int64_t c, int64_t i, int64_t j, double sum,
                        double tolerance) {
  const cj_picture *p = &b->to.p;
  const int64_t bits = ((n * picture_blocks(p) + c / BLOCK) * p->height + i) * p->width + j;
  if (b->f.bias) sum += (double)b->bias[c];
  if (b->f.add) sum += (double)*canvas_at(&b->add, n, c, i, j);
  if (b->f.mask && !(b->mask[bits] >> c % BLOCK & 1)) sum *= (double)b->f.slope;
  const double got = (double)*canvas_at(&b->to, n, c, i, j);
  if (b->f.clip && fabs(sum) > tolerance && (b->signs[bits] >> c % BLOCK & 1) != (sum > 0))
    return false;
  if (b->f.clip && sum <= 0) sum *= (double)b->f.slope;
  return fabs(got - sum) <= tolerance;
}

static void check_values(const bench *b) {
  const cj_picture *p = &b->to.p;
  const int64_t plane = p->height * p->width, size = p->channels * plane;
  double *want = malloc((size_t)size * sizeof(double));
  const double tolerance =
      (double)((b->back ? b->s.c_out : b->s.c_in) * b->s.kh * b->s.kw + 2) * (double)EPSILON;
  int64_t wrong = 0;
  for (int64_t n = 0; n < b->s.batch; n++) {
    memset(want, 0, (size_t)size * sizeof(double));
    each_term(&b->s, b->w, b->scale, b->back ? add_back : add_forward,
              &(sums){&b->s, &b->from, n, want});
    for (int64_t k = 0; k < size; k++)
      wrong +=
          !place_right(b, n, k / plane, k % plane / p->width, k % p->width, want[k], tolerance);
  }
  CHECK(wrong == 0);
  CHECK(canvas_clean(&b->to));
  CHECK(b->signs[b->pixels] == 0x5A5A);
  free(want);
}

/* The same bytes with two threads, and for one image at a time. */
static void check_bytes(bench *b) {
  const size_t size = (size_t)b->to.size * sizeof(real);
  const size_t bits = (size_t)b->pixels * sizeof *b->signs;
  real *values = malloc(size);
  uint16_t *signs = malloc(bits + 1);
  memcpy(values, b->to.memory, size);
  memcpy(signs, b->signs, bits);
  cj_set_threads(2);
  bench_run(b);
  CHECK(memcmp(values, b->to.memory, size) == 0 && memcmp(signs, b->signs, bits) == 0);
  cj_set_threads(1);
  if (b->s.batch > 0) {
    const int64_t n = b->s.batch - 1;
    bench one = *b;
    one.s.batch = 1;
    one.added = false;
    one.f.mask = NULL;
    bench all = one;
    all.s.batch = b->s.batch;
    bench_run(&all);
    memcpy(values, b->to.memory, size);
    memcpy(signs, b->signs, bits);
    one.from.p.data += n * one.from.p.image;
    one.to.p.data += n * one.to.p.image;
    bench_run(&one);
    const real *last = b->to.memory + CANVAS_MARGIN + n * b->to.p.image;
    CHECK(memcmp(values + CANVAS_MARGIN + n * b->to.p.image, last,
                 (size_t)b->to.p.image * sizeof(real)) == 0);
    const int64_t each = b->pixels / b->s.batch;
    if (one.f.signs) CHECK(memcmp(signs + n * each, b->signs, (size_t)each * 2) == 0);
  }
  free(values);
  free(signs);
}

static void test_layer(cj_conv s) {
  for (int way = 0; way < 4; way++) {
    bench b = bench_new(s, way & 1, way & 2, way & 2 ? 1 : 0);
    bench_run(&b);
    check_values(&b);
    check_bytes(&b);
    bench_drop(&b);
  }
}

int CJ_KERNEL(test)(void) {
  cj_set_threads(1);
  test_layer(sizes(3, 1, 1, 1, 1, 1, 1));
  test_layer(sizes(0, 3, 5, 4, 4, 3, 3));
  test_layer(sizes(1, 17, 33, 7, 7, 3, 3));
  test_layer(sizes(3, 32, 32, 5, 9, 5, 5));
  test_layer(sizes(2, 48, 16, 14, 14, 3, 3));
  test_layer(sizes(2, 5, 40, 28, 28, 1, 1));
  test_layer(sizes(3, 64, 64, 4, 4, 1, 1));
  test_layer(sizes(2, 20, 7, 6, 11, 2, 5));
  test_layer(sizes(9, 16, 16, 14, 14, 3, 3)); /* several parts of the pixels */
  test_layer(sizes(1, 16, 170, 4, 4, 1, 1));  /* and shares of the groups */
  test_layer(stepped(sizes(2, 24, 12, 9, 9, 3, 3), 1, 1, 0, 0));
  test_layer(stepped(sizes(3, 16, 32, 9, 8, 3, 3), 2, 2, 1, 1));
  test_layer(stepped(sizes(2, 19, 21, 8, 8, 4, 4), 2, 2, 1, 1));
  test_layer(stepped(sizes(2, 19, 21, 6, 6, 2, 2), 2, 2, 0, 0));
  test_layer(stepped(sizes(2, 16, 20, 7, 7, 1, 1), 2, 2, 0, 0));
  test_layer(stepped(sizes(2, 3, 18, 10, 11, 3, 5), 3, 2, 2, 0));
  test_layer(stepped(sizes(1, 3, 18, 5, 4, 2, 3), 7, 3, 1, 2));
  test_layer(stepped(sizes(4, 32, 16, 2, 2, 4, 4), 2, 2, 1, 1));
  test_layer(stepped(sizes(2, 4, 4, 3, 3, 1, 1), 1, 1, 2, 2)); /* results of nothing but padding */
  CHECK_DONE();
}
