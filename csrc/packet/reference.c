/* reference.c -- points of a reference measure, and the slope of its log density. */
#include "packet/reference.h"

#include <math.h>

#include "packet/element.h"

/* Centres whose weight is below exp(-FAR) of the nearest one's add nothing in double. */
enum { FAR = 45, STRIDE = 56 };

static double get(const cj_reference *r, const void *values, int64_t i) {
  return get_element(r->dtype, values, i);
}

static void put(const cj_reference *r, void *values, int64_t i, double v) {
  put_element(r->dtype, values, i, v);
}

bool cj_reference_flat(const cj_reference *r) {
  return r->kind == CJ_REFERENCE_BOX;
}

/* There are at most 2^41 points in a stream. */
cj_stream cj_reference_stream(const cj_reference *r, const char *purpose, int64_t number) {
  return cj_stream_open(r->seed, purpose, (r->stream << 41) + (uint64_t)number);
}

static void draw_box(const cj_reference *r, int64_t number, void *x) {
  const cj_stream s = cj_reference_stream(r, "packet.box", number);
  for (int64_t i = 0; i < r->n; i++)
    put(r, x, i, r->low + (r->high - r->low) * cj_stream_uniform(&s, (uint64_t)i));
}

int64_t cj_reference_draw(const cj_reference *r, int64_t number, void *x) {
  if (r->kind == CJ_REFERENCE_BOX) {
    draw_box(r, number, x);
    return 0;
  }
  const cj_stream pick = cj_reference_stream(r, "packet.centre", number);
  const int64_t k = r->count > 1 ? (int64_t)cj_stream_below(&pick, 0, (uint64_t)r->count) : 0;
  cj_reference_draw_around(r, number, k, NULL, x);
  return k;
}

void cj_reference_draw_around(const cj_reference *r, int64_t number, int64_t k, const double *slope,
                              void *x) {
  const cj_stream s = cj_reference_stream(r, "packet.normal", number);
  for (int64_t i = 0; i < r->n; i++) {
    const double moved = slope ? r->tau * slope[i] : 0;
    put(r, x, i,
        get(r, r->centres, k * r->n + i) + r->tau * (moved + cj_stream_normal(&s, (uint64_t)i)));
  }
}

/* |x - x_k|^2, or INFINITY as soon as it is above `most`. */
static double distance(const cj_reference *r, const double *x, int64_t k, double most) {
  double sum = 0;
  for (int64_t i = 0; i < r->n;) {
    const int64_t end = i + STRIDE < r->n ? i + STRIDE : r->n;
    for (; i < end; i++) {
      const double d = x[i] - get(r, r->centres, k * r->n + i);
      sum += d * d;
    }
    if (sum > most) return INFINITY;
  }
  return sum;
}

/* score = sum_k weight_k (x_k - x) / tau^2, weight_k = the share of centre k in nu at x. */
double cj_reference_score(const cj_reference *r, const void *x, int64_t near, void *score,
                          double *scratch) {
  const double t2 = r->tau * r->tau;
  double *at = scratch, *weight = scratch + r->n, all = 0;
  for (int64_t i = 0; i < r->n; i++) at[i] = get(r, x, i);
  double least = distance(r, at, near, INFINITY);
  for (int64_t k = 0; k < r->count; k++) {
    weight[k] = distance(r, at, k, least + 2 * t2 * FAR);
    least = fmin(least, weight[k]);
  }
  for (int64_t k = 0; k < r->count; k++) {
    weight[k] = weight[k] == INFINITY ? 0 : exp((least - weight[k]) / (2 * t2));
    all += weight[k];
  }
  for (int64_t i = 0; i < r->n; i++) at[i] = -at[i];
  for (int64_t k = 0; k < r->count; k++)
    for (int64_t i = 0; weight[k] > 0 && i < r->n; i++)
      at[i] += weight[k] / all * get(r, r->centres, k * r->n + i);
  for (int64_t i = 0; i < r->n; i++) put(r, score, i, at[i] / t2);
  return log(all) - least / (2 * t2);
}
