/* raw.c -- the gradient itself: d = g.
 *
 * The sign-less fast gradient method [Agarwal et al. 2020]: its length is the gradient's, so on a
 * confident model it hardly moves. */
#include <string.h>

#include "attacks/attack.h"
#include "kernels/kernel.h"

static void raw_apply(int64_t n, const void *g, void *state, void *d) {
  (void)state;
  memcpy(d, g, (size_t)n * sizeof(real));
}

CJ_DIRECTIONS(raw) = {{"raw", 0, raw_apply}, {0}};
