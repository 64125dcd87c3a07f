/* picture_windows.h -- which windows of a pooling hold a pixel, for the way back, which gathers. */
#ifndef CJ_PICTURE_WINDOWS_H
#define CJ_PICTURE_WINDOWS_H

#include "kernels/picture_ops.h"

/* Along one dimension: window o covers places [o * stride, o * stride + k), counted with padding.
 * The windows [first, end) hold the place last asked for. */
typedef struct window_span {
  int64_t k, stride, count, first, end;
} window_span;

/* Moves to `place`, which must not be less than the one before. */
static inline void window_span_move(window_span *s, int64_t place) {
  while (s->end < s->count && s->end * s->stride <= place) s->end++;
  while (s->first < s->end && s->first * s->stride + s->k <= place) s->first++;
}

#endif
