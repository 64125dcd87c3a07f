/* picture_join.c -- what is done to every pixel alone: activations, sums, affine maps, and channels
 * that move from one picture to another. */
#include "kernels/picture_ops.h"
#include "kernels/picture_planes.h"

typedef struct join {
  const cj_picture *x, *y;
  const cj_finish *f;
  const real *slope, *shift;
  int64_t at; /* channel of the larger picture where those of the smaller one begin */
} join;

static void finish_plane(const void *context, int64_t n, int64_t block) {
  const join *s = context;
  for (int64_t i = 0; i < s->y->height; i++) {
    const real *x = picture_at(s->x, n, block, i, 0);
    const cj_finish_line line = finish_line(s->f, s->y, n, block, i);
    for (int64_t j = 0; j < s->y->width; j++) finish_pixel(&line, j, pixel_load(x + j * BLOCK).v);
  }
}

void CJ_KERNEL(picture_finish)(int64_t count, const cj_picture *x, const cj_finish *f,
                               const cj_picture *y) {
  const join s = {.x = x, .y = y, .f = f};
  each_plane(count, y, finish_plane, &s);
}

CJ_INLINE void affine_line(const real *x, int64_t width, pixel slope, pixel shift,
                           const cj_finish_line *line) {
  for (int64_t j = 0; j < width; j++) {
    pixel p = pixel_load(x + j * BLOCK);
#pragma GCC unroll 8
    for (int k = 0; k < PIXEL_VECS; k++) p.v[k] = vec_fma(p.v[k], slope.v[k], shift.v[k]);
    finish_pixel(line, j, p.v);
  }
}

static void affine_plane(const void *context, int64_t n, int64_t block) {
  const join *s = context;
  const pixel slope = pixel_load(s->slope + block * BLOCK);
  const pixel shift = s->shift ? pixel_load(s->shift + block * BLOCK) : pixel_all(0);
  for (int64_t i = 0; i < s->y->height; i++) {
    const cj_finish_line line = finish_line(s->f, s->y, n, block, i);
    affine_line(picture_at(s->x, n, block, i, 0), s->y->width, slope, shift, &line);
  }
}

void CJ_KERNEL(picture_affine)(int64_t count, const cj_picture *x, const real *slope,
                               const real *shift, const cj_finish *f, const cj_picture *y) {
  const join s = {.x = x, .y = y, .f = f, .slope = slope, .shift = shift};
  each_plane(count, y, affine_plane, &s);
}

/* --- channels --------------------------------------------------------------------------------- */

/* Channels that lie side by side in one block of x and one of y. */
typedef struct run {
  int64_t from_block, from_lane, to_block, to_lane, count;
} run;

/* The longest run from channel `from` of x to channel `to` of y, at most `left` channels. */
static run run_of(int64_t from, int64_t to, int64_t left) {
  run r = {from / BLOCK, from % BLOCK, to / BLOCK, to % BLOCK, left};
  if (r.count > BLOCK - r.from_lane) r.count = BLOCK - r.from_lane;
  if (r.count > BLOCK - r.to_lane) r.count = BLOCK - r.to_lane;
  return r;
}

/* Lanes [0, count) of a pixel, zeros in the others. */
CJ_INLINE pixel pixel_part(pixel p, int64_t count) {
  real lanes[BLOCK];
  pixel_store(lanes, p);
  for (int64_t c = count; c < BLOCK; c++) lanes[c] = 0;
  return pixel_load(lanes);
}

/* A row of y from channels that begin at a whole block of x. */
static void take_line(const real *x, int64_t channels, int64_t width, const cj_finish_line *line) {
  if (channels >= BLOCK)
    for (int64_t j = 0; j < width; j++) finish_pixel(line, j, pixel_load(x + j * BLOCK).v);
  else
    for (int64_t j = 0; j < width; j++)
      finish_pixel(line, j, pixel_part(pixel_load(x + j * BLOCK), channels).v);
}

/* The same when they lie in two blocks of x: a then b. */
static void take_line_across(const real *a, run ra, const real *b, run rb, int64_t width,
                             const cj_finish_line *line) {
  for (int64_t j = 0; j < width; j++) {
    real lanes[BLOCK] = {0};
    for (int64_t c = 0; c < ra.count; c++) lanes[c] = a[j * BLOCK + ra.from_lane + c];
    for (int64_t c = 0; c < rb.count; c++) lanes[ra.count + c] = b[j * BLOCK + c];
    finish_pixel(line, j, pixel_load(lanes).v);
  }
}

static void take_plane(const void *context, int64_t n, int64_t block) {
  const join *s = context;
  const int64_t first = block * BLOCK;
  const int64_t channels = s->y->channels - first < BLOCK ? s->y->channels - first : BLOCK;
  const run a = run_of(s->at + first, first, channels);
  const run b = run_of(s->at + first + a.count, first + a.count, channels - a.count);
  for (int64_t i = 0; i < s->y->height; i++) {
    const cj_finish_line line = finish_line(s->f, s->y, n, block, i);
    const real *x = picture_at(s->x, n, a.from_block, i, 0);
    if (a.from_lane == 0)
      take_line(x, channels, s->y->width, &line);
    else
      take_line_across(x, a, b.count ? picture_at(s->x, n, b.from_block, i, 0) : x, b, s->y->width,
                       &line);
  }
}

void CJ_KERNEL(picture_take)(int64_t count, const cj_picture *x, int64_t from, const cj_finish *f,
                             const cj_picture *y) {
  const join s = {.x = x, .y = y, .f = f, .at = from};
  each_plane(count, y, take_plane, &s);
}

static void put_run(const join *s, int64_t n, run r) {
  for (int64_t i = 0; i < s->x->height; i++) {
    const real *x = picture_at(s->x, n, r.from_block, i, 0) + r.from_lane;
    real *y = picture_at(s->y, n, r.to_block, i, 0) + r.to_lane;
    if (r.count == BLOCK)
      vec_copy(y, x, s->x->width * BLOCK);
    else
      for (int64_t j = 0; j < s->x->width; j++)
        for (int64_t c = 0; c < r.count; c++) y[j * BLOCK + c] = x[j * BLOCK + c];
  }
}

static void zero_padding(const cj_picture *y, int64_t n) {
  const int64_t block = picture_blocks(y) - 1;
  for (int64_t i = 0; i < y->height; i++) {
    real *line = picture_at(y, n, block, i, 0);
    for (int64_t j = 0; j < y->width; j++)
      for (int64_t c = y->channels - block * BLOCK; c < BLOCK; c++) line[j * BLOCK + c] = 0;
  }
}

/* Writes a block of x; the padding of y's last block comes with the last channel. */
static void put_plane(const void *context, int64_t n, int64_t block) {
  const join *s = context;
  const int64_t channels = s->x->channels, next = (block + 1) * BLOCK;
  const int64_t end = channels < next ? channels : next;
  for (int64_t c = block * BLOCK; c < end;) {
    const run r = run_of(c, s->at + c, end - c);
    put_run(s, n, r);
    c += r.count;
  }
  if (end == channels && s->at + channels == s->y->channels) zero_padding(s->y, n);
}

void CJ_KERNEL(picture_put)(int64_t count, const cj_picture *x, const cj_picture *y, int64_t to) {
  const join s = {.x = x, .y = y, .at = to};
  each_plane(count, x, put_plane, &s);
}

static void zero_plane(const void *context, int64_t n, int64_t block) {
  const cj_picture *y = context;
  for (int64_t i = 0; i < y->height; i++) {
    real *line = picture_at(y, n, block, i, 0);
    for (int64_t j = 0; j < y->width * BLOCK; j++) line[j] = 0;
  }
}

void CJ_KERNEL(picture_zero)(int64_t count, const cj_picture *y) {
  each_plane(count, y, zero_plane, y);
}
