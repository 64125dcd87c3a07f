/* sample.h -- random numbers, pictures and guarded memory for tests of kernels. */
#ifndef CJ_SAMPLE_H
#define CJ_SAMPLE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/picture.h"

/* Evenly between -1 and 1, from a counter. */
static inline double sample_value(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (double)(*state >> 40) / (1 << 23) - 1;
}

static inline real *sample_array(int64_t count, uint64_t seed) {
  real *a = malloc((size_t)(count + 1) * sizeof *a);
  for (int64_t i = 0; i < count; i++) a[i] = (real)sample_value(&seed);
  return a;
}

static inline real *sample_poison(int64_t count) {
  real *a = malloc((size_t)(count + 1) * sizeof *a);
  for (int64_t i = 0; i < count; i++) a[i] = (real)NAN;
  return a;
}

/* A picture of `count` images; `memory` holds `size` elements and is not aligned. All NaN but for
 * the rings; `gap` elements lie between images. */
typedef struct sample_picture {
  cj_picture p;
  real *memory;
  int64_t size, count;
} sample_picture;

static inline sample_picture sample_picture_new(int64_t count, int64_t channels, int64_t height,
                                                int64_t width, int64_t ring, int64_t gap) {
  sample_picture c = {.p = {.channels = channels, .height = height, .width = width, .ring = ring},
                      .count = count};
  c.p.image = picture_blocks(&c.p) * picture_plane(&c.p) + gap;
  c.size = count * c.p.image;
  c.memory = sample_poison(c.size);
  c.p.data = c.memory + ring * picture_row(&c.p) + ring * BLOCK;
  CJ_KERNEL(picture_clear_ring)(&c.p, count);
  return c;
}

/* The same with random values from `plain`, which gets [count, channels, height, width]. */
static inline sample_picture sample_picture_random(int64_t count, int64_t channels, int64_t height,
                                                   int64_t width, int64_t ring, int64_t gap,
                                                   uint64_t seed, real **plain) {
  sample_picture c = sample_picture_new(count, channels, height, width, ring, gap);
  *plain = sample_array(count * channels * height * width, seed);
  CJ_KERNEL(picture_fill)(&c.p, count, *plain, false);
  return c;
}

#endif
