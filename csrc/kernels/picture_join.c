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

/* What makes a pixel of lanes [lane, lane + count) of the 32 of two pixels, zeros behind them. */
#if defined(CJ_ISA_avx512) && defined(CJ_TYPE_f32)
typedef struct picker {
  __m512i from;
  __mmask16 kept;
} picker;

static picker picker_of(int64_t lane, int64_t count) {
  const __m512i steps = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return (picker){_mm512_add_epi32(steps, _mm512_set1_epi32((int)lane)),
                  (__mmask16)((1u << count) - 1)};
}

CJ_INLINE pixel pick(const picker *p, const real *a, const real *b) {
  const __m512 low = _mm512_loadu_ps(a), high = _mm512_loadu_ps(b);
  return (pixel){{(vec)_mm512_maskz_permutex2var_ps(p->kept, low, p->from, high)}};
}
#else
typedef struct picker {
  int64_t lane, count;
} picker;

static picker picker_of(int64_t lane, int64_t count) {
  return (picker){lane, count};
}

CJ_INLINE pixel pick(const picker *p, const real *a, const real *b) {
  real both[2 * BLOCK], lanes[BLOCK];
  pixel_store(both, pixel_load(a));
  pixel_store(both + BLOCK, pixel_load(b));
  for (int64_t c = 0; c < BLOCK; c++) lanes[c] = c < p->count ? both[p->lane + c] : 0;
  return pixel_load(lanes);
}
#endif

/* A row of y; b is the same row of the next block of x, or a again where that is not needed. */
static void take_line(const real *a, const real *b, const picker *p, int64_t width,
                      const cj_finish_line *line) {
  for (int64_t j = 0; j < width; j++)
    finish_pixel(line, j, pick(p, a + j * BLOCK, b + j * BLOCK).v);
}

static void take_whole_line(const real *x, int64_t width, const cj_finish_line *line) {
  for (int64_t j = 0; j < width; j++) finish_pixel(line, j, pixel_load(x + j * BLOCK).v);
}

static void take_plane(const void *context, int64_t n, int64_t block) {
  const join *s = context;
  const int64_t first = block * BLOCK, from = (s->at + first) / BLOCK, lane = s->at % BLOCK;
  const int64_t left = s->y->channels - first, count = left < BLOCK ? left : BLOCK;
  const int64_t next = lane + count > BLOCK ? from + 1 : from;
  const picker p = picker_of(lane, count);
  for (int64_t i = 0; i < s->y->height; i++) {
    const cj_finish_line line = finish_line(s->f, s->y, n, block, i);
    const real *a = picture_at(s->x, n, from, i, 0), *b = picture_at(s->x, n, next, i, 0);
    if (lane == 0 && count == BLOCK)
      take_whole_line(a, s->y->width, &line);
    else
      take_line(a, b, &p, s->y->width, &line);
  }
}

void CJ_KERNEL(picture_take)(int64_t count, const cj_picture *x, int64_t from, const cj_finish *f,
                             const cj_picture *y) {
  const join s = {.x = x, .y = y, .f = f, .at = from};
  each_plane(count, y, take_plane, &s);
}

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

/* Four lanes, at any address. */
typedef real quad __attribute__((vector_size(4 * sizeof(real)), aligned(sizeof(real)), may_alias));

/* `count` lanes of every pixel of a row. */
static void put_line(const real *x, int64_t width, int64_t count, real *y) {
  for (int64_t j = 0; j < width; j++, x += BLOCK, y += BLOCK) {
    int64_t c = 0;
    for (; c + 4 <= count; c += 4) *(quad *)(y + c) = *(const quad *)(x + c);
    for (; c < count; c++) y[c] = x[c];
  }
}

static void put_run(const join *s, int64_t n, run r) {
  for (int64_t i = 0; i < s->x->height; i++) {
    const real *x = picture_at(s->x, n, r.from_block, i, 0) + r.from_lane;
    real *y = picture_at(s->y, n, r.to_block, i, 0) + r.to_lane;
    if (r.count == BLOCK)
      vec_copy(y, x, s->x->width * BLOCK);
    else
      put_line(x, s->x->width, r.count, y);
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
  const bool last = end == channels && s->at + channels == s->y->channels;
  if (last && s->y->channels % BLOCK) zero_padding(s->y, n);
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
