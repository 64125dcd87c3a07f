/* picture_canvas.h -- for tests of operations on pictures: pictures in poisoned memory, finishes
 * with what they need, running an operation in several ways that must give the same bytes, and
 * shapes. Every test includes it once. */
#ifndef CJ_PICTURE_CANVAS_H
#define CJ_PICTURE_CANVAS_H

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

static inline uint64_t next_random(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return state >> 33;
}

static inline double uniform(void) {
  return (double)next_random() / (double)(1u << 30) - 1;
}

static inline canvas canvas_new(int64_t count, int64_t channels, int64_t height, int64_t width,
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

static inline real *value(const canvas *c, int64_t n, int64_t channel, int64_t i, int64_t j) {
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
static inline canvas canvas_random(int64_t count, int64_t channels, int64_t height, int64_t width,
                                   int64_t ring, double middle) {
  canvas x = canvas_new(count, channels, height, width, ring);
  EACH_PLACE(&x, picture_blocks(&x.p) * BLOCK)
  *value(&x, n, c, i, j) = c < channels ? (real)(middle + uniform()) : 0;
  return x;
}

static inline void canvas_free(canvas *c) {
  free(c->memory);
}

/* Only pixels were written, and the padding channels are zeros. */
static inline void check_frame(const canvas *y) {
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

static inline bool same_bytes(const canvas *a, const canvas *b) {
  return memcmp(a->memory, b->memory, (size_t)a->size * sizeof(real)) == 0;
}

/* Units in the last place that rounding of `terms` summed products may cost. */
static inline double tolerance(double terms) {
  return (sizeof(real) == 4 ? 6e-8 : 1.2e-16) * (terms + 4);
}

static inline bool close_to(double got, double want, double scale, double terms) {
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
static inline ending ending_new(unsigned parts, const canvas *y) {
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

static inline void ending_free(ending *e) {
  canvas_free(&e->add);
  free(e->bias);
  free(e->mask);
  free(e->signs);
}

/* Is the result at a place what finishing v gives? */
static inline bool finished(const ending *e, const canvas *y, double v, double terms, int64_t n,
                            int64_t c, int64_t i, int64_t j) {
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

static inline cj_picture from_image(const canvas *c, int64_t n) {
  cj_picture p = c->p;
  p.data += n * p.image;
  return p;
}

/* The finish from image n on; add and its picture are written to *add. */
static inline cj_finish finish_from(const operation *o, const canvas *y, int64_t n,
                                    cj_picture *add) {
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
static inline void run_all_ways(const operation *o, canvas *y) {
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

#endif
