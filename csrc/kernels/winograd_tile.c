/* winograd_tile.c -- tiles of x to points (B^T x B), from points to tiles of y (A^T m A), and tiles
 * of gy to points (A gy A^T). */
#include "kernels/winograd_lines.h"
#include "kernels/winograd_parts.h"

static void place_next(const cj_winograd *a, cj_place *p) {
  if (++p->j < a->tiles_w) return;
  p->j = 0;
  if (++p->i < a->tiles_h) return;
  p->i = 0;
  p->n++;
}

/* --- in -------------------------------------------------------------------------------------- */

/* The part of a tile that lies in the picture; around it are zeros. Rows outside point to zeros. */
typedef struct window {
  const real *row[MAX_POINTS]; /* at the first column of the tile */
  int64_t from, end;           /* columns */
} window;

static const real zeros[MAX_POINTS * BLOCK];

/* size: rows and columns of the tile, whose corner is at (top, left). */
CJ_INLINE void window_at(const int size, const cj_picture *x, int64_t n, int64_t block, int64_t top,
                         int64_t left, window *w) {
  w->from = left < 0 ? -left : 0;
  w->end = left + size > x->width ? x->width - left : size;
#pragma GCC unroll 8
  for (int i = 0; i < size; i++)
    w->row[i] =
        top + i >= 0 && top + i < x->height ? picture_at(x, n, block, top + i, left) : zeros;
}

CJ_INLINE void window_column(const int size, const window *w, int j, int l, vec *line) {
  const bool inside = j >= w->from && j < w->end;
#pragma GCC unroll 8
  for (int i = 0; i < size; i++) line[i] = inside ? vec_load(w->row[i] + j * BLOCK + l) : (vec){0};
}

CJ_INLINE void tile_in(const int points, const window *w, real *v, int64_t v_point) {
  for (int l = 0; l < BLOCK; l += LANES) {
    vec down[MAX_POINTS][MAX_POINTS]; /* [column][point] */
#pragma GCC unroll 8
    for (int j = 0; j < points; j++) {
      vec line[MAX_POINTS];
      window_column(points, w, j, l, line);
      line_in(points, line, down[j]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < points; i++) {
      vec line[MAX_POINTS], to[MAX_POINTS];
#pragma GCC unroll 8
      for (int j = 0; j < points; j++) line[j] = down[j][i];
      line_in(points, line, to);
#pragma GCC unroll 8
      for (int j = 0; j < points; j++) vec_store(v + (i * points + j) * v_point + l, to[j]);
    }
  }
}

CJ_INLINE void tiles_in(const cj_winograd *a, const int points, const cj_picture *x, int64_t block,
                        int64_t first, int64_t count, real *v) {
  cj_place p = tile_place(a, first);
  for (int64_t t = 0; t < count; t++, place_next(a, &p)) {
    window w;
    window_at(points, x, p.n, block, p.i * OUTPUTS - a->pad_h, p.j * OUTPUTS - a->pad_w, &w);
    tile_in(points, &w, v + t * BLOCK, a->v_point);
  }
}

void CJ_KERNEL(winograd_in)(const cj_winograd *a, const cj_picture *x, int64_t first, int64_t count,
                            real *v) {
  for (int64_t block = 0; block < a->from; block++, v += a->chunk * BLOCK)
    if (a->points == 6)
      tiles_in(a, 6, x, block, first, count, v);
    else
      tiles_in(a, 8, x, block, first, count, v);
}

/* --- out ------------------------------------------------------------------------------------- */

CJ_INLINE void tile_out(const int points, const real *m, int64_t m_point,
                        vec to[][MAX_POINTS][PIXEL_VECS]) {
#pragma GCC unroll 8
  for (int k = 0; k < PIXEL_VECS; k++) {
    vec down[MAX_POINTS][MAX_POINTS]; /* [column][row] */
#pragma GCC unroll 8
    for (int j = 0; j < points; j++) {
      vec line[MAX_POINTS];
#pragma GCC unroll 8
      for (int i = 0; i < points; i++)
        line[i] = vec_load(m + (i * points + j) * m_point + k * LANES);
      line_out(points, line, down[j]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < OUTPUTS; i++) {
      vec line[MAX_POINTS], y[MAX_POINTS];
#pragma GCC unroll 8
      for (int j = 0; j < points; j++) line[j] = down[j][i];
      line_out(points, line, y);
#pragma GCC unroll 8
      for (int j = 0; j < OUTPUTS; j++) to[i][j][k] = y[j];
    }
  }
}

CJ_INLINE void tiles_out(const cj_winograd *a, const int points, int64_t block, int64_t first,
                         int64_t count, const real *m, const cj_finish *f, const cj_picture *y) {
  cj_place p = tile_place(a, first);
  for (int64_t t = 0; t < count; t++, place_next(a, &p)) {
    vec to[MAX_POINTS][MAX_POINTS][PIXEL_VECS];
    tile_out(points, m + t * BLOCK, a->m_point, to);
    const int64_t top = p.i * OUTPUTS, left = p.j * OUTPUTS;
    const int64_t rows = y->height - top < OUTPUTS ? y->height - top : OUTPUTS;
    const int64_t columns = y->width - left < OUTPUTS ? y->width - left : OUTPUTS;
    for (int64_t i = 0; i < rows; i++) {
      const cj_finish_line line = finish_line(f, y, p.n, block, top + i);
      for (int64_t j = 0; j < columns; j++) finish_pixel(&line, left + j, to[i][j]);
    }
  }
}

void CJ_KERNEL(winograd_out)(const cj_winograd *a, int64_t group, int64_t first, int64_t count,
                             const real *m, const cj_finish *f, const cj_picture *y) {
  const int64_t blocks = winograd_group_blocks(a, group);
  for (int64_t b = 0; b < blocks; b++, m += a->chunk * BLOCK) {
    const int64_t block = group * GROUP + b;
    if (a->points == 6)
      tiles_out(a, 6, block, first, count, m, f, y);
    else
      tiles_out(a, 8, block, first, count, m, f, y);
  }
}

/* --- back ------------------------------------------------------------------------------------ */

/* sums: of the block's gy, per channel. */
CJ_INLINE void tile_back(const int points, const window *w, real *to, int64_t point, real *sums) {
  for (int l = 0; l < BLOCK; l += LANES) {
    vec down[MAX_POINTS][MAX_POINTS]; /* [column][point] */
    vec sum = vec_load(sums + l);
#pragma GCC unroll 8
    for (int j = 0; j < OUTPUTS; j++) {
      vec line[MAX_POINTS];
      window_column(OUTPUTS, w, j, l, line);
#pragma GCC unroll 8
      for (int i = 0; i < OUTPUTS; i++) sum += line[i];
      line_back(points, line, down[j]);
    }
    vec_store(sums + l, sum);
#pragma GCC unroll 8
    for (int i = 0; i < points; i++) {
      vec line[MAX_POINTS], v[MAX_POINTS];
#pragma GCC unroll 8
      for (int j = 0; j < OUTPUTS; j++) line[j] = down[j][i];
      line_back(points, line, v);
#pragma GCC unroll 8
      for (int j = 0; j < points; j++) vec_store(to + (i * points + j) * point + l, v[j]);
    }
  }
}

CJ_INLINE void tiles_back(const cj_winograd *a, const int points, const cj_picture *gy,
                          int64_t block, int64_t first, int64_t count, real *to, real *sums) {
  cj_place p = tile_place(a, first);
  for (int64_t t = 0; t < count; t++, place_next(a, &p)) {
    window w;
    window_at(OUTPUTS, gy, p.n, block, p.i * OUTPUTS, p.j * OUTPUTS, &w);
    tile_back(points, &w, to + t * BLOCK, a->m_point, sums);
  }
}

void CJ_KERNEL(winograd_back)(const cj_winograd *a, const cj_picture *gy, int64_t first,
                              int64_t count, real *w, real *sums) {
  for (int64_t block = 0; block < a->to; block++, w += a->chunk * BLOCK, sums += BLOCK)
    if (a->points == 6)
      tiles_back(a, 6, gy, block, first, count, w, sums);
    else
      tiles_back(a, 8, gy, block, first, count, w, sums);
}
