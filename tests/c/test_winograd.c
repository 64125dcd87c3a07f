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
                const int64_t a = i - s->pad_h + r, b = j - s->pad_w + q;
                if (a < 0 || b < 0 || a >= s->h || b >= s->w) continue;
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
  CHECK(error <= CJ_KERNEL(winograd_error)(s));
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
        test_values(&s, (kind)(size % KINDS), pad % 2, size % 2 * 16);
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

int CJ_KERNEL(test)(void) {
  test_shapes();
  CHECK_DONE();
}
