/* largest.h -- the entries of a vector by falling magnitude, as many as are asked for.
 *
 * A heap of indices: O(n) to build, O(log n) for each entry taken. Of equal magnitudes the smaller
 * index comes first. For files that see `real`. */
#ifndef CJ_LARGEST_H
#define CJ_LARGEST_H

#include <math.h>

#include "kernels/kernel.h"

typedef struct largest {
  const real *w;
  int64_t *index; /* the heap: no entry is before its parent */
  int64_t count;  /* not yet taken */
} largest;

static inline bool largest_before(const real *w, int64_t a, int64_t b) {
  const real size_a = w[a] < 0 ? -w[a] : w[a], size_b = w[b] < 0 ? -w[b] : w[b];
  return size_a > size_b || (size_a == size_b && a < b);
}

static inline void largest_sink(largest *h, int64_t at) {
  const int64_t index = h->index[at];
  for (int64_t child = 2 * at + 1; child < h->count; at = child, child = 2 * at + 1) {
    if (child + 1 < h->count && largest_before(h->w, h->index[child + 1], h->index[child])) child++;
    if (!largest_before(h->w, h->index[child], index)) break;
    h->index[at] = h->index[child];
  }
  h->index[at] = index;
}

/* index: room for n numbers, the heap's from now on. w must not change meanwhile. */
static inline largest largest_open(int64_t n, const real *w, int64_t *index) {
  largest h = {w, index, n};
  for (int64_t i = 0; i < n; i++) index[i] = i;
  for (int64_t i = n / 2 - 1; i >= 0; i--) largest_sink(&h, i);
  return h;
}

/* The index of the largest entry left; there must be one. */
static inline int64_t largest_take(largest *h) {
  const int64_t top = h->index[0];
  h->index[0] = h->index[--h->count];
  largest_sink(h, 0);
  return top;
}

#endif
