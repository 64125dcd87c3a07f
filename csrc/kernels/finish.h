/* finish.h -- cj_finish applied to values that are still in registers.
 *
 * A pixel of a block is PIXEL_VECS registers. finish_line finds the memory that belongs to one row
 * of one block, finish_pixel does one pixel of it. */
#ifndef CJ_FINISH_H
#define CJ_FINISH_H

#include "kernels/picture.h"
#include "kernels/simd.h"

enum { PIXEL_VECS = BLOCK / LANES };

/* Comparing and choosing by bits: lane i belongs to bit i of `bits`. */
#if defined(CJ_ISA_avx512) && defined(CJ_TYPE_f32)
CJ_INLINE vec bits_choose(unsigned bits, vec set, vec clear) {
  return (vec)_mm512_mask_mov_ps((__m512)clear, (__mmask16)bits, (__m512)set);
}
/* Bits of the lanes that are not <= 0; a NaN is not. */
CJ_INLINE unsigned bits_above_zero(vec v) {
  return _mm512_cmp_ps_mask((__m512)v, _mm512_setzero_ps(), _CMP_NLE_UQ);
}
#elif defined(CJ_ISA_avx512)
CJ_INLINE vec bits_choose(unsigned bits, vec set, vec clear) {
  return (vec)_mm512_mask_mov_pd((__m512d)clear, (__mmask8)bits, (__m512d)set);
}
CJ_INLINE unsigned bits_above_zero(vec v) {
  return _mm512_cmp_pd_mask((__m512d)v, _mm512_setzero_pd(), _CMP_NLE_UQ);
}
#else
CJ_INLINE vec bits_choose(unsigned bits, vec set, vec clear) {
  wholes lane;
#pragma GCC unroll 8
  for (int i = 0; i < LANES; i++) lane[i] = (whole)1 << i;
  const wholes chosen = (lane & (whole)bits) != 0;
  return (vec)(((wholes)set & chosen) | ((wholes)clear & ~chosen));
}
CJ_INLINE unsigned bits_above_zero(vec v) {
  const wholes below = v <= (vec){0};
  const unsigned all = (1u << LANES) - 1;
#if defined(CJ_ISA_avx2) && defined(CJ_TYPE_f32)
  return ~(unsigned)_mm256_movemask_ps((__m256)below) & all;
#elif defined(CJ_ISA_avx2)
  return ~(unsigned)_mm256_movemask_pd((__m256d)below) & all;
#elif defined(__SSE2__) && defined(CJ_TYPE_f32)
  return ~(unsigned)_mm_movemask_ps((__m128)below) & all;
#elif defined(__SSE2__)
  return ~(unsigned)_mm_movemask_pd((__m128d)below) & all;
#else
  unsigned bits = all;
  for (int i = 0; i < LANES; i++) bits &= ~((unsigned)(below[i] & 1) << i);
  return bits;
#endif
}
#endif

/* v where its bit is set, else v times slope, and a slope of 0 makes 0 of everything. */
CJ_INLINE vec bits_slope(unsigned bits, vec v, real slope) {
  const vec factor = vec_all(slope);
  const wholes some = factor != (vec){0};
  return bits_choose(bits, v, (vec)((wholes)(v * factor) & some));
}

/* One row of one block; pointers are to pixel 0 of it. */
typedef struct cj_finish_line {
  real *to;
  const real *bias, *add; /* or NULL */
  const uint16_t *mask;   /* or NULL */
  uint16_t *signs;        /* or NULL */
  bool clip;
  real slope;
} cj_finish_line;

CJ_INLINE cj_finish_line finish_line(const cj_finish *f, const cj_picture *y, int64_t n,
                                     int64_t block, int64_t i) {
  const int64_t bits = ((n * picture_blocks(y) + block) * y->height + i) * y->width;
  return (cj_finish_line){.to = picture_at(y, n, block, i, 0),
                          .bias = f->bias ? f->bias + block * BLOCK : NULL,
                          .add = f->add ? picture_at(f->add, n, block, i, 0) : NULL,
                          .mask = f->mask ? f->mask + bits : NULL,
                          .signs = f->signs ? f->signs + bits : NULL,
                          .clip = f->clip,
                          .slope = f->slope};
}

/* Finishes and stores pixel j of the line. */
CJ_INLINE void finish_pixel(const cj_finish_line *l, int64_t j, const vec value[PIXEL_VECS]) {
  const unsigned mask = l->mask ? l->mask[j] : 0;
  unsigned signs = 0;
#pragma GCC unroll 8
  for (int k = 0; k < PIXEL_VECS; k++) {
    vec v = value[k];
    if (l->bias) v += vec_load(l->bias + k * LANES);
    if (l->add) v += vec_load(l->add + j * BLOCK + k * LANES);
    if (l->mask) v = bits_slope(mask >> (k * LANES), v, l->slope);
    if (l->clip) {
      const unsigned above = bits_above_zero(v);
      signs |= above << (k * LANES);
      v = bits_slope(above, v, l->slope);
    }
    vec_store(l->to + j * BLOCK + k * LANES, v);
  }
  if (l->signs) l->signs[j] = (uint16_t)signs;
}

#endif
