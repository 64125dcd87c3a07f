/* stem_weight.c -- the weight gradient of the first convolution.
 *
 * Lanes are the 16 output channels of a block of gy, pixels of a padded copy of x are broadcast:
 * some taps of some kernel rows are as many sums as there are registers. They stay there over a
 * strip, the rows of gy that fit the nearest cache. A piece of work is a part of the batch. */
#include <string.h>

#include "core/threads.h"
#include "kernels/simd.h"
#include "kernels/stem_sheet.h"

enum {
  PARTS = 16,              /* of the batch, where it is large enough */
  PART_WORK = 1 << 18,     /* multiply-adds of a part, at least */
  STRIP_BYTES = 24 * 1024, /* of gy */
  MOST_TAPS = 5,           /* of a kernel row at a time */
  MOST_ROWS = 5
};
#if defined(CJ_ISA_avx512)
enum { SUMS = 25 };
#else
enum { SUMS = 12 };
#endif

typedef struct weights {
  const cj_conv *s;
  const real *x;
  const cj_picture *gy;
  real *gw, *gb;
  stem_sheet l;
  int64_t blocks, lines; /* of gy; kernel rows of all channels */
  int64_t parts, images; /* of the batch; per part */
  int64_t taps, rows;    /* at a time */
  int64_t strip;         /* rows of gy at a time */
  real *sums;            /* [part][block][channel][kh][kw][16] */
  real *bias;            /* [part][block][16] */
  real *sheets;          /* [part] */
} weights;

static int64_t part_elements(const weights *k) {
  return k->blocks * k->lines * k->s->kw * BLOCK;
}

static void weights_sizes(weights *k, const cj_conv *s) {
  k->s = s;
  k->l = CJ_KERNEL(stem_sheet_layout)(s, 1);
  k->blocks = divide_up(s->c_out, BLOCK);
  k->lines = s->c_in * s->kh;
  const int64_t work = part_elements(k) * s->oh * s->ow * s->batch;
  k->parts = max64(1, min64(min64(PARTS, s->batch), work / PART_WORK));
  k->images = max64(1, divide_up(s->batch, k->parts));
  k->parts = divide_up(s->batch, k->images);
  k->taps = divide_up(s->kw, divide_up(s->kw, MOST_TAPS));
  k->rows = min64(MOST_ROWS, SUMS / k->taps);
  k->rows = divide_up(k->lines, divide_up(k->lines, k->rows));
  const int64_t row = s->ow * BLOCK * (int64_t)sizeof(real);
  k->strip = max64(1, STRIP_BYTES / max64(1, row));
}

/* --- the inner loop -------------------------------------------------------------------------- */

/* Rows of pixels of gy, and the places in the sheet that the kernel rows of a group see first. */
typedef struct strip {
  const real *gy, *x[MOST_ROWS];
  int64_t rows, columns;
  int64_t gy_row, x_row, x_pixel;
  int64_t line; /* from the sums of a kernel row to the next */
} strip;

/* sums[row][tap][lane] += sum over the strip of gy's lanes times pixels of x. */
CJ_INLINE void strip_body(const strip *k, const int rows, const int taps, real *sums) {
  vec sum[MOST_ROWS][MOST_TAPS];
#pragma GCC unroll 8
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
    for (int t = 0; t < taps; t++) sum[r][t] = vec_load(sums + r * k->line + t * BLOCK);
  for (int64_t i = 0; i < k->rows; i++) {
    const real *gy = k->gy + i * k->gy_row, *end = gy + k->columns * BLOCK;
    const real *x[MOST_ROWS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) x[r] = k->x[r] + i * k->x_row;
    for (int64_t at = 0; gy < end; gy += BLOCK, at += k->x_pixel) {
      const vec lanes = vec_load(gy);
#pragma GCC unroll 8
      for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int t = 0; t < taps; t++) sum[r][t] = vec_fma(vec_all(x[r][at + t]), lanes, sum[r][t]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
    for (int t = 0; t < taps; t++) vec_store(sums + r * k->line + t * BLOCK, sum[r][t]);
}

#define STRIP(r, t)                                                                                \
  case (r)*8 + (t):                                                                                \
    strip_body(k, r, t, sums);                                                                     \
    return;
#define STRIPS(r) STRIP(r, 1) STRIP(r, 2)

static void strip_sums(const strip *k, int64_t rows, int64_t taps, real *sums) {
  switch (rows * 8 + taps) {
    /* clang-format off */
    STRIPS(1) STRIPS(2) STRIPS(3) STRIPS(4) STRIPS(5)
    STRIP(1, 3) STRIP(2, 3) STRIP(3, 3) STRIP(4, 3)
    STRIP(1, 4) STRIP(2, 4) STRIP(3, 4)
    STRIP(1, 5) STRIP(2, 5)
#if defined(CJ_ISA_avx512)
    STRIP(5, 3) STRIP(4, 4) STRIP(5, 4) STRIP(3, 5) STRIP(4, 5) STRIP(5, 5)
#endif
  default: return; /* no such group */
    /* clang-format on */
  }
}

/* --- a piece --------------------------------------------------------------------------------- */

/* Rows [i, i + p->rows) of block b of gy against kernel rows [line, line + rows). */
static void strip_lines(const weights *k, strip *p, int64_t i, int64_t line, int64_t rows,
                        const real *sheet, real *sums) {
  const cj_conv *s = k->s;
  for (int64_t t = 0; t < s->kw; t += k->taps) {
    for (int64_t r = 0; r < rows; r++)
      p->x[r] = sheet + sheet_tap(&k->l, (line + r) / s->kh, (line + r) % s->kh, t) +
                i * s->stride_h * k->l.row;
    strip_sums(p, rows, min64(k->taps, s->kw - t), sums + (line * s->kw + t) * BLOCK);
  }
}

static void strip_bias(const strip *p, real *to) {
  vec sum = vec_load(to);
  for (int64_t i = 0; i < p->rows; i++)
    for (int64_t j = 0; j < p->columns; j++) sum += vec_load(p->gy + i * p->gy_row + j * BLOCK);
  vec_store(to, sum);
}

static void image_block(const weights *k, int64_t n, int64_t b, int64_t lane, const real *sheet,
                        real *sums, real *bias) {
  const cj_conv *s = k->s;
  strip p = {.columns = s->ow,
             .gy_row = picture_row(k->gy),
             .x_row = s->stride_h * k->l.row,
             .x_pixel = s->stride_w,
             .line = s->kw * BLOCK};
  for (int64_t i = 0; i < s->oh; i += k->strip) {
    p.gy = picture_at(k->gy, n, b, i, 0) + lane;
    p.rows = min64(k->strip, s->oh - i);
    for (int64_t line = 0; line < k->lines && k->gw; line += k->rows)
      strip_lines(k, &p, i, line, min64(k->rows, k->lines - line), sheet, sums + lane);
    strip_bias(&p, bias + lane);
  }
}

static void weights_piece(void *context, int64_t part) {
  const weights *k = context;
  const cj_conv *s = k->s;
  real *sums = k->sums + part * part_elements(k), *bias = k->bias + part * k->blocks * BLOCK;
  real *sheet = k->sheets + part * sheet_elements(s, &k->l);
  memset(sums, 0, (size_t)part_elements(k) * sizeof *sums);
  memset(bias, 0, (size_t)(k->blocks * BLOCK) * sizeof *bias);
  for (int64_t n = part * k->images; n < min64(s->batch, (part + 1) * k->images); n++) {
    CJ_KERNEL(stem_sheet_fill)(s, &k->l, k->x + n * s->c_in * s->h * s->w, sheet);
    for (int64_t b = 0; b < k->blocks; b++)
      for (int64_t lane = 0; lane < BLOCK; lane += LANES)
        image_block(k, n, b, lane, sheet, sums + b * k->lines * s->kw * BLOCK, bias + b * BLOCK);
  }
}

/* Adds the parts to the gradients of output channel o. */
static void add_channel(const weights *k, int64_t o) {
  const int64_t depth = k->lines * k->s->kw;
  for (int64_t part = 0; part < k->parts; part++) {
    const real *sums = k->sums + part * part_elements(k) + o / BLOCK * depth * BLOCK + o % BLOCK;
    for (int64_t d = 0; d < depth && k->gw; d++) k->gw[o * depth + d] += sums[d * BLOCK];
    if (k->gb) k->gb[o] += k->bias[part * k->blocks * BLOCK + o];
  }
}

size_t CJ_KERNEL(stem_weight_scratch)(const cj_conv *s) {
  weights k = {0};
  weights_sizes(&k, s);
  const int64_t part = part_elements(&k) + k.blocks * BLOCK + sheet_elements(s, &k.l);
  return (size_t)(k.parts * part) * sizeof(real);
}

void CJ_KERNEL(stem_weight)(const cj_conv *s, const real *x, const cj_picture *gy, real *gw,
                            real *gb, void *scratch) {
  weights k = {.x = x, .gy = gy, .gw = gw, .gb = gb, .sums = scratch};
  weights_sizes(&k, s);
  if (s->batch == 0) return;
  k.bias = k.sums + k.parts * part_elements(&k);
  k.sheets = k.bias + k.parts * k.blocks * BLOCK;
  cj_parallel(k.parts, weights_piece, &k);
  for (int64_t o = 0; o < s->c_out; o++) add_channel(&k, o);
}
