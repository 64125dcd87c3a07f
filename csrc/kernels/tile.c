/* tile.c -- register-blocked outer products (tile) and inner products (dots).
 *
 * The bodies are inlined with constant sizes, so that the accumulators live in registers: 28 of 32
 * with AVX-512, 12 of 16 otherwise. One broadcast feeds as many multiply-adds as there are
 * registers in a row. */
#include "kernels/tile.h"

CJ_INLINE void tile_body(const int rows, const int vecs, int64_t depth, const real *a,
                         const real *b, const int64_t *off, real *c) {
  vec sum[TILE_ROWS][4];
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
    for (int j = 0; j < vecs; j++) sum[i][j] = (vec){0};
  for (int64_t k = 0; k < depth; k++, a += rows) {
    const real *from = off ? b + off[k] : b + k * vecs * LANES;
    vec column[4];
#pragma GCC unroll 4
    for (int j = 0; j < vecs; j++) column[j] = vec_load(from + j * LANES);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
      const vec factor = vec_all(a[i]);
#pragma GCC unroll 4
      for (int j = 0; j < vecs; j++) sum[i][j] = vec_fma(factor, column[j], sum[i][j]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
    for (int j = 0; j < vecs; j++) vec_store(c + (i * vecs + j) * LANES, sum[i][j]);
}

#define TILE(r, v)                                                                                 \
  case (r)*8 + (v):                                                                                \
    tile_body(r, v, depth, a, b, off, c);                                                          \
    return;
#define TILES(r) TILE(r, 1) TILE(r, 2)

CJ_INLINE void tile_any(int rows, int vecs, int64_t depth, const real *a, const real *b,
                        const int64_t *off, real *c) {
  switch (rows * 8 + vecs) {
    /* clang-format off */
    TILES(1) TILES(2) TILES(3) TILES(4) TILES(5) TILES(6)
    TILE(1, 4) TILE(2, 4)
#if defined(CJ_ISA_avx512)
    TILE(3, 4) TILE(4, 4) TILE(5, 4) TILE(6, 4)
    TILES(7) TILES(8) TILES(9) TILES(10) TILES(11) TILES(12) TILES(13) TILES(14)
#endif
  default: return; /* no such tile */
    /* clang-format on */
  }
}

void CJ_KERNEL(tile)(int rows, int vecs, int64_t depth, const real *a, const real *b,
                     const int64_t *off, real *c) {
  if (off)
    tile_any(rows, vecs, depth, a, b, off, c);
  else
    tile_any(rows, vecs, depth, a, b, NULL, c);
}

CJ_INLINE void dots_body(const cj_dots *d, const int rows, const int cols, const real *a,
                         const real *b, const int64_t *off, real *c) {
  vec sum[DOT_ROWS][DOT_COLS];
#pragma GCC unroll 4
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
    for (int j = 0; j < cols; j++) sum[i][j] = (vec){0};
  for (int64_t g = 0; g < d->images; g++, a += d->a_image, b += d->b_image)
    for (int64_t q = 0; q < d->length; q += LANES) {
      vec left[DOT_ROWS];
#pragma GCC unroll 4
      for (int i = 0; i < rows; i++) left[i] = vec_load(a + i * d->a_row + q);
#pragma GCC unroll 8
      for (int j = 0; j < cols; j++) {
        const vec right = vec_load(b + off[j] + q);
#pragma GCC unroll 4
        for (int i = 0; i < rows; i++) sum[i][j] = vec_fma(left[i], right, sum[i][j]);
      }
    }
#pragma GCC unroll 4
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
    for (int j = 0; j < cols; j++) c[i * d->c_row + j] += vec_sum(sum[i][j]);
}

#define DOTS(r, n)                                                                                 \
  case (r)*8 + (n):                                                                                \
    dots_body(d, r, n, a, b, off, c);                                                              \
    return;
#define DOTS_ROW(r) DOTS(r, 1) DOTS(r, 2) DOTS(r, 3) DOTS(r, 4)

void CJ_KERNEL(dots)(const cj_dots *d, int rows, int cols, const real *a, const real *b,
                     const int64_t *off, real *c) {
  switch (rows * 8 + cols) {
    /* clang-format off */
    DOTS_ROW(1) DOTS_ROW(2) DOTS_ROW(3)
#if defined(CJ_ISA_avx512)
    DOTS_ROW(4)
    DOTS(1, 5) DOTS(2, 5) DOTS(3, 5) DOTS(4, 5) DOTS(1, 6) DOTS(2, 6) DOTS(3, 6) DOTS(4, 6)
#endif
  default: return; /* no such block */
    /* clang-format on */
  }
}
