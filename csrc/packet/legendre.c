/* legendre.c -- roots of the Legendre polynomial P_n by Newton's method, from Tricomi's estimate
 *
 *   cos(pi (k + 3/4) / (n + 1/2)),   weights 2 / ((1 - x^2) P_n'(x)^2)
 *
 * [Press et al., Numerical Recipes, 3rd ed., section 4.6]. */
#include "packet/legendre.h"

#include <math.h>

/* P_n(x), and its slope. */
static double polynomial(int64_t n, double x, double *slope) {
  double before = 1, now = x;
  for (int64_t k = 2; k <= n; k++) {
    const double next = ((double)(2 * k - 1) * x * now - (double)(k - 1) * before) / (double)k;
    before = now;
    now = next;
  }
  *slope = (double)n * (before - x * now) / (1 - x * x);
  return now;
}

void cj_legendre(int64_t count, double *node, double *weight) {
  const double pi = 3.14159265358979323846, n = (double)count;
  for (int64_t k = 0; k < (count + 1) / 2; k++) {
    double x = cos(pi * ((double)k + 0.75) / (n + 0.5)), slope, step = 1;
    for (int turn = 0; turn < 20 && fabs(step) > 1e-15; turn++) {
      step = polynomial(count, x, &slope) / slope;
      x -= step;
    }
    polynomial(count, x, &slope);
    node[k] = (1 - x) / 2;
    node[count - 1 - k] = (1 + x) / 2;
    weight[k] = weight[count - 1 - k] = 1 / ((1 - x * x) * slope * slope);
  }
}
