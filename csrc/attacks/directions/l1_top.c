/* l1_top.c -- one coordinate: d = sign(g_i) at the largest |g_i|, 0 elsewhere.
 *
 * The steepest step under the l1 norm; of equal entries the first is taken. */
#include <math.h>
#include <string.h>

#include "attacks/attack.h"
#include "kernels/kernel.h"

static void l1_top_apply(int64_t n, const void *g_, void *state, void *d_) {
  const real *g = g_;
  real *d = d_;
  int64_t top = 0;
  (void)state;
  for (int64_t i = 1; i < n; i++)
    if (fabs((double)g[i]) > fabs((double)g[top])) top = i;
  memset(d, 0, (size_t)n * sizeof(real));
  if (n > 0) d[top] = (real)((g[top] > 0) - (g[top] < 0));
}

CJ_DIRECTIONS(l1_top) = {{"l1_top", 0, l1_top_apply}, {0}};
