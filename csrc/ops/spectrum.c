/* spectrum.c -- y = |fftshift(FFT2(x))| of images [..., H, W].
 *
 * Frequency (0, 0) ends at index (floor(H/2), floor(W/2)). The transforms are KISS FFT's, in
 * float32 also for float64 images: moduli are good to about 1e-6 of the largest. Not
 * differentiable. */
#include <kissfft/kiss_fft.h>
#include <math.h>

#include "core/threads.h"
#include "ops/op.h"

enum { GROUPS = 16 }; /* images are shared out in this many groups, whatever the threads */

static size_t rounded(size_t bytes) {
  return (bytes + 63) / 64 * 64;
}

static size_t config_bytes(int64_t n) {
  size_t bytes = 0;
  kiss_fft_alloc((int)n, 0, NULL, &bytes);
  return rounded(bytes);
}

/* Of one group: two images and a line, complex. */
static size_t group_bytes(int64_t h, int64_t w) {
  return rounded((size_t)(2 * h * w + 2 * (h > w ? h : w)) * sizeof(kiss_fft_cpx));
}

static size_t spectrum_scratch(const cj_args *a) {
  const cj_tensor *x = a->in[0];
  const int64_t h = x->size[x->ndim - 2], w = x->size[x->ndim - 1];
  if (cj_numel(x) == 0) return 0;
  return config_bytes(h) + config_bytes(w) + GROUPS * group_bytes(h, w);
}

static cj_status spectrum_infer(cj_args *a, cj_tensor *y) {
  const cj_tensor *x = a->in[0];
  char text[CJ_SHAPE_TEXT];
  if (x->ndim < 2)
    return cj_fail(CJ_ESHAPE, "expected images [..., H, W] for x, got %s", cj_shape_text(text, x));
  if (x->size[x->ndim - 1] > 1 << 20 || x->size[x->ndim - 2] > 1 << 20)
    return cj_fail(CJ_ESHAPE, "expected images of at most 2^20 rows and columns, got %s",
                   cj_shape_text(text, x));
  return cj_infer_same(a, y);
}

typedef struct work {
  const real *x;
  real *y;
  int64_t images, h, w;
  kiss_fft_cfg rows, columns; /* transforms of length w and of length h */
  char *scratch;
} work;

/* x -> rows transformed -> columns transformed -> moduli, shifted. */
static void transform(const work *k, const real *x, real *y, kiss_fft_cpx *image) {
  const int64_t h = k->h, w = k->w;
  kiss_fft_cpx *half = image + h * w, *in = half + h * w, *out = in + (h > w ? h : w);
  for (int64_t i = 0; i < h * w; i++) image[i] = (kiss_fft_cpx){(float)x[i], 0};
  for (int64_t r = 0; r < h; r++) kiss_fft(k->rows, image + r * w, half + r * w);
  for (int64_t c = 0; c < w; c++) {
    for (int64_t r = 0; r < h; r++) in[r] = half[r * w + c];
    kiss_fft(k->columns, in, out);
    const int64_t to = (c + w / 2) % w;
    for (int64_t r = 0; r < h; r++)
      y[(r + h / 2) % h * w + to] =
          (real)sqrt((double)out[r].r * (double)out[r].r + (double)out[r].i * (double)out[r].i);
  }
}

static void spectrum_group(void *self, int64_t group) {
  const work *k = self;
  const int64_t size = k->h * k->w;
  kiss_fft_cpx *own = (void *)(k->scratch + (size_t)group * group_bytes(k->h, k->w));
  for (int64_t i = group; i < k->images; i += GROUPS)
    transform(k, k->x + i * size, k->y + i * size, own);
}

static void spectrum_forward(const cj_args *a, cj_tensor *y) {
  const cj_tensor *x = a->in[0];
  work k = {.x = x->data, .y = y->data, .h = x->size[x->ndim - 2], .w = x->size[x->ndim - 1]};
  if (cj_numel(x) == 0) return;
  k.images = cj_numel(x) / (k.h * k.w);
  size_t first = config_bytes(k.w), second = config_bytes(k.h);
  char *scratch = a->scratch;
  k.rows = kiss_fft_alloc((int)k.w, 0, scratch, &first);
  k.columns = kiss_fft_alloc((int)k.h, 0, scratch + config_bytes(k.w), &second);
  k.scratch = scratch + config_bytes(k.w) + config_bytes(k.h);
  cj_parallel(GROUPS, spectrum_group, &k);
}

CJ_OPS(spectrum) = {
    {"spectrum", 1, 0, spectrum_infer, spectrum_forward, NULL, CJ_APART, spectrum_scratch},
    {0},
};
