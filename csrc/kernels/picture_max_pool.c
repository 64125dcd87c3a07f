/* picture_max_pool.c -- maxima of windows of pictures, and the way back from who won. */
#include "kernels/picture_champion.h"
#include "kernels/picture_ops.h"
#include "kernels/picture_windows.h"

typedef struct pool {
  cj_window w;
  const cj_picture *x, *y, *gy, *gx;
  uint8_t *winner;
  const uint8_t *won;
  const cj_finish *f;
} pool;

/* The winner of window (i, j) of a plane whose pixel (0, 0) is x. */
static champion window_champion(const pool *s, const real *x, int64_t i, int64_t j) {
  const cj_window *w = &s->w;
  const int64_t row = picture_row(s->x);
  const int64_t top = i * w->stride_h - w->pad_h, left = j * w->stride_w - w->pad_w;
  const int64_t r0 = top < 0 ? -top : 0, c0 = left < 0 ? -left : 0;
  const int64_t r1 = top + w->kh < s->x->height ? w->kh : s->x->height - top;
  const int64_t c1 = left + w->kw < s->x->width ? w->kw : s->x->width - left;
  const real *corner = x + top * row + left * BLOCK;
  champion best = champion_of(pixel_load(corner + r0 * row + c0 * BLOCK), (int)(r0 * w->kw + c0));
  for (int64_t r = r0; r < r1; r++)
    for (int64_t c = r == r0 ? c0 + 1 : c0; c < c1; c++)
      champion_meet(&best,
                    champion_of(pixel_load(corner + r * row + c * BLOCK), (int)(r * w->kw + c)));
  return best;
}

static void pool_plane(const void *context, int64_t n, int64_t block) {
  const pool *s = context;
  const int64_t h = s->y->height, w = s->y->width;
  const real *x = picture_at(s->x, n, block, 0, 0);
  uint8_t *winner =
      s->winner ? s->winner + (n * picture_blocks(s->y) + block) * h * w * BLOCK : NULL;
  for (int64_t i = 0; i < h; i++)
    for (int64_t j = 0; j < w; j++)
      champion_store(window_champion(s, x, i, j), picture_at(s->y, n, block, i, j),
                     winner ? winner + (i * w + j) * BLOCK : NULL);
}

void CJ_KERNEL(picture_max_pool)(const cj_window *w, int64_t count, const cj_picture *x,
                                 const cj_picture *y, uint8_t *winner) {
  const pool s = {.w = *w, .x = x, .y = y, .winner = winner};
  each_plane(count, y, pool_plane, &s);
}

/* --- the way back ----------------------------------------------------------------------------- */

/* One plane of gy and of the winners. */
typedef struct source {
  const real *gy;
  const uint8_t *won;
  int64_t row, width; /* elements per row of gy, pixels per row of the winners */
} source;

/* Adds up what pixel (i, j), counted with padding, won in the windows that hold it. */
CJ_INLINE pixel gather(const cj_window *w, const source *from, int64_t i, int64_t j,
                       const window_span *rows, const window_span *cols) {
  pixel sum = {0};
  for (int64_t r = rows->first; r < rows->end; r++)
    for (int64_t c = cols->first; c < cols->end; c++) {
      const int place = (int)((i - r * w->stride_h) * w->kw + j - c * w->stride_w);
      const pixel g = pixel_won(from->won + (r * from->width + c) * BLOCK, place,
                                pixel_load(from->gy + r * from->row + c * BLOCK));
#pragma GCC unroll 8
      for (int k = 0; k < PIXEL_VECS; k++) sum.v[k] += g.v[k];
    }
  return sum;
}

static void back_plane(const void *context, int64_t n, int64_t block) {
  const pool *s = context;
  const cj_window w = s->w;
  const int64_t plane = (n * picture_blocks(s->gy) + block) * s->gy->height * s->gy->width;
  const source from = {picture_at(s->gy, n, block, 0, 0), s->won + plane * BLOCK,
                       picture_row(s->gy), s->gy->width};
  window_span rows = {.k = w.kh, .stride = w.stride_h, .count = s->gy->height};
  for (int64_t i = 0; i < s->gx->height; i++) {
    const cj_finish_line line = finish_line(s->f, s->gx, n, block, i);
    window_span cols = {.k = w.kw, .stride = w.stride_w, .count = s->gy->width};
    window_span_move(&rows, i + w.pad_h);
    for (int64_t j = 0; j < s->gx->width; j++) {
      window_span_move(&cols, j + w.pad_w);
      finish_pixel(&line, j, gather(&w, &from, i + w.pad_h, j + w.pad_w, &rows, &cols).v);
    }
  }
}

void CJ_KERNEL(picture_max_pool_back)(const cj_window *w, int64_t count, const cj_picture *gy,
                                      const uint8_t *winner, const cj_finish *f,
                                      const cj_picture *gx) {
  const pool s = {.w = *w, .gy = gy, .gx = gx, .won = winner, .f = f};
  each_plane(count, gx, back_plane, &s);
}
