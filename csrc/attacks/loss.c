/* loss.c -- cross entropy, margin and DLR with their slopes.
 *
 * The slope of the cross entropy is p - e_y. Its entry at y is minus the sum of the other p, not
 * p_y - 1, which cancels to 0 as soon as the model is confident. */
#include "attacks/loss.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static const char *const names[CJ_LOSSES] = {"ce", "margin", "dlr"};

const char *cj_loss_name(cj_loss kind) {
  return names[kind];
}

cj_status cj_loss_parse(cj_loss *out, const char *name) {
  if (strcmp(name, "cw") == 0) name = "margin";
  for (int k = 0; k < CJ_LOSSES; k++) {
    if (strcmp(name, names[k]) != 0) continue;
    *out = (cj_loss)k;
    return CJ_OK;
  }
  return cj_fail(CJ_EARG, "expected \"ce\", \"margin\" (or \"cw\") or \"dlr\" for loss, got \"%s\"",
                 name);
}

cj_loss cj_loss_for(cj_loss kind, int64_t classes) {
  return kind == CJ_LOSS_DLR && classes < 3 ? CJ_LOSS_MARGIN : kind;
}

int64_t cj_largest(int64_t classes, const double *z, int64_t but) {
  int64_t best = -1;
  for (int64_t k = 0; k < classes; k++)
    if (k != but && (best < 0 || z[k] > z[best])) best = k;
  return best;
}

int64_t cj_smallest(int64_t classes, const double *z, int64_t but) {
  int64_t best = -1;
  for (int64_t k = 0; k < classes; k++)
    if (k != but && (best < 0 || z[k] < z[best])) best = k;
  return best;
}

/* -log softmax(z)_y as log1p of what the others add, so that small values keep their digits. */
static double cross_entropy(int64_t classes, const double *z, int64_t y, double *slope) {
  const int64_t top = cj_largest(classes, z, -1);
  double others = 0, rest = 0; /* sums of exp(z_k - z_top) over k != top and over k != y */
  for (int64_t k = 0; k < classes; k++) {
    const double e = exp(z[k] - z[top]);
    others += k != top ? e : 0;
    rest += k != y ? e : 0;
  }
  if (slope) {
    for (int64_t k = 0; k < classes; k++) slope[k] = exp(z[k] - z[top]) / (1 + others);
    slope[y] = -rest / (1 + others);
  }
  return z[top] - z[y] + log1p(others);
}

static double margin(int64_t classes, const double *z, int64_t y, double *slope) {
  const int64_t rival = cj_largest(classes, z, y);
  if (slope) {
    memset(slope, 0, (size_t)classes * sizeof(double));
    slope[rival] = 1;
    slope[y] = -1;
  }
  return z[rival] - z[y];
}

/* The j = 4 largest logits, ties to the smaller index; fewer when there are fewer classes. */
static void rank(int64_t classes, const double *z, int64_t order[4]) {
  for (int j = 0; j < 4; j++) {
    order[j] = -1;
    for (int64_t k = 0; k < classes; k++) {
      bool taken = false;
      for (int i = 0; i < j; i++) taken |= order[i] == k;
      if (!taken && (order[j] < 0 || z[k] > z[order[j]])) order[j] = k;
    }
  }
}

/* -(z_y - z_other) / spread. Untargeted: other = the largest rival, spread z_(1) - z_(3). Targeted:
 * other = the target, spread z_(1) - (z_(3) + z_(4)) / 2, or z_(1) - z_(3) when there are only
 * three classes. */
static double dlr(int64_t classes, const double *z, int64_t y, int64_t target, double *slope) {
  const int64_t other = target >= 0 ? target : cj_largest(classes, z, y);
  int64_t order[4];
  rank(classes, z, order);
  const int64_t last = target >= 0 && classes >= 4 ? order[3] : order[2];
  const double spread = z[order[0]] - 0.5 * (z[order[2]] + z[last]) + 1e-12;
  const double above = z[other] - z[y];
  if (slope) {
    const double back = -above / (spread * spread);
    memset(slope, 0, (size_t)classes * sizeof(double));
    slope[other] += 1 / spread;
    slope[y] -= 1 / spread;
    slope[order[0]] += back;
    slope[order[2]] -= 0.5 * back;
    slope[last] -= 0.5 * back;
  }
  return above / spread;
}

double cj_loss_value(cj_loss kind, int64_t classes, const double *z, int64_t y, int64_t target,
                     double *slope) {
  kind = cj_loss_for(kind, classes);
  if (kind == CJ_LOSS_DLR) return dlr(classes, z, y, target, slope);
  const int64_t about = target >= 0 ? target : y;
  const double value = kind == CJ_LOSS_CE ? cross_entropy(classes, z, about, slope)
                                          : margin(classes, z, about, slope);
  if (target < 0) return value;
  if (slope)
    for (int64_t k = 0; k < classes; k++) slope[k] = -slope[k];
  return -value;
}
