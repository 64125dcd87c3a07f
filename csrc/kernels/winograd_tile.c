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

static const real zeros[2 * MAX_POINTS * BLOCK]; /* with steps of 2 */

/* size: rows and columns of the tile, `step` pixels apart, whose corner is at (top, left). */
CJ_INLINE void window_at(const int size, const int step, const cj_picture *x, int64_t n,
                         int64_t block, int64_t top, int64_t left, window *w) {
  w->from = left < 0 ? (step - 1 - left) / step : 0;
  w->end = left + size * step > x->width ? (x->width - left + step - 1) / step : size;
#pragma GCC unroll 8
  for (int i = 0; i < size; i++) {
    const int64_t row = top + i * step;
    w->row[i] = row >= 0 && row < x->height ? picture_at(x, n, block, row, left) : zeros;
  }
}

CJ_INLINE void window_column(const int size, const int step, const window *w, int j, int l,
                             vec *line) {
  const bool inside = j >= w->from && j < w->end;
#pragma GCC unroll 8
  for (int i = 0; i < size; i++)
    line[i] = inside ? vec_load(w->row[i] + j * step * BLOCK + l) : (vec){0};
}

/* last: elements by which points of the last column lie further. */
CJ_INLINE void tile_in(const int points, const int step, const window *w, real *v, int64_t v_point,
                       int64_t last) {
  for (int l = 0; l < BLOCK; l += LANES) {
    vec down[MAX_POINTS][MAX_POINTS]; /* [column][point] */
#pragma GCC unroll 8
    for (int j = 0; j < points; j++) {
      vec line[MAX_POINTS];
      window_column(points, step, w, j, l, line);
      line_in(points, line, down[j]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < points; i++) {
      vec line[MAX_POINTS], to[MAX_POINTS];
#pragma GCC unroll 8
      for (int j = 0; j < points; j++) line[j] = down[j][i];
      line_in(points, line, to);
#pragma GCC unroll 8
      for (int j = 0; j < points; j++)
        vec_store(v + (i * points + j) * v_point + (j == points - 1 ? last : 0) + l, to[j]);
    }
  }
}

/* What tiles are made of: a block of a phase of x, and how much further it stands in the last
 * column of points. */
typedef struct source {
  const cj_picture *x;
  int64_t block, down, right, last;
} source;

CJ_INLINE void tiles_in(const cj_winograd *a, const int points, const int step, const source *s,
                        int64_t first, int64_t count, real *v) {
  const int64_t side = a->outputs * step;
  cj_place p = tile_place(a, first);
  for (int64_t t = 0; t < count; t++, place_next(a, &p)) {
    window w;
    window_at(points, step, s->x, p.n, s->block, p.i * side - a->pad_h + s->down,
              p.j * side - a->pad_w + s->right, &w);
    tile_in(points, step, &w, v + t * BLOCK, a->v_point, s->last);
  }
}

static void block_in(const cj_winograd *a, const source *s, int64_t first, int64_t count, real *v) {
  switch (a->points * 10 + a->x_step) {
  case 41:
    tiles_in(a, 4, 1, s, first, count, v);
    break;
  case 51:
    tiles_in(a, 5, 1, s, first, count, v);
    break;
  case 61:
    tiles_in(a, 6, 1, s, first, count, v);
    break;
  case 81:
    tiles_in(a, 8, 1, s, first, count, v);
    break;
  case 42:
    tiles_in(a, 4, 2, s, first, count, v);
    break;
  case 52:
    tiles_in(a, 5, 2, s, first, count, v);
    break;
  case 62:
    tiles_in(a, 6, 2, s, first, count, v);
    break;
  case 82:
    tiles_in(a, 8, 2, s, first, count, v);
    break;
  default:
    break;
  }
}

void CJ_KERNEL(winograd_in)(const cj_winograd *a, const cj_picture *x, int64_t first, int64_t count,
                            real *v) {
  const int64_t phases = winograd_x_phases(a), blocks = a->from / phases;
  const int64_t v_block = a->chunk * BLOCK;
  for (int64_t place = 0; place < phases; place++)
    for (int64_t block = 0; block < blocks; block++, v += v_block) {
      const source s = {.x = x,
                        .block = block,
                        .down = place / a->x_step,
                        .right = place % a->x_step,
                        .last = (winograd_other_place(place) - place) * blocks * v_block};
      block_in(a, &s, first, count, v);
    }
}

/* --- out ------------------------------------------------------------------------------------- */

CJ_INLINE void tile_out(const int points, const int outputs, const real *m, int64_t m_point,
                        vec to[][MAX_OUTPUTS][PIXEL_VECS]) {
#pragma GCC unroll 8
  for (int k = 0; k < PIXEL_VECS; k++) {
    vec down[MAX_POINTS][MAX_POINTS]; /* [column][row] */
#pragma GCC unroll 8
    for (int j = 0; j < points; j++) {
      vec line[MAX_POINTS];
#pragma GCC unroll 8
      for (int i = 0; i < points; i++)
        line[i] = vec_load(m + (i * points + j) * m_point + k * LANES);
      line_out(points, outputs, line, down[j]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < outputs; i++) {
      vec line[MAX_POINTS], y[MAX_POINTS];
#pragma GCC unroll 8
      for (int j = 0; j < points; j++) line[j] = down[j][i];
      line_out(points, outputs, line, y);
#pragma GCC unroll 8
      for (int j = 0; j < outputs; j++) to[i][j][k] = y[j];
    }
  }
}

CJ_INLINE void tiles_out(const cj_winograd *a, const int points, const int outputs, const int step,
                         int64_t block, int64_t first, int64_t count, const real *m,
                         const cj_finish *f, const cj_picture *y) {
  cj_place p = tile_place(a, first);
  for (int64_t t = 0; t < count; t++, place_next(a, &p)) {
    vec to[MAX_OUTPUTS][MAX_OUTPUTS][PIXEL_VECS];
    tile_out(points, outputs, m + t * BLOCK, a->m_point, to);
    const int64_t top = p.i * outputs * step + a->first_h, left = p.j * outputs * step + a->first_w;
    const int64_t below = (y->height - top + step - 1) / step, rows = min64(below, outputs);
    const int64_t beside = (y->width - left + step - 1) / step, columns = min64(beside, outputs);
    for (int64_t i = 0; i < rows; i++) {
      const cj_finish_line line = finish_line(f, y, p.n, block, top + i * step);
      for (int64_t j = 0; j < columns; j++) finish_pixel(&line, left + j * step, to[i][j]);
    }
  }
}

static void block_out(const cj_winograd *a, int64_t block, int64_t first, int64_t count,
                      const real *m, const cj_finish *f, const cj_picture *y) {
  switch (a->points * 100 + a->outputs * 10 + a->y_step) {
  case 641:
    tiles_out(a, 6, 4, 1, block, first, count, m, f, y);
    break;
  case 841:
    tiles_out(a, 8, 4, 1, block, first, count, m, f, y);
    break;
  case 431:
    tiles_out(a, 4, 3, 1, block, first, count, m, f, y);
    break;
  case 541:
    tiles_out(a, 5, 4, 1, block, first, count, m, f, y);
    break;
  case 651:
    tiles_out(a, 6, 5, 1, block, first, count, m, f, y);
    break;
  case 871:
    tiles_out(a, 8, 7, 1, block, first, count, m, f, y);
    break;
  case 432:
    tiles_out(a, 4, 3, 2, block, first, count, m, f, y);
    break;
  case 542:
    tiles_out(a, 5, 4, 2, block, first, count, m, f, y);
    break;
  case 652:
    tiles_out(a, 6, 5, 2, block, first, count, m, f, y);
    break;
  case 872:
    tiles_out(a, 8, 7, 2, block, first, count, m, f, y);
    break;
  default:
    break;
  }
}

void CJ_KERNEL(winograd_out)(const cj_winograd *a, int64_t group, int64_t first, int64_t count,
                             const real *m, const cj_finish *f, const cj_picture *y) {
  const int64_t blocks = winograd_group_blocks(a, group);
  for (int64_t b = 0; b < blocks; b++, m += a->chunk * BLOCK)
    block_out(a, group * GROUP + b, first, count, m, f, y);
}

/* --- back ------------------------------------------------------------------------------------ */

/* sums: of the block's gy, per channel. */
CJ_INLINE void tile_back(const int points, const int outputs, const window *w, real *to,
                         int64_t point, real *sums) {
  for (int l = 0; l < BLOCK; l += LANES) {
    vec down[MAX_POINTS][MAX_POINTS]; /* [column][point] */
    vec sum = vec_load(sums + l);
#pragma GCC unroll 8
    for (int j = 0; j < outputs; j++) {
      vec line[MAX_POINTS];
      window_column(outputs, 1, w, j, l, line);
#pragma GCC unroll 8
      for (int i = 0; i < outputs; i++) sum += line[i];
      line_back(points, outputs, line, down[j]);
    }
    vec_store(sums + l, sum);
#pragma GCC unroll 8
    for (int i = 0; i < points; i++) {
      vec line[MAX_POINTS], v[MAX_POINTS];
#pragma GCC unroll 8
      for (int j = 0; j < outputs; j++) line[j] = down[j][i];
      line_back(points, outputs, line, v);
#pragma GCC unroll 8
      for (int j = 0; j < points; j++) vec_store(to + (i * points + j) * point + l, v[j]);
    }
  }
}

CJ_INLINE void tiles_back(const cj_winograd *a, const int points, const int outputs,
                          const cj_picture *gy, int64_t block, int64_t first, int64_t count,
                          real *to, real *sums) {
  cj_place p = tile_place(a, first);
  for (int64_t t = 0; t < count; t++, place_next(a, &p)) {
    window w;
    window_at(outputs, 1, gy, p.n, block, p.i * outputs, p.j * outputs, &w);
    tile_back(points, outputs, &w, to + t * BLOCK, a->m_point, sums);
  }
}

void CJ_KERNEL(winograd_back)(const cj_winograd *a, const cj_picture *gy, int64_t first,
                              int64_t count, real *w, real *sums) {
  for (int64_t block = 0; block < a->to; block++, w += a->chunk * BLOCK, sums += BLOCK)
    switch (a->points * 10 + a->outputs) {
    case 64:
      tiles_back(a, 6, 4, gy, block, first, count, w, sums);
      break;
    case 84:
      tiles_back(a, 8, 4, gy, block, first, count, w, sums);
      break;
    case 43:
      tiles_back(a, 4, 3, gy, block, first, count, w, sums);
      break;
    case 54:
      tiles_back(a, 5, 4, gy, block, first, count, w, sums);
      break;
    case 65:
      tiles_back(a, 6, 5, gy, block, first, count, w, sums);
      break;
    case 87:
      tiles_back(a, 8, 7, gy, block, first, count, w, sums);
      break;
    default:
      break;
    }
}
