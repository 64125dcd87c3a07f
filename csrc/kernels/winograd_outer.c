/* winograd_outer.c -- the matrix products of the weight gradient, V^T W over the tiles.
 *
 * Sums live in registers over a strip of tiles that stays in the nearest cache, and are then added
 * to those in memory. So an element is a sum of short chains, added in the order of the tiles. */
#include <string.h>

#include "kernels/winograd_parts.h"

#if defined(CJ_ISA_avx512)
enum { CASTS = 8 };
#else
enum { CASTS = 4 };
#endif
enum { STRIP = 64 };

typedef struct outer {
  int64_t blocks;   /* of x that are wanted at this point */
  int64_t w_second; /* from the first to the second register of a tile of W */
  bool add;
} outer;

/* sums[i][column] (+)= sum over tiles of channel i of V times the lanes of W. */
CJ_INLINE void outer_body(const int vecs, const outer *o, int64_t count, const real *v,
                          const real *w, real *sums) {
  vec sum[CASTS][2];
#pragma GCC unroll 8
  for (int i = 0; i < CASTS; i++)
#pragma GCC unroll 2
    for (int j = 0; j < vecs; j++) {
      sum[i][j] = (vec){0};
      __builtin_prefetch(sums + (i * vecs + j) * LANES); /* needed at the end */
    }
  for (int64_t t = 0; t < count; t++) {
    vec column[2];
#pragma GCC unroll 2
    for (int j = 0; j < vecs; j++) column[j] = vec_load(w + t * BLOCK + j * o->w_second);
#pragma GCC unroll 8
    for (int i = 0; i < CASTS; i++) {
      const vec factor = vec_all(v[t * BLOCK + i]);
#pragma GCC unroll 2
      for (int j = 0; j < vecs; j++) sum[i][j] = vec_fma(factor, column[j], sum[i][j]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < CASTS; i++)
#pragma GCC unroll 2
    for (int j = 0; j < vecs; j++) {
      real *to = sums + (i * vecs + j) * LANES;
      vec_store(to, o->add ? vec_load(to) + sum[i][j] : sum[i][j]);
    }
}

/* All channels of x against `columns` channels of y; zeros where they are not wanted. */
static void outer_columns(const cj_winograd *a, const outer *o, int64_t columns, int64_t count,
                          const real *v, const real *w, real *sums, cj_fetch fetch[2]) {
  for (int64_t block = 0; block < o->blocks; block++, v += a->chunk * BLOCK)
    for (int c = 0; c < BLOCK; c += CASTS, sums += CASTS * columns) {
      fetch_some(a, fetch);
      fetch_some(a, fetch + 1);
      if (columns == LANES)
        outer_body(1, o, count, v + c, w, sums);
      else
        outer_body(2, o, count, v + c, w, sums);
    }
  if (!o->add) memset(sums, 0, (size_t)((a->from - o->blocks) * BLOCK * columns) * sizeof *sums);
}

int64_t CJ_KERNEL(winograd_outer_calls)(const cj_winograd *a, int64_t count) {
  const int64_t strips = (count + STRIP - 1) / STRIP, last = winograd_groups(a) - 1;
  const int64_t blocks = winograd_group_blocks(a, last);
  const int64_t columns =
      last * (GROUP * BLOCK / winograd_columns(GROUP)) + blocks * BLOCK / winograd_columns(blocks);
  return strips * columns * a->from * (BLOCK / CASTS);
}

void CJ_KERNEL(winograd_outer)(const cj_winograd *a, int64_t point, int64_t count, const real *v,
                               const real *w, bool add, real *sums, cj_fetch fetch[2]) {
  v += point * a->v_point;
  w += point * a->m_point;
  for (int64_t t = 0; t < count; t += STRIP) {
    const int64_t strip = count - t < STRIP ? count - t : STRIP;
    const outer o = {.blocks = winograd_from_at(a, point),
                     .w_second = PIXEL_VECS == 1 ? a->chunk * BLOCK : LANES,
                     .add = add || t > 0};
    for (int64_t group = 0; group < winograd_groups(a); group++) {
      const int64_t blocks = winograd_group_blocks(a, group), columns = winograd_columns(blocks);
      real *to = sums + group * winograd_u_group(a) + point * winograd_u_point(a, blocks);
      for (int64_t c = 0; c < blocks * BLOCK; c += columns) {
        const int64_t block = group * GROUP + c / BLOCK;
        outer_columns(a, &o, columns, strip, v + t * BLOCK,
                      w + (block * a->chunk + t) * BLOCK + c % BLOCK, to + c * a->from * BLOCK,
                      fetch);
      }
    }
  }
}
