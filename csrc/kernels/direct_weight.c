/* direct_weight.c -- the weight gradient of a convolution of pictures.
 *
 * gw[o, c, r, t] = sum over images and pixels p of gy[o, p] x[c, p * stride + (r, t)]. The lanes of
 * a register are the 16 channels of a block of one side, channels of the other side are broadcast:
 * some taps of a kernel row times some broadcast channels are as many sums as there are registers,
 * and they stay in registers over a strip, which is some images or some rows of one that fit the
 * nearest cache. The side whose channels fill its blocks better takes the lanes.
 *
 * A piece of work is a part of the batch and a range of output blocks. It goes through its images
 * in groups that stay in the second cache while all pairs of blocks are done. */
#include "kernels/direct.h"

#include <string.h>

#include "core/threads.h"
#include "kernels/simd.h"

enum {
  BLOCK_SUMS = BLOCK * BLOCK, /* of a pair of blocks and a tap */
  PIECES = 16,                /* that a call is cut into, where it is large enough */
  PIECE_WORK = 1 << 20,       /* multiply-adds of a part of the batch, at least */
  PART_ELEMENTS = 1 << 20,    /* of all partial sums together, about */
  STRIP_BYTES = 64 * 1024,    /* of both sides */
  GROUP_BYTES = 512 * 1024
};

/* Taps at a time, and broadcast channels per number of taps: taps * casts sums, and the lanes, fit
 * the registers. */
#if defined(CJ_ISA_avx512)
enum { MOST_TAPS = 5, CASTS_1 = 16, CASTS_2 = 8, CASTS_3 = 8, CASTS_4 = 4, CASTS_5 = 4 };
static const int casts_of[] = {0, CASTS_1, CASTS_2, CASTS_3, CASTS_4, CASTS_5};
#else
enum { MOST_TAPS = 3, CASTS_1 = 8, CASTS_2 = 4, CASTS_3 = 4 };
static const int casts_of[] = {0, CASTS_1, CASTS_2, CASTS_3};
#endif

/* --- the inner loop -------------------------------------------------------------------------- */

/* One side of the product: distances between images, rows and pixels of the strip, and taps. */
typedef struct side {
  const real *from;
  int64_t image, row, pixel;
} side;

typedef struct strip {
  side x, gy;
  int64_t images, rows, columns;
} strip;

/* sums[t][i][lane] += sum over the strip of one side's lanes times channel i of the other. */
CJ_INLINE void strip_body(const strip *k, const bool lanes_out, const int taps, const int casts,
                          real *sums) {
  vec sum[MOST_TAPS][BLOCK];
#pragma GCC unroll 8
  for (int t = 0; t < taps; t++)
#pragma GCC unroll 16
    for (int i = 0; i < casts; i++) sum[t][i] = vec_load(sums + (t * BLOCK + i) * BLOCK);
  for (int64_t n = 0; n < k->images; n++)
    for (int64_t r = 0; r < k->rows; r++) {
      const real *x = k->x.from + n * k->x.image + r * k->x.row;
      const real *gy = k->gy.from + n * k->gy.image + r * k->gy.row;
      const real *end = gy + k->columns * BLOCK;
      for (; gy < end; gy += BLOCK, x += k->x.pixel) {
        vec lanes[MOST_TAPS];
        if (lanes_out) lanes[0] = vec_load(gy);
#pragma GCC unroll 8
        for (int t = 0; t < taps && !lanes_out; t++) lanes[t] = vec_load(x + t * BLOCK);
#pragma GCC unroll 16
        for (int i = 0; i < casts; i++)
#pragma GCC unroll 8
          for (int t = 0; t < taps; t++)
            sum[t][i] = lanes_out ? vec_fma(vec_all(x[t * BLOCK + i]), lanes[0], sum[t][i])
                                  : vec_fma(vec_all(gy[i]), lanes[t], sum[t][i]);
      }
    }
#pragma GCC unroll 8
  for (int t = 0; t < taps; t++)
#pragma GCC unroll 16
    for (int i = 0; i < casts; i++) vec_store(sums + (t * BLOCK + i) * BLOCK, sum[t][i]);
}

#define TAPS(taps)                                                                                 \
  case taps:                                                                                       \
    strip_body(k, lanes_out, taps, CASTS_##taps, sums);                                            \
    return;

CJ_INLINE void strip_sums(const strip *k, const bool lanes_out, int taps, real *sums) {
  switch (taps) {
    /* clang-format off */
    TAPS(1) TAPS(2) TAPS(3)
#if defined(CJ_ISA_avx512)
    TAPS(4) TAPS(5)
#endif
  default: return; /* no such number */
    /* clang-format on */
  }
}

static void strip_lanes_out(const strip *k, int taps, real *sums) {
  strip_sums(k, true, taps, sums);
}

static void strip_lanes_in(const strip *k, int taps, real *sums) {
  strip_sums(k, false, taps, sums);
}

/* --- how the work is cut --------------------------------------------------------------------- */

typedef struct weights {
  const cj_conv *s;
  const cj_picture *x, *gy;
  bool lanes_out; /* lanes are output channels, else input channels */
  int64_t in_blocks, out_blocks, taps;
  int64_t parts, images; /* of the batch; per part */
  int64_t ranges, range; /* of output blocks; per range */
  int64_t group;         /* images worked on at a time */
  int64_t strip_images, strip_rows;
  int64_t tap_group;
  real *sums; /* [part][out block][in block][kh][kw][broadcast][lane] */
  real *bias; /* [part][out block][16] */
  real *gw, *gb;
} weights;

static int64_t part_elements(const weights *k) {
  return k->out_blocks * k->in_blocks * k->taps * BLOCK_SUMS;
}

/* Work of one pair of sides: whole blocks of lanes, single channels on the other side. */
static void weights_sides(weights *k) {
  const cj_conv *s = k->s;
  k->in_blocks = divide_up(s->c_in, BLOCK);
  k->out_blocks = divide_up(s->c_out, BLOCK);
  k->taps = s->kh * s->kw;
  k->tap_group = divide_up(s->kw, divide_up(s->kw, MOST_TAPS));
  const int64_t casts = casts_of[k->tap_group];
  k->lanes_out =
      k->out_blocks * divide_up(s->c_in, casts) < k->in_blocks * divide_up(s->c_out, casts);
}

static void weights_pieces(weights *k) {
  const cj_conv *s = k->s;
  const int64_t elements = max64(1, part_elements(k)), work = elements * s->oh * s->ow * s->batch;
  k->parts = min64(min64(PIECES, s->batch), PART_ELEMENTS / elements);
  k->parts = max64(1, min64(k->parts, work / PIECE_WORK));
  k->images = max64(1, divide_up(s->batch, k->parts));
  k->parts = divide_up(s->batch, k->images);
  k->range = max64(1, divide_up(k->out_blocks, divide_up(PIECES, max64(1, k->parts))));
  k->ranges = divide_up(k->out_blocks, k->range);
}

static void weights_strips(weights *k) {
  const cj_conv *s = k->s;
  const int64_t row = (s->ow * (s->stride_h * s->stride_w + 1) * BLOCK) * (int64_t)sizeof(real);
  const int64_t image = max64(1, row * s->oh);
  k->strip_images = max64(1, STRIP_BYTES / image);
  k->strip_rows = max64(1, min64(s->oh, STRIP_BYTES / max64(1, row)));
  k->strip_rows = divide_up(s->oh, max64(1, divide_up(s->oh, k->strip_rows)));
  k->group = max64(k->strip_images, GROUP_BYTES / (image * max64(k->in_blocks, k->out_blocks)));
}

static void weights_sizes(weights *k, const cj_conv *s) {
  k->s = s;
  weights_sides(k);
  weights_pieces(k);
  weights_strips(k);
}

/* --- a piece --------------------------------------------------------------------------------- */

static real *pair_sums(const weights *k, int64_t part, int64_t o, int64_t c) {
  return k->sums + (((part * k->out_blocks + o) * k->in_blocks) + c) * k->taps * BLOCK_SUMS;
}

/* One kernel row over a strip: all its taps, broadcast channels and lanes. */
static void strip_row(const weights *k, strip *p, int64_t casts, real *sums) {
  const real *x = p->x.from, *gy = p->gy.from;
  for (int64_t t = 0; t < k->s->kw; t += k->tap_group) {
    const int taps = (int)min64(k->tap_group, k->s->kw - t);
    for (int64_t i = 0; i < casts; i += casts_of[taps])
      for (int64_t lane = 0; lane < BLOCK; lane += LANES) {
        p->x.from = x + t * BLOCK + (k->lanes_out ? i : lane);
        p->gy.from = gy + (k->lanes_out ? lane : i);
        real *to = sums + (t * BLOCK + i) * BLOCK + lane;
        if (k->lanes_out)
          strip_lanes_out(p, taps, to);
        else
          strip_lanes_in(p, taps, to);
      }
  }
}

/* Rows [from, from + rows) of gy's images [n, n + images). */
static void strip_pair(const weights *k, int64_t n, int64_t images, int64_t from, int64_t rows,
                       int64_t o, int64_t c, real *sums) {
  const cj_conv *s = k->s;
  const int64_t casts = min64(BLOCK, k->lanes_out ? s->c_in - c * BLOCK : s->c_out - o * BLOCK);
  for (int64_t r = 0; r < s->kh; r++) {
    const int64_t top = from * s->stride_h - s->pad_h + r;
    strip p = {.x = {.from = picture_at(k->x, n, c, top, -s->pad_w),
                     .image = k->x->image,
                     .row = s->stride_h * picture_row(k->x),
                     .pixel = s->stride_w * BLOCK},
               .gy = {.from = picture_at(k->gy, n, o, from, 0),
                      .image = k->gy->image,
                      .row = picture_row(k->gy),
                      .pixel = BLOCK},
               .images = images,
               .rows = rows,
               .columns = s->ow};
    strip_row(k, &p, casts, sums + r * s->kw * BLOCK_SUMS);
  }
}

static void images_pair(const weights *k, int64_t from, int64_t end, int64_t o, int64_t c,
                        real *sums) {
  for (int64_t n = from; n < end; n += k->strip_images)
    for (int64_t i = 0; i < k->s->oh; i += k->strip_rows)
      strip_pair(k, n, min64(k->strip_images, end - n), i, min64(k->strip_rows, k->s->oh - i), o, c,
                 sums);
}

/* Adds block o of gy's images [from, end) to sum[16]. */
static void images_bias(const weights *k, int64_t from, int64_t end, int64_t o, real *to) {
  for (int lane = 0; lane < BLOCK; lane += LANES) {
    vec sum = vec_load(to + lane);
    for (int64_t n = from; n < end; n++)
      for (int64_t i = 0; i < k->s->oh; i++) {
        const real *gy = picture_at(k->gy, n, o, i, 0) + lane;
        for (int64_t j = 0; j < k->s->ow; j++) sum += vec_load(gy + j * BLOCK);
      }
    vec_store(to + lane, sum);
  }
}

static void weights_piece(void *context, int64_t piece) {
  const weights *k = context;
  const int64_t part = piece / k->ranges, first = piece % k->ranges * k->range;
  const int64_t last = min64(k->out_blocks, first + k->range);
  const int64_t end = min64(k->s->batch, (part + 1) * k->images);
  real *bias = k->bias + part * k->out_blocks * BLOCK;
  const int64_t elements = (last - first) * k->in_blocks * k->taps * BLOCK_SUMS;
  memset(pair_sums(k, part, first, 0), 0, (size_t)elements * sizeof(real));
  memset(bias + first * BLOCK, 0, (size_t)((last - first) * BLOCK) * sizeof(real));
  for (int64_t n = part * k->images; n < end; n += k->group)
    for (int64_t o = first; o < last; o++) {
      const int64_t stop = min64(end, n + k->group);
      for (int64_t c = 0; c < k->in_blocks && k->gw; c++)
        images_pair(k, n, stop, o, c, pair_sums(k, part, o, c));
      if (k->gb) images_bias(k, n, stop, o, bias + o * BLOCK);
    }
}

/* --- the parts together ---------------------------------------------------------------------- */

/* Adds the sums of one tap and broadcast channel, [16], over all parts. */
static void add_lanes(const weights *k, const real *sums, int64_t lanes, int64_t step, real *to) {
  real total[BLOCK];
  for (int lane = 0; lane < BLOCK; lane += LANES) {
    vec sum = vec_load(sums + lane);
    for (int64_t part = 1; part < k->parts; part++)
      sum += vec_load(sums + part * part_elements(k) + lane);
    vec_store(total + lane, sum);
  }
  for (int64_t lane = 0; lane < lanes; lane++) to[lane * step] += total[lane];
}

static void add_pair(const weights *k, int64_t o, int64_t c) {
  const int64_t in = k->taps, out = k->s->c_in * k->taps; /* steps of channels in gw */
  const int64_t ins = min64(BLOCK, k->s->c_in - c * BLOCK);
  const int64_t outs = min64(BLOCK, k->s->c_out - o * BLOCK);
  const int64_t casts = k->lanes_out ? ins : outs, lanes = k->lanes_out ? outs : ins;
  const int64_t cast = k->lanes_out ? in : out, lane = k->lanes_out ? out : in;
  const real *sums = pair_sums(k, 0, o, c);
  real *to = k->gw + o * BLOCK * out + c * BLOCK * in;
  for (int64_t i = 0; i < casts; i++)
    for (int64_t t = 0; t < k->taps; t++)
      add_lanes(k, sums + (t * BLOCK + i) * BLOCK, lanes, lane, to + i * cast + t);
}

static void add_piece(void *context, int64_t o) {
  const weights *k = context;
  for (int64_t c = 0; c < k->in_blocks && k->gw; c++) add_pair(k, o, c);
  for (int64_t i = o * BLOCK; i < min64(k->s->c_out, (o + 1) * BLOCK) && k->gb; i++)
    for (int64_t part = 0; part < k->parts; part++)
      k->gb[i] += k->bias[part * k->out_blocks * BLOCK + i];
}

size_t CJ_KERNEL(direct_weight_scratch)(const cj_conv *s) {
  weights k = {0};
  weights_sizes(&k, s);
  return (size_t)(k.parts * (part_elements(&k) + k.out_blocks * BLOCK)) * sizeof(real);
}

void CJ_KERNEL(direct_weight)(const cj_conv *s, const cj_picture *x, const cj_picture *gy, real *gw,
                              real *gb, void *scratch) {
  weights k = {.x = x, .gy = gy, .gw = gw, .gb = gb, .sums = scratch};
  weights_sizes(&k, s);
  if (s->batch == 0) return;
  k.bias = k.sums + k.parts * part_elements(&k);
  cj_parallel(k.parts * k.ranges, weights_piece, &k);
  cj_parallel(k.out_blocks, add_piece, &k);
}
