/* winograd_product.c -- the matrix products of the points: M = V U, [tiles, from] x [from, 32].
 *
 * Accumulators live in registers as in tile.c; here the broadcast operand has its channels last,
 * 16 at a time. An element of M is one chain of multiply-adds over the channels in rising order,
 * wherever its tile lies. */
#include "kernels/winograd_parts.h"

/* Tiles of a product at one and at two registers a tile. */
#if defined(CJ_ISA_avx512)
enum { ROWS_1 = 28, ROWS_2 = 14 };
#else
enum { ROWS_1 = 12, ROWS_2 = 6 };
#endif

typedef struct product {
  int64_t blocks;   /* of x */
  int64_t v_block;  /* elements from one block of V to the next */
  int64_t m_second; /* from the first to the second register of a tile */
} product;

CJ_INLINE void product_body(const int rows, const int vecs, const product *p, const real *v,
                            const real *u, real *m) {
  vec sum[ROWS_1][2];
#pragma GCC unroll 32
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
    for (int j = 0; j < vecs; j++) sum[i][j] = (vec){0};
  for (int64_t block = 0; block < p->blocks; block++, v += p->v_block)
    for (int c = 0; c < BLOCK; c++, u += vecs * LANES) {
      vec column[2];
#pragma GCC unroll 2
      for (int j = 0; j < vecs; j++) column[j] = vec_load(u + j * LANES);
#pragma GCC unroll 32
      for (int i = 0; i < rows; i++) {
        const vec factor = vec_all(v[i * BLOCK + c]);
#pragma GCC unroll 2
        for (int j = 0; j < vecs; j++) sum[i][j] = vec_fma(factor, column[j], sum[i][j]);
      }
    }
#pragma GCC unroll 32
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
    for (int j = 0; j < vecs; j++) vec_store(m + i * BLOCK + j * p->m_second, sum[i][j]);
}

#define PRODUCT(r, s)                                                                              \
  case (r)*2 + (s)-1:                                                                              \
    product_body(r, s, p, v, u, m);                                                                \
    return;
#define PRODUCTS(r) PRODUCT(r, 1) PRODUCT(r, 2)

static void product_any(int rows, int vecs, const product *p, const real *v, const real *u,
                        real *m) {
  switch (rows * 2 + vecs - 1) {
    /* clang-format off */
    PRODUCTS(1) PRODUCTS(2) PRODUCTS(3) PRODUCTS(4) PRODUCTS(5) PRODUCTS(6)
    PRODUCT(7, 1) PRODUCT(8, 1) PRODUCT(9, 1) PRODUCT(10, 1) PRODUCT(11, 1) PRODUCT(12, 1)
#if defined(CJ_ISA_avx512)
    PRODUCT(7, 2) PRODUCT(8, 2) PRODUCT(9, 2) PRODUCT(10, 2) PRODUCT(11, 2) PRODUCT(12, 2)
    PRODUCTS(13) PRODUCTS(14)
    PRODUCT(15, 1) PRODUCT(16, 1) PRODUCT(17, 1) PRODUCT(18, 1) PRODUCT(19, 1) PRODUCT(20, 1)
    PRODUCT(21, 1) PRODUCT(22, 1) PRODUCT(23, 1) PRODUCT(24, 1) PRODUCT(25, 1) PRODUCT(26, 1)
    PRODUCT(27, 1) PRODUCT(28, 1)
#endif
  default: return; /* no such product */
    /* clang-format on */
  }
}

/* All tiles of one point and one register row of columns, `rows` tiles at a time. */
static void product_tiles(const cj_winograd *a, const product *p, int vecs, int64_t count,
                          int64_t rows, const real *v, const real *u, real *m, cj_fetch fetch[2]) {
  for (int64_t t = 0; t < count; t += rows) {
    fetch_some(a, fetch);
    fetch_some(a, fetch + 1);
    const int r = (int)(count - t < rows ? count - t : rows);
    product_any(r, vecs, p, v + t * BLOCK, u, m + t * BLOCK);
  }
}

/* Tiles are cut into the fewest panels, of nearly equal height. */
static int64_t panels_of(int64_t count, int64_t columns) {
  const int64_t most = columns == LANES ? ROWS_1 : ROWS_2;
  return (count + most - 1) / most;
}

int64_t CJ_KERNEL(winograd_product_calls)(const cj_winograd *a, int64_t group, int64_t count) {
  const int64_t blocks = winograd_group_blocks(a, group), columns = winograd_columns(blocks);
  return panels_of(count, columns) * (blocks * BLOCK / columns);
}

void CJ_KERNEL(winograd_product)(const cj_winograd *a, int64_t group, int64_t point, int64_t count,
                                 const real *packed, const real *v, real *m, cj_fetch fetch[2]) {
  const int64_t blocks = winograd_group_blocks(a, group), columns = winograd_columns(blocks);
  const int64_t m_block = a->chunk * BLOCK, panels = panels_of(count, columns);
  const product p = {.blocks = winograd_from_at(a, point),
                     .v_block = a->chunk * BLOCK,
                     .m_second = PIXEL_VECS == 1 ? m_block : LANES};
  const real *u = packed + group * winograd_u_group(a) + point * winograd_u_point(a, blocks);
  v += point * a->v_point;
  m += point * a->m_point;
  for (int64_t c = 0; c < blocks * BLOCK; c += columns)
    product_tiles(a, &p, (int)(columns / LANES), count, (count + panels - 1) / panels, v,
                  u + c * a->from * BLOCK, m + c / BLOCK * m_block + c % BLOCK, fetch);
}
