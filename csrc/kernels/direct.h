/* direct.h -- convolution of pictures without columns: groups and dilation are 1.
 *
 * cj_conv's batch is the number of images to do. The result for an image does not depend on the
 * others, and no result on the number of threads. Weights are packed once and used many times. */
#ifndef CJ_DIRECT_H
#define CJ_DIRECT_H

#include "kernels/conv.h"
#include "kernels/picture.h"

/* Rings that x must have for the forward pass and gy for the input gradient. */
int64_t CJ_KERNEL(direct_ring)(const cj_conv *s);
int64_t CJ_KERNEL(direct_input_ring)(const cj_conv *s);

/* Elements of the packed weights of either direction, and packing from w [c_out, c_in, kh, kw].
 * scale [c_out] multiplies the weights of an output channel (folded batch norm), or NULL. */
int64_t CJ_KERNEL(direct_packed)(const cj_conv *s);
void CJ_KERNEL(direct_pack)(const cj_conv *s, const real *w, const real *scale, real *packed);
void CJ_KERNEL(direct_input_pack)(const cj_conv *s, const real *w, const real *scale, real *packed);

/* y = finish(x * w). */
void CJ_KERNEL(direct_forward)(const cj_conv *s, const cj_picture *x, const real *packed,
                               const cj_finish *f, const cj_picture *y);

/* gx = finish(the transposed map of gy): with strides too. */
void CJ_KERNEL(direct_input)(const cj_conv *s, const cj_picture *gy, const real *packed,
                             const cj_finish *f, const cj_picture *gx);

/* gw [c_out, c_in, kh, kw] += sum over images of gy against x (x's ring as for the forward pass),
 * and gb [c_out] += sum of gy; either may be NULL. The batch is cut into parts by its size alone,
 * added in order. scratch: direct_weight_scratch(s) bytes. */
size_t CJ_KERNEL(direct_weight_scratch)(const cj_conv *s);
void CJ_KERNEL(direct_weight)(const cj_conv *s, const cj_picture *x, const cj_picture *gy, real *gw,
                              real *gb, void *scratch);

#endif
