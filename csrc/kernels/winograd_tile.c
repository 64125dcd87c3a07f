/* winograd_tile.c -- tiles of x to points (B^T x B), and from points to tiles of y (A^T m A). */
#include <string.h>

#include "kernels/winograd_lines.h"
#include "kernels/winograd_parts.h"

/* Where a tile lies: image, row and column of tiles. */
typedef struct place {
  int64_t n, i, j;
} place;

static place place_at(const cj_winograd *a, int64_t tile) {
  const int64_t row = tile / a->tiles_w;
  return (place){row / a->tiles_h, row % a->tiles_h, tile % a->tiles_w};
}

static void place_next(const cj_winograd *a, place *p) {
  if (++p->j < a->tiles_w) return;
  p->j = 0;
  if (++p->i < a->tiles_h) return;
  p->i = 0;
  p->n++;
}

/* --- in -------------------------------------------------------------------------------------- */

/* x: the corner of the tile, rows `row` elements apart. */
CJ_INLINE void tile_in(const int points, const real *x, int64_t row, real *v, int64_t v_point) {
  for (int l = 0; l < BLOCK; l += LANES) {
    vec down[MAX_POINTS][MAX_POINTS]; /* [column][point] */
#pragma GCC unroll 8
    for (int j = 0; j < points; j++) {
      vec line[MAX_POINTS];
#pragma GCC unroll 8
      for (int i = 0; i < points; i++) line[i] = vec_load(x + i * row + j * BLOCK + l);
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

/* A tile that reaches over the ring: zeros there. */
static void tile_copy(const cj_winograd *a, const cj_picture *x, int64_t n, int64_t block,
                      int64_t top, int64_t left, real *to) {
  const int64_t from = left < 0 ? -left : 0;
  const int64_t end = left + a->points > a->w ? a->w - left : a->points;
  memset(to, 0, (size_t)(a->points * a->points * BLOCK) * sizeof *to);
  for (int64_t i = 0; i < a->points; i++)
    if (top + i >= 0 && top + i < a->h && from < end)
      vec_copy(to + (i * a->points + from) * BLOCK, picture_at(x, n, block, top + i, left + from),
               (end - from) * BLOCK);
}

CJ_INLINE void tiles_in(const cj_winograd *a, const int points, const cj_picture *x, int64_t block,
                        int64_t first, int64_t count, real *v) {
  place p = place_at(a, first);
  for (int64_t t = 0; t < count; t++, place_next(a, &p)) {
    const int64_t top = p.i * a->outputs - a->pad_h, left = p.j * a->outputs - a->pad_w;
    const bool inside = top >= -x->ring && top + points <= a->h + x->ring && left >= -x->ring &&
                        left + points <= a->w + x->ring;
    real copy[MAX_POINTS * MAX_POINTS * BLOCK];
    if (!inside) tile_copy(a, x, p.n, block, top, left, copy);
    tile_in(points, inside ? picture_at(x, p.n, block, top, left) : copy,
            inside ? picture_row(x) : points * BLOCK, v + t * BLOCK, a->v_point);
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

CJ_INLINE void tile_out(const int points, const int outputs, const real *m, int64_t m_point,
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

CJ_INLINE void tiles_out(const cj_winograd *a, const int points, const int outputs, int64_t block,
                         int64_t first, int64_t count, const real *m, const cj_finish *f,
                         const cj_picture *y) {
  place p = place_at(a, first);
  for (int64_t t = 0; t < count; t++, place_next(a, &p)) {
    vec to[MAX_POINTS][MAX_POINTS][PIXEL_VECS];
    tile_out(points, outputs, m + t * BLOCK, a->m_point, to);
    const int64_t top = p.i * outputs, left = p.j * outputs;
    const int64_t rows = y->height - top < outputs ? y->height - top : outputs;
    const int64_t columns = y->width - left < outputs ? y->width - left : outputs;
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
      tiles_out(a, 6, 4, block, first, count, m, f, y);
    else if (a->outputs == 4)
      tiles_out(a, 8, 4, block, first, count, m, f, y);
    else
      tiles_out(a, 8, 6, block, first, count, m, f, y);
  }
}
