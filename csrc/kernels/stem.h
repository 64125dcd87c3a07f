/* stem.h -- the convolution at the bottom of a network: x plain [B, C, H, W] with few channels
 * (C <= 4), y a picture. Groups and dilation are 1. Otherwise as direct.h. */
#ifndef CJ_STEM_H
#define CJ_STEM_H

#include "kernels/direct.h"

enum { STEM_CHANNELS = 4 };

/* Ring that gy must have for the input gradient. */
int64_t CJ_KERNEL(stem_input_ring)(const cj_conv *s);
/* Packed weights, as in direct.h; one form serves each direction. */
int64_t CJ_KERNEL(stem_packed)(const cj_conv *s);
void CJ_KERNEL(stem_pack)(const cj_conv *s, const real *w, const real *scale, real *packed);
int64_t CJ_KERNEL(stem_input_packed)(const cj_conv *s);
void CJ_KERNEL(stem_input_pack)(const cj_conv *s, const real *w, const real *scale, real *packed);

/* Bytes of scratch (for padded copies of x) for any of the three, for `slots` threads at a time. */
size_t CJ_KERNEL(stem_scratch)(const cj_conv *s, int slots);
void CJ_KERNEL(stem_forward)(const cj_conv *s, const real *x, const real *packed,
                             const cj_finish *f, const cj_picture *y, void *scratch, int slots);
/* gx [B, C, H, W] plain, stored or added. */
void CJ_KERNEL(stem_input)(const cj_conv *s, const cj_picture *gy, const real *packed, real *gx,
                           bool add, void *scratch, int slots);
/* gw and gb as direct_weight. */
size_t CJ_KERNEL(stem_weight_scratch)(const cj_conv *s);
void CJ_KERNEL(stem_weight)(const cj_conv *s, const real *x, const cj_picture *gy, real *gw,
                            real *gb, void *scratch);

#endif
