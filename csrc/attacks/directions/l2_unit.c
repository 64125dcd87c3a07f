/* l2_unit.c -- the gradient at unit length: d = g / max(||g||_2, 1e-12).
 *
 * The steepest step under the Euclidean norm. The norm is per sample, in double, summed in 16 fixed
 * parts. */
#include <math.h>

#include "attacks/attack.h"
#include "attacks/sums.h"
#include "kernels/kernel.h"

static void l2_unit_apply(int64_t n, const void *g_, void *state, void *d_) {
  const real *g = g_;
  real *d = d_;
  (void)state;
  const double scale = 1.0 / fmax(sqrt(sum_squares(n, g)), 1e-12);
  for (int64_t i = 0; i < n; i++) d[i] = (real)((double)g[i] * scale);
}

CJ_DIRECTIONS(l2_unit) = {{"l2_unit", 0, l2_unit_apply}, {0}};
