/* estimate.c -- the formulas of packets, written once in numbers that carry their derivatives. */
#include "packet/estimate.h"

#include <float.h>
#include <string.h>

static const char *const names[CJ_QUANTITIES] = {
    "beta",  "mu",     "sigma_x",  "g",         "c",          "c_face",      "sigma_p",
    "B",     "B_face", "bound",    "P",         "U",          "slack",       "tightness",
    "B_gap", "c_gap",  "field_sd", "field_cov", "field_corr", "field_bound", "field_P"};

const char *cj_quantity_name(int q) {
  return q >= 0 && q < CJ_QUANTITIES ? names[q] : NULL;
}

typedef struct sheet {
  const cj_means *m;
  cj_dual q[CJ_QUANTITIES];
  bool known[CJ_QUANTITIES];
} sheet;

static void set(sheet *s, cj_quantity q, cj_dual value) {
  s->q[q] = value;
  s->known[q] = true;
}

/* mean(b_k) / mean(w). */
static cj_dual ratio(const cj_means *m, int k) {
  return dual_div(dual_mean(m->mean[k], k), dual_mean(m->mean[0], 0));
}

/* What follows from widths, momentum and boundary term. */
static void derive(sheet *s) {
  const cj_dual one = dual_number(1);
  const cj_quantity b = s->known[CJ_B_FACE] ? CJ_B_FACE : CJ_B;
  set(s, CJ_P, dual_mul(s->q[CJ_SIGMA_X], s->q[CJ_SIGMA_P]));
  set(s, CJ_U, dual_mul(s->q[CJ_SIGMA_X], s->q[CJ_G]));
  set(s, CJ_BOUND, dual_scale(0.5, dual_abs(dual_sub(one, s->q[b]))));
  set(s, CJ_SLACK, dual_sub(s->q[CJ_P], s->q[CJ_BOUND]));
  set(s, CJ_TIGHTNESS, dual_div(s->q[CJ_BOUND], s->q[CJ_P]));
}

/* mu and sigma_x from mean(w (x - m)) and mean(w (x - m)^2). */
static void position(sheet *s, double centre, int first, int second) {
  const cj_dual shift = ratio(s->m, first);
  set(s, CJ_BETA, dual_mean(s->m->mean[0], 0));
  set(s, CJ_MU, dual_add(dual_number(centre), shift));
  set(s, CJ_SIGMA_X, dual_sqrt(dual_sub(ratio(s->m, second), dual_mul(shift, shift))));
}

static void plain(sheet *s, const cj_reading *r) {
  position(s, r->centre, 1, 2);
  const cj_dual g2 = ratio(s->m, 3), c = ratio(s->m, 4), shift = ratio(s->m, 1);
  const cj_dual volume = dual_sub(ratio(s->m, 5), dual_mul(shift, c)); /* C */
  set(s, CJ_G, dual_sqrt(g2));
  set(s, CJ_C, c);
  set(s, CJ_SIGMA_P, dual_sqrt(dual_sub(g2, dual_mul(c, c))));
  set(s, CJ_B, dual_add(dual_number(1), dual_scale(2, volume)));
}

/* What the boundary says against what the volume says. */
static void compare(sheet *s) {
  set(s, CJ_B_GAP, dual_sub(s->q[CJ_B_FACE], s->q[CJ_B]));
  set(s, CJ_C_GAP, dual_sub(s->q[CJ_C_FACE], s->q[CJ_C]));
}

/* m(a) = E[l^2 at x_i = a] / ((b - a) beta), and what the faces say of B and c. */
static void faces(sheet *s, const cj_reading *r) {
  const double across = 1 / (r->high - r->low);
  const cj_dual low = dual_scale(across, ratio(s->m, 6)), high = dual_scale(across, ratio(s->m, 7));
  const cj_dual mu = s->q[CJ_MU];
  const cj_dual above = dual_sub(dual_number(r->high), mu);
  const cj_dual below = dual_sub(mu, dual_number(r->low));
  set(s, CJ_B_FACE, dual_add(dual_mul(above, high), dual_mul(below, low)));
  set(s, CJ_C_FACE, dual_scale(0.5, dual_sub(high, low)));
  compare(s);
}

/* The same for a direction, from the sums of directions.h over all faces. */
static void surface(sheet *s) {
  const cj_dual normal = ratio(s->m, 6);
  set(s, CJ_B_FACE, dual_sub(ratio(s->m, 7), dual_mul(ratio(s->m, 1), normal)));
  set(s, CJ_C_FACE, dual_scale(0.5, normal));
  compare(s);
}

/* A density that vanishes at infinity has no faces. */
static void no_faces(sheet *s) {
  set(s, CJ_B_FACE, dual_number(0));
  set(s, CJ_C_FACE, dual_number(0));
  if (!s->known[CJ_B_GAP]) compare(s);
}

/* Cov(x, a) and sd(a) under rho. */
static void field(sheet *s) {
  const cj_dual shift = ratio(s->m, 1), mean = ratio(s->m, 6);
  const cj_dual cov = dual_sub(ratio(s->m, 8), dual_mul(shift, mean));
  const cj_dual sd = dual_sqrt(dual_sub(ratio(s->m, 7), dual_mul(mean, mean)));
  set(s, CJ_FIELD_SD, sd);
  set(s, CJ_FIELD_COV, cov);
  set(s, CJ_FIELD_BOUND, dual_abs(cov));
  set(s, CJ_FIELD_P, dual_mul(sd, s->q[CJ_SIGMA_X]));
  set(s, CJ_FIELD_CORR, dual_div(cov, s->q[CJ_FIELD_P]));
}

/* What samples of a window say of c and B, which are 0, from D = dl - l (x - x0) / (2 tau^2). */
static void window_gaps(sheet *s, double t2) {
  const cj_dual shift = ratio(s->m, 4);
  const cj_dual c = dual_sub(ratio(s->m, 1), dual_scale(0.5 / t2, shift));
  const cj_dual second = dual_sub(ratio(s->m, 2), dual_scale(0.5 / t2, ratio(s->m, 5)));
  const cj_dual volume = dual_sub(second, dual_mul(shift, c)); /* C */
  set(s, CJ_C_GAP, dual_scale(-1, c));
  set(s, CJ_B_GAP, dual_scale(-1, dual_add(dual_number(1), dual_scale(2, volume))));
}

/* A Gaussian window, by Stein's identities: c = 0, B = 0,
 *   sigma_x^2 = tau^2 (1 + q) - delta^2,  sigma_p^2 = h2 + (1 - q) / (4 tau^2)
 * with delta = 2 tau^2 E[l dl]/beta, q = 2 E[(x - x0) l dl]/beta, h2 = E[(dl)^2]/beta. Or directly,
 * from the position and from D. */
static void window(sheet *s, const cj_reading *r) {
  const double t2 = r->tau * r->tau;
  const cj_dual delta = dual_scale(2 * t2, ratio(s->m, 1)), q = dual_scale(2, ratio(s->m, 2));
  const cj_dual one = dual_number(1);
  const cj_dual apart = r->direct_p ? dual_sub(dual_scale(1 / t2, ratio(s->m, 5)), dual_scale(2, q))
                                    : dual_sub(one, q);
  position(s, r->centre, 4, 5);
  if (!r->direct_x) {
    const cj_dual spread = dual_scale(t2, dual_add(one, q));
    set(s, CJ_MU, dual_add(dual_number(r->centre), delta));
    set(s, CJ_SIGMA_X, dual_sqrt(dual_sub(spread, dual_mul(delta, delta))));
  }
  set(s, CJ_SIGMA_P, dual_sqrt(dual_add(ratio(s->m, 3), dual_scale(1 / (4 * t2), apart))));
  set(s, CJ_G, s->q[CJ_SIGMA_P]);
  set(s, CJ_C, dual_number(0));
  set(s, CJ_B, dual_number(0));
  window_gaps(s, t2);
}

static sheet work_out(const cj_reading *r, const cj_means *m) {
  sheet s = {.m = m};
  if (strcmp(r->set, "window") == 0)
    window(&s, r);
  else
    plain(&s, r);
  if (strcmp(r->set, "faces") == 0 || strcmp(r->set, "pencils") == 0) faces(&s, r);
  if (strcmp(r->set, "surface") == 0) surface(&s);
  if (r->whole) no_faces(&s);
  if (strcmp(r->set, "field") == 0) field(&s);
  derive(&s);
  return s;
}

/* No error but that of an identity is below what rounding leaves; of slack, what it leaves of P. */
static double error_with_rounding(const sheet *s, const cj_means *m, int q) {
  const double error = dual_error(&s->q[q], m->terms, m->cov, m->count);
  const double scale = fabs(s->q[q == CJ_SLACK ? CJ_P : q].v);
  return error > 0 ? fmax(error, 4 * DBL_EPSILON * scale) : 0;
}

void cj_estimate_pixel(const cj_reading *r, const cj_means *m, cj_estimate out[CJ_QUANTITIES]) {
  const sheet s = work_out(r, m);
  for (int k = 0; k < CJ_QUANTITIES; k++) {
    out[k].value = s.known[k] ? s.q[k].v : NAN;
    out[k].error = s.known[k] ? error_with_rounding(&s, m, k) : NAN;
  }
}

void cj_estimate_values(const cj_reading *r, const cj_means *m, double out[CJ_QUANTITIES]) {
  const sheet s = work_out(r, m);
  for (int k = 0; k < CJ_QUANTITIES; k++) out[k] = s.known[k] ? s.q[k].v : NAN;
}

void cj_estimate_changes(const cj_reading *r, const cj_means *m, const cj_means *change,
                         double unit, double out[CJ_QUANTITIES]) {
  const sheet s = work_out(r, m);
  for (int k = 0; k < CJ_QUANTITIES; k++) {
    const cj_dual *q = &s.q[k];
    double by = 0, rounding = 0;
    for (int p = 0; p < m->terms; p++) {
      by += q->d[p] * change->mean[p];
      rounding += fabs(q->d[p] * m->mean[p]);
    }
    out[k] = s.known[k]
                 ? fabs(by) + dual_error(q, m->terms, change->cov, change->count) + unit * rounding
                 : NAN;
  }
}

/* INFINITY where the variance came out below 0. */
static double error_of(const cj_reading *r, const cj_means *m, cj_quantity q) {
  const sheet s = work_out(r, m);
  return s.q[q].v > 0 ? dual_error(&s.q[q], m->terms, m->cov, m->count) : INFINITY;
}

/* The pair of forms whose product is known best: errors of the widths often cancel in it. */
static void choose_surest(cj_reading *r, const cj_means *m) {
  const cj_reading stein = *r;
  double least = INFINITY;
  for (int pair = 0; pair < 4; pair++) {
    cj_reading one = stein;
    one.direct_x = pair & 1;
    one.direct_p = pair & 2;
    const double error = error_of(&one, m, CJ_P);
    if (!(error < least)) continue;
    least = error;
    *r = one;
  }
}

void cj_reading_choose(cj_reading *r, const cj_means *m, bool surer) {
  if (strcmp(r->set, "window") != 0) return;
  if (surer) {
    choose_surest(r, m);
    return;
  }
  r->direct_x = error_of(r, m, CJ_SIGMA_X) == INFINITY;
  r->direct_p = error_of(r, m, CJ_SIGMA_P) == INFINITY;
}

void cj_estimate_parts(const cj_means *m, cj_estimate out[CJ_PARTS]) {
  static const double factors[CJ_PARTS] = {1, 1, 0.25};
  for (int k = 0; k < CJ_PARTS; k++) {
    const cj_dual part = dual_scale(factors[k], ratio(m, k + 1));
    out[k].value = part.v;
    out[k].error = dual_error(&part, m->terms, m->cov, m->count);
  }
}
