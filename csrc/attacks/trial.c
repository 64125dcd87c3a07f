/* trial.c -- what methods do with a trial: judge the point, keep it, measure it. */
#include "attacks/trial.h"

#include <math.h>
#include <string.h>

#include "attacks/measure.h"

int64_t cj_trial_pred(const cj_trial *t) {
  return cj_largest(t->classes, t->z, -1);
}

bool cj_trial_reached(const cj_trial *t) {
  const int64_t pred = cj_trial_pred(t);
  return t->target >= 0 ? pred == t->target : pred != t->y;
}

double cj_trial_loss(cj_trial *t) {
  const double value = cj_loss_value(t->a->loss, t->classes, t->z, t->y, t->target, t->slopes);
  t->record->loss_best = fmax(t->record->loss_best, value);
  return value;
}

void cj_trial_slopes(cj_trial *t, int64_t k, int64_t y) {
  memset(t->slopes, 0, (size_t)t->classes * sizeof(double));
  t->slopes[k] += 1;
  t->slopes[y] -= 1;
}

static void keep(cj_trial *t, bool hit, double value) {
  memcpy(t->x_adv, t->point, (size_t)t->n * cj_dtype_bytes(t->dtype));
  t->kept = (cj_kept){.any = true, .hit = hit, .last = true, .value = value};
  t->record->pred_adv = cj_trial_pred(t);
  t->record->loss_adv = cj_loss_value(t->a->loss, t->classes, t->z, t->y, t->target, NULL);
}

bool cj_trial_keep_highest(cj_trial *t, double value) {
  const cj_kept *kept = &t->kept;
  const bool hit = cj_trial_reached(t);
  if (kept->any && (kept->hit != hit ? kept->hit : value <= kept->value)) {
    const size_t bytes = (size_t)t->n * cj_dtype_bytes(t->dtype);
    t->kept.last = value == kept->value && memcmp(t->x_adv, t->point, bytes) == 0;
    return false;
  }
  keep(t, hit, value);
  return true;
}

bool cj_trial_keep_nearest(cj_trial *t, double distance) {
  if (!cj_trial_reached(t)) return false;
  if (!(distance <= t->ball.eps * (1 + 1e-6) + 1e-7)) return false;
  if (t->kept.any && distance >= t->kept.value) return false;
  keep(t, true, distance);
  return true;
}

double cj_trial_distance(const cj_trial *t, const cj_projection *norm, void *d) {
  cj_attack_subtract(t->dtype, t->n, t->point, t->x, d);
  return norm->norm(t->n, d);
}

cj_stream cj_trial_stream(const cj_trial *t, const char *purpose) {
  return cj_stream_open(t->a->seed, purpose, t->index);
}
