/* measure.c -- differences, scaling and bounds of samples. */
#include "attacks/measure.h"

#include <math.h>

#include <stdbool.h>

static int64_t subtract_f32(int64_t n, const float *out, const float *x, float *d) {
  int32_t changed = 0;
  for (int64_t e = 0; e < n; e++) {
    d[e] = out[e] - x[e];
    changed += d[e] > 1e-6F || d[e] < -1e-6F;
  }
  return changed;
}

static int64_t subtract_f64(int64_t n, const double *out, const double *x, double *d) {
  int64_t changed = 0;
  for (int64_t e = 0; e < n; e++) {
    d[e] = out[e] - x[e];
    changed += d[e] > 1e-6 || d[e] < -1e-6;
  }
  return changed;
}

int64_t cj_attack_subtract(cj_dtype t, int64_t n, const void *out, const void *x, void *d) {
  return t == CJ_F32 ? subtract_f32(n, out, x, d) : subtract_f64(n, out, x, d);
}

void cj_attack_divide(cj_dtype t, int64_t n, void *d, double norm) {
  if (!(norm > 0)) return;
  for (int64_t e = 0; e < n; e++) {
    if (t == CJ_F32)
      ((float *)d)[e] = (float)((double)((float *)d)[e] / norm);
    else
      ((double *)d)[e] /= norm;
  }
}

static bool in_box_f32(int64_t n, const float *x, float lo, float hi) {
  int out = 0;
  for (int64_t e = 0; e < n; e++) out |= !(x[e] >= lo) | !(x[e] <= hi);
  return !out;
}

static bool in_box_f64(int64_t n, const double *x, double lo, double hi) {
  int out = 0;
  for (int64_t e = 0; e < n; e++) out |= !(x[e] >= lo) | !(x[e] <= hi);
  return !out;
}

cj_status cj_attack_check_box(const cj_tensor *x, const cj_ball *b) {
  const int64_t count = cj_numel(x), samples = x->size[0];
  const double lo = b->lo - 1e-6, hi = b->hi + 1e-6;
  const bool fine = x->dtype == CJ_F32 ? in_box_f32(count, x->data, (float)lo, (float)hi)
                                       : in_box_f64(count, x->data, lo, hi);
  for (int64_t e = 0; !fine && e < count; e++) {
    const double v = x->dtype == CJ_F32 ? (double)((float *)x->data)[e] : ((double *)x->data)[e];
    if (v >= lo && v <= hi) continue;
    return cj_fail(CJ_EARG, "expected x in %g..%g, got %g in sample %lld", b->lo, b->hi,
                   isnan(v) ? NAN : v, /* no "-nan" */
                   (long long)(e / (count / samples) + 1));
  }
  return CJ_OK;
}
