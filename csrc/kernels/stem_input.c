/* stem_input.c -- the input gradient of the first convolution.
 *
 * gx[c, i, j] = sum over o, r, t of w[o, c, r, t] gy[o, (i + pad - r) / stride, (j + pad - t) /
 * stride] where those are whole. Few input channels would leave most of a register empty, so the
 * lanes are 16 output channels: each pixel of gx has a register of sums over blocks and taps, and
 * as many pixels as there are lanes are folded at once into one register. These pixels are runs of
 * four neighbours, each anywhere in the image, so that rows of any width fill them; a pixel of gy
 * feeds its neighbours in a run from a register. Columns of gx that meet the same kernel columns,
 * their distance a multiple of the stride, count as neighbours. */
#include <string.h>

#include "core/threads.h"
#include "kernels/shuffle.h"
#include "kernels/stem.h"

enum { RUN = LANES < 4 ? LANES : 4, RUNS = LANES / RUN, MOST_TAPS = 5 };

/* Rows of zeros that gy needs beyond its edges along one dimension. Reads of whole runs reach past
 * the edge of narrow images. */
static int64_t ring_along(int64_t size, int64_t out, int64_t k, int64_t stride, int64_t pad) {
  const int64_t low = divide_up(max64(0, k - 1 - pad), stride);
  const int64_t high = (max64(size, RUN * stride) - 1 + pad) / stride - (out - 1);
  return max64(0, max64(low, high));
}

int64_t CJ_KERNEL(stem_input_ring)(const cj_conv *s) {
  return max64(ring_along(s->h, s->oh, s->kh, s->stride_h, s->pad_h),
               ring_along(s->w, s->ow, s->kw, s->stride_w, s->pad_w));
}

/* The pixels of gx along one dimension whose distance is a multiple of the stride: first, first +
 * stride, ...; they meet the kernel's rows (or columns) tap, tap + stride, ..., and the first of
 * both meet at `source` of gy. */
typedef struct phase {
  int64_t first, count, tap, taps, source;
} phase;

static phase phase_along(int64_t a, int64_t size, int64_t k, int64_t stride, int64_t pad) {
  phase p = {.first = a, .count = divide_up(max64(0, size - a), stride), .tap = (a + pad) % stride};
  p.taps = divide_up(max64(0, k - p.tap), stride);
  p.source = (a + pad) / stride;
  return p;
}

typedef struct input {
  const cj_conv *s;
  const cj_picture *gy;
  const real *packed;
  real *gx;
  bool add;
} input;

/* Places in gy of the first pixels of the runs, of the source of tap 0 and block 0. */
typedef struct runs {
  const real *from[RUNS];
} runs;

/* sum[pixel] += the products of `taps` taps of a kernel row: weights step w_tap apart. */
CJ_INLINE void row_body(const int taps, const runs *u, int64_t at, const real *w, int64_t w_tap,
                        vec sum[LANES]) {
  vec weight[MOST_TAPS];
#pragma GCC unroll 8
  for (int t = 0; t < taps; t++) weight[t] = vec_load(w + t * w_tap);
#pragma GCC unroll 4
  for (int q = 0; q < RUNS; q++)
#pragma GCC unroll 8
    for (int p = 1 - taps; p < RUN; p++) {
      const vec pixel = vec_load(u->from[q] + at + p * BLOCK);
#pragma GCC unroll 8
      for (int t = 0; t < taps; t++)
        if (p + t >= 0 && p + t < RUN)
          sum[q * RUN + p + t] = vec_fma(pixel, weight[t], sum[q * RUN + p + t]);
    }
}

/* The way through blocks, kernel rows and taps of a phase: how many, and from one to the next. */
typedef struct walk {
  int64_t blocks, rows, taps;
  int64_t gy_block, gy_row;
  int64_t w_block, w_row, w_tap;
} walk;

static walk walk_of(const input *k, const phase *v, const phase *h) {
  const cj_conv *s = k->s;
  return (walk){.blocks = picture_blocks(k->gy),
                .rows = v->taps,
                .taps = h->taps,
                .gy_block = picture_plane(k->gy),
                .gy_row = picture_row(k->gy),
                .w_block = s->c_in * s->kh * s->kw * BLOCK,
                .w_row = s->stride_h * s->kw * BLOCK,
                .w_tap = s->stride_w * BLOCK};
}

/* All products of the pixels of the runs, `taps` taps at a time; w: the first weights of a channel.
 * Distances are copied, and places move along, since the registers are few. */
CJ_INLINE vec runs_body(const walk *g, const int taps, const bool once, const runs *u,
                        const real *w) {
  const int64_t rows = g->rows, groups = once ? 1 : g->taps / taps;
  const int64_t gy_row = g->gy_row, w_row = g->w_row, w_tap = g->w_tap;
  vec sum[LANES];
#pragma GCC unroll 16
  for (int i = 0; i < LANES; i++) sum[i] = (vec){0};
  for (int64_t b = 0; b < g->blocks; b++) {
    const real *from = w + b * g->w_block;
    int64_t at = b * g->gy_block;
    for (int64_t r = 0; r < rows; r++, at -= gy_row, from += w_row)
      for (int64_t t = 0; t < groups; t++)
#pragma GCC unroll 8
        for (int lane = 0; lane < BLOCK; lane += LANES)
          row_body(taps, u, at - t * taps * BLOCK + lane, from + t * taps * w_tap + lane, w_tap,
                   sum);
  }
  return vec_fold(sum);
}

/* Any number of taps: up to five at once, more in pairs or one by one. */
static void runs_sums(const walk *g, const runs *u, const real *w, real *to) {
  vec sum;
  if (g->taps == 5)
    sum = runs_body(g, 5, true, u, w);
  else if (g->taps == 4)
    sum = runs_body(g, 4, true, u, w);
  else if (g->taps == 3)
    sum = runs_body(g, 3, true, u, w);
  else if (g->taps == 2)
    sum = runs_body(g, 2, true, u, w);
  else if (g->taps % 2 == 0)
    sum = runs_body(g, 2, false, u, w);
  else
    sum = runs_body(g, 1, false, u, w);
  vec_store(to, sum);
}

/* A run of a phase: its row, its first pixel, and the first that no run before it has. */
typedef struct place {
  int64_t row, column, fresh;
} place;

static place next_place(const phase *h, const place *p) {
  place next = {p->row, 0, p->fresh + RUN};
  if (next.fresh >= h->count) next = (place){p->row + 1, 0, 0};
  next.column = max64(0, min64(next.fresh, h->count - RUN));
  return next;
}

static void store_run(const input *k, const phase *h, const place *p, real *row,
                      const real *value) {
  const int64_t step = k->s->stride_w;
  real *to = row + h->first + p->column * step;
  if (!k->add && step == 1 && p->fresh == p->column && h->count - p->column >= RUN)
    memcpy(to, value, RUN * sizeof *to);
  else
    for (int64_t j = p->fresh - p->column; j < min64(RUN, h->count - p->column); j++)
      to[j * step] = k->add ? to[j * step] + value[j] : value[j];
}

static void phase_image(const input *k, const phase *v, const phase *h, int64_t n) {
  const cj_conv *s = k->s;
  const int64_t plane = s->h * s->w;
  const walk g = walk_of(k, v, h);
  const real *w = k->packed + (v->tap * s->kw + h->tap) * BLOCK;
  real *gx = k->gx + n * s->c_in * plane + v->first * s->w;
  place next = {0, 0, 0};
  while (next.row < v->count) {
    place at[RUNS];
    runs u;
    int count = 0;
    for (int q = 0; q < RUNS; q++) { /* what is past the last run repeats it */
      if (next.row < v->count) {
        at[count++] = next;
        next = next_place(h, &next);
      }
      const place *p = &at[count - 1];
      u.from[q] = picture_at(k->gy, n, 0, v->source + p->row, h->source + p->column);
    }
    for (int64_t c = 0; c < s->c_in; c++) {
      real value[LANES];
      runs_sums(&g, &u, w + c * s->kh * s->kw * BLOCK, value);
      for (int q = 0; q < count; q++)
        store_run(k, h, &at[q], gx + c * plane + at[q].row * s->stride_h * s->w, value + q * RUN);
    }
  }
}

static void input_piece(void *context, int64_t n) {
  const input *k = context;
  const cj_conv *s = k->s;
  for (int64_t a = 0; a < min64(s->stride_h, s->h); a++)
    for (int64_t b = 0; b < min64(s->stride_w, s->w); b++) {
      const phase v = phase_along(a, s->h, s->kh, s->stride_h, s->pad_h);
      const phase h = phase_along(b, s->w, s->kw, s->stride_w, s->pad_w);
      phase_image(k, &v, &h, n);
    }
}

void CJ_KERNEL(stem_input)(const cj_conv *s, const cj_picture *gy, const real *packed, real *gx,
                           bool add, void *scratch, int slots) {
  (void)scratch;
  (void)slots;
  input k = {.s = s, .gy = gy, .packed = packed, .gx = gx, .add = add};
  cj_parallel(s->batch, input_piece, &k);
}
