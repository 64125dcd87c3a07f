/* picture_ops.h -- pooling, batch norm, sums and joins of pictures. `count` images; results for an
 * image never depend on the others except where sums over the batch are meant, and those are taken
 * in fixed parts. */
#ifndef CJ_PICTURE_OPS_H
#define CJ_PICTURE_OPS_H

#include "kernels/picture.h"

typedef struct cj_window {
  int64_t kh, kw, stride_h, stride_w, pad_h, pad_w;
} cj_window;

/* y = largest of each window (outside counts for nothing; a NaN wins, as in max_pool2d), and,
 * unless NULL, winner[image][block][row of y][column of y][16]: the place r * kw + s in the window.
 * Windows have at most 255 places. The first of equal values wins. No ring of x is read. */
void CJ_KERNEL(picture_max_pool)(const cj_window *w, int64_t count, const cj_picture *x,
                                 const cj_picture *y, uint8_t *winner);
/* gx = finish(gradient): gathered per pixel of gx, so it can be finished on the way. */
void CJ_KERNEL(picture_max_pool_back)(const cj_window *w, int64_t count, const cj_picture *gy,
                                      const uint8_t *winner, const cj_finish *f,
                                      const cj_picture *gx);

/* Means of windows. divide_by_inside: by the pixels inside the image, else by kh * kw. */
void CJ_KERNEL(picture_avg_pool)(const cj_window *w, bool divide_by_inside, int64_t count,
                                 const cj_picture *x, const cj_picture *y);
void CJ_KERNEL(picture_avg_pool_back)(const cj_window *w, bool divide_by_inside, int64_t count,
                                      const cj_picture *gy, const cj_finish *f,
                                      const cj_picture *gx);

/* y = finish(x): activations, sums of two pictures (f->add), masks. x may be y. */
void CJ_KERNEL(picture_finish)(int64_t count, const cj_picture *x, const cj_finish *f,
                               const cj_picture *y);

/* y = finish(x * slope[c] + shift[c]); slope and shift [blocks * BLOCK], shift may be NULL. */
void CJ_KERNEL(picture_affine)(int64_t count, const cj_picture *x, const real *slope,
                               const real *shift, const cj_finish *f, const cj_picture *y);

/* Channels [from, from + y->channels) of x, finished, into y; and into channels [to, ...) of y from
 * x, other channels of y untouched; y's padding is written with its last channel. Any channel
 * numbers; multiples of 16 are quick. */
void CJ_KERNEL(picture_take)(int64_t count, const cj_picture *x, int64_t from, const cj_finish *f,
                             const cj_picture *y);
void CJ_KERNEL(picture_put)(int64_t count, const cj_picture *x, const cj_picture *y, int64_t to);
/* Zeros in all channels inside the ring. */
void CJ_KERNEL(picture_zero)(int64_t count, const cj_picture *y);

/* Batch norm in training: mean[c] and scale[c] = 1 / sqrt(biased variance + eps) of the batch, c up
 * to blocks * BLOCK (0 for padding), and the variance in var[c]; in double, in fixed parts.
 * scratch: picture_norm_scratch bytes. */
size_t CJ_KERNEL(picture_norm_scratch)(const cj_picture *x, int64_t count);
void CJ_KERNEL(picture_moments)(int64_t count, const cj_picture *x, double eps, real *mean,
                                real *scale, double *var, void *scratch);

/* With h = (x - mean) scale and g = gy, times slope where mask (unless NULL) has a 0 bit:
 * gweight[c] += sum g h, gbias[c] += sum g (either may be NULL, [channels]), and, unless gx is
 * NULL, gx = finish(weight scale (g - mean of g - h mean of (g h))); weight NULL counts as 1. */
typedef struct cj_norm_back {
  const real *mean, *scale; /* [blocks * BLOCK] */
  const real *weight;       /* [channels] */
  const uint16_t *mask;
  real slope;
  real *gweight, *gbias;
} cj_norm_back;
void CJ_KERNEL(picture_norm_back)(int64_t count, const cj_norm_back *b, const cj_picture *x,
                                  const cj_picture *gy, const cj_finish *f, const cj_picture *gx,
                                  void *scratch);

#endif
