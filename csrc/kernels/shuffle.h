/* shuffle.h -- squares of LANES registers: transposed, or each register folded to its sum. */
#ifndef CJ_SHUFFLE_H
#define CJ_SHUFFLE_H

#include "kernels/simd.h"

/* Arguments of shuffles must be constants: f(lane, half) for all lanes. */
#define CJ_LANES_2(f, h) f(0, h), f(1, h)
#define CJ_LANES_4(f, h) CJ_LANES_2(f, h), f(2, h), f(3, h)
#define CJ_LANES_8(f, h) CJ_LANES_4(f, h), f(4, h), f(5, h), f(6, h), f(7, h)
#define CJ_LANES_16(f, h)                                                                          \
  CJ_LANES_8(f, h), f(8, h), f(9, h), f(10, h), f(11, h), f(12, h), f(13, h), f(14, h), f(15, h)
#if CJ_VEC_BYTES == 64 && defined(CJ_TYPE_f32)
#define CJ_EACH_LANE CJ_LANES_16
#elif CJ_VEC_BYTES == 64 || (CJ_VEC_BYTES == 32 && defined(CJ_TYPE_f32))
#define CJ_EACH_LANE CJ_LANES_8
#elif CJ_VEC_BYTES == 32 || defined(CJ_TYPE_f32)
#define CJ_EACH_LANE CJ_LANES_4
#else
#define CJ_EACH_LANE CJ_LANES_2
#endif

/* Two registers a and b as groups of 2 * half lanes, each a lower and an upper half. Which lane of
 * a, or LANES plus which lane of b, goes to a lane so that each group holds: the lower halves of
 * both; their upper halves; a's lower and b's upper half; a's upper and b's lower half. */
#define CJ_LOWER(lane, half) ((lane) & (half) ? LANES + (lane) - (half) : (lane))
#define CJ_UPPER(lane, half) ((lane) & (half) ? LANES + (lane) : (lane) + (half))
#define CJ_STAY(lane, half) ((lane) & (half) ? LANES + (lane) : (lane))
#define CJ_CROSS(lane, half) ((lane) & (half) ? LANES + (lane) - (half) : (lane) + (half))
#define CJ_SHUFFLE(a, b, f, half) __builtin_shuffle(a, b, (wholes){CJ_EACH_LANE(f, half)})

#define CJ_FOLD(half)                                                                              \
  for (int i = 0; i < (half) && (half) < LANES; i++)                                               \
  v[i] = CJ_SHUFFLE(v[i], v[i + (half)], CJ_STAY, half) +                                          \
         CJ_SHUFFLE(v[i], v[i + (half)], CJ_CROSS, half)

/* Lane i of the result is the sum of v[i]'s lanes: registers are added in pairs, each giving half
 * of the lanes, until one is left. Changes v. */
CJ_INLINE vec vec_fold(vec v[LANES]) {
#pragma GCC unroll 8
  CJ_FOLD(8);
#pragma GCC unroll 4
  CJ_FOLD(4);
#pragma GCC unroll 2
  CJ_FOLD(2);
  CJ_FOLD(1);
  return v[0];
}

#define CJ_EXCHANGE(half)                                                                          \
  for (int i = 0; i < LANES && (half) < LANES; i++)                                                \
    if (!(i & (half))) {                                                                           \
      const vec a = v[i], b = v[i | (half)];                                                       \
      v[i] = CJ_SHUFFLE(a, b, CJ_LOWER, half);                                                     \
      v[i | (half)] = CJ_SHUFFLE(a, b, CJ_UPPER, half);                                            \
    }

/* Lane j of v[i] and lane i of v[j] change places. */
CJ_INLINE void vec_transpose(vec v[LANES]) {
#pragma GCC unroll 16
  CJ_EXCHANGE(8)
#pragma GCC unroll 16
  CJ_EXCHANGE(4)
#pragma GCC unroll 16
  CJ_EXCHANGE(2)
#pragma GCC unroll 16
  CJ_EXCHANGE(1)
}

#endif
