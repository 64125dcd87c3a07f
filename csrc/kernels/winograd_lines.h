/* winograd_lines.h -- the maps B^T and A^T of one line of a tile, held in registers.
 *
 * With four points p = 1; with five, which do without 0, p = 1/2, 5/4; with six p = 5/8, 3/2; with
 * eight p = 1/2, 1, 2. Of all pairs and triples of short binary fractions tried these lose the
 * fewest digits (with 1, 2 in place of 5/8, 3/2 the error doubles), and all powers that appear are
 * exact in float32. Row q of B^T holds the coefficients of the
 * product of (t - r) over all finite points r but q (all of them for infinity), row j of A^T holds
 * q^j, and G, in winograd_pack.c, holds q^j over the product of (q - r). */
#ifndef CJ_WINOGRAD_LINES_H
#define CJ_WINOGRAD_LINES_H

#include "kernels/winograd_parts.h"

/* The i-th p. */
#define WINOGRAD_VALUE(points, i)                                                                  \
  ((points) == 4   ? 1.0                                                                           \
   : (points) == 5 ? ((i) == 0 ? 0.5 : 1.25)                                                       \
   : (points) == 6 ? ((i) == 0 ? 0.625 : 1.5)                                                      \
                   : ((i) == 0   ? 0.5                                                             \
                      : (i) == 1 ? 1.0                                                             \
                                 : 2.0))
/* The place of the first pair: behind the point 0, if there is one. */
#define WINOGRAD_PAIRS_AT(points) (1 - (points) % 2)

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

CJ_INLINE void line_in_4(const vec *x, vec *v) {
  v[0] = x[2] - x[0];
  line_pair(x[2], x[1], 1, v + 1);
  v[3] = x[3] - x[1];
}

CJ_INLINE void line_in_5(const vec *x, vec *v) {
  const double p = WINOGRAD_VALUE(5, 0), q = WINOGRAD_VALUE(5, 1), pp = p * p, qq = q * q;
  line_pair(plus_times(x[3], -qq, x[1]), plus_times(x[2], -qq, x[0]), p, v);
  line_pair(plus_times(x[3], -pp, x[1]), plus_times(x[2], -pp, x[0]), q, v + 2);
  v[4] = plus_times(plus_times(x[4], -(pp + qq), x[2]), pp * qq, x[0]);
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
  if (points == 4)
    line_in_4(x, v);
  else if (points == 5)
    line_in_5(x, v);
  else if (points == 6)
    line_in_6(x, v);
  else
    line_in_8(x, v);
}

/* y[j] = sum over points q of q^j m[q]. */
CJ_INLINE void line_out(const int points, const int outputs, const vec *m, vec *y) {
  const int at = WINOGRAD_PAIRS_AT(points), pairs = (points - at) / 2;
  vec even[3], odd[3];
  double power[3];
#pragma GCC unroll 3
  for (int i = 0; i < pairs; i++) {
    even[i] = m[at + 2 * i] + m[at + 2 * i + 1];
    odd[i] = m[at + 2 * i] - m[at + 2 * i + 1];
    power[i] = 1;
  }
#pragma GCC unroll 8
  for (int j = 0; j < outputs; j++) {
    y[j] = j ? vec_all((real)power[0]) * (j % 2 ? odd[0] : even[0]) : even[0];
    if (j == 0 && at) y[j] = m[0] + y[j];
#pragma GCC unroll 3
    for (int i = 1; i < pairs; i++) y[j] = plus_times(y[j], power[i], j % 2 ? odd[i] : even[i]);
    if (j == outputs - 1) y[j] += m[points - 1];
#pragma GCC unroll 3
    for (int i = 0; i < pairs; i++) power[i] *= WINOGRAD_VALUE(points, i);
  }
}

/* y[from] + pp y[from + 2] + pp^2 y[from + 4] ... */
CJ_INLINE vec line_powers(const int outputs, const vec *y, const int from, double pp) {
  const int last = outputs - 1 - (outputs - 1 - from) % 2;
  vec sum = y[last];
#pragma GCC unroll 4
  for (int j = last - 2; j >= from; j -= 2) sum = plus_times(y[j], pp, sum);
  return sum;
}

/* The transpose of line_out: v[q] = sum over j of q^j y[j]. */
CJ_INLINE void line_back(const int points, const int outputs, const vec *y, vec *v) {
  const int at = WINOGRAD_PAIRS_AT(points), pairs = (points - at) / 2;
  if (at) v[0] = y[0];
#pragma GCC unroll 3
  for (int i = 0; i < pairs; i++) {
    const double p = WINOGRAD_VALUE(points, i);
    line_pair(line_powers(outputs, y, 0, p * p), line_powers(outputs, y, 1, p * p), p,
              v + at + 2 * i);
  }
  v[points - 1] = y[outputs - 1];
}

#endif
