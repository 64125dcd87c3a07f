/* winograd_lines.h -- the maps B^T and A^T of one line of a tile, held in registers.
 *
 * With six points p = 5/8, 3/2; with eight p = 1/2, 1, 2. Of all pairs and triples of short binary
 * fractions tried these lose the fewest digits (with 1, 2 in place of 5/8, 3/2 the error doubles),
 * and all powers that appear are exact in float32. Row q of B^T holds the coefficients of the
 * product of (t - r) over all finite points r but q (all of them for infinity), row j of A^T holds
 * q^j, and G, in winograd_pack.c, holds q^j over the product of (q - r). */
#ifndef CJ_WINOGRAD_LINES_H
#define CJ_WINOGRAD_LINES_H

#include "kernels/winograd_parts.h"

/* The i-th p. */
#define WINOGRAD_VALUE(points, i)                                                                  \
  ((points) == 6 ? ((i) == 0 ? 0.625 : 1.5) : ((i) == 0 ? 0.5 : (i) == 1 ? 1.0 : 2.0))

/* Points p and -p. */
CJ_INLINE void line_pair(vec even, vec odd, double p, vec *to) {
  odd *= vec_all((real)p);
  to[0] = even + odd;
  to[1] = even - odd;
}

/* a + b * c with a constant b. */
CJ_INLINE vec plus_times(vec a, double b, vec c) {
  return vec_fma(vec_all((real)b), c, a);
}

CJ_INLINE void line_in_6(const vec *x, vec *v) {
  const double p = WINOGRAD_VALUE(6, 0), q = WINOGRAD_VALUE(6, 1), pp = p * p, qq = q * q;
  v[0] = plus_times(plus_times(x[4], -(pp + qq), x[2]), pp * qq, x[0]);
  line_pair(plus_times(x[4], -qq, x[2]), plus_times(x[3], -qq, x[1]), p, v + 1);
  line_pair(plus_times(x[4], -pp, x[2]), plus_times(x[3], -pp, x[1]), q, v + 3);
  v[5] = plus_times(plus_times(x[5], -(pp + qq), x[3]), pp * qq, x[1]);
}

/* The points p and -p of eight; qq and rr are the squares of the other two. */
CJ_INLINE void line_pair_8(const vec *x, double p, double qq, double rr, vec *to) {
  line_pair(plus_times(plus_times(x[6], -(qq + rr), x[4]), qq * rr, x[2]),
            plus_times(plus_times(x[5], -(qq + rr), x[3]), qq * rr, x[1]), p, to);
}

/* The product of the three squares is 1. */
CJ_INLINE void line_in_8(const vec *x, vec *v) {
  const double p = WINOGRAD_VALUE(8, 0), q = WINOGRAD_VALUE(8, 1), r = WINOGRAD_VALUE(8, 2);
  const double pp = p * p, qq = q * q, rr = r * r;
  v[0] =
      plus_times(plus_times(x[6] - x[0], -(pp + qq + rr), x[4]), pp * qq + pp * rr + qq * rr, x[2]);
  line_pair_8(x, p, qq, rr, v + 1);
  line_pair_8(x, q, pp, rr, v + 3);
  line_pair_8(x, r, pp, qq, v + 5);
  v[7] =
      plus_times(plus_times(x[7] - x[1], -(pp + qq + rr), x[5]), pp * qq + pp * rr + qq * rr, x[3]);
}

CJ_INLINE void line_in(const int points, const vec *x, vec *v) {
  if (points == 6)
    line_in_6(x, v);
  else
    line_in_8(x, v);
}

/* y[j] = sum over points q of q^j m[q]. */
CJ_INLINE void line_out(const int points, const vec *m, vec *y) {
  const int pairs = points / 2 - 1;
  vec even[3], odd[3];
  double power[3];
#pragma GCC unroll 3
  for (int i = 0; i < pairs; i++) {
    even[i] = m[1 + 2 * i] + m[2 + 2 * i];
    odd[i] = m[1 + 2 * i] - m[2 + 2 * i];
    power[i] = 1;
  }
#pragma GCC unroll 8
  for (int j = 0; j < OUTPUTS; j++) {
    y[j] = j == 0 ? m[0] + even[0] : vec_all((real)power[0]) * (j % 2 ? odd[0] : even[0]);
#pragma GCC unroll 3
    for (int i = 1; i < pairs; i++) y[j] = plus_times(y[j], power[i], j % 2 ? odd[i] : even[i]);
    if (j == OUTPUTS - 1) y[j] += m[points - 1];
#pragma GCC unroll 3
    for (int i = 0; i < pairs; i++) power[i] *= WINOGRAD_VALUE(points, i);
  }
}

/* The transpose of line_out: v[q] = sum over j of q^j y[j]. */
CJ_INLINE void line_back(const int points, const vec *y, vec *v) {
  v[0] = y[0];
#pragma GCC unroll 3
  for (int i = 0; i < points / 2 - 1; i++) {
    const double p = WINOGRAD_VALUE(points, i), pp = p * p;
    const vec even = plus_times(y[0], pp, y[2]), odd = plus_times(y[1], pp, y[3]);
    line_pair(even, odd, p, v + 1 + 2 * i);
  }
  v[points - 1] = y[OUTPUTS - 1];
}

#endif
