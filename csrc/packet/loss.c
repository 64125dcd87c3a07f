/* loss.c -- losses of packets and their slopes by the logits. */
#include "packet/loss.h"

#include <math.h>
#include <string.h>

static const char *const names[CJ_PACKET_KINDS] = {"ce",    "ce_clip", "err", "tanh_ce",
                                                   "brier", "mse",     "amp", "value"};

const char *cj_packet_kind_name(int kind) {
  return kind >= 0 && kind < CJ_PACKET_KINDS ? names[kind] : NULL;
}

cj_status cj_packet_kind_parse(cj_packet_kind *out, const char *name) {
  for (int k = 0; k < CJ_PACKET_KINDS; k++)
    if (strcmp(names[k], name) == 0) {
      *out = (cj_packet_kind)k;
      return CJ_OK;
    }
  return cj_fail(CJ_EARG, "unknown loss \"%s\"", name);
}

/* -log p_Y = log(1 + sum_{j != Y} exp(z_j - z_Y)), shifted by the largest exponent above 0. */
static double cross_entropy(int64_t classes, const double *z, int64_t y) {
  double top = 0, sum = 0;
  for (int64_t j = 0; j < classes; j++)
    if (j != y) top = fmax(top, z[j] - z[y]);
  for (int64_t j = 0; j < classes; j++)
    if (j != y) sum += exp(z[j] - z[y] - top);
  return top == 0 ? log1p(sum) : top + log(exp(-top) + sum);
}

/* slope = scale * (p - e). p_Y - 1 is summed from the others, so that it keeps its digits. */
static void ce_slope(int64_t classes, const double *z, int64_t y, double ce, double scale,
                     double *slope) {
  double others = 0;
  for (int64_t j = 0; j < classes; j++) {
    if (j == y) continue;
    const double p = exp(z[j] - z[y] - ce);
    others += p;
    slope[j] = scale * p;
  }
  slope[y] = -scale * others;
}

/* Both sums of the Brier score: over the classes, d = p - e. */
static double brier(int64_t classes, const double *z, int64_t y, double ce, double *slope) {
  double sum = 0, along = 0;
  double others = 0;
  for (int64_t j = 0; j < classes; j++)
    if (j != y) others += exp(z[j] - z[y] - ce);
  for (int64_t j = 0; j < classes; j++) {
    const double p = exp(z[j] - z[y] - ce), d = j == y ? -others : p;
    sum += d * d;
    along += p * d;
  }
  for (int64_t j = 0; slope && j < classes; j++) {
    const double p = exp(z[j] - z[y] - ce), d = j == y ? -others : p;
    slope[j] = 2 * p * (d - along);
  }
  return sum;
}

static double squares(int64_t classes, const double *z, int64_t y, double *slope) {
  double sum = 0;
  for (int64_t j = 0; j < classes; j++) {
    const double d = z[j] - (j == y);
    sum += d * d / 2;
    if (slope) slope[j] = d;
  }
  return sum;
}

static double first(int64_t classes, const double *z, double *slope) {
  for (int64_t j = 0; slope && j < classes; j++) slope[j] = j == 0;
  return z[0];
}

double cj_packet_value(const cj_packet_loss *l, int64_t classes, const double *z, int64_t y,
                       double *slope) {
  if (l->kind == CJ_PACKET_VALUE) return first(classes, z, slope);
  if (l->kind == CJ_PACKET_MSE) return squares(classes, z, y, slope);
  const double ce = cross_entropy(classes, z, y);
  if (l->kind == CJ_PACKET_BRIER) return brier(classes, z, y, ce, slope);
  double value = ce, scale = 1; /* dl/d(ce) */
  if (l->kind == CJ_PACKET_CE_CLIP && ce > l->clip) {
    value = l->clip;
    scale = 0;
  } else if (l->kind == CJ_PACKET_ERR) {
    value = -expm1(-ce);
    scale = exp(-ce);
  } else if (l->kind == CJ_PACKET_TANH_CE) {
    value = tanh(ce);
    scale = 1 - value * value;
  } else if (l->kind == CJ_PACKET_AMP) {
    value = exp(-ce / 2);
    scale = -value / 2;
  }
  if (slope) ce_slope(classes, z, y, ce, scale, slope);
  return value;
}
