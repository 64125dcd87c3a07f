/* totals.c -- sums over pixels, once for all batches and once without each of them. */
#include "packet/totals.h"

static const char *const names[CJ_TOTALS] = {
    "sigma_x", "sigma_p",   "P",         "bound",      "g",           "U",
    "slack",   "tightness", "loss_part", "cross_part", "window_part", "rms_gradient"};

const char *cj_total_name(int t) {
  return t >= 0 && t < CJ_TOTALS ? names[t] : NULL;
}

/* What pixel i adds to the totals; parts: its means of that set, or NULL where nu is constant. */
static void add_pixel(const cj_reading *r, const cj_means *m, const cj_means *parts,
                      double total[CJ_TOTALS]) {
  double q[CJ_QUANTITIES];
  cj_estimate_values(r, m, q);
  total[CJ_TOTAL_SIGMA_X] += q[CJ_SIGMA_X] * q[CJ_SIGMA_X];
  total[CJ_TOTAL_SIGMA_P] += q[CJ_SIGMA_P] * q[CJ_SIGMA_P];
  total[CJ_TOTAL_BOUND] += q[CJ_BOUND];
  total[CJ_TOTAL_G] += q[CJ_G] * q[CJ_G];
  total[CJ_TOTAL_LOSS] += parts ? parts->mean[1] / parts->mean[0] : q[CJ_G] * q[CJ_G];
  total[CJ_TOTAL_CROSS] += parts ? parts->mean[2] / parts->mean[0] : 0;
  total[CJ_TOTAL_WINDOW] += parts ? parts->mean[3] / parts->mean[0] / 4 : 0;
}

static void complete(double beta, double total[CJ_TOTALS]) {
  total[CJ_TOTAL_SIGMA_X] = sqrt(total[CJ_TOTAL_SIGMA_X]);
  total[CJ_TOTAL_SIGMA_P] = sqrt(total[CJ_TOTAL_SIGMA_P]);
  total[CJ_TOTAL_P] = total[CJ_TOTAL_SIGMA_X] * total[CJ_TOTAL_SIGMA_P];
  total[CJ_TOTAL_G] = sqrt(total[CJ_TOTAL_G]);
  total[CJ_TOTAL_U] = total[CJ_TOTAL_SIGMA_X] * total[CJ_TOTAL_G];
  total[CJ_TOTAL_SLACK] = total[CJ_TOTAL_P] - total[CJ_TOTAL_BOUND];
  total[CJ_TOTAL_TIGHT] = total[CJ_TOTAL_BOUND] / total[CJ_TOTAL_P];
  total[CJ_TOTAL_RMS] = sqrt(beta * total[CJ_TOTAL_LOSS]);
}

/* The totals without each batch in turn, and of all. */
static void sum_up(const cj_moments *all, const cj_moments *parts, const cj_reading *readings,
                   double total[CJ_BATCHES + 1][CJ_TOTALS]) {
  double beta[CJ_BATCHES + 1];
  for (int64_t i = 0; i < all->n; i++) {
    cj_means m[CJ_BATCHES + 1], part[CJ_BATCHES + 1];
    cj_moments_left_out(all, i, m);
    if (parts) cj_moments_left_out(parts, i, part);
    for (int b = 0; b <= CJ_BATCHES; b++) {
      add_pixel(&readings[i], &m[b], parts ? &part[b] : NULL, total[b]);
      beta[b] = m[b].mean[0];
    }
  }
  for (int b = 0; b <= CJ_BATCHES; b++) complete(beta[b], total[b]);
}

/* The jackknife over B batches, with t_b the total without batch b and t' = mean t_b: the bias of
 * order 1/N is (B - 1) (t' - t), and goes; the variance is (B - 1) / B * sum of (t_b - t')^2.
 * A total needs it where a number of a pixel does not: with the pixels their biases add up in full,
 * their errors only in part. For l = |x|^2 / 2 in a window sum q is known exactly, and the noise of
 * delta^2 is all that is left of sigma_x. The error holds the bias, too: it is all there is where
 * the first order vanishes, and half of it stays where pixels have |1 - B| near 0. */
static cj_estimate jackknife(double all, const double total[CJ_BATCHES + 1][CJ_TOTALS], int t) {
  double mean = 0, spread = 0;
  for (int b = 0; b < CJ_BATCHES; b++) mean += total[b][t] / CJ_BATCHES;
  for (int b = 0; b < CJ_BATCHES; b++) spread += (total[b][t] - mean) * (total[b][t] - mean);
  const double bias = (CJ_BATCHES - 1) * (mean - all);
  return (cj_estimate){all - bias, sqrt(spread * (CJ_BATCHES - 1) / CJ_BATCHES + bias * bias)};
}

void cj_estimate_totals(const cj_moments *all, const cj_moments *parts, const cj_reading *readings,
                        cj_estimate out[CJ_TOTALS]) {
  double total[CJ_BATCHES + 1][CJ_TOTALS] = {{0}};
  sum_up(all, parts, readings, total);
  for (int t = 0; t < CJ_TOTALS; t++) out[t] = jackknife(total[CJ_BATCHES][t], total, t);
}
