/* simd.h -- one register of the instruction set: `vec` holds LANES elements of `real`.
 *
 * vec_fma is a fused multiply-add where the set has one; the base set multiplies and adds, so its
 * results differ from the others' in the last digits. */
#ifndef CJ_SIMD_H
#define CJ_SIMD_H

#include "kernels/kernel.h"

#if defined(CJ_ISA_avx512)
#include <immintrin.h>
#define CJ_VEC_BYTES 64
#elif defined(CJ_ISA_avx2)
#include <immintrin.h>
#define CJ_VEC_BYTES 32
#else
#if defined(__SSE2__)
#include <emmintrin.h>
#endif
#define CJ_VEC_BYTES 16
#endif

typedef real vec __attribute__((vector_size(CJ_VEC_BYTES)));
/* The same at any address. */
typedef real vec_loose __attribute__((vector_size(CJ_VEC_BYTES), aligned(sizeof(real)), may_alias));

enum { LANES = CJ_VEC_BYTES / (int)sizeof(real) };

/* Whole numbers as wide as `real`: results of comparisons, arguments of shuffles. */
#if defined(CJ_TYPE_f32)
typedef int32_t whole;
#else
typedef int64_t whole;
#endif
typedef whole wholes __attribute__((vector_size(CJ_VEC_BYTES)));

#define CJ_INLINE static inline __attribute__((always_inline))

CJ_INLINE vec vec_load(const real *p) {
  return (vec) * (const vec_loose *)p;
}

CJ_INLINE void vec_store(real *p, vec v) {
  *(vec_loose *)p = (vec_loose)v;
}

/* Copies count elements between arrays apart; for the short lines that memcpy is slow with. */
CJ_INLINE void vec_copy(real *to, const real *from, int64_t count) {
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) vec_store(to + i, vec_load(from + i));
  if (i < count && count >= LANES)
    vec_store(to + count - LANES, vec_load(from + count - LANES));
  else
    for (; i < count; i++) to[i] = from[i];
}

CJ_INLINE vec vec_all(real x) {
  return x - (vec){0};
}

CJ_INLINE vec vec_fma(vec a, vec b, vec c) {
#if defined(CJ_ISA_avx512) && defined(CJ_TYPE_f32)
  return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(CJ_ISA_avx512)
  return (vec)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(CJ_ISA_avx2) && defined(CJ_TYPE_f32)
  return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(CJ_ISA_avx2)
  return (vec)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#else
  return a * b + c;
#endif
}

/* One register of 64-bit words. */
typedef uint64_t words __attribute__((vector_size(CJ_VEC_BYTES)));
enum { WORDS = CJ_VEC_BYTES / 8 };

/* Products of the lower halves of the words. */
CJ_INLINE words words_mul(words a, words b) {
#if defined(CJ_ISA_avx512)
  return (words)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif defined(CJ_ISA_avx2)
  return (words)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
  return (words)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
  return (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu);
#endif
}

/* Sum of the lanes: halves are added until one is left, a fixed order. */
CJ_INLINE real vec_sum(vec v) {
#pragma GCC unroll 4
  for (int width = LANES / 2; width > 0; width /= 2) {
    wholes from;
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++) from[i] = (i + width) % LANES;
    v += __builtin_shuffle(v, from);
  }
  return v[0];
}

#endif
