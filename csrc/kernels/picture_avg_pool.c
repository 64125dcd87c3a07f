/* picture_avg_pool.c -- means of windows of pictures. */
#include "kernels/picture_ops.h"
#include "kernels/picture_planes.h"
#include "kernels/picture_windows.h"

typedef struct pool {
  cj_window w;
  bool inside; /* divide by the pixels inside the image */
  real scale;  /* else multiply by this */
  const cj_picture *x, *y, *gy, *gx;
  const cj_finish *f;
} pool;

static pool pool_of(const cj_window *w, bool divide_by_inside) {
  return (pool){.w = *w, .inside = divide_by_inside, .scale = (real)1 / (real)(w->kh * w->kw)};
}

/* Pixels that a window has inside the image along one dimension. */
static int64_t extent(int64_t window, int64_t k, int64_t stride, int64_t pad, int64_t size) {
  const int64_t begin = window * stride - pad, end = begin + k;
  return (end < size ? end : size) - (begin > 0 ? begin : 0);
}

/* What the sum over window (i, j) of an image of h x w is multiplied by. */
static real window_scale(const pool *s, int64_t i, int64_t j, int64_t h, int64_t w) {
  const cj_window *v = &s->w;
  if (!s->inside) return s->scale;
  return (real)1 / (real)(extent(i, v->kh, v->stride_h, v->pad_h, h) *
                          extent(j, v->kw, v->stride_w, v->pad_w, w));
}

static pixel window_sum(const pool *s, int64_t n, int64_t block, int64_t i, int64_t j) {
  const cj_window *w = &s->w;
  const int64_t top = i * w->stride_h - w->pad_h, left = j * w->stride_w - w->pad_w;
  const int64_t r1 = top + w->kh < s->x->height ? top + w->kh : s->x->height;
  const int64_t c1 = left + w->kw < s->x->width ? left + w->kw : s->x->width;
  pixel sum = {0};
  for (int64_t r = top < 0 ? 0 : top; r < r1; r++) {
    const real *x = picture_at(s->x, n, block, r, 0);
    for (int64_t c = left < 0 ? 0 : left; c < c1; c++)
#pragma GCC unroll 8
      for (int k = 0; k < PIXEL_VECS; k++) sum.v[k] += vec_load(x + c * BLOCK + k * LANES);
  }
  return sum;
}

static void pool_plane(const void *context, int64_t n, int64_t block) {
  const pool *s = context;
  for (int64_t i = 0; i < s->y->height; i++) {
    real *y = picture_at(s->y, n, block, i, 0);
    for (int64_t j = 0; j < s->y->width; j++) {
      pixel p = window_sum(s, n, block, i, j);
      const vec scale = vec_all(window_scale(s, i, j, s->x->height, s->x->width));
#pragma GCC unroll 8
      for (int k = 0; k < PIXEL_VECS; k++) p.v[k] *= scale;
      pixel_store(y + j * BLOCK, p);
    }
  }
}

void CJ_KERNEL(picture_avg_pool)(const cj_window *w, bool divide_by_inside, int64_t count,
                                 const cj_picture *x, const cj_picture *y) {
  pool s = pool_of(w, divide_by_inside);
  s.x = x;
  s.y = y;
  each_plane(count, y, pool_plane, &s);
}

/* The gradient of a pixel that rows and columns of windows hold. */
static pixel gather(const pool *s, int64_t n, int64_t block, const window_span *rows,
                    const window_span *cols) {
  pixel sum = {0};
  for (int64_t i = rows->first; i < rows->end; i++)
    for (int64_t j = cols->first; j < cols->end; j++) {
      const real *gy = picture_at(s->gy, n, block, i, j);
      const vec scale = vec_all(window_scale(s, i, j, s->gx->height, s->gx->width));
#pragma GCC unroll 8
      for (int k = 0; k < PIXEL_VECS; k++) sum.v[k] += vec_load(gy + k * LANES) * scale;
    }
  return sum;
}

static void back_plane(const void *context, int64_t n, int64_t block) {
  const pool *s = context;
  const cj_window *w = &s->w;
  window_span rows = {.k = w->kh, .stride = w->stride_h, .count = s->gy->height};
  for (int64_t i = 0; i < s->gx->height; i++) {
    const cj_finish_line line = finish_line(s->f, s->gx, n, block, i);
    window_span cols = {.k = w->kw, .stride = w->stride_w, .count = s->gy->width};
    window_span_move(&rows, i + w->pad_h);
    for (int64_t j = 0; j < s->gx->width; j++) {
      window_span_move(&cols, j + w->pad_w);
      finish_pixel(&line, j, gather(s, n, block, &rows, &cols).v);
    }
  }
}

void CJ_KERNEL(picture_avg_pool_back)(const cj_window *w, bool divide_by_inside, int64_t count,
                                      const cj_picture *gy, const cj_finish *f,
                                      const cj_picture *gx) {
  pool s = pool_of(w, divide_by_inside);
  s.gy = gy;
  s.gx = gx;
  s.f = f;
  each_plane(count, gx, back_plane, &s);
}
