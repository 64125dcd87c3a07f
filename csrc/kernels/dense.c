/* dense.c -- linear layers on rows.
 *
 * Weights are packed in panels [in][WIDTH] of outputs, the last one filled up with zeros. A tile is
 * some rows times a panel, its sums in registers over all inputs: every result is one chain of
 * multiply-adds in rising order, whatever the tile. All rows of a piece pass a panel while it is in
 * the second cache, so weights come from further away once.
 *
 * Weight gradient: a tile is some outputs times WIDTH inputs, its sums in registers over a part of
 * the rows; parts are added in order. */
#include "kernels/dense.h"

#include <string.h>

#include "core/threads.h"
#include "kernels/shuffle.h"

#if defined(CJ_ISA_avx512)
enum { TILE_ROWS = 14 };
#else
enum { TILE_ROWS = 6 };
#endif
enum {
  VECS = 2,
  WIDTH = VECS * LANES,
  PIECE_ROWS = 4 * TILE_ROWS, /* that pass a panel together, at most */
  PART_ROWS = 128,            /* summed in registers by the weight gradient */
  PACK_LINES = 4 * LANES,     /* packed by a piece */
  PAGE = 4096,
  CACHE_WAYS = 8
};

/* Height of the tiles when `rows` rows are cut into the fewest of at most `most`. */
static int64_t tile_height(int64_t rows, int64_t most) {
  return divide_up(rows, divide_up(rows, most));
}

/* Rows of x a page apart share the few places that the nearest cache has for their address. */
static int64_t forward_rows(const cj_dense *s) {
  return s->in * (int64_t)sizeof(real) % PAGE == 0 ? min64(TILE_ROWS, CACHE_WAYS) : TILE_ROWS;
}

/* --- packing --------------------------------------------------------------------------------- */

int64_t CJ_KERNEL(dense_packed)(const cj_dense *s) {
  return divide_up(s->out, WIDTH) * WIDTH * s->in;
}

typedef struct packing {
  const cj_dense *s;
  const real *w;
  bool turned;
  real *packed;
} packing;

/* Rows [low, high) of w [in, out] are those lines of all panels: a panel takes a little of each, so
 * that both sides stay within few pages. */
static void pack_turned(const packing *k, int64_t low, int64_t high) {
  const cj_dense *s = k->s;
  for (int64_t first = 0; first < s->out; first += WIDTH)
    for (int64_t i = low; i < high; i++)
      vec_copy(k->packed + first * s->in + i * WIDTH, k->w + i * s->out + first,
               min64(WIDTH, s->out - first));
}

/* LANES lines of LANES columns, from whole rows of w [out, in]. */
static void pack_square(const real *from, int64_t in, real *to) {
  vec v[LANES];
#pragma GCC unroll 16
  for (int j = 0; j < LANES; j++) v[j] = vec_load(from + j * in);
  vec_transpose(v);
#pragma GCC unroll 16
  for (int j = 0; j < LANES; j++) vec_store(to + j * WIDTH, v[j]);
}

/* Columns [low, high) of w [out, in] are those lines of all panels. */
static void pack_straight(const packing *k, int64_t low, int64_t high) {
  const cj_dense *s = k->s;
  for (int64_t o = 0; o < s->out; o += LANES) {
    const int64_t count = min64(LANES, s->out - o);
    const real *from = k->w + o * s->in;
    real *to = k->packed + o / WIDTH * WIDTH * s->in + o % WIDTH;
    int64_t i = low;
    for (; count == LANES && i + LANES <= high; i += LANES)
      pack_square(from + i, s->in, to + i * WIDTH);
    for (; i < high; i++)
      for (int64_t j = 0; j < count; j++) to[i * WIDTH + j] = from[j * s->in + i];
  }
}

/* Zeros fill up the last panel's lines. */
static void pack_piece(void *context, int64_t piece) {
  const packing *k = context;
  const cj_dense *s = k->s;
  const int64_t low = piece * PACK_LINES, high = min64(s->in, low + PACK_LINES);
  const int64_t panels = divide_up(s->out, WIDTH), filled = s->out - (panels - 1) * WIDTH;
  (k->turned ? pack_turned : pack_straight)(k, low, high);
  real *last = k->packed + (panels - 1) * WIDTH * s->in;
  for (int64_t i = low; i < high && filled < WIDTH; i++)
    memset(last + i * WIDTH + filled, 0, (size_t)(WIDTH - filled) * sizeof *last);
}

void CJ_KERNEL(dense_pack)(const cj_dense *s, const real *w, bool turned, real *packed) {
  packing k = {s, w, turned, packed};
  if (s->out > 0) cj_parallel(divide_up(s->in, PACK_LINES), pack_piece, &k);
}

/* --- forward --------------------------------------------------------------------------------- */

typedef struct forward {
  const cj_dense *s;
  const real *x, *packed;
  const cj_dense_finish *f;
  real *y;
  int64_t groups; /* of rows, per panel */
} forward;

/* tile[i][j] = sum over k < depth of x[i * depth + k] w[k][j], in `vecs` registers of a panel. */
CJ_INLINE void tile_body(const int rows, const int vecs, int64_t depth, const real *x,
                         const real *w, real *tile) {
  vec sum[TILE_ROWS][VECS];
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
    for (int v = 0; v < vecs; v++) sum[i][v] = (vec){0};
  for (int64_t k = 0; k < depth; k++, w += WIDTH) {
    vec weight[VECS];
#pragma GCC unroll 2
    for (int v = 0; v < vecs; v++) weight[v] = vec_load(w + v * LANES);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
      const vec value = vec_all(x[i * depth + k]);
#pragma GCC unroll 2
      for (int v = 0; v < vecs; v++) sum[i][v] = vec_fma(value, weight[v], sum[i][v]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
    for (int v = 0; v < vecs; v++) vec_store(tile + i * WIDTH + v * LANES, sum[i][v]);
}

#define TILE(r)                                                                                    \
  case r:                                                                                          \
    tile_body(r, vecs, depth, x, w, tile);                                                         \
    return;

CJ_INLINE void tile_any(int64_t rows, const int vecs, int64_t depth, const real *x, const real *w,
                        real *tile) {
  switch (rows) {
    /* clang-format off */
    TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6)
#if defined(CJ_ISA_avx512)
    TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12) TILE(13) TILE(14)
#endif
  default: return; /* no such tile */
    /* clang-format on */
  }
}

static void tile_wide(int64_t rows, int64_t depth, const real *x, const real *w, real *tile) {
  tile_any(rows, 2, depth, x, w, tile);
}

static void tile_narrow(int64_t rows, int64_t depth, const real *x, const real *w, real *tile) {
  tile_any(rows, 1, depth, x, w, tile);
}

/* Finishes `count` results v, whose place in y is `at` and whose first output is `first`. */
static void finish_results(const forward *k, int64_t at, int64_t first, int64_t count, real *v) {
  const cj_dense_finish *f = k->f;
  real *y = k->y + at;
  if (f->bias)
    for (int64_t j = 0; j < count; j++) v[j] += f->bias[first + j];
  if (f->add)
    for (int64_t j = 0; j < count; j++) v[j] += y[j];
  if (f->mask)
    for (int64_t j = 0; j < count; j++) v[j] = f->mask[at + j] ? v[j] : 0;
  if (f->signs)
    for (int64_t j = 0; j < count; j++) f->signs[at + j] = !(f->clip && v[j] <= 0);
  if (f->clip)
    for (int64_t j = 0; j < count; j++) v[j] = v[j] <= 0 ? 0 : v[j];
  vec_copy(y, v, count);
}

/* A piece is a panel and some rows. */
static void forward_piece(void *context, int64_t piece) {
  const forward *k = context;
  const cj_dense *s = k->s;
  const int64_t first = piece / k->groups * WIDTH, count = min64(WIDTH, s->out - first);
  const int64_t top = piece % k->groups * PIECE_ROWS, end = min64(s->rows, top + PIECE_ROWS);
  const int64_t height = tile_height(end - top, forward_rows(s));
  const real *w = k->packed + first * s->in;
  for (int64_t n = top; n < end; n += height) {
    real tile[TILE_ROWS * WIDTH] __attribute__((aligned(64)));
    const int64_t rows = min64(height, end - n);
    (count > LANES ? tile_wide : tile_narrow)(rows, s->in, k->x + n * s->in, w, tile);
    for (int64_t i = 0; i < rows; i++)
      finish_results(k, (n + i) * s->out + first, first, count, tile + i * WIDTH);
  }
}

void CJ_KERNEL(dense_forward)(const cj_dense *s, const real *x, const real *packed,
                              const cj_dense_finish *f, real *y) {
  forward k = {s, x, packed, f, y, divide_up(s->rows, PIECE_ROWS)};
  cj_parallel(divide_up(s->out, WIDTH) * k.groups, forward_piece, &k);
}

/* --- weight gradient ------------------------------------------------------------------------- */

typedef struct weights {
  const cj_dense *s;
  const real *x, *gy;
  real *gw;
} weights;

/* gw[i * in + j] += sum over n < rows of gy[n * out + i] x[n][j], for i < outs and j < count. */
CJ_INLINE void products_body(const cj_dense *s, const int outs, int64_t rows, const real *gy,
                             const real *x, int64_t count, real *gw) {
  vec sum[TILE_ROWS][VECS];
#pragma GCC unroll 16
  for (int i = 0; i < outs; i++)
#pragma GCC unroll 2
    for (int v = 0; v < VECS; v++) sum[i][v] = (vec){0};
  for (int64_t n = 0; n < rows; n++, gy += s->out, x += WIDTH) {
    vec value[VECS];
#pragma GCC unroll 2
    for (int v = 0; v < VECS; v++) value[v] = vec_load(x + v * LANES);
#pragma GCC unroll 16
    for (int i = 0; i < outs; i++) {
      const vec g = vec_all(gy[i]);
#pragma GCC unroll 2
      for (int v = 0; v < VECS; v++) sum[i][v] = vec_fma(g, value[v], sum[i][v]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < outs; i++, gw += s->in) {
    real line[WIDTH] __attribute__((aligned(64)));
#pragma GCC unroll 2
    for (int v = 0; v < VECS; v++) vec_store(line + v * LANES, sum[i][v]);
    for (int64_t j = 0; j < count; j++) gw[j] += line[j];
  }
}

#define PRODUCTS(r)                                                                                \
  case r:                                                                                          \
    products_body(s, r, rows, gy, x, count, gw);                                                   \
    return;

static void products(const cj_dense *s, int64_t outs, int64_t rows, const real *gy, const real *x,
                     int64_t count, real *gw) {
  switch (outs) {
    /* clang-format off */
    PRODUCTS(1) PRODUCTS(2) PRODUCTS(3) PRODUCTS(4) PRODUCTS(5) PRODUCTS(6)
#if defined(CJ_ISA_avx512)
    PRODUCTS(7) PRODUCTS(8) PRODUCTS(9) PRODUCTS(10) PRODUCTS(11) PRODUCTS(12) PRODUCTS(13)
    PRODUCTS(14)
#endif
  default: return; /* no such tile */
    /* clang-format on */
  }
}

/* A piece is WIDTH inputs: their columns of x are copied, so that they lie together in cache. */
static void weights_piece(void *context, int64_t piece) {
  const weights *k = context;
  const cj_dense *s = k->s;
  real x[PART_ROWS * WIDTH] __attribute__((aligned(64)));
  const int64_t first = piece * WIDTH, count = min64(WIDTH, s->in - first);
  const int64_t height = tile_height(s->out, TILE_ROWS);
  if (count < WIDTH) memset(x, 0, sizeof x);
  for (int64_t n = 0; n < s->rows; n += PART_ROWS) {
    const int64_t rows = min64(PART_ROWS, s->rows - n);
    for (int64_t i = 0; i < rows; i++)
      vec_copy(x + i * WIDTH, k->x + (n + i) * s->in + first, count);
    for (int64_t o = 0; o < s->out; o += height)
      products(s, min64(height, s->out - o), rows, k->gy + n * s->out + o, x, count,
               k->gw + o * s->in + first);
  }
}

size_t CJ_KERNEL(dense_weight_scratch)(const cj_dense *s) {
  (void)s; /* pieces need so little that it lies on their stacks */
  return 0;
}

void CJ_KERNEL(dense_weight)(const cj_dense *s, const real *x, const real *gy, real *gw, real *gb,
                             void *scratch) {
  (void)scratch;
  weights k = {s, x, gy, gw};
  for (int64_t n = 0; n < s->rows && gb; n++)
    for (int64_t o = 0; o < s->out; o++) gb[o] += gy[n * s->out + o];
  if (gw && s->out > 0) cj_parallel(divide_up(s->in, WIDTH), weights_piece, &k);
}
