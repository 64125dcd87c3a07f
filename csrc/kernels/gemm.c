/* gemm.c -- matrix products from packed panels.
 *
 * a is packed into panels [k, rows] of up to TILE_ROWS rows, b into panels [k, 2*LANES] of columns
 * (the last one padded with zeros); a piece of work is one panel of a against a block of b's. The
 * depth is never cut, so no order of additions has to be chosen. */
#include "kernels/gemm.h"

#include "core/threads.h"
#include "kernels/tile.h"

enum { WIDTH = 2 * LANES, PIECE_WORK = 200000, PACK_WORK = 20000 };

typedef struct product {
  const cj_gemm *g;
  int height;            /* rows of a's panels */
  int64_t rows, columns; /* numbers of panels of a and b */
  int64_t block, blocks; /* panels of b per piece; pieces per panel of a */
  int64_t packs;         /* panels packed per piece */
  real *a, *b;
} product;

static void product_sizes(product *p) {
  const cj_gemm *g = p->g;
  p->height = tile_rows(g->m);
  p->rows = divide_up(g->m, p->height);
  p->columns = divide_up(g->n, WIDTH);
  const int64_t work = p->height * WIDTH * g->k + 1;
  p->block = PIECE_WORK / work < 1 ? 1 : PIECE_WORK / work;
  p->blocks = divide_up(p->columns, p->block);
  p->packs = PACK_WORK / (WIDTH * g->k + 1) + 1;
}

static void pack_rows(const product *p, int64_t panel) {
  const cj_gemm *g = p->g;
  const int64_t first = panel * p->height, rows = min64(p->height, g->m - first);
  const real *from = g->a + first * g->a_row;
  real *to = p->a + first * g->k;
  if (g->a_col == 1) /* read along the rows: the strided side then stays within a few lines */
    for (int64_t i = 0; i < rows; i++)
      for (int64_t k = 0; k < g->k; k++) to[k * rows + i] = from[i * g->a_row + k];
  else
    for (int64_t k = 0; k < g->k; k++)
      for (int64_t i = 0; i < rows; i++) to[k * rows + i] = from[i * g->a_row + k * g->a_col];
}

/* Columns [first, first + WIDTH) of b, transposed in strips of 16 rows so that both sides stay in
 * cache. */
static void pack_columns(const product *p, int64_t panel) {
  const cj_gemm *g = p->g;
  const int64_t first = panel * WIDTH, count = min64(WIDTH, g->n - first);
  const real *from = g->b + first * g->b_col;
  real *to = p->b + panel * WIDTH * g->k;
  for (int64_t k = 0; k < g->k && count < WIDTH; k++)
    for (int64_t j = count; j < WIDTH; j++) to[k * WIDTH + j] = 0;
  if (g->b_col == 1) {
    for (int64_t k = 0; k < g->k; k++)
      for (int64_t j = 0; j < count; j++) to[k * WIDTH + j] = from[k * g->b_row + j];
    return;
  }
  for (int64_t low = 0; low < g->k; low += 16)
    for (int64_t j = 0; j < count; j++)
      for (int64_t k = low; k < min64(low + 16, g->k); k++)
        to[k * WIDTH + j] = from[k * g->b_row + j * g->b_col];
}

static void pack_piece(void *context, int64_t piece) {
  const product *p = context;
  const int64_t end = min64(p->rows + p->columns, (piece + 1) * p->packs);
  for (int64_t i = piece * p->packs; i < end; i++)
    if (i < p->columns)
      pack_columns(p, i);
    else
      pack_rows(p, i - p->columns);
}

static void store_row(const cj_gemm *g, const real *tile, int64_t i, int64_t first, int64_t count) {
  real *c = g->c + i * g->c_row + first;
  const real *bias = g->bias ? g->bias + first : NULL;
  if (g->add)
    for (int64_t j = 0; j < count; j++) c[j] += tile[j];
  else
    for (int64_t j = 0; j < count; j++) c[j] = tile[j];
  for (int64_t j = 0; j < count && bias; j++) c[j] += bias[j];
}

static void product_piece(void *context, int64_t piece) {
  const product *p = context;
  const cj_gemm *g = p->g;
  real tile[TILE_ROWS * WIDTH] __attribute__((aligned(64)));
  const int64_t panel = piece % p->rows, block = piece / p->rows;
  const int64_t top = panel * p->height, rows = min64(p->height, g->m - top);
  for (int64_t q = block * p->block; q < min64(p->columns, (block + 1) * p->block); q++) {
    const int64_t first = q * WIDTH, count = min64(WIDTH, g->n - first);
    CJ_KERNEL(tile)((int)rows, 2, g->k, p->a + top * g->k, p->b + first * g->k, NULL, tile);
    for (int64_t i = 0; i < rows; i++) store_row(g, tile + i * WIDTH, top + i, first, count);
  }
}

size_t CJ_KERNEL(gemm_scratch)(int64_t m, int64_t n, int64_t k) {
  return (size_t)((m + divide_up(n, WIDTH) * WIDTH) * k + LANES) * sizeof(real);
}

void CJ_KERNEL(gemm)(const cj_gemm *g, void *scratch) {
  if (g->m == 0 || g->n == 0) return;
  product p = {.g = g};
  product_sizes(&p);
  p.b = scratch;
  p.a = p.b + p.columns * WIDTH * g->k;
  cj_parallel(divide_up(p.rows + p.columns, p.packs), pack_piece, &p);
  cj_parallel(p.rows * p.blocks, product_piece, &p);
}
