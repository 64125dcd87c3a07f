/* stem.c -- forward pass of the first convolution, and what its three directions share.
 *
 * Weights are packed [block][channel][kernel row][kernel column][16]. A tile is some pixels of a
 * row times one or two blocks; its sums stay in registers over all taps, a broadcast pixel feeding
 * each register of the tile's width. */
#include "kernels/stem.h"

#include <string.h>

#include "kernels/finish.h"
#include "kernels/slots.h"
#include "kernels/stem_sheet.h"

/* Blocks of a tile, and its pixels: their sums fit the registers. */
#if defined(CJ_ISA_avx512)
enum { TILE_BLOCKS = PIXEL_VECS == 1 ? 2 : 1, TILE_PIXELS = 14 };
#else
enum { TILE_BLOCKS = 1, TILE_PIXELS = PIXEL_VECS > 12 / 2 ? 1 : 12 / PIXEL_VECS };
#endif
enum { TILE_VECS = TILE_BLOCKS * PIXEL_VECS };

static int64_t depth_of(const cj_conv *s) {
  return s->c_in * s->kh * s->kw;
}

/* --- weights and sheets ---------------------------------------------------------------------- */

int64_t CJ_KERNEL(stem_packed)(const cj_conv *s) {
  return depth_of(s) * divide_up(s->c_out, BLOCK) * BLOCK;
}

void CJ_KERNEL(stem_pack)(const cj_conv *s, const real *w, const real *scale, real *packed) {
  const int64_t depth = depth_of(s);
  for (int64_t o = 0; o < divide_up(s->c_out, BLOCK) * BLOCK; o++) {
    real *to = packed + o / BLOCK * depth * BLOCK + o % BLOCK;
    const real factor = scale && o < s->c_out ? scale[o] : 1;
    for (int64_t k = 0; k < depth; k++)
      to[k * BLOCK] = o < s->c_out ? w[o * depth + k] * factor : 0;
  }
}

int64_t CJ_KERNEL(stem_input_packed)(const cj_conv *s) {
  return CJ_KERNEL(stem_packed)(s);
}

void CJ_KERNEL(stem_input_pack)(const cj_conv *s, const real *w, const real *scale, real *packed) {
  CJ_KERNEL(stem_pack)(s, w, scale, packed);
}

stem_sheet CJ_KERNEL(stem_sheet_layout)(const cj_conv *s, int64_t phases) {
  const int64_t columns = (s->ow - 1) * s->stride_w + s->kw;
  stem_sheet l = {.phases = phases,
                  .phase = divide_up(columns, phases),
                  .rows = (s->oh - 1) * s->stride_h + s->kh};
  l.row = l.phases * l.phase;
  return l;
}

/* Columns first, first + step, ... of a row of the image, zeros outside. */
static void fill_phase(const real *row, int64_t width, int64_t first, int64_t step, int64_t count,
                       real *to) {
  int64_t q = 0;
  for (; q < count && first + q * step < 0; q++) to[q] = 0;
  const int64_t end = max64(q, min64(count, divide_up(max64(0, width - first), step)));
  if (step == 1)
    vec_copy(to + q, row + first + q, end - q);
  else
    for (int64_t i = q; i < end; i++) to[i] = row[first + i * step];
  for (q = end; q < count; q++) to[q] = 0;
}

void CJ_KERNEL(stem_sheet_fill)(const cj_conv *s, const stem_sheet *l, const real *image,
                                real *sheet) {
  for (int64_t c = 0; c < s->c_in; c++)
    for (int64_t i = -s->pad_h; i < l->rows - s->pad_h; i++, sheet += l->row) {
      if (i < 0 || i >= s->h)
        memset(sheet, 0, (size_t)l->row * sizeof *sheet);
      else
        for (int64_t b = 0; b < l->phases; b++)
          fill_phase(image + (c * s->h + i) * s->w, s->w, b - s->pad_w, l->phases, l->phase,
                     sheet + b * l->phase);
    }
}

/* --- forward --------------------------------------------------------------------------------- */

typedef struct forward {
  const cj_conv *s;
  stem_sheet l;
  const real *x, *packed;
  const cj_finish *f;
  const cj_picture *y;
  int64_t *taps; /* [depth]: places of the taps in a sheet */
  cj_slots slots;
} forward;

/* Whether the finish is bias and ReLU, or less: compiled apart, it asks nothing per pixel. */
static bool finish_simple(const cj_finish *f) {
  return !f->add && !f->mask && f->slope == 0;
}

CJ_INLINE cj_finish_line line_of_kind(const cj_finish_line *l, const bool simple) {
  if (!simple) return *l;
  return (cj_finish_line){.to = l->to, .bias = l->bias, .signs = l->signs, .clip = l->clip};
}

/* Pixels [j, j + pixels) of a row of `blocks` blocks; x: pixel j of the sheet's row. */
CJ_INLINE void tile_body(const forward *k, const int pixels, const int blocks, const bool simple,
                         const real *x, const real *w, int64_t j, const cj_finish_line *line) {
  vec sum[TILE_PIXELS][TILE_VECS];
  const int64_t depth = depth_of(k->s);
#pragma GCC unroll 16
  for (int p = 0; p < pixels; p++)
#pragma GCC unroll 8
    for (int v = 0; v < blocks * PIXEL_VECS; v++) sum[p][v] = (vec){0};
  for (int64_t d = 0; d < depth; d++, w += BLOCK) {
    const real *from = x + k->taps[d];
    vec weight[TILE_VECS];
#pragma GCC unroll 8
    for (int v = 0; v < blocks * PIXEL_VECS; v++)
      weight[v] = vec_load(w + v / PIXEL_VECS * depth * BLOCK + v % PIXEL_VECS * LANES);
#pragma GCC unroll 16
    for (int p = 0; p < pixels; p++) {
      const vec pixel = vec_all(from[p]);
#pragma GCC unroll 8
      for (int v = 0; v < blocks * PIXEL_VECS; v++)
        sum[p][v] = vec_fma(pixel, weight[v], sum[p][v]);
    }
  }
#pragma GCC unroll 2
  for (int b = 0; b < blocks; b++) {
    const cj_finish_line l = line_of_kind(&line[b], simple);
#pragma GCC unroll 16
    for (int p = 0; p < pixels; p++) finish_pixel(&l, j + p, sum[p] + b * PIXEL_VECS);
  }
}

#define TILE(p)                                                                                    \
  case p:                                                                                          \
    tile_body(k, p, blocks, simple, x, w, j, line);                                                \
    return;

CJ_INLINE void tile_any(const forward *k, int64_t pixels, const int blocks, const bool simple,
                        const real *x, const real *w, int64_t j, const cj_finish_line *line) {
  switch (pixels) {
    /* clang-format off */
    TILE(1)
#if !defined(CJ_ISA_base) || defined(CJ_TYPE_f32)
    TILE(2) TILE(3)
#endif
#if defined(CJ_ISA_avx512) || (defined(CJ_ISA_avx2) && defined(CJ_TYPE_f32))
    TILE(4) TILE(5) TILE(6)
#endif
#if defined(CJ_ISA_avx512)
    TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12) TILE(13) TILE(14)
#endif
  default: return; /* no such tile */
    /* clang-format on */
  }
}

typedef void tile_function(const forward *k, int64_t pixels, const real *x, const real *w,
                           int64_t j, const cj_finish_line *line);

static void tile_one(const forward *k, int64_t pixels, const real *x, const real *w, int64_t j,
                     const cj_finish_line *line) {
  tile_any(k, pixels, 1, false, x, w, j, line);
}

static void tile_one_simple(const forward *k, int64_t pixels, const real *x, const real *w,
                            int64_t j, const cj_finish_line *line) {
  tile_any(k, pixels, 1, true, x, w, j, line);
}

static void tile_wide(const forward *k, int64_t pixels, const real *x, const real *w, int64_t j,
                      const cj_finish_line *line) {
  tile_any(k, pixels, TILE_BLOCKS, false, x, w, j, line);
}

static void tile_wide_simple(const forward *k, int64_t pixels, const real *x, const real *w,
                             int64_t j, const cj_finish_line *line) {
  tile_any(k, pixels, TILE_BLOCKS, true, x, w, j, line);
}

static tile_function *tile_for(const cj_finish *f, int64_t blocks) {
  if (blocks == 1) return finish_simple(f) ? tile_one_simple : tile_one;
  return finish_simple(f) ? tile_wide_simple : tile_wide;
}

/* Row i of image n in blocks [block, block + blocks); x: the row's first pixel in the sheet. */
static void forward_row(const forward *k, int64_t n, int64_t block, int64_t blocks, int64_t i,
                        const real *x) {
  const int64_t ow = k->s->ow, pixels = divide_up(ow, divide_up(ow, TILE_PIXELS));
  const real *w = k->packed + block * depth_of(k->s) * BLOCK;
  tile_function *const tile = tile_for(k->f, blocks);
  cj_finish_line line[TILE_BLOCKS];
  for (int64_t b = 0; b < blocks; b++) line[b] = finish_line(k->f, k->y, n, block + b, i);
  for (int64_t j = 0; j < ow; j += pixels) tile(k, min64(pixels, ow - j), x + j, w, j, line);
}

static void forward_piece(void *context, int64_t n) {
  forward *k = context;
  const cj_conv *s = k->s;
  const int64_t blocks = picture_blocks(k->y);
  const int slot = cj_slots_take(&k->slots);
  real *sheet = cj_slots_memory(&k->slots, slot);
  CJ_KERNEL(stem_sheet_fill)(s, &k->l, k->x + n * s->c_in * s->h * s->w, sheet);
  for (int64_t b = 0; b < blocks; b += TILE_BLOCKS)
    for (int64_t i = 0; i < s->oh; i++)
      forward_row(k, n, b, min64(TILE_BLOCKS, blocks - b), i, sheet + i * s->stride_h * k->l.row);
  cj_slots_give(&k->slots, slot);
}

static size_t taps_bytes(const cj_conv *s) {
  return ((size_t)depth_of(s) * sizeof(int64_t) + 63) / 64 * 64;
}

static size_t slot_bytes(const cj_conv *s, const stem_sheet *l) {
  return ((size_t)sheet_elements(s, l) * sizeof(real) + 63) / 64 * 64;
}

size_t CJ_KERNEL(stem_scratch)(const cj_conv *s, int slots) {
  const stem_sheet l = CJ_KERNEL(stem_sheet_layout)(s, s->stride_w);
  return taps_bytes(s) + (size_t)slots * slot_bytes(s, &l);
}

void CJ_KERNEL(stem_forward)(const cj_conv *s, const real *x, const real *packed,
                             const cj_finish *f, const cj_picture *y, void *scratch, int slots) {
  forward k = {.s = s,
               .l = CJ_KERNEL(stem_sheet_layout)(s, s->stride_w),
               .x = x,
               .packed = packed,
               .f = f,
               .y = y,
               .taps = scratch};
  int64_t *tap = k.taps;
  for (int64_t c = 0; c < s->c_in; c++)
    for (int64_t r = 0; r < s->kh; r++)
      for (int64_t t = 0; t < s->kw; t++) *tap++ = sheet_tap(&k.l, c, r, t);
  cj_slots_open(&k.slots, (char *)scratch + taps_bytes(s), slot_bytes(s, &k.l), slots);
  cj_parallel(s->batch, forward_piece, &k);
}
