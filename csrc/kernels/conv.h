/* conv.h -- convolution of images [B, C, H, W] in its three directions.
 *
 * y[n, o, i, j] = bias[o] + sum over c, r, s of
 *                 w[o, c, r, s] * x[n, c, i*stride_h - pad_h + r*dil_h, j*stride_w - pad_w +
 * s*dil_w] with zeros outside x; o and c of the same group. Arrays are contiguous. The result for
 * one image never depends on the others; no result depends on the number of threads. */
#ifndef CJ_CONV_H
#define CJ_CONV_H

#include "kernels/kernel.h"

enum { CJ_MAX_WINDOW = 255 }; /* largest kernel height and width */

typedef struct cj_conv {
  int64_t batch, groups;
  int64_t c_in, c_out; /* of all groups together */
  int64_t h, w;        /* of x */
  int64_t oh, ow;      /* of y */
  int64_t kh, kw, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w;
} cj_conv;

/* Size of y along one dimension; < 1 when the kernel does not fit. */
static inline int64_t cj_conv_out(int64_t size, int64_t k, int64_t stride, int64_t pad,
                                  int64_t dil) {
  const int64_t room = size + 2 * pad - dil * (k - 1) - 1;
  return room < 0 ? 0 : room / stride + 1;
}

/* Bytes of scratch that any of the three needs. */
size_t CJ_KERNEL(conv_scratch)(const cj_conv *s);

/* y = x * w + bias, stored or, when add is true, added to y; bias may be NULL. */
void CJ_KERNEL(conv_forward)(const cj_conv *s, const real *x, const real *w, const real *bias,
                             real *y, bool add, void *scratch);

/* gx = the transposed map of gy, plus bias[c_in] (may be NULL), stored or added. Stored, it is the
 * forward pass of a transposed convolution. */
void CJ_KERNEL(conv_input_gradient)(const cj_conv *s, const real *gy, const real *w,
                                    const real *bias, real *gx, bool add, void *scratch);

/* gw += sum over images of gy against x; the batch is cut into parts by its size alone, and the
 * parts are added in order. A NaN or infinity in x reaches all taps of its channel. */
void CJ_KERNEL(conv_weight_gradient)(const cj_conv *s, const real *x, const real *gy, real *gw,
                                     void *scratch);

/* gb[o] += sum over images and pixels of gy, in a fixed order. */
void CJ_KERNEL(conv_bias_gradient)(int64_t batch, int64_t channels, int64_t pixels, const real *gy,
                                   real *gb);

#endif
