/* Convolution by minimal filtering against loops in double: sizes, borders, what is written, the
 * stated error, and the same bytes whatever else is in the batch. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/threads.h"
#include "each_isa.h"
#include "kernels/finish.h"
#include "kernels/winograd.h"

/* A picture in memory full of NaN, with room before and after. */
typedef struct canvas {
  cj_picture p;
  real *memory;
  int64_t size;
} canvas;

enum { MARGIN = 64, SLOTS = 2 };

static canvas canvas_new(int64_t count, int64_t channels, int64_t height, int64_t width,
                         int64_t ring, int64_t gap) {
  canvas c = {.p = {.channels = channels, .height = height, .width = width, .ring = ring}};
  c.p.image = picture_blocks(&c.p) * picture_plane(&c.p) + gap;
  c.size = count * c.p.image + 2 * MARGIN;
  c.memory = malloc((size_t)c.size * sizeof(real));
  for (int64_t i = 0; i < c.size; i++) c.memory[i] = (real)NAN;
  c.p.data = c.memory + MARGIN + ring * picture_row(&c.p) + ring * BLOCK;
  return c;
}

/* Is this element of the memory inside the ring of one of the images? */
static bool inside(const canvas *c, int64_t count, int64_t at) {
  const cj_picture *p = &c->p;
  const int64_t k = at - MARGIN;
  if (k < 0 || k >= count * p->image) return false;
  const int64_t plane = picture_plane(p), row = picture_row(p), rest = k % p->image;
  const int64_t i = rest % plane / row - p->ring, j = rest % row / BLOCK - p->ring;
  return rest < picture_blocks(p) * plane && i >= 0 && j >= 0 && i < p->height && j < p->width;
}

/* --- data ------------------------------------------------------------------------------------ */

static uint64_t state = 1;

/* Uniform in [0, 1). */
static double draw(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (double)(state >> 11) * 0x1p-53;
}

/* Kinds of data that treat rounding differently. */
typedef enum kind { SIGNED, POSITIVE, RECTIFIED, RANGE, KINDS } kind;

static double value(kind k) {
  const double v = 2 * draw() - 1;
  if (k == POSITIVE) return v < 0 ? -v : v;
  if (k == RECTIFIED) return v < 0 ? 0 : v;
  if (k == RANGE) return ldexp(v, (int)(draw() * 40) - 20);
  return v;
}

static real *values(int64_t count, kind k) {
  real *v = malloc((size_t)(count + 1) * sizeof *v);
  for (int64_t i = 0; i < count; i++) v[i] = (real)value(k);
  return v;
}

/* --- oracle ---------------------------------------------------------------------------------- */

/* The row (column) of x that meets tap r of row i of y, or -1. A negative stride: rows of x are
 * that far apart, with zeros between. */
static int64_t source(int64_t i, int64_t r, int64_t stride, int64_t pad, int64_t size) {
  const int64_t at = i * (stride < 0 ? 1 : stride) - pad + r;
  if (at < 0 || (stride < 0 && at % -stride)) return -1;
  const int64_t from = stride < 0 ? at / -stride : at;
  return from < size ? from : -1;
}

/* y [batch, c_out, oh, ow] and sums of absolute values; w [c_out, c_in, k, k]. */
static void exact(const cj_conv *s, const real *x, const real *w, double *y, double *size) {
  for (int64_t n = 0; n < s->batch; n++)
    for (int64_t o = 0; o < s->c_out; o++)
      for (int64_t i = 0; i < s->oh; i++)
        for (int64_t j = 0; j < s->ow; j++, y++, size++) {
          *y = *size = 0;
          for (int64_t c = 0; c < s->c_in; c++)
            for (int64_t r = 0; r < s->kh; r++)
              for (int64_t q = 0; q < s->kw; q++) {
                const int64_t a = source(i, r, s->stride_h, s->pad_h, s->h);
                const int64_t b = source(j, q, s->stride_w, s->pad_w, s->w);
                if (a < 0 || b < 0) continue;
                const double v = (double)x[((n * s->c_in + c) * s->h + a) * s->w + b] *
                                 (double)w[((o * s->c_in + c) * s->kh + r) * s->kw + q];
                *y += v;
                *size += fabs(v);
              }
        }
}

static double largest(const double *v, int64_t count) {
  double most = 0;
  for (int64_t i = 0; i < count; i++) most = v[i] > most ? v[i] : most;
  return most;
}

/* The largest |got - exact| over the largest sum of |x| |w|. */
static double distance(const cj_conv *s, const real *x, const real *w, const real *got) {
  const int64_t count = s->batch * s->c_out * s->oh * s->ow;
  double *y = malloc((size_t)(count + 1) * sizeof *y),
         *size = malloc((size_t)(count + 1) * sizeof *y);
  exact(s, x, w, y, size);
  const double scale = largest(size, count);
  for (int64_t i = 0; i < count; i++) y[i] = fabs((double)got[i] - y[i]);
  double most = 0;
  for (int64_t i = 0; i < count; i++) most = !(y[i] <= most) ? y[i] : most; /* NaN counts */
  free(y);
  free(size);
  return count && scale > 0 ? most / scale : most;
}

/* The stated bound; layers that do not suit are tested for their borders only, with room. */
static double bound(const cj_conv *s) {
  return CJ_KERNEL(winograd_error)(s) * (CJ_KERNEL(winograd_suits)(s) ? 1 : 8);
}

/* Kinds that suit all layers; a large range needs tiles that are mostly inside. */
static kind kind_for(const cj_conv *s, int64_t i) {
  return CJ_KERNEL(winograd_suits)(s) ? (kind)(i % KINDS) : SIGNED;
}

/* --- running --------------------------------------------------------------------------------- */

static cj_conv sizes(int64_t batch, int64_t c_in, int64_t c_out, int64_t h, int64_t w, int64_t k,
                     int64_t pad_h, int64_t pad_w) {
  return (cj_conv){.batch = batch,
                   .groups = 1,
                   .c_in = c_in,
                   .c_out = c_out,
                   .h = h,
                   .w = w,
                   .oh = h + 2 * pad_h - k + 1,
                   .ow = w + 2 * pad_w - k + 1,
                   .kh = k,
                   .kw = k,
                   .stride_h = 1,
                   .stride_w = 1,
                   .pad_h = pad_h,
                   .pad_w = pad_w,
                   .dil_h = 1,
                   .dil_w = 1};
}

static cj_conv strided(int64_t batch, int64_t c_in, int64_t c_out, int64_t h, int64_t w, int64_t k,
                       int64_t pad_h, int64_t pad_w) {
  cj_conv s = sizes(batch, c_in, c_out, h, w, k, pad_h, pad_w);
  s.stride_h = s.stride_w = 2;
  s.oh = cj_conv_out(h, k, 2, pad_h, 1);
  s.ow = cj_conv_out(w, k, 2, pad_w, 1);
  return s;
}

static real *pack(const cj_conv *s, const real *w, const real *scale, bool turned) {
  const int64_t count = CJ_KERNEL(winograd_packed)(s);
  real *packed = malloc((size_t)(count + 1) * sizeof *packed);
  packed[count] = 77;
  CJ_KERNEL(winograd_pack)(s, w, scale, turned, packed);
  CHECK(packed[count] == 77);
  return packed;
}

/* Runs images [from, from + count) of x into y with scratch full of NaN. */
static void run(const cj_conv *s, const canvas *x, const real *packed, const cj_finish *f,
                const canvas *y) {
  const size_t bytes = CJ_KERNEL(winograd_scratch)(s, SLOTS);
  char *scratch = aligned_alloc(64, bytes + 64);
  memset(scratch, 0xFF, bytes + 64);
  CJ_KERNEL(winograd_forward)(s, &x->p, packed, f, &y->p, scratch, SLOTS);
  for (size_t i = 0; i < 64; i++) CHECK((unsigned char)scratch[bytes + i] == 0xFF);
  free(scratch);
}

static canvas canvas_of(const real *plain, int64_t count, int64_t channels, int64_t height,
                        int64_t width, int64_t ring, int64_t gap) {
  canvas c = canvas_new(count, channels, height, width, ring, gap);
  CJ_KERNEL(picture_fill)(&c.p, count, plain, false);
  CJ_KERNEL(picture_clear_ring)(&c.p, count);
  return c;
}

/* Everything inside the ring is written, nothing else is; padding channels are zeros. */
static void check_written(const canvas *y, int64_t count) {
  for (int64_t at = 0; at < y->size; at++) {
    const int64_t channel = (at - MARGIN) % y->p.image / picture_plane(&y->p) * BLOCK + at % BLOCK;
    const bool in = inside(y, count, at);
    CHECK(in != (bool)isnan(y->memory[at]));
    if (in && channel >= y->p.channels) CHECK(y->memory[at] == 0);
  }
}

static double test_values(const cj_conv *s, kind k, int64_t ring, int64_t gap) {
  real *plain = values(s->batch * s->c_in * s->h * s->w, k);
  real *w = values(s->c_in * s->c_out * s->kh * s->kw, k);
  const int64_t count = s->batch * s->c_out * s->oh * s->ow;
  real *got = malloc((size_t)(count + 1) * sizeof *got);
  canvas x =
      canvas_of(plain, s->batch, s->c_in, s->h, s->w, CJ_KERNEL(winograd_ring)(s) + ring, gap);
  canvas y = canvas_new(s->batch, s->c_out, s->oh, s->ow, ring, gap);
  real *packed = pack(s, w, NULL, false);
  run(s, &x, packed, &(cj_finish){0}, &y);
  check_written(&y, s->batch);
  CJ_KERNEL(picture_read)(&y.p, s->batch, got, false);
  const double error = distance(s, plain, w, got);
  CHECK(error <= bound(s));
  free(plain);
  free(w);
  free(got);
  free(packed);
  free(x.memory);
  free(y.memory);
  return error;
}

static void test_shapes(void) {
  for (int64_t k = 3; k <= 5; k += 2)
    for (int64_t pad = 0; pad < k; pad++)
      for (int64_t size = 1; size <= 13; size += 2) {
        if (size + 2 * pad < k) continue;
        const cj_conv s = sizes(size % 3 ? 2 : 3, 5, 17, size, size + size % 4, k, pad, pad);
        test_values(&s, kind_for(&s, size), pad % 2, size % 2 * 16);
      }
  const int64_t channels[] = {1, 15, 16, 33, 48};
  for (size_t a = 0; a < 5; a++)
    for (size_t b = 0; b < 5; b++) {
      const cj_conv s3 = sizes(1, channels[a], channels[b], 9, 6, 3, 1, 0);
      const cj_conv s5 = sizes(1, channels[a], channels[b], 6, 10, 5, 1, 2);
      test_values(&s3, SIGNED, 0, 0);
      test_values(&s5, SIGNED, 2, 0);
    }
  for (int64_t batch = 0; batch < 40; batch += 7) {
    const cj_conv s = sizes(batch, 2, 3, 7, 7, 3, 1, 1);
    test_values(&s, SIGNED, 0, 32);
  }
}

/* --- weight gradient ------------------------------------------------------------------------- */

/* gw [c_out, c_in, k, k] and sums of absolute values; gb [c_out]. */
static void exact_weight(const cj_conv *s, const real *x, const real *gy, double *gw, double *size,
                         double *gb) {
  const int64_t taps = s->kh * s->kw, pixels = s->oh * s->ow;
  for (int64_t o = 0; o < s->c_out; o++) gb[o] = 0;
  for (int64_t at = 0; at < s->c_out * s->c_in * taps; at++) gw[at] = size[at] = 0;
  for (int64_t n = 0; n < s->batch; n++)
    for (int64_t o = 0; o < s->c_out; o++)
      for (int64_t p = 0; p < pixels; p++) {
        const double g = (double)gy[(n * s->c_out + o) * pixels + p];
        gb[o] += g;
        for (int64_t at = 0; at < s->c_in * taps; at++) {
          const int64_t i = source(p / s->ow, at % taps / s->kw, s->stride_h, s->pad_h, s->h);
          const int64_t j = source(p % s->ow, at % s->kw, s->stride_w, s->pad_w, s->w);
          if (i < 0 || j < 0) continue;
          const double v = g * (double)x[((n * s->c_in + at / taps) * s->h + i) * s->w + j];
          gw[o * s->c_in * taps + at] += v;
          size[o * s->c_in * taps + at] += fabs(v);
        }
      }
}

static void run_weight(const cj_conv *s, const canvas *x, const canvas *gy, real *gw, real *gb) {
  const size_t bytes = CJ_KERNEL(winograd_weight_scratch)(s);
  char *scratch = aligned_alloc(64, bytes + 64);
  memset(scratch, 0xFF, bytes + 64);
  CJ_KERNEL(winograd_weight)(s, &x->p, &gy->p, gw, gb, scratch);
  for (size_t i = 0; i < 64; i++) CHECK((unsigned char)scratch[bytes + i] == 0xFF);
  free(scratch);
}

/* Added to what is there; with one of the two left out the other has the same bytes. */
static double test_weight(const cj_conv *s, kind k) {
  const int64_t weights = s->c_in * s->c_out * s->kh * s->kw;
  real *plain_x = values(s->batch * s->c_in * s->h * s->w, k);
  real *plain_gy = values(s->batch * s->c_out * s->oh * s->ow, k == RANGE ? RANGE : SIGNED);
  canvas x = canvas_of(plain_x, s->batch, s->c_in, s->h, s->w, 0, 16);
  canvas gy = canvas_of(plain_gy, s->batch, s->c_out, s->oh, s->ow, 1, 0);
  double *gw = malloc((size_t)(2 * weights + s->c_out) * sizeof *gw);
  double *size = gw + weights, *gb = size + weights;
  real *got = calloc((size_t)(2 * (weights + s->c_out)), sizeof *got), *got_b = got + weights;
  real *other = got_b + s->c_out, *other_b = other + weights;
  exact_weight(s, plain_x, plain_gy, gw, size, gb);
  run_weight(s, &x, &gy, got, got_b);
  run_weight(s, &x, &gy, other, NULL);
  run_weight(s, &x, &gy, NULL, other_b);
  CHECK(memcmp(got, other, (size_t)(weights + s->c_out) * sizeof *got) == 0);
  double error = 0, scale = largest(size, weights);
  for (int64_t i = 0; i < weights; i++) {
    const double e = fabs((double)got[i] - gw[i]);
    error = !(e <= error) ? e : error;
  }
  error = scale > 0 ? error / scale : error;
  CHECK(error <= bound(s));
  /* A plain sum: its error stays below one rounding per term. */
  const double terms = (double)(s->batch * s->oh * s->ow);
  const double top = k == RANGE ? 0x1p20 : 1;
  for (int64_t o = 0; o < s->c_out; o++)
    CHECK(fabs((double)got_b[o] - gb[o]) <=
          terms * terms * top * (sizeof(real) == 4 ? 6e-8 : 1e-16));
  run_weight(s, &x, &gy, got, got_b);
  for (int64_t i = 0; i < weights + s->c_out; i++) CHECK(got[i] == 2 * other[i]);
  free(plain_x);
  free(plain_gy);
  free(gw);
  free(got);
  free(x.memory);
  free(gy.memory);
  return error;
}

/* Layers as in networks, with data of every kind. */
static void test_layers(void) {
  const cj_conv layers[] = {
      sizes(1, 32, 16, 14, 14, 3, 1, 1),   sizes(2, 16, 48, 8, 8, 3, 1, 1),
      sizes(2, 200, 16, 4, 4, 3, 1, 1),    sizes(1, 16, 32, 12, 12, 5, 2, 2),
      sizes(2, 32, 16, 7, 7, 5, 2, 2),     sizes(1, 40, 16, 10, 10, 3, 0, 0),
      strided(2, 32, 16, 14, 14, 4, 1, 1), strided(2, 16, 48, 7, 7, 4, 1, 1),
      strided(1, 48, 48, 32, 32, 4, 1, 1), strided(2, 64, 32, 28, 28, 3, 1, 1)};
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
    for (int k = 0; k < KINDS; k++) {
      CHECK(CJ_KERNEL(winograd_suits)(&layers[i]));
      test_values(&layers[i], (kind)k, 0, 0);
      test_weight(&layers[i], (kind)k);
    }
}

static void test_weights(void) {
  for (int64_t k = 3; k <= 5; k += 2)
    for (int64_t pad = 0; pad < k; pad++)
      for (int64_t size = 1; size <= 13; size += 2) {
        if (size + 2 * pad < k) continue;
        const cj_conv s = sizes(size % 3 ? 2 : 3, 5, 17, size, size + size % 4, k, pad, pad);
        test_weight(&s, kind_for(&s, size));
      }
  const int64_t channels[] = {1, 15, 16, 33, 48};
  for (size_t a = 0; a < 5; a++)
    for (size_t b = 0; b < 5; b++) {
      const cj_conv s3 = sizes(1, channels[a], channels[b], 9, 6, 3, 1, 0);
      const cj_conv s5 = sizes(1, channels[a], channels[b], 6, 10, 5, 1, 2);
      test_weight(&s3, SIGNED);
      test_weight(&s5, SIGNED);
    }
  const cj_conv many = sizes(60, 20, 17, 14, 14, 3, 1, 1), none = sizes(0, 2, 3, 7, 7, 3, 1, 1);
  test_weight(&many, RECTIFIED);
  test_weight(&none, SIGNED);
}

/* --- the same bytes -------------------------------------------------------------------------- */

/* Every finish gives the bytes that finishing the plain result gives; images alone give the bytes
 * that they give in a batch; and so do two threads. */
static void test_same(const cj_conv *s) {
  const int64_t blocks = (s->c_out + BLOCK - 1) / BLOCK, count = s->batch * blocks * s->oh * s->ow;
  real *plain = values(s->batch * s->c_in * s->h * s->w, SIGNED);
  real *w = values(s->c_in * s->c_out * s->kh * s->kw, SIGNED),
       *bias = values(blocks * BLOCK, SIGNED);
  for (int64_t c = s->c_out; c < blocks * BLOCK; c++) bias[c] = 0;
  canvas x = canvas_of(plain, s->batch, s->c_in, s->h, s->w, 1, 0);
  canvas raw = canvas_new(s->batch, s->c_out, s->oh, s->ow, 1, 16);
  canvas y = canvas_new(s->batch, s->c_out, s->oh, s->ow, 1, 16);
  canvas alone = canvas_new(s->batch, s->c_out, s->oh, s->ow, 1, 16);
  real *packed = pack(s, w, NULL, false);
  uint16_t *mask = malloc((size_t)(3 * count) * sizeof *mask), *signs = mask + count;
  for (int64_t i = 0; i < count; i++) mask[i] = (uint16_t)(draw() * 65536);
  memset(signs, 0x5A, (size_t)(2 * count) * sizeof *signs);
  run(s, &x, packed, &(cj_finish){0}, &raw);
  cj_finish f = {
      .bias = bias, .add = &raw.p, .mask = mask, .clip = true, .signs = signs, .slope = (real)0.25};
  run(s, &x, packed, &f, &y);
  cj_conv one = *s;
  one.batch = 1;
  cj_set_threads(2);
  f.signs = signs + count;
  for (int64_t n = 0; n < s->batch; n++) {
    canvas x1 = x, add1 = raw, y1 = alone;
    x1.p.data += n * x.p.image;
    add1.p.data += n * raw.p.image;
    y1.p.data += n * alone.p.image;
    f.add = &add1.p;
    run(&one, &x1, packed, &f, &y1);
    f.mask += count / s->batch;
    f.signs += count / s->batch;
  }
  CHECK(memcmp(signs, signs + count, (size_t)count * sizeof *signs) == 0);
  for (int64_t at = 0; at < y.size; at++)
    CHECK(inside(&y, s->batch, at) ? y.memory[at] == alone.memory[at] : isnan(y.memory[at]));
  for (int64_t n = 0; n < s->batch; n++)
    for (int64_t block = 0; block < blocks; block++)
      for (int64_t i = 0; i < s->oh; i++) {
        f.add = &raw.p;
        f.mask = mask;
        const cj_finish_line line = finish_line(&f, &raw.p, n, block, i);
        for (int64_t j = 0; j < s->ow; j++) {
          real want[BLOCK];
          const real *from = picture_at(&raw.p, n, block, i, j);
          vec v[PIXEL_VECS];
          for (int l = 0; l < PIXEL_VECS; l++) v[l] = vec_load(from + l * LANES);
          const cj_finish_line to = {.to = want - j * BLOCK,
                                     .bias = line.bias,
                                     .add = line.add,
                                     .mask = line.mask,
                                     .clip = true,
                                     .slope = f.slope};
          finish_pixel(&to, j, v);
          CHECK(memcmp(want, picture_at(&y.p, n, block, i, j), sizeof want) == 0);
        }
      }
  run(s, &x, packed, &(cj_finish){0}, &alone);
  CHECK(memcmp(alone.memory, raw.memory, (size_t)raw.size * sizeof(real)) == 0);
  cj_set_threads(1);
  free(plain);
  free(w);
  free(bias);
  free(packed);
  free(mask);
  free(x.memory);
  free(raw.memory);
  free(y.memory);
  free(alone.memory);
}

static void test_weight_threads(const cj_conv *s) {
  const int64_t weights = s->c_in * s->c_out * s->kh * s->kw;
  real *plain_x = values(s->batch * s->c_in * s->h * s->w, SIGNED);
  real *plain_gy = values(s->batch * s->c_out * s->oh * s->ow, SIGNED);
  canvas x = canvas_of(plain_x, s->batch, s->c_in, s->h, s->w, 0, 0);
  canvas gy = canvas_of(plain_gy, s->batch, s->c_out, s->oh, s->ow, 0, 0);
  real *one = calloc((size_t)(2 * (weights + s->c_out)), sizeof *one);
  real *two = one + weights + s->c_out;
  run_weight(s, &x, &gy, one, one + weights);
  cj_set_threads(2);
  run_weight(s, &x, &gy, two, two + weights);
  cj_set_threads(1);
  CHECK(memcmp(one, two, (size_t)(weights + s->c_out) * sizeof *one) == 0);
  free(plain_x);
  free(plain_gy);
  free(one);
  free(x.memory);
  free(gy.memory);
}

/* --- the input gradient ---------------------------------------------------------------------- */

/* Against loops over the layer's own weights turned around, with a scale per output channel. */
static void test_turned(const cj_conv *s) {
  const cj_conv t = CJ_KERNEL(winograd_turn)(s);
  const int64_t taps = s->kh * s->kw, weights = s->c_in * s->c_out * taps;
  real *w = values(weights, SIGNED), *scale = values(s->c_out, SIGNED);
  real *turned = malloc((size_t)weights * sizeof *turned);
  for (int64_t o = 0; o < s->c_out; o++) {
    scale[o] = (real)ldexp(1, (int)(scale[o] * 4)); /* exact, so that turned is */
    for (int64_t c = 0; c < s->c_in; c++)
      for (int64_t k = 0; k < taps; k++)
        turned[(c * s->c_out + o) * taps + k] =
            scale[o] * w[(o * s->c_in + c) * taps + taps - 1 - k];
  }
  if (s->stride_h == 1)
    CHECK(t.oh == t.h + 2 * t.pad_h - t.kh + 1 && t.ow == t.w + 2 * t.pad_w - t.kw + 1);
  real *a = pack(&t, w, scale, true);
  real *gy = values(t.batch * t.c_in * t.h * t.w, SIGNED);
  real *gx = malloc((size_t)(t.batch * t.c_out * t.oh * t.ow) * sizeof *gx);
  canvas from = canvas_of(gy, t.batch, t.c_in, t.h, t.w, 0, 0);
  canvas to = canvas_new(t.batch, t.c_out, t.oh, t.ow, 1, 16);
  run(&t, &from, a, &(cj_finish){0}, &to);
  check_written(&to, t.batch);
  CJ_KERNEL(picture_read)(&to.p, t.batch, gx, false);
  CHECK(distance(&t, gy, turned, gx) <= bound(&t));
  free(w);
  free(scale);
  free(turned);
  free(a);
  free(gy);
  free(gx);
  free(from.memory);
  free(to.memory);
}

/* Scratch for a batch serves smaller ones. */
static void test_scratch(void) {
  for (int64_t k = 3; k <= 5; k += 2)
    for (int64_t batch = 0; batch < 60; batch++) {
      const cj_conv a = sizes(batch, 16, 40, 14, 14, k, 1, 1);
      const cj_conv b = sizes(batch + 1, 16, 40, 14, 14, k, 1, 1);
      CHECK(CJ_KERNEL(winograd_scratch)(&a, 2) <= CJ_KERNEL(winograd_scratch)(&b, 2));
      CHECK(CJ_KERNEL(winograd_weight_scratch)(&a) <= CJ_KERNEL(winograd_weight_scratch)(&b));
    }
}

static void test_strides(void) {
  for (int64_t k = 3; k <= 4; k++)
    for (int64_t pad = 0; pad < k; pad++)
      for (int64_t size = 1; size <= 30; size += size < 10 ? 1 : 5) {
        if (size + 2 * pad < k) continue;
        const cj_conv s = strided(size % 3, 5, 17, size, size + size % 4, k, pad, pad);
        test_values(&s, kind_for(&s, size), pad % 2, size % 2 * 16);
        test_weight(&s, kind_for(&s, size));
        test_turned(&s);
      }
  const int64_t channels[] = {1, 15, 16, 33, 48};
  for (size_t a = 0; a < 5; a++)
    for (size_t b = 0; b < 5; b++) {
      const cj_conv s3 = strided(1, channels[a], channels[b], 9, 6, 3, 1, 0);
      const cj_conv s4 = strided(1, channels[a], channels[b], 6, 13, 4, 1, 2);
      test_values(&s3, SIGNED, 0, 0);
      test_values(&s4, SIGNED, 2, 0);
      test_turned(&s3);
      test_turned(&s4);
    }
}

int CJ_KERNEL(test)(void) {
  state = 1;
  cj_set_threads(1);
  test_shapes();
  test_weights();
  test_layers();
  test_strides();
  const cj_conv same[] = {sizes(5, 18, 33, 9, 10, 3, 1, 1),    sizes(3, 3, 16, 7, 5, 5, 2, 1),
                          sizes(4, 16, 20, 12, 12, 3, 1, 1),   strided(5, 18, 33, 9, 10, 4, 1, 1),
                          strided(4, 16, 20, 12, 12, 3, 1, 1), strided(3, 3, 16, 15, 28, 4, 1, 1)};
  for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
    test_same(&same[i]);
    test_weight_threads(&same[i]);
    test_turned(&same[i]);
  }
  const cj_conv parts = sizes(60, 16, 20, 14, 14, 3, 1, 1);
  test_weight_threads(&parts);
  test_scratch();
  CHECK_DONE();
}
