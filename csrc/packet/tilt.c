/* tilt.c -- the exponential tilt of a reference in closed form. */
#include "packet/tilt.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "core/random.h"
#include "packet/element.h"

cj_status cj_tilt_open(cj_tilt *t, const cj_reference *r, double share) {
  *t = (cj_tilt){.share = share};
  t->slope = cj_alloc_zeroed((size_t)r->n * sizeof(double));
  t->rising = cj_alloc_zeroed((size_t)r->count * sizeof(double));
  if (t->slope && t->rising) {
    cj_tilt_set(t, r, t->slope);
    return CJ_OK;
  }
  cj_tilt_drop(t);
  return cj_fail(CJ_EMEM, "no memory for a tilt of %lld pixels", (long long)r->n);
}

void cj_tilt_drop(cj_tilt *t) {
  cj_free(t->slope);
  cj_free(t->rising);
  *t = (cj_tilt){0};
}

/* log E[exp(s x)] of one pixel, uniform on the box: s middle + log(sinh(h) / h), h = s width / 2.
 */
static double log_mean_pixel(const cj_reference *r, double s) {
  const double h = fabs(s) * (r->high - r->low) / 2, middle = s * (r->high + r->low) / 2;
  if (h < 1e-2) return middle + h * h * (1.0 / 6 - h * h / 180);
  return middle + h + log(-expm1(-2 * h) / (2 * h));
}

/* log mean_k exp(s.x_k), and the sums of the centres' shares. */
static double log_mean_centres(cj_tilt *t, const cj_reference *r) {
  const size_t row = (size_t)r->n * cj_dtype_bytes(r->dtype);
  double most = -INFINITY, all = 0;
  for (int64_t k = 0; k < r->count; k++) {
    t->rising[k] = cj_tilt_along(t, r, (const char *)r->centres + (size_t)k * row);
    most = fmax(most, t->rising[k]);
  }
  for (int64_t k = 0; k < r->count; k++) t->rising[k] = all += exp(t->rising[k] - most);
  for (int64_t k = 0; k < r->count; k++) t->rising[k] /= all;
  return most + log(all / (double)r->count);
}

void cj_tilt_set(cj_tilt *t, const cj_reference *r, const double *slope) {
  const bool box = r->kind == CJ_REFERENCE_BOX;
  memmove(t->slope, slope, (size_t)r->n * sizeof(double));
  t->log_mean = box ? 0 : log_mean_centres(t, r);
  for (int64_t i = 0; i < r->n; i++)
    t->log_mean += box ? log_mean_pixel(r, slope[i]) : r->tau * r->tau * slope[i] * slope[i] / 2;
}

/* The x below which the share u of a truncated exponential exp(s x) lies; from the end where the
 * density is large, so that nothing overflows. */
static double quantile(const cj_reference *r, double s, double u) {
  const double width = r->high - r->low, steep = fabs(s) * width;
  if (steep < 1e-12) return r->low + width * u;
  const double away = -log1p((s > 0 ? 1 - u : u) * expm1(-steep)) / steep;
  return s > 0 ? r->high - width * away : r->low + width * away;
}

static void draw_box(const cj_tilt *t, const cj_reference *r, int64_t number, void *x) {
  const cj_stream s = cj_reference_stream(r, "packet.box", number);
  for (int64_t i = 0; i < r->n; i++)
    put_element(r->dtype, x, i, quantile(r, t->slope[i], cj_stream_uniform(&s, (uint64_t)i)));
}

/* The first centre whose sum of shares is above u. */
static int64_t pick(const cj_tilt *t, int64_t count, double u) {
  int64_t low = 0, high = count - 1;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (t->rising[middle] > u)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

int64_t cj_tilt_draw(const cj_tilt *t, const cj_reference *r, int64_t number, void *x) {
  if (!t) return cj_reference_draw(r, number, x);
  const cj_stream choice = cj_reference_stream(r, "packet.defence", number);
  if (cj_stream_uniform(&choice, 0) < t->share) return cj_reference_draw(r, number, x);
  if (r->kind == CJ_REFERENCE_BOX) {
    draw_box(t, r, number, x);
    return 0;
  }
  const int64_t k = pick(t, r->count, cj_stream_uniform(&choice, 1));
  cj_reference_draw_around(r, number, k, t->slope, x);
  return k;
}

double cj_tilt_along(const cj_tilt *t, const cj_reference *r, const void *x) {
  double sum = 0;
  for (int64_t i = 0; i < r->n; i++) sum += t->slope[i] * get_element(r->dtype, x, i);
  return sum;
}

/* 1 / (a + (1 - a) exp(ratio)). */
static double weight(const cj_tilt *t, double ratio) {
  const double a = t->share, small = exp(-fabs(ratio));
  return ratio > 0 ? small / (a * small + 1 - a) : 1 / (a + (1 - a) * small);
}

double cj_tilt_weight(const cj_tilt *t, double along) {
  return weight(t, along - t->log_mean);
}

double cj_tilt_weight_without(const cj_tilt *t, const cj_reference *r, double along, int64_t i,
                              double x_i) {
  const double own = t->slope[i] * x_i - log_mean_pixel(r, t->slope[i]);
  return weight(t, along - t->log_mean - own);
}
