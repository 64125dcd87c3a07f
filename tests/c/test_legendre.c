/* Gauss-Legendre rules: exact for all powers they should be, and rising nodes of positive weight.
 */
#include <math.h>

#include "check.h"
#include "packet/legendre.h"

enum { MOST = 64 };

/* int_0^1 x^d dx */
static void test_powers(int count) {
  double node[MOST], weight[MOST];
  cj_legendre(count, node, weight);
  for (int d = 0; d < 2 * count; d++) {
    double sum = 0;
    for (int k = 0; k < count; k++) sum += weight[k] * pow(node[k], d);
    CHECK(fabs(sum * (d + 1) - 1) < 4e-15 * (d + 1));
  }
  for (int k = 0; k < count; k++) {
    CHECK(weight[k] > 0 && node[k] > (k ? node[k - 1] : 0) && node[k] < 1);
    CHECK(fabs(node[k] + node[count - 1 - k] - 1) < 1e-15);
  }
}

/* The next power is not exact, or the nodes would be more than were asked for. */
static void test_order(int count) {
  double node[MOST], weight[MOST], sum = 0;
  cj_legendre(count, node, weight);
  for (int k = 0; k < count; k++) sum += weight[k] * pow(2 * node[k] - 1, 2 * count);
  CHECK(fabs(sum * (2 * count + 1) - 1) > 1e-6);
}

int main(void) {
  for (int count = 1; count <= MOST; count++) test_powers(count);
  for (int count = 1; count <= 8; count++) test_order(count);
  CHECK_DONE();
}
