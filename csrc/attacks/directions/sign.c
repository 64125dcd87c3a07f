/* sign.c -- direction of the sign attacks: d = sign(g), with sign(0) = 0.
 *
 * The steepest step under the max norm [Goodfellow et al. 2015, section 4]. */
#include "attacks/attack.h"
#include "kernels/kernel.h"

static void sign_apply(int64_t n, const void *g_, void *state, void *d_) {
  const real *g = g_;
  real *d = d_;
  (void)state;
  for (int64_t i = 0; i < n; i++) d[i] = (real)((g[i] > 0) - (g[i] < 0));
}

CJ_DIRECTIONS(sign) = {{"sign", 0, sign_apply}, {0}};
