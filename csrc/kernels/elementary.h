/* elementary.h -- exp and tanh without branches, so that the compiler can vectorise loops of them.
 *
 * For float32: argument reduction and the minimax polynomials of the Cephes library (Moshier 1989),
 * to about two units in the last place, the same bits on every instruction set. For float64, where
 * speed matters less, the C library's. NaN stays NaN. */
#ifndef CJ_ELEMENTARY_H
#define CJ_ELEMENTARY_H

#include <math.h>
#include <string.h>

#include "kernels/kernel.h"

#if defined(CJ_TYPE_f32)
/* 2^n for -126 <= n <= 127. */
static inline float cj_power_of_two(int32_t n) {
  const int32_t bits = (n + 127) * (1 << 23);
  float y;
  memcpy(&y, &bits, sizeof y);
  return y;
}

/* x = n log 2 + r, exp(x) = 2^n exp(r), |r| <= log(2) / 2. The power is applied in two halves, so
 * that results may overflow to infinity or fade into denormals as they should. */
static inline float cj_exp(float x) {
  const float low = x < -104.0f ? -104.0f : x, inside = low > 89.0f ? 89.0f : low;
  const float shift = 12582912.0f; /* 1.5 * 2^23: adding it rounds, the low bits are the integer */
  const float shifted = inside * 1.44269504088896341f + shift;
  int32_t bits, shift_bits;
  memcpy(&bits, &shifted, sizeof bits);
  memcpy(&shift_bits, &shift, sizeof shift_bits);
  const float n = shifted - shift;
  /* log 2 in two parts; the product of n and the first is exact. */
  const float r = (inside - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  /* NaN makes any n here; masking keeps the shifts within bounds, and p is NaN anyway. */
  const int32_t power = (bits - shift_bits) % 256, half = power / 2;
  return p * cj_power_of_two(half) * cj_power_of_two(power - half);
}

/* Near 0 an odd polynomial, elsewhere 1 - 2 / (exp(2|x|) + 1) with x's sign. */
static inline float cj_tanh(float x) {
  const float size = fabsf(x), z = x * x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  const float near = p * z * x + x;
  const float far = copysignf(1.0f - 2.0f / (cj_exp(2.0f * size) + 1.0f), x);
  return size < 0.625f ? near : far;
}
#else
static inline double cj_exp(double x) {
  return exp(x);
}

static inline double cj_tanh(double x) {
  return tanh(x);
}
#endif

#endif
