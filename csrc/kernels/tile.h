/* tile.h -- the two inner loops of all matrix-like work.
 *
 * Every element of a result is one chain of multiply-adds over the depth in rising order, whatever
 * the height and width of the tile it falls into: results do not depend on how work is cut. */
#ifndef CJ_TILE_H
#define CJ_TILE_H

#include "kernels/simd.h"

/* Rows of a tile at two registers a row, and how many rows still fit four registers each. */
#if defined(CJ_ISA_avx512)
enum { TILE_ROWS = 14, TILE_WIDE_ROWS = 6 };
#else
enum { TILE_ROWS = 6, TILE_WIDE_ROWS = 2 };
#endif
enum { TILE_WIDTH = 4 * LANES }; /* the widest tile, in elements */

/* c[i, j] = sum over k of a[k*rows + i] * b[off[k] + j], for i < rows and j < vecs*LANES; c is
 * contiguous. off == NULL stands for off[k] = k*vecs*LANES. vecs is 1 or 2, rows <= TILE_ROWS; or
 * vecs is 4, rows <= TILE_WIDE_ROWS. */
void CJ_KERNEL(tile)(int rows, int vecs, int64_t depth, const real *a, const real *b,
                     const int64_t *off, real *c);

/* Rows per panel when m rows are cut into the fewest panels of nearly equal height. */
static inline int tile_rows(int64_t m) {
  const int64_t panels = (m + TILE_ROWS - 1) / TILE_ROWS;
  return panels ? (int)((m + panels - 1) / panels) : 1;
}

/* Registers per row that suit `rows` rows and `width` columns still to do. */
static inline int tile_vecs(int rows, int64_t width) {
  if (width > 2 * LANES && rows <= TILE_WIDE_ROWS) return 4;
  return width > LANES ? 2 : 1;
}

#if defined(CJ_ISA_avx512)
enum { DOT_ROWS = 4, DOT_COLS = 6 };
#else
enum { DOT_ROWS = 3, DOT_COLS = 4 };
#endif

/* c[i*c_row + j] += sum over images g < images and positions q < length of
 * a[g*a_image + i*a_row + q] * b[g*b_image + off[j] + q], for i < rows <= DOT_ROWS and
 * j < cols <= DOT_COLS. length is a multiple of LANES. Lane sums are folded once, at the end. */
typedef struct cj_dots {
  int64_t images, length;
  int64_t a_image, a_row, b_image, c_row;
} cj_dots;
void CJ_KERNEL(dots)(const cj_dots *d, int rows, int cols, const real *a, const real *b,
                     const int64_t *off, real *c);

#endif
