/* Pooling, batch norm, sums and joins of pictures against plain loops in double: many odd shapes,
 * memory poisoned around and inside what is written, the same bytes for one and two threads and for
 * an image alone. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/threads.h"
#include "each_isa.h"
#include "kernels/picture_ops.h"

/* --- pictures in poisoned memory -------------------------------------------------------------- */

enum { MARGIN = 64, MOST = 4 /* images */ };

typedef struct canvas {
  cj_picture p;
  real *memory;
  int64_t count, size;
} canvas;

static uint64_t state = 1;

static uint64_t next_random(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return state >> 33;
}

static double uniform(void) {
  return (double)next_random() / (double)(1u << 30) - 1;
}

static canvas canvas_new(int64_t count, int64_t channels, int64_t height, int64_t width,
                         int64_t ring) {
  canvas c = {.p = {.channels = channels, .height = height, .width = width, .ring = ring},
              .count = count};
  c.p.image = picture_blocks(&c.p) * picture_plane(&c.p) + (ring == 1 ? 48 : 0);
  c.size = count * c.p.image + 2 * MARGIN;
  c.memory = malloc((size_t)c.size * sizeof(real));
  for (int64_t i = 0; i < c.size; i++) c.memory[i] = (real)NAN;
  c.p.data = c.memory + MARGIN + ring * picture_row(&c.p) + ring * BLOCK;
  return c;
}

static real *value(const canvas *c, int64_t n, int64_t channel, int64_t i, int64_t j) {
  return picture_at(&c->p, n, channel / BLOCK, i, j) + channel % BLOCK;
}

/* Calls body for all places of all channels up to `most`, as n, c, i, j. */
#define EACH_PLACE(canvas, most)                                                                   \
  for (int64_t n = 0; n < (canvas)->count; n++)                                                    \
    for (int64_t c = 0; c < (most); c++)                                                           \
      for (int64_t i = 0; i < (canvas)->p.height; i++)                                             \
        for (int64_t j = 0; j < (canvas)->p.width; j++)

/* A picture of random numbers around `middle`; only the pixels are written, so nobody may read the
 * ring. */
static canvas canvas_random(int64_t count, int64_t channels, int64_t height, int64_t width,
                            int64_t ring, double middle) {
  canvas x = canvas_new(count, channels, height, width, ring);
  EACH_PLACE(&x, picture_blocks(&x.p) * BLOCK)
  *value(&x, n, c, i, j) = c < channels ? (real)(middle + uniform()) : 0;
  return x;
}

static void canvas_free(canvas *c) {
  free(c->memory);
}

/* Only pixels were written, and the padding channels are zeros. */
static void check_frame(const canvas *y) {
  bool *pixel = calloc((size_t)y->size, 1);
  EACH_PLACE(y, picture_blocks(&y->p) * BLOCK) {
    const real *v = value(y, n, c, i, j);
    pixel[v - y->memory] = true;
    if (c >= y->p.channels) CHECK(*v == 0);
  }
  int64_t touched = 0;
  for (int64_t k = 0; k < y->size; k++) touched += !pixel[k] && y->memory[k] == y->memory[k];
  CHECK(touched == 0);
  free(pixel);
}

static bool same_bytes(const canvas *a, const canvas *b) {
  return memcmp(a->memory, b->memory, (size_t)a->size * sizeof(real)) == 0;
}

/* Units in the last place that rounding of `terms` summed products may cost. */
static double tolerance(double terms) {
  return (sizeof(real) == 4 ? 6e-8 : 1.2e-16) * (terms + 4);
}

static bool close_to(double got, double want, double scale, double terms) {
  if (want != want) return got != got;
  return fabs(got - want) <= tolerance(terms) * (scale + fabs(want));
}

/* --- finishing -------------------------------------------------------------------------------- */

/* What a finish needs for a result of some size, and what it leaves behind. */
typedef struct ending {
  cj_finish f;
  canvas add;
  real *bias;
  uint16_t *mask, *signs;
  int64_t words;
} ending;

/* parts: 1 bias, 2 add, 4 mask, 8 clip, 16 signs. */
static ending ending_new(unsigned parts, const canvas *y) {
  const int64_t lanes = picture_blocks(&y->p) * BLOCK;
  ending e = {.add = canvas_random(y->count, y->p.channels, y->p.height, y->p.width, 2, 0),
              .words = y->count * picture_blocks(&y->p) * y->p.height * y->p.width};
  e.bias = malloc((size_t)lanes * sizeof(real));
  e.mask = malloc((size_t)(e.words + 1) * 2);
  e.signs = malloc((size_t)(e.words + 1) * 2);
  for (int64_t c = 0; c < lanes; c++) e.bias[c] = c < y->p.channels ? (real)uniform() : 0;
  for (int64_t k = 0; k < e.words; k++) e.mask[k] = (uint16_t)next_random();
  memset(e.signs, 0x5A, (size_t)(e.words + 1) * 2);
  e.f = (cj_finish){.bias = parts & 1 ? e.bias : NULL,
                    .mask = parts & 4 ? e.mask : NULL,
                    .clip = parts & 8,
                    .signs = parts & 16 ? e.signs : NULL,
                    .slope = parts & 3 ? 0 : (real)0.25};
  return e;
}

static void ending_free(ending *e) {
  canvas_free(&e->add);
  free(e->bias);
  free(e->mask);
  free(e->signs);
}

/* Is the result at a place what finishing v gives? */
static bool finished(const ending *e, const canvas *y, double v, double terms, int64_t n, int64_t c,
                     int64_t i, int64_t j) {
  const cj_finish *f = &e->f;
  const int64_t word = ((n * picture_blocks(&y->p) + c / BLOCK) * y->p.height + i) * y->p.width + j;
  if (f->bias) v += (double)f->bias[c];
  if (f->add) v += (double)*value(&e->add, n, c, i, j);
  if (f->mask && !(f->mask[word] >> c % BLOCK & 1)) v = f->slope == 0 ? 0 : v * (double)f->slope;
  const bool above = !(v <= 0), unsure = v != 0 && fabs(v) < tolerance(terms) * 4;
  if (f->signs && !unsure && (f->signs[word] >> c % BLOCK & 1) != above) return false;
  if (f->clip && !above) v = f->slope == 0 ? 0 : v * (double)f->slope;
  return close_to((double)*value(y, n, c, i, j), v, 4, terms);
}

/* --- running an operation in several ways ----------------------------------------------------- */

/* An operation from pictures to a result. `run` does images [from, from + count). */
typedef struct operation operation;
struct operation {
  void (*run)(const operation *o, int64_t from, int64_t count, const canvas *y);
  const canvas *x, *gy;
  cj_window w;
  bool inside;
  uint8_t *winner;
  ending *e;
  real *slope, *shift;
  int64_t channel;
};

static cj_picture from_image(const canvas *c, int64_t n) {
  cj_picture p = c->p;
  p.data += n * p.image;
  return p;
}

/* The finish from image n on; add and its picture are written to *add. */
static cj_finish finish_from(const operation *o, const canvas *y, int64_t n, cj_picture *add) {
  cj_finish f = o->e->f;
  const int64_t words = n * picture_blocks(&y->p) * y->p.height * y->p.width;
  *add = from_image(&o->e->add, n);
  if (f.add) f.add = add;
  if (f.mask) f.mask += words;
  if (f.signs) f.signs += words;
  return f;
}

/* Runs on two threads, then on one and image by image, which must not change a byte. `y` is
 * poisoned. */
static void run_all_ways(const operation *o, canvas *y) {
  canvas again = canvas_new(y->count, y->p.channels, y->p.height, y->p.width, y->p.ring);
  canvas single = canvas_new(y->count, y->p.channels, y->p.height, y->p.width, y->p.ring);
  memcpy(again.memory, y->memory, (size_t)y->size * sizeof(real));
  memcpy(single.memory, y->memory, (size_t)y->size * sizeof(real));
  cj_set_threads(1);
  o->run(o, 0, y->count, &again);
  for (int64_t n = 0; n < y->count; n++) o->run(o, n, 1, &single);
  cj_set_threads(2);
  o->run(o, 0, y->count, y);
  CHECK(same_bytes(y, &again));
  CHECK(same_bytes(y, &single));
  canvas_free(&again);
  canvas_free(&single);
}

/* --- pooling ---------------------------------------------------------------------------------- */

typedef struct shape {
  int64_t count, channels, height, width;
  cj_window w;
} shape;

static const shape shapes[] = {
    {1, 1, 1, 1, {1, 1, 1, 1, 0, 0}},     {3, 17, 4, 6, {2, 2, 2, 2, 0, 0}},
    {2, 16, 7, 5, {2, 2, 2, 2, 0, 0}},    {2, 33, 5, 7, {3, 3, 1, 1, 1, 1}},
    {1, 16, 1, 1, {3, 3, 1, 1, 1, 1}},    {2, 5, 8, 9, {3, 3, 2, 2, 1, 1}},
    {1, 32, 9, 70, {3, 3, 2, 2, 1, 1}},   {1, 16, 3, 70, {3, 3, 1, 1, 1, 1}},
    {1, 16, 2, 1, {3, 3, 2, 2, 1, 1}},    {3, 3, 6, 6, {3, 3, 2, 2, 0, 0}},
    {1, 20, 5, 6, {2, 3, 1, 2, 1, 0}},    {1, 16, 10, 4, {5, 1, 3, 1, 2, 0}},
    {2, 4, 16, 15, {15, 15, 4, 4, 7, 7}}, {2, 40, 8, 8, {8, 8, 8, 8, 0, 0}},
    {1, 18, 9, 9, {2, 2, 3, 3, 1, 1}},    {0, 16, 4, 4, {2, 2, 2, 2, 0, 0}},
    {2, 16, 6, 6, {2, 2, 2, 2, 1, 1}},    {1, 16, 5, 34, {3, 3, 1, 1, 0, 0}},
    {1, 16, 66, 66, {2, 2, 2, 2, 0, 0}},  {1, 16, 4, 37, {2, 2, 1, 1, 0, 0}},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static int64_t pooled(int64_t size, int64_t k, int64_t stride, int64_t pad) {
  return (size + 2 * pad - k) / stride + 1;
}

static canvas pooled_canvas(const shape *s, int64_t ring) {
  return canvas_new(s->count, s->channels, pooled(s->height, s->w.kh, s->w.stride_h, s->w.pad_h),
                    pooled(s->width, s->w.kw, s->w.stride_w, s->w.pad_w), ring);
}

static int64_t winner_image(const canvas *y) {
  return picture_blocks(&y->p) * y->p.height * y->p.width * BLOCK;
}

static void run_max(const operation *o, int64_t from, int64_t count, const canvas *y) {
  const cj_picture x = from_image(o->x, from), to = from_image(y, from);
  CJ_KERNEL(picture_max_pool)
  (&o->w, count, &x, &to, o->winner ? o->winner + from * winner_image(y) : NULL);
}

static void run_max_back(const operation *o, int64_t from, int64_t count, const canvas *gx) {
  const cj_picture gy = from_image(o->gy, from), to = from_image(gx, from);
  cj_picture add;
  const cj_finish f = finish_from(o, gx, from, &add);
  CJ_KERNEL(picture_max_pool_back)
  (&o->w, count, &gy, o->winner + from * winner_image(o->gy), &f, &to);
}

/* The place in window (i, j) of the first largest value; a NaN is larger than all. */
static int best_place(const canvas *x, const cj_window *w, int64_t n, int64_t c, int64_t i,
                      int64_t j, real *best) {
  int place = -1;
  for (int64_t r = 0; r < w->kh; r++)
    for (int64_t s = 0; s < w->kw; s++) {
      const int64_t row = i * w->stride_h - w->pad_h + r, col = j * w->stride_w - w->pad_w + s;
      if (row < 0 || col < 0 || row >= x->p.height || col >= x->p.width) continue;
      const real v = *value(x, n, c, row, col);
      if (place >= 0 && !(v > *best || (v != v && *best == *best))) continue;
      *best = v;
      place = (int)(r * w->kw + s);
    }
  return place;
}

/* Few different values, so that many are equal; among them -0, infinities and, rarely, NaN. */
static void fill_with_ties(canvas *x) {
  static const double some[] = {0, -0.0, 1, 1, -1, 2, 2, 0.5, INFINITY, -INFINITY};
  EACH_PLACE(x, x->p.channels) {
    const uint64_t k = next_random() % 97;
    *value(x, n, c, i, j) = (real)(k == 96 ? NAN : k > 90 ? some[8 + k % 2] : some[k % 8]);
  }
}

static void check_max(const canvas *x, const canvas *y, const operation *o) {
  EACH_PLACE(y, y->p.channels) {
    real best = 0;
    const int place = best_place(x, &o->w, n, c, i, j, &best);
    const real got = *value(y, n, c, i, j);
    const int64_t pixel = (c / BLOCK * y->p.height + i) * y->p.width + j;
    CHECK(memcmp(&got, &best, sizeof got) == 0 || (got != got && best != best));
    CHECK(o->winner[n * winner_image(y) + pixel * BLOCK + c % BLOCK] == place);
  }
}

static void check_max_back(const canvas *gy, const canvas *gx, const operation *o) {
  double *sum = calloc((size_t)gx->size, sizeof(double));
  EACH_PLACE(gy, gy->p.channels) {
    const int64_t pixel = (c / BLOCK * gy->p.height + i) * gy->p.width + j;
    const int place = o->winner[n * winner_image(gy) + pixel * BLOCK + c % BLOCK];
    const int64_t row = i * o->w.stride_h - o->w.pad_h + place / o->w.kw;
    const int64_t col = j * o->w.stride_w - o->w.pad_w + place % o->w.kw;
    sum[value(gx, n, c, row, col) - gx->memory] += (double)*value(gy, n, c, i, j);
  }
  EACH_PLACE(gx, gx->p.channels)
  CHECK(finished(o->e, gx, sum[value(gx, n, c, i, j) - gx->memory], (double)(o->w.kh * o->w.kw), n,
                 c, i, j));
  free(sum);
}

static void test_max_pool(const shape *s, unsigned parts) {
  canvas x = canvas_random(s->count, s->channels, s->height, s->width, 2, 0);
  fill_with_ties(&x);
  canvas y = pooled_canvas(s, 1), without = pooled_canvas(s, 1);
  const size_t winners = (size_t)(s->count * winner_image(&y));
  uint8_t *winner = malloc(winners + 1);
  memset(winner, 0xEE, winners + 1);
  operation o = {.run = run_max, .x = &x, .w = s->w};
  run_all_ways(&o, &without);
  o.winner = winner;
  run_all_ways(&o, &y);
  check_frame(&y);
  check_max(&x, &y, &o);
  CHECK(same_bytes(&y, &without));
  CHECK(winner[winners] == 0xEE);

  canvas gy = canvas_random(s->count, s->channels, y.p.height, y.p.width, 1, 0);
  canvas gx = canvas_new(s->count, s->channels, s->height, s->width, 3);
  ending e = ending_new(parts, &gx);
  if (parts & 2) e.f.add = &e.add.p;
  o = (operation){.run = run_max_back, .gy = &gy, .w = s->w, .winner = winner, .e = &e};
  run_all_ways(&o, &gx);
  check_frame(&gx);
  check_max_back(&gy, &gx, &o);
  ending_free(&e);
  canvas_free(&gx);
  canvas_free(&gy);
  canvas_free(&without);
  canvas_free(&y);
  canvas_free(&x);
  free(winner);
}

static void run_avg(const operation *o, int64_t from, int64_t count, const canvas *y) {
  const cj_picture x = from_image(o->x, from), to = from_image(y, from);
  CJ_KERNEL(picture_avg_pool)(&o->w, o->inside, count, &x, &to);
}

static void run_avg_back(const operation *o, int64_t from, int64_t count, const canvas *gx) {
  const cj_picture gy = from_image(o->gy, from), to = from_image(gx, from);
  cj_picture add;
  const cj_finish f = finish_from(o, gx, from, &add);
  CJ_KERNEL(picture_avg_pool_back)(&o->w, o->inside, count, &gy, &f, &to);
}

/* Rows or columns of a window that lie inside. */
static int64_t inside_of(int64_t window, int64_t k, int64_t stride, int64_t pad, int64_t size) {
  int64_t inside = 0;
  for (int64_t r = 0; r < k; r++) {
    const int64_t at = window * stride - pad + r;
    inside += at >= 0 && at < size;
  }
  return inside;
}

static double window_divisor(const operation *o, const canvas *x, int64_t i, int64_t j) {
  const cj_window *w = &o->w;
  if (!o->inside) return (double)(w->kh * w->kw);
  return (double)(inside_of(i, w->kh, w->stride_h, w->pad_h, x->p.height) *
                  inside_of(j, w->kw, w->stride_w, w->pad_w, x->p.width));
}

static void check_avg(const canvas *x, const canvas *y, const operation *o) {
  const cj_window *w = &o->w;
  EACH_PLACE(y, y->p.channels) {
    double sum = 0;
    for (int64_t r = 0; r < w->kh; r++)
      for (int64_t s = 0; s < w->kw; s++) {
        const int64_t row = i * w->stride_h - w->pad_h + r, col = j * w->stride_w - w->pad_w + s;
        if (row < 0 || col < 0 || row >= x->p.height || col >= x->p.width) continue;
        sum += (double)*value(x, n, c, row, col);
      }
    CHECK(close_to((double)*value(y, n, c, i, j), sum / window_divisor(o, x, i, j), 1,
                   (double)(w->kh * w->kw)));
  }
}

static void check_avg_back(const canvas *gy, const canvas *gx, const operation *o) {
  const cj_window *w = &o->w;
  double *sum = calloc((size_t)gx->size, sizeof(double));
  EACH_PLACE(gy, gy->p.channels) {
    const double g = (double)*value(gy, n, c, i, j) / window_divisor(o, gx, i, j);
    for (int64_t r = 0; r < w->kh; r++)
      for (int64_t s = 0; s < w->kw; s++) {
        const int64_t row = i * w->stride_h - w->pad_h + r, col = j * w->stride_w - w->pad_w + s;
        if (row < 0 || col < 0 || row >= gx->p.height || col >= gx->p.width) continue;
        sum[value(gx, n, c, row, col) - gx->memory] += g;
      }
  }
  EACH_PLACE(gx, gx->p.channels)
  CHECK(finished(o->e, gx, sum[value(gx, n, c, i, j) - gx->memory], (double)(w->kh * w->kw), n, c,
                 i, j));
  free(sum);
}

static void test_avg_pool(const shape *s, bool inside, unsigned parts) {
  canvas x = canvas_random(s->count, s->channels, s->height, s->width, 0, 0);
  canvas y = pooled_canvas(s, 2);
  operation o = {.run = run_avg, .x = &x, .w = s->w, .inside = inside};
  run_all_ways(&o, &y);
  check_frame(&y);
  check_avg(&x, &y, &o);

  canvas gy = canvas_random(s->count, s->channels, y.p.height, y.p.width, 0, 0);
  canvas gx = canvas_new(s->count, s->channels, s->height, s->width, 1);
  ending e = ending_new(parts, &gx);
  if (parts & 2) e.f.add = &e.add.p;
  o = (operation){.run = run_avg_back, .gy = &gy, .w = s->w, .inside = inside, .e = &e};
  run_all_ways(&o, &gx);
  check_frame(&gx);
  check_avg_back(&gy, &gx, &o);
  ending_free(&e);
  canvas_free(&gx);
  canvas_free(&gy);
  canvas_free(&y);
  canvas_free(&x);
}

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
    test_max_pool(&shapes[k], k % 8);
    test_max_pool(&shapes[k], k % 2 ? 0 : 24);
    test_avg_pool(&shapes[k], k % 2, (k + 3) % 8);
    test_avg_pool(&shapes[k], !(k % 2), 0);
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
