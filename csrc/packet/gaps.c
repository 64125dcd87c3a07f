/* gaps.c -- how far sums over panels are from the sums over their halves. */
#include <math.h>
#include <string.h>

#include "packet/panels.h"

/* What bisecting family f changed sum k by. */
static double change_of(const cj_panels *p, int64_t f, int k) {
  double sum = 0;
  for (int64_t h = 0; h < p->halves; h++) sum += p->half[f * p->halves + h].sums[k];
  return p->parent[f].sums[k] - sum;
}

void cj_panels_scales(const cj_panels *p, double scale[CJ_SLICE_SUMS]) {
  double total[CJ_SLICE_SUMS] = {0};
  memset(scale, 0, CJ_SLICE_SUMS * sizeof *scale);
  if (p->face > 0) {
    scale[1] = p->face;
    for (int a = 0; a < p->slice->axes; a++) scale[3 + 5 * a] = p->face;
    return;
  }
  for (int64_t h = 0; h < p->families * p->halves; h++)
    for (int k = 0; k < CJ_SLICE_SUMS; k++) total[k] += p->half[h].sums[k];
  memcpy(scale, total, sizeof total);
  for (int a = 0; a < p->slice->axes; a++) {
    double *of = scale + 3 + 5 * a;
    of[0] = of[1] = total[1];
    of[3] = of[4] = sqrt(total[1] * of[2]);
  }
}

double cj_panels_gap(const cj_panels *p, int64_t f, const double *scale) {
  double most = 0;
  for (int k = 0; k < CJ_SLICE_SUMS; k++)
    if (scale[k] > 0) most = fmax(most, fabs(change_of(p, f, k)) / scale[k]);
  return most;
}

double cj_panels_error(const cj_panels *p, const double *scale) {
  double worst = 0;
  for (int k = 0; k < CJ_SLICE_SUMS; k++) {
    double change[CJ_SLICE_GROUPS] = {0}, error = 0;
    if (!(scale[k] > 0)) continue;
    for (int64_t f = 0; f < p->families; f++) change[f % CJ_SLICE_GROUPS] += change_of(p, f, k);
    for (int g = 0; g < CJ_SLICE_GROUPS; g++) error += fabs(change[g]);
    worst = fmax(worst, error / scale[k]);
  }
  return worst;
}
