/* batch_norm.c -- normalisation of each channel over the batch (Ioffe and Szegedy, ICML 2015).
 *
 * x [B, C, ...]; y = (x - mean) / sqrt(var + eps) * weight + bias. In training mean and (biased)
 * variance are those of the batch, and the running ones move towards them:
 * running += momentum (batch's - running), with the unbiased variance. In evaluation the running
 * ones are used, and one sample does not depend on the others.
 *
 * Sums over a channel: sixteen partial sums per image, added in double from image to image. */
#include <math.h>

#include "core/threads.h"
#include "expect.h"

enum { X, WEIGHT, BIAS, MEAN, VAR }; /* inputs; all but x may be absent */
enum { TRAINING, MOMENTUM, EPS };    /* numbers */
enum { SAVED_MEAN, SAVED_SCALE };    /* [C]: the mean and 1/sqrt(var + eps) that were used */

typedef struct norm {
  const cj_args *a;
  int64_t batch, channels, pixels;
  bool training;
  const real *x, *gy, *weight;
  real *y;               /* the result, or the gradient of x, or NULL */
  real *gweight, *gbias; /* NULL where none is wanted */
} norm;

static norm norm_of(const cj_args *a, const cj_tensor *x) {
  norm n = {.a = a,
            .batch = x->size[0],
            .channels = x->size[1],
            .pixels = 1,
            .training = a->num[TRAINING] != 0,
            .x = a->in[X]->data,
            .weight = optional_data(a->in[WEIGHT])};
  for (int d = 2; d < x->ndim; d++) n.pixels *= x->size[d];
  return n;
}

static cj_status batch_norm_infer(cj_args *a, cj_tensor *y) {
  const cj_tensor *x = a->in[X];
  char text[CJ_SHAPE_TEXT];
  int64_t training;
  if (x->ndim < 2)
    return cj_fail(CJ_ESHAPE, "expected x [B, C, ...], got %s", cj_shape_text(text, x));
  CJ_TRY(cj_expect_int(a, TRAINING, "training", 0, 1, &training));
  const int64_t c = x->size[1];
  CJ_TRY(expect_vector(a->in[WEIGHT], "weight", c));
  CJ_TRY(expect_vector(a->in[BIAS], "bias", c));
  CJ_TRY(expect_vector(a->in[MEAN], "running_mean", c));
  CJ_TRY(expect_vector(a->in[VAR], "running_var", c));
  if (!training && (!a->in[MEAN] || !a->in[VAR]))
    return cj_fail(CJ_EARG, "expected running_mean and running_var in evaluation mode, got none");
  if (training && c > 0 && cj_numel(x) / c < 2)
    return cj_fail(CJ_ESHAPE, "expected at least two values per channel in training, got x %s",
                   cj_shape_text(text, x));
  if (!(a->num[EPS] >= 0))
    return cj_fail(CJ_EARG, "expected eps of at least 0, got %g", a->num[EPS]);
  CJ_TRY(cj_save(a, SAVED_MEAN, CJ_REAL, 1, &c));
  CJ_TRY(cj_save(a, SAVED_SCALE, CJ_REAL, 1, &c));
  return cj_infer_same(a, y);
}

/* Folds sixteen partial sums. */
static double fold(real sum[16]) {
  for (int width = 8; width > 0; width /= 2)
    for (int j = 0; j < width; j++) sum[j] += sum[j + width];
  return (double)sum[0];
}

static double sum_image(const real *x, int64_t count) {
  real sum[16] = {0};
  int64_t i = 0;
  for (; i + 16 <= count; i += 16)
    for (int64_t j = 0; j < 16; j++) sum[j] += x[i + j];
  for (int64_t j = 0; i + j < count; j++) sum[j] += x[i + j];
  return fold(sum);
}

/* Sum of (x - m) (z - k). */
static double sum_products(const real *x, real m, const real *z, real k, int64_t count) {
  real sum[16] = {0};
  int64_t i = 0;
  for (; i + 16 <= count; i += 16)
    for (int64_t j = 0; j < 16; j++) sum[j] += (x[i + j] - m) * (z[i + j] - k);
  for (int64_t j = 0; i + j < count; j++) sum[j] += (x[i + j] - m) * (z[i + j] - k);
  return fold(sum);
}

static const real *image(const norm *n, const real *x, int64_t b, int64_t c) {
  return x + (b * n->channels + c) * n->pixels;
}

/* Mean and biased variance of channel c. */
static void channel_moments(const norm *n, int64_t c, double *mean, double *var) {
  const double count = (double)(n->batch * n->pixels);
  double sum = 0, squares = 0;
  for (int64_t b = 0; b < n->batch; b++) sum += sum_image(image(n, n->x, b, c), n->pixels);
  *mean = sum / count;
  const real m = (real)*mean;
  for (int64_t b = 0; b < n->batch; b++) {
    const real *x = image(n, n->x, b, c);
    squares += sum_products(x, m, x, m, n->pixels);
  }
  const double slip = *mean - (double)m; /* the squares were taken around the rounded mean */
  *var = squares / count - slip * slip;
  if (*var < 0) *var = 0;
}

static void move(const cj_tensor *running, int64_t c, double to, double momentum) {
  if (!running) return;
  real *r = running->data;
  r[c] = (real)((1 - momentum) * (double)r[c] + momentum * to);
}

static void norm_channel(void *context, int64_t c) {
  const norm *n = context;
  const cj_args *a = n->a;
  double mean, var;
  if (n->training) {
    const double count = (double)(n->batch * n->pixels);
    channel_moments(n, c, &mean, &var);
    move(a->in[MEAN], c, mean, a->num[MOMENTUM]);
    move(a->in[VAR], c, var * count / (count - 1), a->num[MOMENTUM]);
  } else {
    mean = (double)optional_data(a->in[MEAN])[c];
    var = (double)optional_data(a->in[VAR])[c];
  }
  const real m = (real)mean, scale = (real)(1 / sqrt(var + a->num[EPS]));
  if (a->recording) {
    ((real *)a->saved[SAVED_MEAN].data)[c] = m;
    ((real *)a->saved[SAVED_SCALE].data)[c] = scale;
  }
  const real slope = n->weight ? scale * n->weight[c] : scale;
  const real shift = a->in[BIAS] ? optional_data(a->in[BIAS])[c] : 0;
  for (int64_t b = 0; b < n->batch; b++) {
    const real *x = image(n, n->x, b, c);
    real *y = n->y + (x - n->x);
    for (int64_t i = 0; i < n->pixels; i++) y[i] = (x[i] - m) * slope + shift;
  }
}

static void batch_norm_forward(const cj_args *a, cj_tensor *y) {
  norm n = norm_of(a, a->in[X]);
  n.y = y->data;
  cj_parallel(n.channels, norm_channel, &n);
}

/* With h = (x - mean) scale: gweight = sum gy h, gbias = sum gy, and in training
 * gx = weight scale (gy - mean of gy - h (mean of gy h)); in evaluation the means drop out. */
static void norm_channel_backward(void *context, int64_t c) {
  const norm *n = context;
  const real m = ((const real *)n->a->saved[SAVED_MEAN].data)[c];
  const real scale = ((const real *)n->a->saved[SAVED_SCALE].data)[c];
  const real slope = n->weight ? scale * n->weight[c] : scale;
  double sum = 0, products = 0;
  for (int64_t b = 0; b < n->batch && (n->training || n->gweight || n->gbias); b++) {
    const real *gy = image(n, n->gy, b, c);
    sum += sum_image(gy, n->pixels);
    products += sum_products(image(n, n->x, b, c), m, gy, 0, n->pixels);
  }
  products *= (double)scale;
  if (n->gweight) n->gweight[c] += (real)products;
  if (n->gbias) n->gbias[c] += (real)sum;
  if (!n->y) return;
  const double count = (double)(n->batch * n->pixels);
  const real mean_gy = n->training ? (real)(sum / count) : 0;
  const real tilt = n->training ? (real)(products / count) * scale : 0;
  for (int64_t b = 0; b < n->batch; b++) {
    const real *gy = image(n, n->gy, b, c), *x = image(n, n->x, b, c);
    real *gx = n->y + (x - n->x);
    for (int64_t i = 0; i < n->pixels; i++) gx[i] += (gy[i] - mean_gy - (x[i] - m) * tilt) * slope;
  }
}

static void batch_norm_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                                cj_tensor *const *gx) {
  norm n = norm_of(a, y);
  n.gy = gy->data;
  n.y = gx[X] ? gx[X]->data : NULL;
  n.gweight = gx[WEIGHT] ? gx[WEIGHT]->data : NULL;
  n.gbias = gx[BIAS] ? gx[BIAS]->data : NULL;
  cj_parallel(n.channels, norm_channel_backward, &n);
}

CJ_OPS(batch_norm) = {
    {"batch_norm", 5, 3, batch_norm_infer, batch_norm_forward, batch_norm_backward, CJ_OPTIONAL(4),
     NULL},
    {0},
};
