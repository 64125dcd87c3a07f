/* winograd.h -- convolution of pictures by minimal filtering (Lavin and Gray, arXiv 1509.09308):
 * 3x3 and 5x5 with stride 1, 3x3 and 4x4 with stride 2, the latter cut into phases. Fewer
 * multiplications, some digits lost: the bound stands at winograd_error. Everything else as
 * direct.h; the input gradient is the same map with the weights turned around, for which
 * winograd_turn swaps c_in with c_out and h, w with oh, ow, and sets pad to k - 1 - pad. A stride
 * of 2 becomes -2, which these functions alone understand: rows and columns of x are that far
 * apart, with zeros between. */
#ifndef CJ_WINOGRAD_H
#define CJ_WINOGRAD_H

#include "kernels/direct.h"

/* Is there such an algorithm for s, and is it likely quicker than the direct one? The answer
 * depends on the layer alone, never on batch or threads. */
bool CJ_KERNEL(winograd_suits)(const cj_conv *s);
/* Bound of |result - exact| / max over the layer of sum |x| |w|, that tests hold for layers that
 * suit. Measured, not proved. A NaN or infinity in x reaches whole tiles, of up to 7 x 7 pixels. */
double CJ_KERNEL(winograd_error)(const cj_conv *s);

/* The sizes of the input gradient as a convolution. */
cj_conv CJ_KERNEL(winograd_turn)(const cj_conv *s);

/* Ring that x must have: none, the ring is not read. */
int64_t CJ_KERNEL(winograd_ring)(const cj_conv *s);

/* turned: w is [c_in, c_out, kh, kw] of the turned sizes s, i.e. the forward layer's own weights;
 * scale then multiplies by the forward layer's output channel, s's input channel. */
int64_t CJ_KERNEL(winograd_packed)(const cj_conv *s);
void CJ_KERNEL(winograd_pack)(const cj_conv *s, const real *w, const real *scale, bool turned,
                              real *packed);

/* scratch: winograd_scratch(s, slots) bytes, for `slots` threads at a time; they serve smaller
 * batches too. */
size_t CJ_KERNEL(winograd_scratch)(const cj_conv *s, int slots);
void CJ_KERNEL(winograd_forward)(const cj_conv *s, const cj_picture *x, const real *packed,
                                 const cj_finish *f, const cj_picture *y, void *scratch, int slots);

/* gw and gb as direct_weight; the sums differ with the batch anyway, so here the choice depends on
 * its size too. winograd_error bounds |result - exact| / max over gw of sum |x| |gy| as well. No
 * rings are read. scratch: winograd_weight_scratch(s) bytes, which serve smaller batches too. */
bool CJ_KERNEL(winograd_weight_suits)(const cj_conv *s);
size_t CJ_KERNEL(winograd_weight_scratch)(const cj_conv *s);
void CJ_KERNEL(winograd_weight)(const cj_conv *s, const cj_picture *x, const cj_picture *gy,
                                real *gw, real *gb, void *scratch);

#endif
