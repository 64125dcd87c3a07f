/* augment.c -- gathering a batch and drawing its random moves.
 *
 * A move takes an output pixel to the point it is read from. About the centre, in this order:
 * rotation, shift, zoom, as Keras' ImageDataGenerator does (the YGCNN recipe); then the mirror and
 * the whole-pixel shift of the CIFAR recipe (He et al., CVPR 2016: pad 4, crop, flip). */
#include "io/augment.h"

#include <math.h>
#include <string.h>

#include "core/random.h"
#include "core/threads.h"

enum { GROUP = 16 }; /* samples per piece of work */

typedef struct gather {
  const cj_tensor *images;
  const int64_t *index;
  float *to;
  int64_t count, each;
} gather;

static void gather_one(const gather *g, int64_t i) {
  const int64_t from = g->index[i] * g->each;
  float *to = g->to + i * g->each;
  if (g->images->dtype == CJ_F32) {
    memcpy(to, (const float *)g->images->data + from, (size_t)g->each * sizeof *to);
    return;
  }
  const uint8_t *bytes = (const uint8_t *)g->images->data + from;
  for (int64_t p = 0; p < g->each; p++) to[p] = (float)bytes[p] / 255.0f;
}

static void gather_group(void *context, int64_t piece) {
  const gather *g = context;
  const int64_t end = (piece + 1) * GROUP < g->count ? (piece + 1) * GROUP : g->count;
  for (int64_t i = piece * GROUP; i < end; i++) gather_one(g, i);
}

static cj_status check_indices(const cj_tensor *indices) {
  if (indices->dtype == CJ_I64 && indices->ndim == 1 && cj_contiguous(indices)) return CJ_OK;
  return cj_fail(CJ_EARG, "batch: expected indices as a contiguous int64 tensor [B]");
}

static cj_status check_range(const cj_tensor *indices, int64_t n) {
  CJ_TRY(check_indices(indices));
  for (int64_t i = 0; i < indices->size[0]; i++) {
    const int64_t index = ((const int64_t *)indices->data)[i];
    if (index < 0 || index >= n)
      return cj_fail(CJ_EARG, "batch: expected indices from 1 to %lld, got %lld", (long long)n,
                     (long long)index + 1);
  }
  return CJ_OK;
}

cj_status cj_images_gather(cj_tensor *out, const cj_tensor *images, const cj_tensor *indices) {
  const int64_t *s = images->size;
  const bool typed = images->dtype == CJ_U8 || images->dtype == CJ_F32;
  if (!typed || images->ndim != 4 || !cj_contiguous(images))
    return cj_fail(CJ_EARG, "batch: expected images as a contiguous uint8 or float32 tensor "
                            "[N, C, H, W]");
  CJ_TRY(check_range(indices, s[0]));
  CJ_TRY(cj_tensor_new(out, CJ_F32, 4, (int64_t[]){indices->size[0], s[1], s[2], s[3]}));
  gather g = {images, indices->data, out->data, indices->size[0], s[1] * s[2] * s[3]};
  cj_parallel((g.count + GROUP - 1) / GROUP, gather_group, &g);
  return CJ_OK;
}

cj_status cj_labels_gather(cj_tensor *out, const cj_tensor *labels, const cj_tensor *indices) {
  if (labels->dtype != CJ_I64 || labels->ndim != 1)
    return cj_fail(CJ_EARG, "batch: expected labels as an int64 tensor [N]");
  CJ_TRY(check_range(indices, labels->size[0]));
  CJ_TRY(cj_tensor_new(out, CJ_I64, 1, indices->size));
  for (int64_t i = 0; i < indices->size[0]; i++)
    ((int64_t *)out->data)[i] =
        ((const int64_t *)labels->data)[((const int64_t *)indices->data)[i] * labels->stride[0]];
  return CJ_OK;
}

/* p becomes p q, both standing for 3 x 3 matrices with last row (0, 0, 1). */
static void multiply(double p[6], const double q[6]) {
  double y[6];
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 3; j++)
      y[3 * i + j] = p[3 * i] * q[j] + p[3 * i + 1] * q[3 + j] + (j == 2 ? p[3 * i + 2] : 0.0);
  memcpy(p, y, sizeof y);
}

/* Uniform in -most..most. */
static double around(const cj_stream *s, uint64_t n, double most) {
  return most * (2 * cj_stream_uniform(s, n) - 1);
}

static void draw(double p[6], const cj_stream *s, const cj_moves *moves, double h, double w) {
  const double turn = around(s, 0, moves->rotation) * (acos(-1.0) / 180);
  const double centre_row = h / 2 - 0.5, centre_col = w / 2 - 0.5;
  const double to_centre[6] = {1, 0, centre_row, 0, 1, centre_col};
  const double rotate[6] = {cos(turn), -sin(turn), 0, sin(turn), cos(turn), 0};
  const double shift[6] = {1, 0, around(s, 1, moves->shift) * h,
                           0, 1, around(s, 2, moves->shift) * w};
  const double zoom[6] = {1 + around(s, 3, moves->zoom), 0, 0, 0, 1 + around(s, 4, moves->zoom), 0};
  const double from_centre[6] = {1, 0, -centre_row, 0, 1, -centre_col};
  const uint64_t pixels = (uint64_t)moves->crop;
  const double row = (double)cj_stream_below(s, 5, 2 * pixels + 1) - (double)pixels;
  const double col = (double)cj_stream_below(s, 6, 2 * pixels + 1) - (double)pixels;
  const bool mirror = cj_stream_uniform(s, 7) < moves->flip;
  const double cut[6] = {1, 0, row, 0, mirror ? -1 : 1, mirror ? w - 1 + col : col};
  memcpy(p, to_centre, sizeof to_centre);
  multiply(p, rotate);
  multiply(p, shift);
  multiply(p, zoom);
  multiply(p, from_centre);
  multiply(p, cut);
}

cj_status cj_moves_draw(cj_tensor *out, const cj_tensor *indices, const cj_moves *moves,
                        int64_t height, int64_t width, uint64_t seed, uint64_t epoch) {
  CJ_TRY(check_indices(indices));
  CJ_TRY(cj_tensor_new(out, CJ_F32, 3, (int64_t[]){indices->size[0], 2, 3}));
  for (int64_t i = 0; i < indices->size[0]; i++) {
    const uint64_t sample = (uint64_t)((const int64_t *)indices->data)[i];
    const cj_stream s = cj_stream_open(seed, "augment", (epoch << 40) + sample);
    double p[6];
    draw(p, &s, moves, (double)height, (double)width);
    for (int k = 0; k < 6; k++) ((float *)out->data)[6 * i + k] = (float)p[k];
  }
  return CJ_OK;
}
