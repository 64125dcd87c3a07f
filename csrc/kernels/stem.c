/* stem.c -- the convolution at the bottom of a network. */
#include "kernels/stem.h"

static int64_t blocks_of(const cj_conv *s) {
  return (s->c_out + BLOCK - 1) / BLOCK;
}

/* Rows of zeros that gy needs beyond its edges along one dimension. */
static int64_t ring_along(int64_t size, int64_t out, int64_t k, int64_t stride, int64_t pad) {
  const int64_t low = (k - 1 - pad + stride - 1) / stride;
  const int64_t high = (size - 1 + pad) / stride - (out - 1);
  const int64_t most = low > high ? low : high;
  return most > 0 ? most : 0;
}

int64_t CJ_KERNEL(stem_input_ring)(const cj_conv *s) {
  const int64_t v = ring_along(s->h, s->oh, s->kh, s->stride_h, s->pad_h);
  const int64_t h = ring_along(s->w, s->ow, s->kw, s->stride_w, s->pad_w);
  return v > h ? v : h;
}

int64_t CJ_KERNEL(stem_packed)(const cj_conv *s) {
  return s->c_in * s->kh * s->kw * blocks_of(s) * BLOCK;
}

void CJ_KERNEL(stem_pack)(const cj_conv *s, const real *w, const real *scale, real *packed) {
  const int64_t depth = s->c_in * s->kh * s->kw, wide = blocks_of(s) * BLOCK;
  for (int64_t k = 0; k < depth; k++)
    for (int64_t o = 0; o < wide; o++)
      packed[k * wide + o] = o < s->c_out ? w[o * depth + k] * (scale ? scale[o] : 1) : 0;
}

int64_t CJ_KERNEL(stem_input_packed)(const cj_conv *s) {
  return CJ_KERNEL(stem_packed)(s);
}

void CJ_KERNEL(stem_input_pack)(const cj_conv *s, const real *w, const real *scale, real *packed) {
  CJ_KERNEL(stem_pack)(s, w, scale, packed);
}

size_t CJ_KERNEL(stem_scratch)(const cj_conv *s, int slots) {
  (void)s;
  (void)slots;
  return 64;
}

/* x inside the image, else 0. */
static real pixel(const cj_conv *s, const real *x, int64_t n, int64_t c, int64_t i, int64_t j) {
  const bool inside = i >= 0 && i < s->h && j >= 0 && j < s->w;
  return inside ? x[((n * s->c_in + c) * s->h + i) * s->w + j] : 0;
}

static void finish(const cj_finish *f, const cj_picture *y, int64_t n, int64_t b, int64_t i,
                   int64_t j, int64_t lane, real v) {
  const int64_t bits = ((n * picture_blocks(y) + b) * y->height + i) * y->width + j;
  if (f->bias) v += f->bias[b * BLOCK + lane];
  if (f->add) v += picture_at(f->add, n, b, i, j)[lane];
  if (f->mask && !(f->mask[bits] >> lane & 1)) v *= f->slope;
  const bool low = f->clip && v <= 0;
  if (low) v *= f->slope;
  if (f->signs) {
    const unsigned kept = lane ? f->signs[bits] : 0;
    f->signs[bits] = (uint16_t)(kept | (low ? 0u : 1u << lane));
  }
  picture_at(y, n, b, i, j)[lane] = v;
}

void CJ_KERNEL(stem_forward)(const cj_conv *s, const real *x, const real *packed,
                             const cj_finish *f, const cj_picture *y, void *scratch, int slots) {
  (void)scratch;
  (void)slots;
  const int64_t wide = blocks_of(s) * BLOCK;
  for (int64_t n = 0; n < s->batch; n++)
    for (int64_t o = 0; o < wide; o++)
      for (int64_t i = 0; i < s->oh; i++)
        for (int64_t j = 0; j < s->ow; j++) {
          real sum = 0;
          const real *w = packed + o;
          for (int64_t c = 0; c < s->c_in; c++)
            for (int64_t r = 0; r < s->kh; r++)
              for (int64_t t = 0; t < s->kw; t++, w += wide)
                sum += *w * pixel(s, x, n, c, i * s->stride_h - s->pad_h + r,
                                  j * s->stride_w - s->pad_w + t);
          finish(f, y, n, o / BLOCK, i, j, o % BLOCK, sum);
        }
}

static real gather(const cj_conv *s, const cj_picture *gy, const real *packed, int64_t n, int64_t c,
                   int64_t i, int64_t j) {
  const int64_t wide = blocks_of(s) * BLOCK;
  real sum = 0;
  for (int64_t r = 0; r < s->kh; r++)
    for (int64_t t = 0; t < s->kw; t++) {
      const int64_t a = i + s->pad_h - r, b = j + s->pad_w - t;
      if (a < 0 || b < 0 || a % s->stride_h || b % s->stride_w || a / s->stride_h >= s->oh ||
          b / s->stride_w >= s->ow)
        continue;
      for (int64_t o = 0; o < wide; o++)
        sum += packed[((c * s->kh + r) * s->kw + t) * wide + o] *
               picture_at(gy, n, o / BLOCK, a / s->stride_h, b / s->stride_w)[o % BLOCK];
    }
  return sum;
}

void CJ_KERNEL(stem_input)(const cj_conv *s, const cj_picture *gy, const real *packed, real *gx,
                           bool add, void *scratch, int slots) {
  (void)scratch;
  (void)slots;
  for (int64_t n = 0; n < s->batch; n++)
    for (int64_t c = 0; c < s->c_in; c++)
      for (int64_t i = 0; i < s->h; i++)
        for (int64_t j = 0; j < s->w; j++, gx++)
          *gx = gather(s, gy, packed, n, c, i, j) + (add ? *gx : 0);
}

size_t CJ_KERNEL(stem_weight_scratch)(const cj_conv *s) {
  (void)s;
  return 64;
}

void CJ_KERNEL(stem_weight)(const cj_conv *s, const real *x, const cj_picture *gy, real *gw,
                            real *gb, void *scratch) {
  (void)scratch;
  for (int64_t n = 0; n < s->batch; n++)
    for (int64_t o = 0; o < s->c_out; o++)
      for (int64_t i = 0; i < s->oh; i++)
        for (int64_t j = 0; j < s->ow; j++) {
          const real g = picture_at(gy, n, o / BLOCK, i, j)[o % BLOCK];
          real *to = gw ? gw + o * s->c_in * s->kh * s->kw : NULL;
          for (int64_t c = 0; c < s->c_in && gw; c++)
            for (int64_t r = 0; r < s->kh; r++)
              for (int64_t t = 0; t < s->kw; t++)
                *to++ += g * pixel(s, x, n, c, i * s->stride_h - s->pad_h + r,
                                   j * s->stride_w - s->pad_w + t);
          if (gb) gb[o] += g;
        }
}
