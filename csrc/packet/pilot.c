/* pilot.c -- searches a tilt along the directions that a pilot shows. */
#include "packet/pilot.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "packet/element.h"

enum { STEPS = 12, WHOLE = 8 }; /* scales 0, 1/8 .. 12/8 of a direction */

/* The points are not kept: they are drawn again. */
typedef struct pilot {
  const cj_packet *p;
  cj_tilt trial;
  char *x;                        /* one point [n] */
  double *losses, *v;             /* of the pilot's points, */
  double *from, *along;           /* and their base.x and direction.x */
  double *base, *direction, *sum; /* [n] */
} pilot;

static double square(double x) {
  return x * x;
}

/* Point `number` into x. */
static void draw(const pilot *f, int64_t number) {
  cj_tilt_draw(f->p->tilt, &f->p->reference, number, f->x);
}

static double dot(const pilot *f, const double *slope) {
  double sum = 0;
  for (int64_t i = 0; i < f->p->reference.n; i++)
    sum += slope[i] * get_element(f->p->reference.dtype, f->x, i);
  return sum;
}

static void set_scale(pilot *f, double scale) {
  for (int64_t i = 0; i < f->p->reference.n; i++) f->sum[i] = f->base[i] + scale * f->direction[i];
  cj_tilt_set(&f->trial, &f->p->reference, f->sum);
}

/* ESS over samples that the tilt at that scale would have: E_nu[l^2]^2 / E_nu[l^4 nu / q]. */
static double predict(pilot *f, double scale) {
  double first = 0, second = 0;
  set_scale(f, scale);
  for (int64_t k = 0; k < f->p->samples; k++) {
    const double e = square(f->losses[k]), w = f->v[k] * e;
    first += w;
    second += w * e * cj_tilt_weight(&f->trial, f->from[k] + scale * f->along[k]);
  }
  return square(first) / (second * (double)f->p->samples);
}

/* Goes along the direction from the base, and takes the result as the base. */
static double search(pilot *f) {
  int best = 0;
  double most = 0;
  for (int64_t k = 0; k < f->p->samples; k++) {
    draw(f, k);
    f->from[k] = dot(f, f->base);
    f->along[k] = dot(f, f->direction);
  }
  for (int step = 0; step <= STEPS; step++) {
    const double even = predict(f, (double)step / WHOLE);
    if (!(even > most)) continue;
    most = even;
    best = step;
  }
  set_scale(f, (double)best / WHOLE);
  memcpy(f->base, f->trial.slope, (size_t)f->p->reference.n * sizeof(double));
  return most;
}

/* 2 E[l grad l] / E[l^2]; on a box with k = h^2 - (x - m)^2 as a weight in both, where m is the
 * middle and h half the width. None where losses are so small that their squares underflow. */
static void mean_score(const pilot *f, const cj_moments *m) {
  const cj_reference *r = &f->p->reference;
  const bool box = r->kind == CJ_REFERENCE_BOX;
  const double h2 = square((r->high - r->low) / 2);
  cj_means means;
  for (int64_t i = 0; i < m->n; i++) {
    cj_moments_means(m, i, &means);
    const double *b = means.mean;
    const double slope = 2 * (box ? (h2 * b[2] - b[3]) / (h2 * b[0] - b[1]) : b[2] / b[0]);
    f->direction[i] = isfinite(slope) ? slope : 0;
  }
}

/* d = mu_rho - mu_nu, times |d|^2 / Var_nu(d.x): Newton's step to a tilt whose mean along d is that
 * of rho. */
static void mean_shift(const pilot *f) {
  const int64_t n = f->p->reference.n, samples = f->p->samples;
  double weights = 0, all = 0, mean = 0, squares = 0, length = 0;
  for (int64_t k = 0; k < samples; k++) {
    weights += f->v[k] * square(f->losses[k]);
    all += f->v[k];
  }
  memset(f->direction, 0, (size_t)n * sizeof(double));
  for (int64_t k = 0; k < samples; k++) {
    const double share = f->v[k] * (square(f->losses[k]) / weights - 1 / all);
    draw(f, k);
    for (int64_t i = 0; i < n; i++)
      f->direction[i] += share * get_element(f->p->reference.dtype, f->x, i);
  }
  for (int64_t i = 0; i < n; i++) length += square(f->direction[i]);
  for (int64_t k = 0; k < samples; k++) {
    draw(f, k);
    const double at = dot(f, f->direction);
    mean += f->v[k] / all * at;
    squares += f->v[k] / all * at * at;
  }
  const double scale = length / (squares - square(mean));
  for (int64_t i = 0; i < n; i++) f->direction[i] *= isfinite(scale) ? scale : 0;
}

/* v of the pilot's own points. */
static void weigh(const pilot *f) {
  for (int64_t k = 0; k < f->p->samples; k++) {
    draw(f, k);
    f->v[k] = cj_tilt_weight(f->p->tilt, dot(f, f->p->tilt->slope));
  }
}

static cj_status pilot_open(pilot *f) {
  const size_t n = (size_t)f->p->reference.n, samples = (size_t)f->p->samples;
  const size_t wide = n * sizeof(double), each = samples * sizeof(double);
  f->x = cj_alloc(n * cj_dtype_bytes(f->p->reference.dtype));
  f->losses = cj_alloc(each);
  f->v = cj_alloc(each);
  f->from = cj_alloc(each);
  f->along = cj_alloc(each);
  f->direction = cj_alloc(wide);
  f->sum = cj_alloc(wide);
  CJ_TRY(cj_tilt_open(&f->trial, &f->p->reference, f->p->tilt->share));
  if (f->x && f->losses && f->v && f->from && f->along && f->direction && f->sum) return CJ_OK;
  return cj_fail(CJ_EMEM, "no memory for a pilot of %lld samples", (long long)f->p->samples);
}

static void pilot_drop(pilot *f) {
  void *blocks[] = {f->x, f->losses, f->v, f->from, f->along, f->direction, f->sum};
  for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) cj_free(blocks[i]);
  cj_tilt_drop(&f->trial);
}

/* The losses over the largest of them, so that no square underflows; false where all are 0. */
static bool scale_losses(const pilot *f, const double *losses) {
  double most = 0;
  for (int64_t k = 0; k < f->p->samples; k++) most = fmax(most, fabs(losses[k]));
  for (int64_t k = 0; most > 0 && k < f->p->samples; k++) f->losses[k] = losses[k] / most;
  return most > 0;
}

static double fit(pilot *f, const cj_moments *m) {
  weigh(f);
  mean_score(f, m);
  const double even = search(f);
  if (f->p->reference.kind != CJ_REFERENCE_DATA) return even;
  mean_shift(f);
  return search(f);
}

cj_status cj_pilot_fit(const cj_packet *p, const cj_packet_sums *s, double *slope,
                       double *evenness) {
  pilot f = {.p = p, .base = slope};
  *evenness = 0;
  memset(slope, 0, (size_t)p->reference.n * sizeof(double));
  const cj_status status = pilot_open(&f);
  if (status == CJ_OK && scale_losses(&f, s->losses)) *evenness = fit(&f, &s->all[0]);
  pilot_drop(&f);
  return status;
}
