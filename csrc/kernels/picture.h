/* picture.h -- images with their channels in blocks of 16, the layout inside plans.
 *
 * [image][block][row][column][16]: one pixel of a block is one register with AVX-512. Around every
 * plane lies a ring of zeros, as wide as its readers need, so inner loops know no borders. Channels
 * that fill up the last block are zeros too. Whoever writes a picture writes all blocks inside the
 * ring; the ring itself is cleared by picture_clear_ring. */
#ifndef CJ_PICTURE_H
#define CJ_PICTURE_H

#include "kernels/kernel.h"

enum { BLOCK = 16 };

typedef struct cj_picture {
  real *data; /* pixel (0, 0) of channel 0 of image 0, inside the ring */
  int64_t channels, height, width;
  int64_t ring;  /* rows and columns of zeros on each side */
  int64_t image; /* elements from one image to the next; >= blocks * plane */
} cj_picture;

static inline int64_t picture_blocks(const cj_picture *p) {
  return (p->channels + BLOCK - 1) / BLOCK;
}

/* Elements from one row to the next, and from one block to the next. */
static inline int64_t picture_row(const cj_picture *p) {
  return (p->width + 2 * p->ring) * BLOCK;
}

static inline int64_t picture_plane(const cj_picture *p) {
  return (p->height + 2 * p->ring) * picture_row(p);
}

/* Pixel (i, j) of a block of image n; the ring has negative i and j, or i >= height, j >= width. */
static inline real *picture_at(const cj_picture *p, int64_t n, int64_t block, int64_t i,
                               int64_t j) {
  return p->data + n * p->image + block * picture_plane(p) + i * picture_row(p) + j * BLOCK;
}

/* Zeros in the rings of the first `count` images. */
void CJ_KERNEL(picture_clear_ring)(const cj_picture *p, int64_t count);

/* From and to contiguous images [count, C, H, W]; the padding channels become zeros. With add, the
 * values are added to those that are there. */
void CJ_KERNEL(picture_fill)(const cj_picture *p, int64_t count, const real *plain, bool add);
void CJ_KERNEL(picture_read)(const cj_picture *p, int64_t count, real *plain, bool add);

/* What is done to a value on its way from a register to memory, in this order: plus bias; plus add;
 * times slope where mask has a 0 bit; then, with clip, times slope where it is <= 0, and signs gets
 * a 0 bit there. (A NaN is not <= 0: it stays.)
 *
 * signs and mask hold 16 bits per pixel, [image][block][row][column], lane c in bit c. */
typedef struct cj_finish {
  const real *bias;      /* [blocks * BLOCK], or NULL */
  const cj_picture *add; /* of the same channels and size, or NULL; may be the result itself */
  const uint16_t *mask;  /* or NULL */
  bool clip;
  uint16_t *signs; /* or NULL; only with clip */
  real slope;
} cj_finish;

#endif
