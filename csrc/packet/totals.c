/* totals.c -- sums over pixels, once for all batches and once without each of them. */
#include "packet/totals.h"

static const char *const names[CJ_TOTALS] = {
    "sigma_x", "sigma_p", "P", "bound", "loss_part", "cross_part", "window_part", "rms_gradient"};

const char *cj_total_name(int t) {
  return t >= 0 && t < CJ_TOTALS ? names[t] : NULL;
}

/* The parts of g^2 at one pixel, added to total; the whole is the loss part where nu is constant.
 */
static void add_parts(const cj_moments *parts, int64_t i, int without, double g,
                      double total[CJ_TOTALS]) {
  cj_means m;
  if (!parts) {
    total[CJ_TOTAL_LOSS] += g * g;
    return;
  }
  cj_moments_means(parts, i, without, &m);
  total[CJ_TOTAL_LOSS] += m.mean[1] / m.mean[0];
  total[CJ_TOTAL_CROSS] += m.mean[2] / m.mean[0];
  total[CJ_TOTAL_WINDOW] += m.mean[3] / m.mean[0] / 4;
}

static void sum_up(const cj_moments *all, const cj_moments *parts, const cj_reading *readings,
                   int without, double total[CJ_TOTALS]) {
  double beta = 0;
  for (int t = 0; t < CJ_TOTALS; t++) total[t] = 0;
  for (int64_t i = 0; i < all->n; i++) {
    cj_means m;
    cj_estimate q[CJ_QUANTITIES];
    cj_moments_means(all, i, without, &m);
    cj_estimate_pixel(&readings[i], &m, q);
    beta = q[CJ_BETA].value;
    total[CJ_TOTAL_SIGMA_X] += q[CJ_SIGMA_X].value * q[CJ_SIGMA_X].value;
    total[CJ_TOTAL_SIGMA_P] += q[CJ_SIGMA_P].value * q[CJ_SIGMA_P].value;
    total[CJ_TOTAL_BOUND] += q[CJ_BOUND].value;
    add_parts(parts, i, without, q[CJ_G].value, total);
  }
  total[CJ_TOTAL_SIGMA_X] = sqrt(total[CJ_TOTAL_SIGMA_X]);
  total[CJ_TOTAL_SIGMA_P] = sqrt(total[CJ_TOTAL_SIGMA_P]);
  total[CJ_TOTAL_P] = total[CJ_TOTAL_SIGMA_X] * total[CJ_TOTAL_SIGMA_P];
  total[CJ_TOTAL_RMS] = sqrt(beta * total[CJ_TOTAL_LOSS]);
}

/* (B - 1) / B * sum of (t_b - mean t)^2 over the B batches left out in turn. */
void cj_estimate_totals(const cj_moments *all, const cj_moments *parts, const cj_reading *readings,
                        cj_estimate out[CJ_TOTALS]) {
  double whole[CJ_TOTALS], left[CJ_BATCHES][CJ_TOTALS];
  sum_up(all, parts, readings, -1, whole);
  for (int b = 0; b < CJ_BATCHES; b++) sum_up(all, parts, readings, b, left[b]);
  for (int t = 0; t < CJ_TOTALS; t++) {
    double mean = 0, spread = 0;
    for (int b = 0; b < CJ_BATCHES; b++) mean += left[b][t] / CJ_BATCHES;
    for (int b = 0; b < CJ_BATCHES; b++) spread += (left[b][t] - mean) * (left[b][t] - mean);
    out[t].value = whole[t];
    out[t].error = sqrt(spread * (CJ_BATCHES - 1) / CJ_BATCHES);
  }
}
