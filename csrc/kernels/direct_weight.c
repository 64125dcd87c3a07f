/* direct_weight.c -- the weight gradient of a convolution of pictures. */
#include "kernels/direct.h"

static real tap_sum(const cj_conv *s, const cj_picture *x, const cj_picture *gy, int64_t o,
                    int64_t c, int64_t r, int64_t t) {
  real sum = 0;
  for (int64_t n = 0; n < s->batch; n++)
    for (int64_t i = 0; i < s->oh; i++) {
      const real *g = picture_at(gy, n, o / BLOCK, i, 0) + o % BLOCK;
      const real *from =
          picture_at(x, n, c / BLOCK, i * s->stride_h - s->pad_h + r, t - s->pad_w) + c % BLOCK;
      for (int64_t j = 0; j < s->ow; j++) sum += g[j * BLOCK] * from[j * s->stride_w * BLOCK];
    }
  return sum;
}

size_t CJ_KERNEL(direct_weight_scratch)(const cj_conv *s) {
  (void)s;
  return 64;
}

void CJ_KERNEL(direct_weight)(const cj_conv *s, const cj_picture *x, const cj_picture *gy, real *gw,
                              real *gb, void *scratch) {
  (void)scratch;
  for (int64_t o = 0; o < s->c_out; o++) {
    for (int64_t c = 0; c < s->c_in && gw; c++)
      for (int64_t r = 0; r < s->kh; r++)
        for (int64_t t = 0; t < s->kw; t++)
          gw[((o * s->c_in + c) * s->kh + r) * s->kw + t] += tap_sum(s, x, gy, o, c, r, t);
    for (int64_t n = 0; n < s->batch && gb; n++)
      for (int64_t i = 0; i < s->oh; i++)
        for (int64_t j = 0; j < s->ow; j++)
          gb[o] += picture_at(gy, n, o / BLOCK, i, j)[o % BLOCK];
  }
}
