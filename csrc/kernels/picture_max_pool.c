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

/* Where the rows and columns of windows meet the image: the largest of each window's row is found
 * first and used for all windows that share the row. STRIP columns of results at a time. */
enum { STRIP = 32, MOST_ROWS = 3 };

typedef struct strip {
  pixel best[MOST_ROWS][STRIP];
  places place[MOST_ROWS][STRIP];
} strip;

/* The largest of kw pixels of a row of `width` from column `left` on. */
CJ_INLINE champion row_champion(const int kw, const real *x, int64_t width, int64_t left) {
  if (left >= 0 && left + kw <= width) {
    champion best = champion_of(pixel_load(x + left * BLOCK), 0);
#pragma GCC unroll 4
    for (int c = 1; c < kw; c++)
      champion_meet(&best, champion_of(pixel_load(x + (left + c) * BLOCK), c));
    return best;
  }
  int c = left < 0 ? (int)-left : 0;
  champion best = champion_of(pixel_load(x + (left + c) * BLOCK), c);
  for (c++; c < kw && left + c < width; c++)
    champion_meet(&best, champion_of(pixel_load(x + (left + c) * BLOCK), c));
  return best;
}

/* Row `row` of x into its slot, for the windows of columns [from, from + count). */
CJ_INLINE void strip_fill(const int k, const int stride, const pool *s, strip *t, const real *x,
                          int64_t row, int64_t from, int64_t count) {
  const real *line = x + row * picture_row(s->x);
  const int64_t slot = row % k;
  for (int64_t j = 0; j < count; j++) {
    const champion c = row_champion(k, line, s->x->width, (from + j) * stride - s->w.pad_w);
    t->best[slot][j] = c.best;
    t->place[slot][j] = c.place;
  }
}

/* Windows of k x k of columns [from, from + count) in all rows of a plane. */
CJ_INLINE void pool_strip(const int k, const int stride, const pool *s, const real *x, int64_t from,
                          int64_t count, real *y, uint8_t *winner) {
  strip t;
  int64_t next = 0; /* row of x */
  for (int64_t i = 0; i < s->y->height; i++) {
    const int64_t top = i * s->w.stride_h - s->w.pad_h;
    const int r0 = top < 0 ? (int)-top : 0;
    const int r1 = top + k < s->x->height ? k : (int)(s->x->height - top);
    if (next < top + r0) next = top + r0;
    for (; next < top + r1; next++) strip_fill(k, stride, s, &t, x, next, from, count);
    for (int64_t j = 0; j < count; j++) {
      champion best = {t.best[(top + r0) % k][j], places_plus(t.place[(top + r0) % k][j], r0 * k)};
      for (int r = r0 + 1; r < r1; r++)
        champion_meet(&best, (champion){t.best[(top + r) % k][j],
                                        places_plus(t.place[(top + r) % k][j], r * k)});
      champion_store(best, y + j * BLOCK, winner ? winner + j * BLOCK : NULL);
    }
    y += picture_row(s->y);
    if (winner) winner += s->y->width * BLOCK;
  }
}

CJ_INLINE void pool_strips(const int k, const int stride, const pool *s, const real *x, real *y,
                           uint8_t *winner) {
  const int64_t width = s->y->width;
  for (int64_t from = 0; from < width; from += STRIP)
    pool_strip(k, stride, s, x, from, width - from < STRIP ? width - from : STRIP, y + from * BLOCK,
               winner ? winner + from * BLOCK : NULL);
}

/* The winner of a k x k window within the image. */
CJ_INLINE champion whole_window(const int k, const real *corner, int64_t row) {
  champion best = champion_of(pixel_load(corner), 0);
#pragma GCC unroll 9
  for (int p = 1; p < k * k; p++)
    champion_meet(&best, champion_of(pixel_load(corner + p / k * row + p % k * BLOCK), p));
  return best;
}

/* Windows that share nothing, k apart: each by itself. */
CJ_INLINE void pool_apart(const int k, const pool *s, const real *x, real *y, uint8_t *winner) {
  const int64_t width = s->y->width, row = picture_row(s->x);
  for (int64_t i = 0; i < s->y->height; i++) {
    const int64_t top = i * s->w.stride_h - s->w.pad_h;
    const bool rows = top >= 0 && top + k <= s->x->height;
    for (int64_t j = 0; j < width; j++) {
      const int64_t left = j * k - s->w.pad_w;
      const bool inside = rows && left >= 0 && left + k <= s->x->width;
      champion_store(inside ? whole_window(k, x + top * row + left * BLOCK, row)
                            : window_champion(s, x, i, j),
                     y + j * BLOCK, winner ? winner + j * BLOCK : NULL);
    }
    y += picture_row(s->y);
    if (winner) winner += width * BLOCK;
  }
}

static void pool_windows(const pool *s, const real *x, real *y, uint8_t *winner) {
  const int64_t width = s->y->width, row = picture_row(s->y);
  for (int64_t i = 0; i < s->y->height; i++)
    for (int64_t j = 0; j < width; j++)
      champion_store(window_champion(s, x, i, j), y + i * row + j * BLOCK,
                     winner ? winner + (i * width + j) * BLOCK : NULL);
}

static void pool_plane(const void *context, int64_t n, int64_t block) {
  const pool *s = context;
  const cj_window *w = &s->w;
  const int64_t plane = (n * picture_blocks(s->y) + block) * s->y->height * s->y->width;
  const real *x = picture_at(s->x, n, block, 0, 0);
  real *y = picture_at(s->y, n, block, 0, 0);
  uint8_t *winner = s->winner ? s->winner + plane * BLOCK : NULL;
  const bool square = w->kh == w->kw;
  if (square && w->kw == 2 && w->stride_w == 2)
    pool_apart(2, s, x, y, winner);
  else if (square && w->kw == 3 && w->stride_w == 1)
    pool_strips(3, 1, s, x, y, winner);
  else if (square && w->kw == 3 && w->stride_w == 2)
    pool_strips(3, 2, s, x, y, winner);
  else
    pool_windows(s, x, y, winner);
}

void CJ_KERNEL(picture_max_pool)(const cj_window *w, int64_t count, const cj_picture *x,
                                 const cj_picture *y, uint8_t *winner) {
  const pool s = {.w = *w, .x = x, .y = y, .winner = winner};
  each_plane(count, y, pool_plane, &s);
}

/* --- the way back ----------------------------------------------------------------------------- */

/* A row of windows that holds a row of pixels: what came back and who had won, and the places that
 * lie in the rows of the windows above. */
typedef struct window_row {
  const real *gy;
  const uint8_t *won;
  int above;
} window_row;

CJ_INLINE void add_won(pixel *sum, const window_row *r, int64_t window, int place) {
  const pixel g = pixel_won(r->won + window * BLOCK, place, pixel_load(r->gy + window * BLOCK));
#pragma GCC unroll 8
  for (int k = 0; k < PIXEL_VECS; k++) sum->v[k] += g.v[k];
}

/* What column t, counted with padding, has won from `rows` rows of windows, in their order. */
CJ_INLINE pixel gather_border(const int kw, const int stride, const int rows,
                              const window_row *from, int64_t windows, int64_t t) {
  const int64_t first = t < kw ? 0 : (t - kw) / stride + 1;
  const int64_t end = t / stride < windows ? t / stride + 1 : windows;
  pixel sum = {0};
  for (int r = 0; r < rows; r++)
    for (int64_t c = first; c < end; c++)
      add_won(&sum, &from[r], c, from[r].above + (int)(t - c * stride));
  return sum;
}

/* The same for t = q * stride + phase where no window is missing. */
CJ_INLINE pixel gather_inner(const int kw, const int stride, const int rows, const int phase,
                             const window_row *from, int64_t q) {
  const int last = (kw - 1 - phase) / stride;
  pixel sum = {0};
#pragma GCC unroll 4
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
    for (int m = last; m >= 0; m--)
      add_won(&sum, &from[r], q - m, from[r].above + phase + m * stride);
  return sum;
}

/* One row of gx. */
CJ_INLINE void back_row(const int kw, const int stride, const int rows, const pool *s,
                        const window_row *from, const cj_finish_line *line) {
  const int64_t width = s->gx->width, windows = s->gy->width, pad = s->w.pad_w;
  int64_t j = 0;
  int64_t q = ((kw - 1) / stride + (pad + stride - 1) / stride); /* from here on all is inside */
  for (; j < width && j + pad < q * stride; j++)
    finish_pixel(line, j, gather_border(kw, stride, rows, from, windows, j + pad).v);
  for (; q < windows && j + stride <= width; q++)
#pragma GCC unroll 2
    for (int phase = 0; phase < stride; phase++, j++)
      finish_pixel(line, j, gather_inner(kw, stride, rows, phase, from, q).v);
  for (; j < width; j++)
    finish_pixel(line, j, gather_border(kw, stride, rows, from, windows, j + pad).v);
}

/* The usual finishes by themselves, so that the loop over pixels asks for nothing else. */
CJ_INLINE void back_row_finished(const int kw, const int stride, const int rows, const pool *s,
                                 const window_row *from, const cj_finish_line *line) {
  const bool plain = !line->bias && !line->add && !line->clip;
  if (plain && !line->mask)
    back_row(kw, stride, rows, s, from, &(cj_finish_line){.to = line->to});
  else if (plain && line->slope == 0)
    back_row(kw, stride, rows, s, from, &(cj_finish_line){.to = line->to, .mask = line->mask});
  else
    back_row(kw, stride, rows, s, from, line);
}

CJ_INLINE bool back_row_known(const int kw, const int stride, int rows, const pool *s,
                              const window_row *from, const cj_finish_line *line) {
  if (s->w.kw != kw || s->w.stride_w != stride) return false;
  if (rows == 1)
    back_row_finished(kw, stride, 1, s, from, line);
  else if (rows == 2 && kw > stride)
    back_row_finished(kw, stride, 2, s, from, line);
  else if (rows == 3 && stride == 1)
    back_row_finished(kw, stride, 3, s, from, line);
  else
    return false;
  return true;
}

static window_row window_row_at(const pool *s, int64_t n, int64_t block, int64_t window,
                                int64_t i) {
  const int64_t row = (n * picture_blocks(s->gy) + block) * s->gy->height + window;
  return (window_row){picture_at(s->gy, n, block, window, 0), s->won + row * s->gy->width * BLOCK,
                      (int)((i + s->w.pad_h - window * s->w.stride_h) * s->w.kw)};
}

/* One row of gx, row by row of windows: any sizes. */
static void back_row_any(const pool *s, int64_t n, int64_t block, const window_span *rows,
                         int64_t i, const cj_finish_line *line) {
  window_span cols = {.k = s->w.kw, .stride = s->w.stride_w, .count = s->gy->width};
  for (int64_t j = 0; j < s->gx->width; j++) {
    pixel sum = {0};
    window_span_move(&cols, j + s->w.pad_w);
    for (int64_t r = rows->first; r < rows->end; r++) {
      const window_row from = window_row_at(s, n, block, r, i);
      for (int64_t c = cols.first; c < cols.end; c++)
        add_won(&sum, &from, c, from.above + (int)(j + s->w.pad_w - c * s->w.stride_w));
    }
    finish_pixel(line, j, sum.v);
  }
}

static void back_plane(const void *context, int64_t n, int64_t block) {
  const pool *s = context;
  window_span rows = {.k = s->w.kh, .stride = s->w.stride_h, .count = s->gy->height};
  for (int64_t i = 0; i < s->gx->height; i++) {
    const cj_finish_line line = finish_line(s->f, s->gx, n, block, i);
    window_span_move(&rows, i + s->w.pad_h);
    const int count = (int)(rows.end - rows.first);
    window_row from[MOST_ROWS];
    for (int r = 0; r < count && r < MOST_ROWS; r++)
      from[r] = window_row_at(s, n, block, rows.first + r, i);
    if (!back_row_known(2, 2, count, s, from, &line) &&
        !back_row_known(3, 1, count, s, from, &line) &&
        !back_row_known(3, 2, count, s, from, &line))
      back_row_any(s, n, block, &rows, i, &line);
  }
}

void CJ_KERNEL(picture_max_pool_back)(const cj_window *w, int64_t count, const cj_picture *gy,
                                      const uint8_t *winner, const cj_finish *f,
                                      const cj_picture *gx) {
  const pool s = {.w = *w, .gy = gy, .gx = gx, .won = winner, .f = f};
  each_plane(count, gx, back_plane, &s);
}
