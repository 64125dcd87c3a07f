/* quadrature.c -- from the nodes of a slice and of its faces to the numbers of a packet.
 *
 * Two passes: means first, then widths and products of what is centred. Nothing cancels, so that
 * sigma_p keeps its digits where g and |c| are nearly the same, as they are on boxes. */
#include "packet/quadrature.h"

#include <math.h>
#include <stddef.h>

#include "packet/panels.h"

/* The panels of a slice and of its faces, at the lower and upper end of each axis. */
typedef struct survey {
  const cj_slice *s;
  cj_panels box, faces[CJ_MOST_AXES][2];
} survey;

/* The error of a number is what it changes by when a group of families is left whole, and when the
 * losses of a group, or its slopes, are wrong by the roundoff, summed over the groups: roundoff
 * comes back at neighbouring points, so it does not average out. */
typedef struct change {
  int whole, loss, slope; /* groups */
} change;

static const change none = {-1, -1, -1};

/* --- sums over nodes ---------------------------------------------------------------------------
 *
 * Structs of doubles only, which a walk adds up. */

/* int nu l^2 (1, x_j) over a face. */
typedef struct face {
  double mass, first[CJ_MOST_AXES];
} face;

typedef struct means {
  double mass, l2, l4, x[CJ_MOST_AXES], d[CJ_MOST_AXES];
} means;

typedef struct seconds {
  double sigma[CJ_MOST_AXES][CJ_MOST_AXES], g[CJ_MOST_AXES][CJ_MOST_AXES];
  double c[CJ_MOST_AXES][CJ_MOST_AXES];
  double loss[CJ_MOST_AXES], cross[CJ_MOST_AXES], window[CJ_MOST_AXES];
} seconds;

enum { MOST_SUMS = sizeof(seconds) / sizeof(double) };

typedef void (*node_adder)(const cj_slice_node *n, int axes, const means *m, void *sum);

static void add_face(const cj_slice_node *n, int axes, const means *m, void *sum) {
  face *s = sum;
  const double wl2 = n->w * n->l * n->l;
  (void)m;
  s->mass += wl2;
  for (int a = 0; a < axes; a++) s->first[a] += wl2 * n->x[a];
}

static void add_means(const cj_slice_node *n, int axes, const means *m, void *sum) {
  means *s = sum;
  const double wl = n->w * n->l, wl2 = wl * n->l;
  (void)m;
  s->mass += n->w;
  s->l2 += wl2;
  s->l4 += wl2 * n->l * n->l;
  for (int a = 0; a < axes; a++) {
    s->x[a] += wl2 * n->x[a];
    s->d[a] += wl * slice_slope(n, a);
  }
}

static void add_seconds(const cj_slice_node *n, int axes, const means *m, void *sum) {
  seconds *s = sum;
  double dx[CJ_MOST_AXES], dp[CJ_MOST_AXES];
  const double wl2 = n->w * n->l * n->l;
  for (int a = 0; a < axes; a++) {
    dx[a] = n->x[a] - m->x[a];
    dp[a] = slice_slope(n, a) - m->d[a] * n->l;
    s->loss[a] += n->w * n->slope[a] * n->slope[a];
    s->cross[a] += n->w * n->l * n->slope[a] * n->score[a];
    s->window[a] += wl2 * n->score[a] * n->score[a] / 4;
  }
  for (int i = 0; i < axes; i++)
    for (int j = 0; j < axes; j++) {
      s->sigma[i][j] += wl2 * (dx[i] * dx[j]);
      s->g[i][j] += n->w * (dp[i] * dp[j]);
      s->c[i][j] += n->w * n->l * dp[i] * dx[j];
    }
}

/* A node whose loss and slopes are larger by these factors. */
static cj_slice_node changed(const cj_slice_node *n, double loss, double slope) {
  cj_slice_node out = *n;
  out.l *= loss;
  for (int a = 0; a < CJ_MOST_AXES; a++) out.slope[a] *= slope;
  return out;
}

/* Sums over the halves of all families, but for the change. Each family is summed apart: sums of
 * sums lose fewer digits. */
static void walk(const cj_panels *p, change but, node_adder add, const means *m, size_t bytes,
                 void *sum) {
  const size_t doubles = bytes / sizeof(double);
  double *total = sum;
  for (size_t i = 0; i < doubles; i++) total[i] = 0;
  for (int64_t f = 0; f < p->families; f++) {
    const int group = (int)(f % CJ_SLICE_GROUPS);
    const bool halved = group != but.whole;
    const double loss = group == but.loss ? 1 + p->slice->roundoff : 1;
    const double slope = group == but.slope ? 1 + p->slice->roundoff : 1;
    const cj_panel *panel = halved ? p->half + f * p->halves : p->parent + f;
    double part[MOST_SUMS] = {0};
    for (int64_t h = 0; h < (halved ? p->halves : 1); h++)
      for (int64_t k = 0; k < panel[h].count; k++) {
        const cj_slice_node n = changed(p->nodes + panel[h].first + k, loss, slope);
        add(&n, p->slice->axes, m, part);
      }
    for (size_t i = 0; i < doubles; i++) total[i] += part[i];
  }
}

static face face_sums(const cj_panels *p, change but) {
  face sum;
  walk(p, but, add_face, NULL, sizeof sum, &sum);
  return sum;
}

static means first_pass(const cj_panels *p, change but) {
  means sum;
  walk(p, but, add_means, NULL, sizeof sum, &sum);
  for (int a = 0; a < p->slice->axes; a++) {
    sum.x[a] /= sum.l2;
    sum.d[a] /= sum.l2;
  }
  return sum;
}

static seconds second_pass(const cj_panels *p, change but, const means *m) {
  seconds sum;
  walk(p, but, add_seconds, m, sizeof sum, &sum);
  for (size_t i = 0; i < MOST_SUMS; i++) ((double *)&sum)[i] /= m->l2;
  return sum;
}

/* --- numbers -----------------------------------------------------------------------------------
 */

/* c_face and row i of B from the faces of axis i. */
static void read_faces(const survey *v, int i, change but, const means *m, cj_slice_numbers *out) {
  const face low = face_sums(&v->faces[i][0], but), high = face_sums(&v->faces[i][1], but);
  out->axis[i].c_face = 0.5 * (high.mass - low.mass) / m->l2;
  for (int j = 0; j < v->s->axes; j++) {
    const double at_high =
        i == j ? (v->s->high[i] - m->x[i]) * high.mass : high.first[j] - m->x[j] * high.mass;
    const double at_low =
        i == j ? (v->s->low[i] - m->x[i]) * low.mass : low.first[j] - m->x[j] * low.mass;
    out->b[i][j] = (at_high - at_low) / m->l2;
  }
}

static void read_axis(int i, const means *m, const seconds *s, cj_slice_numbers *out) {
  cj_slice_axis *a = &out->axis[i];
  a->mu = m->x[i];
  a->c = m->d[i];
  a->sigma_x = sqrt(s->sigma[i][i]);
  a->sigma_p = sqrt(s->g[i][i]);
  a->g = sqrt(s->g[i][i] + a->c * a->c);
  a->b = 1 + 2 * s->c[i][i];
  a->b_face = out->b[i][i];
  a->b_gap = a->b_face - a->b;
  a->c_gap = a->c_face - a->c;
  a->bound = fabs(1 - a->b_face) / 2;
  a->p = a->sigma_x * a->sigma_p;
  a->u = a->sigma_x * a->g;
  a->slack = a->p - a->bound;
  a->tightness = a->p > 0 ? a->bound / a->p : 0;
  a->loss = s->loss[i];
  a->cross = s->cross[i];
  a->window = s->window[i];
}

/* Eigenvalues of G - C Sigma^-1 C'. */
static void read_order(int axes, cj_slice_numbers *out) {
  if (axes == 1) {
    out->eigen[0] = out->g[0][0] - out->c[0][0] * out->c[0][0] / out->sigma[0][0];
    return;
  }
  const double det = out->sigma[0][0] * out->sigma[1][1] - out->sigma[0][1] * out->sigma[1][0];
  const double inverse[2][2] = {{out->sigma[1][1] / det, -out->sigma[0][1] / det},
                                {-out->sigma[1][0] / det, out->sigma[0][0] / det}};
  double rest[2][2];
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 2; j++) {
      rest[i][j] = out->g[i][j];
      for (int k = 0; k < 2; k++)
        for (int l = 0; l < 2; l++) rest[i][j] -= out->c[i][k] * inverse[k][l] * out->c[j][l];
    }
  const double middle = (rest[0][0] + rest[1][1]) / 2;
  const double radius = hypot((rest[0][0] - rest[1][1]) / 2, (rest[0][1] + rest[1][0]) / 2);
  out->eigen[0] = middle - radius;
  out->eigen[1] = middle + radius;
}

static void read_numbers(const survey *v, change but, cj_slice_numbers *out) {
  const int axes = v->s->axes;
  const means m = first_pass(&v->box, but);
  const seconds s = second_pass(&v->box, but, &m);
  *out = (cj_slice_numbers){.beta = m.l2 / m.mass, .ess = m.l2 * m.l2 / (m.l4 * m.mass)};
  for (int i = 0; i < axes; i++)
    for (int j = 0; j < axes; j++) {
      out->sigma[i][j] = s.sigma[i][j];
      out->g[i][j] = s.g[i][j];
      out->c[i][j] = s.c[i][j];
    }
  for (int i = 0; i < axes; i++) {
    read_faces(v, i, but, &m, out);
    read_axis(i, &m, &s, out);
  }
  read_order(axes, out);
}

static double square_integral(const cj_panels *p) {
  double sum = 0;
  for (int64_t h = 0; h < p->families * p->halves; h++) sum += p->half[h].sums[1];
  return sum;
}

static cj_status look_around(survey *v) {
  const cj_slice *s = v->s;
  CJ_TRY(cj_panels_make(&v->box, s, s->low, s->high, 0));
  const double square = square_integral(&v->box);
  if (!(square > 0)) return cj_fail(CJ_EARG, "the loss is zero everywhere");
  for (int a = 0; a < s->axes; a++)
    for (int end = 0; end < 2; end++) {
      double low[CJ_MOST_AXES], high[CJ_MOST_AXES];
      for (int j = 0; j < s->axes; j++) {
        low[j] = j != a ? s->low[j] : end ? s->high[a] : s->low[a];
        high[j] = j != a ? s->high[j] : low[j];
      }
      CJ_TRY(cj_panels_make(&v->faces[a][end], s, low, high, square / (s->high[a] - s->low[a])));
    }
  return CJ_OK;
}

/* Adds what a change makes of the numbers to their errors. */
static void add_errors(const survey *v, change but, cj_slice_result *out) {
  cj_slice_numbers other;
  const double *value = (const double *)&out->value;
  double *error = (double *)&out->error;
  read_numbers(v, but, &other);
  for (size_t k = 0; k < sizeof other / sizeof(double); k++)
    error[k] += fabs(((const double *)&other)[k] - value[k]);
}

static void summarise(const survey *v, cj_slice_result *out) {
  read_numbers(v, none, &out->value);
  out->error = (cj_slice_numbers){0};
  for (int group = 0; group < CJ_SLICE_GROUPS; group++) {
    add_errors(v, (change){group, -1, -1}, out);
    if (!(v->s->roundoff > 0)) continue;
    add_errors(v, (change){-1, group, -1}, out);
    add_errors(v, (change){-1, -1, group}, out);
  }
  out->points = v->box.count;
  out->panels = v->box.families * v->box.halves;
  out->converged = v->box.converged;
  for (int a = 0; a < v->s->axes; a++)
    for (int end = 0; end < 2; end++) {
      out->points += v->faces[a][end].count;
      out->converged = out->converged && v->faces[a][end].converged;
    }
}

cj_status cj_slice_measure(const cj_slice *s, cj_slice_result *out) {
  survey v = {.s = s};
  cj_status status = look_around(&v);
  if (status == CJ_OK) summarise(&v, out);
  cj_panels_drop(&v.box);
  for (int a = 0; a < s->axes; a++)
    for (int end = 0; end < 2; end++) cj_panels_drop(&v.faces[a][end]);
  return status;
}
