/* direct_layer.h -- both directions of a direct convolution as one map, for direct.c and
 * direct_pack.c.
 *
 * Pixels of the result are cut into phases: all those that read their
 * source with the same taps. The forward pass has one phase. Going back through a stride of t, the
 * pixels whose row and column leave the same remainders by t are a phase, and read only the taps
 * that fit. So pixel (a, b) of a phase is the sum over its taps (r, s) of
 *
 *   source(from_i + a * from_step_h + r, from_j + b * from_step_w + s) * weights(r, s). */
#ifndef CJ_DIRECT_LAYER_H
#define CJ_DIRECT_LAYER_H

#include "kernels/direct.h"

/* Blocks of the result that are computed, and whose weights are packed, together: a group. */
#if defined(CJ_ISA_avx512) && defined(CJ_TYPE_f32)
enum { TILE_BLOCKS = 2 };
#else
enum { TILE_BLOCKS = 1 };
#endif

/* One dimension of a phase. */
typedef struct span {
  int64_t to, to_step, count; /* pixels of the result */
  int64_t from, from_step;    /* what the first tap of the first pixel reads; next pixel's */
  int64_t taps;
  int64_t weight, weight_step; /* place in the kernel of the first tap; of the next */
} span;

typedef struct phase {
  span h, w;
  int64_t packed; /* where its weights begin */
} phase;

/* One dimension of a convolution. */
typedef struct side {
  int64_t x, y, k, stride, pad;
} side;

static inline side side_h(const cj_conv *s) {
  return (side){s->h, s->oh, s->kh, s->stride_h, s->pad_h};
}

static inline side side_w(const cj_conv *s) {
  return (side){s->w, s->ow, s->kw, s->stride_w, s->pad_w};
}

/* Leaves out taps that meet nothing but the ring. */
static inline span span_trim(span a, int64_t size) {
  while (a.taps > 0 && a.from + (a.count - 1) * a.from_step < 0) {
    a.taps--;
    a.from++;
    a.weight += a.weight_step;
  }
  while (a.taps > 0 && a.from + a.taps - 1 >= size) a.taps--;
  return a;
}

static inline span span_forward(const side *d) {
  return span_trim((span){.to_step = 1,
                          .count = d->y,
                          .from = -d->pad,
                          .from_step = d->stride,
                          .taps = d->k,
                          .weight_step = 1},
                   d->x);
}

/* Pixel i of x met pixel (i + pad - r) / stride of y in kernel row r: those rows that make this a
 * whole number, the last one first. */
static inline span span_back(const side *d, int64_t rest) {
  const int64_t first = (rest + d->pad) % d->stride;
  const int64_t taps = first < d->k ? (d->k - 1 - first) / d->stride + 1 : 0;
  const int64_t last = first + (taps - 1) * d->stride;
  return span_trim((span){.to = rest,
                          .to_step = d->stride,
                          .count = (d->x - rest + d->stride - 1) / d->stride,
                          .from = (rest + d->pad - last) / d->stride,
                          .from_step = 1,
                          .taps = taps,
                          .weight = last,
                          .weight_step = -d->stride},
                   d->y);
}

/* One direction of a layer. */
typedef struct layer {
  side h, w;
  bool back;
  int64_t from, to; /* channels */
} layer;

static inline layer layer_forward(const cj_conv *s) {
  return (layer){side_h(s), side_w(s), false, s->c_in, s->c_out};
}

static inline layer layer_back(const cj_conv *s) {
  return (layer){side_h(s), side_w(s), true, s->c_out, s->c_in};
}

/* Phases along a dimension that have pixels. */
static inline int64_t side_phases(const layer *l, const side *d) {
  if (!l->back) return 1;
  return d->stride < d->x ? d->stride : d->x;
}

static inline span side_span(const layer *l, const side *d, int64_t rest) {
  return l->back ? span_back(d, rest) : span_forward(d);
}

static inline int64_t blocks_of(int64_t channels) {
  return (channels + BLOCK - 1) / BLOCK;
}

static inline int64_t phase_count(const layer *l) {
  return side_phases(l, &l->h) * side_phases(l, &l->w);
}

/* Phases are walked in order: `p` is the one before, or all zero before the first. */
static inline phase phase_next(const layer *l, phase p, int64_t number) {
  const int64_t across = side_phases(l, &l->w);
  const int64_t size = p.h.taps * p.w.taps * l->from * blocks_of(l->to) * BLOCK;
  return (phase){side_span(l, &l->h, number / across), side_span(l, &l->w, number % across),
                 p.packed + size};
}

static inline int64_t most(int64_t a, int64_t b) {
  return a > b ? a : b;
}

static inline int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

static inline int64_t group_count(const layer *l) {
  return (blocks_of(l->to) + TILE_BLOCKS - 1) / TILE_BLOCKS;
}

#endif
