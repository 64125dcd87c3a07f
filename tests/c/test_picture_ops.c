/* Batch norm, sums and joins of pictures against plain loops in double: as test_picture_pool.c. */
#include "each_isa.h"
#include "picture_canvas.h"

/* --- pixel by pixel --------------------------------------------------------------------------- */

static void run_finish(const operation *o, int64_t from, int64_t count, const canvas *y) {
  const cj_picture x = from_image(o->x, from), to = from_image(y, from);
  cj_picture add;
  const cj_finish f = finish_from(o, y, from, &add);
  if (o->slope)
    CJ_KERNEL(picture_affine)(count, &x, o->slope, o->shift, &f, &to);
  else
    CJ_KERNEL(picture_finish)(count, &x, &f, &to);
}

static void test_finish(const shape *s, unsigned parts, bool affine, bool shift) {
  canvas x = canvas_random(s->count, s->channels, s->height, s->width, 1, 0);
  canvas y = canvas_new(s->count, s->channels, s->height, s->width, 2);
  real slopes[64], shifts[64];
  for (int64_t c = 0; c < 64; c++) {
    slopes[c] = c < s->channels ? (real)uniform() : 0;
    shifts[c] = c < s->channels ? (real)uniform() : 0;
  }
  ending e = ending_new(parts, &y);
  if (parts & 2) e.f.add = &e.add.p;
  const operation o = {.run = run_finish,
                       .x = &x,
                       .e = &e,
                       .slope = affine ? slopes : NULL,
                       .shift = shift ? shifts : NULL};
  run_all_ways(&o, &y);
  check_frame(&y);
  EACH_PLACE(&y, s->channels) {
    double v = (double)*value(&x, n, c, i, j);
    if (affine) v = v * (double)slopes[c] + (shift ? (double)shifts[c] : 0);
    CHECK(finished(&e, &y, v, 2, n, c, i, j));
  }
  run_finish(&o, 0, s->count, &x); /* in place */
  EACH_PLACE(&y, s->channels) CHECK(*value(&x, n, c, i, j) == *value(&y, n, c, i, j));
  ending_free(&e);
  canvas_free(&y);
  canvas_free(&x);
}

static void run_take(const operation *o, int64_t from, int64_t count, const canvas *y) {
  const cj_picture x = from_image(o->x, from), to = from_image(y, from);
  cj_picture add;
  const cj_finish f = finish_from(o, y, from, &add);
  CJ_KERNEL(picture_take)(count, &x, o->channel, &f, &to);
}

static void run_put(const operation *o, int64_t from, int64_t count, const canvas *y) {
  const cj_picture x = from_image(o->x, from), to = from_image(y, from);
  CJ_KERNEL(picture_put)(count, &x, &to, o->channel);
}

static void test_take(int64_t channels, int64_t from, int64_t taken, unsigned parts) {
  canvas x = canvas_random(3, channels, 3, 5, 1, 0);
  canvas y = canvas_new(3, taken, 3, 5, 2);
  ending e = ending_new(parts, &y);
  if (parts & 2) e.f.add = &e.add.p;
  const operation o = {.run = run_take, .x = &x, .e = &e, .channel = from};
  run_all_ways(&o, &y);
  check_frame(&y);
  EACH_PLACE(&y, taken)
  CHECK(finished(&e, &y, (double)*value(&x, n, from + c, i, j), 1, n, c, i, j));
  ending_free(&e);
  canvas_free(&y);
  canvas_free(&x);
}

/* Puts pictures of a and b channels side by side. */
static void test_put(int64_t a, int64_t b) {
  canvas first = canvas_random(2, a, 3, 5, 1, 0), second = canvas_random(2, b, 3, 5, 0, 0);
  canvas y = canvas_new(2, a + b, 3, 5, 2);
  operation o = {.run = run_put, .x = &second, .channel = a};
  run_all_ways(&o, &y);
  EACH_PLACE(&y, a) CHECK(*value(&y, n, c, i, j) != *value(&y, n, c, i, j));
  o = (operation){.run = run_put, .x = &first};
  run_all_ways(&o, &y);
  check_frame(&y);
  EACH_PLACE(&y, a + b)
  CHECK(*value(&y, n, c, i, j) ==
        (c < a ? *value(&first, n, c, i, j) : *value(&second, n, c - a, i, j)));
  CJ_KERNEL(picture_zero)(2, &y.p);
  check_frame(&y);
  EACH_PLACE(&y, a + b) CHECK(*value(&y, n, c, i, j) == 0);
  canvas_free(&y);
  canvas_free(&second);
  canvas_free(&first);
}

/* --- batch norm ------------------------------------------------------------------------------- */

enum { LANES_MOST = 64 };

typedef struct moments {
  real mean[LANES_MOST], scale[LANES_MOST];
  double var[LANES_MOST];
} moments;

static void take_moments(const canvas *x, double eps, moments *m) {
  memset(m, 0xEE, sizeof *m);
  void *scratch = malloc(CJ_KERNEL(picture_norm_scratch)(&x->p, x->count));
  CJ_KERNEL(picture_moments)(x->count, &x->p, eps, m->mean, m->scale, m->var, scratch);
  free(scratch);
}

/* In long double, as the results for f64 are sums in double themselves. */
static void true_moments(const canvas *x, int64_t channel, double *mean, double *var) {
  const long double count = (long double)(x->count * x->p.height * x->p.width);
  long double sum = 0, squares = 0;
  EACH_PLACE(x, 1) sum += *value(x, n, channel, i, j);
  EACH_PLACE(x, 1) squares += powl(*value(x, n, channel, i, j) - sum / count, 2);
  *mean = (double)(sum / count);
  *var = (double)(squares / count);
}

static void test_moments(int64_t count, int64_t channels, int64_t h, int64_t w, double middle) {
  canvas x = canvas_random(count, channels, h, w, 1, middle);
  moments m, again;
  const double eps = 1e-5;
  cj_set_threads(1);
  take_moments(&x, eps, &again);
  cj_set_threads(2);
  take_moments(&x, eps, &m);
  CHECK(memcmp(&m, &again, sizeof m) == 0);
  const int64_t lanes = (channels + BLOCK - 1) / BLOCK * BLOCK;
  for (int64_t c = 0; c < lanes; c++) {
    double mean = 0, var = 0;
    if (c < channels) true_moments(&x, c, &mean, &var);
    CHECK(close_to((double)m.mean[c], mean, 0.01, 16));
    /* Within a chunk of 256 pixels squares are summed in `real`. */
    CHECK(fabs(m.var[c] - var) <= tolerance(64) * var);
    CHECK(c < channels ? close_to((double)m.scale[c], 1 / sqrt(var + eps), 0, 64)
                       : m.scale[c] == 0);
  }
  CHECK(m.var[lanes] != m.var[lanes] || m.var[lanes] < -1e200); /* untouched */
  canvas_free(&x);
}

/* One value far from all others, infinities and NaN. */
static void test_moments_of_outliers(void) {
  canvas x = canvas_random(2, 4, 9, 40, 0, 0);
  *value(&x, 0, 0, 0, 0) = (real)30000;
  *value(&x, 1, 1, 3, 7) = (real)NAN;
  *value(&x, 1, 2, 3, 7) = (real)INFINITY;
  moments m;
  take_moments(&x, 0, &m);
  double mean, var;
  true_moments(&x, 0, &mean, &var);
  CHECK(close_to((double)m.mean[0], mean, 0, 64));
  CHECK(fabs(m.var[0] - var) <= tolerance(256) * var);
  CHECK(m.mean[1] != m.mean[1] && m.var[1] != m.var[1]);
  CHECK(m.mean[2] == (real)INFINITY && m.var[2] != m.var[2]);
  true_moments(&x, 3, &mean, &var);
  CHECK(fabs(m.var[3] - var) <= tolerance(64) * var);
  canvas_free(&x);
}

typedef struct norm_case {
  canvas x, gy, gx;
  moments m;
  real weight[LANES_MOST], gweight[LANES_MOST], gbias[LANES_MOST];
  uint16_t *mask;
  cj_norm_back b;
  ending e;
} norm_case;

static void norm_run(norm_case *t, const canvas *gx) {
  for (int c = 0; c < LANES_MOST; c++) t->gweight[c] = t->gbias[c] = 1;
  void *scratch = malloc(CJ_KERNEL(picture_norm_scratch)(&t->x.p, t->x.count));
  CJ_KERNEL(picture_norm_back)
  (t->x.count, &t->b, &t->x.p, &t->gy.p, &t->e.f, gx ? &gx->p : NULL, scratch);
  free(scratch);
}

/* gy behind the mask. */
static double norm_g(const norm_case *t, int64_t n, int64_t c, int64_t i, int64_t j) {
  const cj_picture *x = &t->x.p;
  const int64_t word = ((n * picture_blocks(x) + c / BLOCK) * x->height + i) * x->width + j;
  const double g = (double)*value(&t->gy, n, c, i, j);
  return !t->b.mask || t->mask[word] >> c % BLOCK & 1 ? g : g * (double)t->b.slope;
}

static void norm_check(const norm_case *t, int64_t channel) {
  const double count = (double)(t->x.count * t->x.p.height * t->x.p.width);
  const double mean = (double)t->m.mean[channel], scale = (double)t->m.scale[channel];
  const double weight = t->b.weight ? (double)t->weight[channel] : 1;
  long double sums = 0, all_products = 0;
  double size = 0;
  EACH_PLACE(&t->x, 1) {
    const double h = ((double)*value(&t->x, n, channel, i, j) - mean) * scale;
    const double g = norm_g(t, n, channel, i, j);
    sums += g;
    all_products += g * h;
    size += fabs(g) * (1 + fabs(h));
  }
  const double sum = (double)sums, products = (double)all_products;
  /* Chunks are summed in `real` in chains of at most 80 terms, the result is rounded once. */
  if (t->b.gweight)
    CHECK(fabs((double)t->gweight[channel] - 1 - products) <= tolerance(80) * (size + 1));
  if (t->b.gbias) CHECK(fabs((double)t->gbias[channel] - 1 - sum) <= tolerance(80) * (size + 1));
  EACH_PLACE(&t->gx, 1) {
    const double h = ((double)*value(&t->x, n, channel, i, j) - mean) * scale;
    const double g = norm_g(t, n, channel, i, j);
    const double want = weight * scale * (g - sum / count - h * products / count);
    CHECK(finished(&t->e, &t->gx, want, 200, n, channel, i, j));
  }
}

/* parts: as an ending's; 32 weight, 64 mask, 128 gweight and gbias. */
static void test_norm_back(const shape *s, unsigned parts) {
  norm_case t = {.x = canvas_random(s->count, s->channels, s->height, s->width, 1, 0.5),
                 .gy = canvas_random(s->count, s->channels, s->height, s->width, 2, 0.1),
                 .gx = canvas_new(s->count, s->channels, s->height, s->width, 0)};
  const int64_t words = s->count * picture_blocks(&t.x.p) * s->height * s->width;
  t.mask = malloc((size_t)words * 2);
  for (int64_t k = 0; k < words; k++) t.mask[k] = (uint16_t)next_random();
  take_moments(&t.x, 1e-3, &t.m);
  for (int c = 0; c < LANES_MOST; c++) t.weight[c] = (real)uniform();
  t.b = (cj_norm_back){.mean = t.m.mean,
                       .scale = t.m.scale,
                       .weight = parts & 32 ? t.weight : NULL,
                       .mask = parts & 64 ? t.mask : NULL,
                       .slope = parts & 32 ? 0 : (real)0.5,
                       .gweight = parts & 128 ? t.gweight : NULL,
                       .gbias = parts & 128 ? t.gbias : NULL};
  t.e = ending_new(parts, &t.gx);
  if (parts & 2) t.e.f.add = &t.e.add.p;
  canvas again = canvas_new(s->count, s->channels, s->height, s->width, 0);
  cj_set_threads(1);
  norm_run(&t, &again);
  cj_set_threads(2);
  norm_run(&t, NULL);
  norm_run(&t, &t.gx);
  CHECK(same_bytes(&t.gx, &again));
  check_frame(&t.gx);
  for (int64_t c = 0; c < s->channels; c++) norm_check(&t, c);
  if (parts & 128) CHECK(t.gweight[s->channels] == 1 && t.gbias[s->channels] == 1);
  ending_free(&t.e);
  canvas_free(&again);
  canvas_free(&t.x);
  canvas_free(&t.gy);
  canvas_free(&t.gx);
  free(t.mask);
}

static void test_norm(void) {
  test_moments(1, 1, 1, 2, 0);
  test_moments(3, 17, 7, 5, 100);
  test_moments(4, 33, 28, 28, -1000);
  test_moments(40, 16, 14, 14, 1);
  test_moments(1, 16, 3, 600, 1);
  test_moments_of_outliers();
  static const shape norms[] = {{3, 17, 7, 5, {0}},
                                {1, 16, 1, 2, {0}},
                                {2, 33, 20, 17, {0}},
                                {30, 16, 14, 14, {0}},
                                {1, 4, 3, 300, {0}}};
  for (unsigned k = 0; k < sizeof norms / sizeof *norms; k++) {
    test_norm_back(&norms[k], 0);
    test_norm_back(&norms[k], 32 + 128);
    test_norm_back(&norms[k], 64 + 128 + 2);
    test_norm_back(&norms[k], 32 + 64 + 128 + 4);
  }
}

int CJ_KERNEL(test)(void) {
  for (unsigned k = 0; k < SHAPES; k++) {
    test_finish(&shapes[k], k % 16, false, false);
    test_finish(&shapes[k], k * 5 % 8, true, k % 2);
  }
  test_take(33, 0, 33, 8);
  test_take(48, 16, 32, 4);
  test_take(40, 16, 5, 2);
  test_take(40, 5, 20, 1);
  test_take(40, 15, 17, 12);
  test_take(3, 1, 2, 0);
  test_take(50, 33, 16, 24);
  test_put(16, 16);
  test_put(3, 16);
  test_put(16, 3);
  test_put(5, 40);
  test_put(17, 31);
  test_put(1, 1);
  test_norm();
  CHECK_DONE();
}
