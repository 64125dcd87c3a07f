/* stem_sheet.h -- a copy of one plain image with its padding, for the inner loops of stem.h.
 *
 * [channel][row][phase][column]: with `phases` p, column q of phase b is column q * p + b of the
 * padded image, so neighbouring outputs of a convolution of stride p read neighbours. */
#ifndef CJ_STEM_SHEET_H
#define CJ_STEM_SHEET_H

#include "kernels/stem.h"

typedef struct stem_sheet {
  int64_t phases, phase; /* number; elements from one to the next */
  int64_t row, rows;     /* elements from one row to the next; rows of a channel */
} stem_sheet;

static inline int64_t sheet_channel(const stem_sheet *l) {
  return l->row * l->rows;
}

static inline int64_t sheet_elements(const cj_conv *s, const stem_sheet *l) {
  return (s->c_in * sheet_channel(l) + BLOCK - 1) / BLOCK * BLOCK;
}

/* Place of (channel, kernel row, kernel column) relative to that of an output pixel. */
static inline int64_t sheet_tap(const stem_sheet *l, int64_t c, int64_t r, int64_t t) {
  return (c * l->rows + r) * l->row + t % l->phases * l->phase + t / l->phases;
}

/* phases is 1 or s->stride_w. */
stem_sheet CJ_KERNEL(stem_sheet_layout)(const cj_conv *s, int64_t phases);
void CJ_KERNEL(stem_sheet_fill)(const cj_conv *s, const stem_sheet *l, const real *image,
                                real *sheet);

#endif
