/* canvas.h -- pictures for tests: in memory full of NaN, with room before and after, so that what a
 * kernel does not write, or writes outside, shows. */
#ifndef CJ_CANVAS_H
#define CJ_CANVAS_H

#include <math.h>
#include <stdlib.h>

#include "kernels/picture.h"

typedef struct canvas {
  cj_picture p;
  int64_t count; /* images */
  real *memory;
  int64_t size;
} canvas;

enum { CANVAS_MARGIN = 64 };

/* `gap` elements lie between two images. */
static inline canvas canvas_new(int64_t count, int64_t channels, int64_t height, int64_t width,
                                int64_t ring, int64_t gap) {
  canvas c = {.p = {.channels = channels, .height = height, .width = width, .ring = ring},
              .count = count};
  c.p.image = picture_blocks(&c.p) * picture_plane(&c.p) + gap;
  c.size = count * c.p.image + 2 * CANVAS_MARGIN;
  c.memory = malloc((size_t)c.size * sizeof(real));
  for (int64_t i = 0; i < c.size; i++) c.memory[i] = (real)NAN;
  c.p.data = c.memory + CANVAS_MARGIN + ring * picture_row(&c.p) + ring * BLOCK;
  return c;
}

/* What a place of the memory is: outside of all planes, in a ring, or pixel and channel. */
typedef struct canvas_place {
  bool outside, ring;
  int64_t n, channel, i, j;
} canvas_place;

static inline canvas_place canvas_place_of(const canvas *c, int64_t at) {
  const cj_picture *p = &c->p;
  const int64_t k = at - CANVAS_MARGIN;
  if (k < 0 || k >= c->count * p->image) return (canvas_place){.outside = true};
  const int64_t inside = k % p->image, plane = picture_plane(p), row = picture_row(p);
  if (inside >= picture_blocks(p) * plane) return (canvas_place){.outside = true};
  const int64_t i = inside % plane / row - p->ring, j = inside % row / BLOCK - p->ring;
  const bool ring = i < 0 || j < 0 || i >= p->height || j >= p->width;
  return (canvas_place){false, ring, k / p->image, inside / plane * BLOCK + inside % BLOCK, i, j};
}

/* Are all pixels written, padding channels 0, and the ring and what lies outside still NaN? */
static inline bool canvas_clean(const canvas *c) {
  for (int64_t at = 0; at < c->size; at++) {
    const canvas_place here = canvas_place_of(c, at);
    const bool untouched = isnan(c->memory[at]);
    if (untouched != (here.outside || here.ring)) return false;
    if (!untouched && here.channel >= c->p.channels && c->memory[at] != 0) return false;
  }
  return true;
}

/* One channel of a pixel inside the ring. */
static inline real *canvas_at(const canvas *c, int64_t n, int64_t channel, int64_t i, int64_t j) {
  return picture_at(&c->p, n, channel / BLOCK, i, j) + channel % BLOCK;
}

static inline real canvas_random(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (real)((double)(*state >> 40) / (1 << 23) - 1);
}

/* Random values, zeros in padding channels and the ring; what lies outside stays NaN. */
static inline void canvas_fill(const canvas *c, uint64_t seed) {
  for (int64_t at = 0; at < c->size; at++) {
    const canvas_place here = canvas_place_of(c, at);
    if (here.outside) continue;
    const bool empty = here.ring || here.channel >= c->p.channels;
    c->memory[at] = empty ? 0 : canvas_random(&seed);
  }
}

#endif
