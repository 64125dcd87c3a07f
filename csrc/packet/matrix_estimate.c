/* matrix_estimate.c -- from the sums of matrix.c to matrices, bounds and eigenvalues: once for all
 * batches, and once without each of them. */
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "core/threads.h"
#include "packet/matrix.h"
#include "packet/matrix_sums.h"
#include "packet/symmetric.h"

static const char *const names[CJ_MATRIX_PARTS] = {"Sigma", "G",     "B",     "P",
                                                   "VIF",   "bound", "slack", "eigenvalues"};

const char *cj_matrix_name(int part) {
  return part >= 0 && part < CJ_MATRIX_PARTS ? names[part] : NULL;
}

int64_t cj_matrix_offset(int part, int64_t k) {
  const int64_t squares = part < CJ_MATRIX_P ? part : CJ_MATRIX_P;
  return squares * k * k + (part - squares) * k;
}

/* One evaluation. */
typedef struct form {
  const cj_matrix *m;
  const cj_matrix_reading *r;
  matrix_places at;
  const double *gram;           /* U U' [k, k] */
  bool direct;                  /* in a window: without Stein's identities */
  double *mean;                 /* the sums over beta */
  double *factor, *c, *inverse; /* scratch [k, k]: L of Sigma = L L', C' and L^-1 C', L^-1 */
  double *frame;                /* eigenvectors of G - C Sigma^-1 C' of all samples, one a row */
} form;

static double half_of(const double *packed, int64_t i, int64_t j) {
  return i >= j ? packed[i * (i + 1) / 2 + j] : packed[j * (j + 1) / 2 + i];
}

/* --- Sigma, G and B ----------------------------------------------------------------------------
 */

static void plain_pair(const form *f, int64_t i, int64_t j, double *sigma, double *g) {
  const double *z = f->mean + f->at.z, *d = f->mean + f->at.d;
  *sigma = half_of(f->mean + f->at.zz, i, j) - z[i] * z[j];
  *g = half_of(f->mean + f->at.dd, i, j) - d[i] * d[j];
}

/* A Gaussian window, by Stein's identities (estimate.c has the case i = j): with
 * q = (E[l dl z'] + its transpose) / beta and delta = 2 tau^2 E[l dl] / beta
 *   Sigma = tau^2 (U U' + q) - delta delta',   G = E[dl dl'] / beta + (U U' - q) / (4 tau^2),
 * or directly, with E[w z z'] / beta = tau^2 (U U' + q) + what the samples miss. */
static void window_pair(const form *f, int64_t i, int64_t j, double *sigma, double *g) {
  const int64_t k = f->m->k;
  const double t2 = f->r->tau * f->r->tau, unit = f->gram[i * k + j];
  const double *z = f->mean + f->at.z, *d = f->mean + f->at.d, *dz = f->mean + f->at.dz;
  const double q = dz[i * k + j] + dz[j * k + i], zz = half_of(f->mean + f->at.zz, i, j);
  const double apart = f->direct ? zz / t2 - 2 * q : unit - q;
  *sigma = f->direct ? zz - z[i] * z[j] : t2 * (unit + q) - 4 * t2 * t2 * d[i] * d[j];
  *g = half_of(f->mean + f->at.dd, i, j) + apart / (4 * t2);
}

/* B of the volume: U U' + 2 C. */
static void volume_boundary(const form *f, double *b) {
  const int64_t k = f->m->k;
  const double *z = f->mean + f->at.z, *d = f->mean + f->at.d, *dz = f->mean + f->at.dz;
  for (int64_t i = 0; i < k; i++)
    for (int64_t j = 0; j < k; j++)
      b[i * k + j] = f->gram[i * k + j] + 2 * (dz[i * k + j] - d[i] * z[j]);
}

static void surface_boundary(const form *f, double *b) {
  const int64_t k = f->m->k, n = f->m->n;
  const double *z = f->mean + f->at.z, *s = f->mean + f->at.s, *sz = f->mean + f->at.sz;
  const double *e = f->mean + f->at.e;
  for (int64_t i = 0; i < k; i++)
    for (int64_t j = 0; j < k; j++) {
      const double *u = f->r->u + i * n, *other = f->r->u + j * n;
      double edge = 0;
      for (int64_t x = 0; x < n; x++) edge += u[x] * other[x] * e[x];
      b[i * k + j] = sz[i * k + j] - s[i] * z[j] + edge;
    }
}

static void matrices(const form *f, double *out) {
  const int64_t k = f->m->k;
  double *sigma = out + cj_matrix_offset(CJ_MATRIX_SIGMA, k);
  double *g = out + cj_matrix_offset(CJ_MATRIX_G, k), *b = out + cj_matrix_offset(CJ_MATRIX_B, k);
  for (int64_t i = 0; i < k; i++)
    for (int64_t j = 0; j < k; j++)
      (f->r->window ? window_pair : plain_pair)(f, i, j, sigma + i * k + j, g + i * k + j);
  if (f->r->whole)
    memset(b, 0, (size_t)(k * k) * sizeof *b);
  else
    (f->m->surface ? surface_boundary : volume_boundary)(f, b);
}

/* --- what follows ------------------------------------------------------------------------------
 */

/* sum over r of a[r, i]^2 */
static double column_square(int64_t k, const double *a, int64_t i) {
  double sum = 0;
  for (int64_t r = 0; r < k; r++) sum += a[r * k + i] * a[r * k + i];
  return sum;
}

/* With y = L^-1 C':  C Sigma^-1 C' = y' y. */
static bool invert(const form *f, const double *sigma, const double *b) {
  const int64_t k = f->m->k;
  memcpy(f->factor, sigma, (size_t)(k * k) * sizeof *sigma);
  if (!cj_cholesky(k, f->factor)) return false;
  for (int64_t i = 0; i < k; i++)
    for (int64_t j = 0; j < k; j++) {
      f->c[j * k + i] = (b[i * k + j] - f->gram[i * k + j]) / 2;
      f->inverse[j * k + i] = i == j;
    }
  cj_lower_solve(k, f->factor, k, f->c);
  cj_lower_solve(k, f->factor, k, f->inverse);
  return true;
}

/* G - y' y in place of the factor, which is no longer needed. */
static double *rest(const form *f, const double *g) {
  const int64_t k = f->m->k;
  double *left = f->factor;
  memcpy(left, g, (size_t)(k * k) * sizeof *g);
  for (int64_t r = 0; r < k; r++)
    for (int64_t i = 0; i < k; i++)
      for (int64_t j = 0; j < k; j++) left[i * k + j] -= f->c[r * k + i] * f->c[r * k + j];
  return left;
}

/* a' m a; scratch [k] */
static double quadratic(int64_t k, const double *m, const double *a, double *scratch) {
  double sum = 0;
  memset(scratch, 0, (size_t)k * sizeof *scratch);
  for (int64_t i = 0; i < k; i++)
    for (int64_t j = 0; j < k; j++) scratch[j] += a[i] * m[i * k + j];
  for (int64_t j = 0; j < k; j++) sum += a[j] * scratch[j];
  return sum;
}

/* Everything but the eigenvalues, from the means. CJ_EARG when Sigma is not positive definite. */
static cj_status evaluate(const form *f, double *out) {
  const int64_t k = f->m->k;
  double *part[CJ_MATRIX_PARTS];
  for (int p = 0; p < CJ_MATRIX_PARTS; p++) part[p] = out + cj_matrix_offset(p, k);
  matrices(f, out);
  const double *sigma = part[CJ_MATRIX_SIGMA], *g = part[CJ_MATRIX_G];
  if (!invert(f, sigma, part[CJ_MATRIX_B]))
    return cj_fail(CJ_EARG, "Sigma is not positive definite: directions that depend on each other, "
                            "or too few samples");
  for (int64_t i = 0; i < k; i++) {
    const double width = sigma[i * k + i], momentum = g[i * k + i];
    part[CJ_MATRIX_P][i] = sqrt(width * (momentum > 0 ? momentum : 0));
    part[CJ_MATRIX_VIF][i] = width * column_square(k, f->inverse, i);
    part[CJ_MATRIX_BOUND][i] = sqrt(width * column_square(k, f->c, i));
    part[CJ_MATRIX_SLACK][i] = part[CJ_MATRIX_P][i] - part[CJ_MATRIX_BOUND][i];
  }
  return CJ_OK;
}

/* All numbers of all samples; keeps the eigenvectors. */
static cj_status evaluate_all(const form *f, double *out) {
  CJ_TRY(evaluate(f, out));
  double *left = rest(f, out + cj_matrix_offset(CJ_MATRIX_G, f->m->k));
  return cj_symmetric_eigen(f->m->k, left, out + cj_matrix_offset(CJ_MATRIX_EIGENVALUES, f->m->k),
                            f->frame);
}

/* All numbers without a batch. Its eigenvalues are v' (G - y' y) v with the eigenvectors v of all
 * samples, right to first order: sorted ones would change places where they are near each other. */
static cj_status evaluate_without(const form *f, double *out) {
  const int64_t k = f->m->k;
  CJ_TRY(evaluate(f, out));
  const double *left = rest(f, out + cj_matrix_offset(CJ_MATRIX_G, k));
  double *eigenvalues = out + cj_matrix_offset(CJ_MATRIX_EIGENVALUES, k);
  for (int64_t i = 0; i < k; i++) eigenvalues[i] = quadratic(k, left, f->frame + i * k, f->inverse);
  return CJ_OK;
}

/* --- the jackknife -----------------------------------------------------------------------------
 */

/* The sums without batch b (none: CJ_BATCHES), over beta. CJ_EARG when no weight is left. */
static cj_status take_means(const form *f, int b) {
  double beta = 0;
  memset(f->mean, 0, (size_t)f->at.all * sizeof(double));
  for (int other = 0; other < CJ_BATCHES; other++)
    for (int64_t i = 0; other != b && i < f->at.all; i++) f->mean[i] += f->m->sums[other][i];
  beta = f->mean[0];
  if (!(beta > 0)) return cj_fail(CJ_EARG, "the samples have no weight");
  for (int64_t i = 0; i < f->at.all; i++) f->mean[i] /= beta;
  return CJ_OK;
}

/* errors = sqrt((B - 1) / B sum (d_b - mean d)^2) with d_b = what leaving out batch b changes; the
 * bias is (B - 1) mean d. */
static void conclude(int64_t count, int64_t uncorrected, const double *change, const double *square,
                     double *values, double *errors) {
  for (int64_t i = 0; i < count; i++) {
    const double mean = change[i] / CJ_BATCHES, spread = square[i] - mean * change[i];
    errors[i] = spread > 0 ? sqrt(spread * (CJ_BATCHES - 1) / CJ_BATCHES) : 0;
    if (i >= uncorrected) values[i] -= (CJ_BATCHES - 1) * mean;
  }
}

/* The correction may have changed the order. */
static void sort(int64_t k, double *values, double *errors) {
  for (int64_t i = 1; i < k; i++)
    for (int64_t j = i; j > 0 && values[j] < values[j - 1]; j--) {
      const double value = values[j], error = errors[j];
      values[j] = values[j - 1];
      errors[j] = errors[j - 1];
      values[j - 1] = value;
      errors[j - 1] = error;
    }
}

static cj_status jackknife(const form *f, double *room, double *values, double *errors) {
  const int64_t k = f->m->k, count = cj_matrix_offset(CJ_MATRIX_PARTS, k);
  const int64_t last = cj_matrix_offset(CJ_MATRIX_EIGENVALUES, k);
  double *one = room, *change = room + count, *square = change + count;
  memset(room, 0, (size_t)(3 * count) * sizeof *room);
  CJ_TRY(take_means(f, CJ_BATCHES));
  CJ_TRY(evaluate_all(f, values));
  for (int b = 0; b < CJ_BATCHES; b++) {
    if (cj_stop_requested()) return cj_fail(CJ_ESTOP, "interrupted");
    CJ_TRY(take_means(f, b));
    CJ_TRY(evaluate_without(f, one));
    for (int64_t i = 0; i < count; i++) {
      const double d = one[i] - values[i];
      change[i] += d;
      square[i] += d * d;
    }
  }
  conclude(count, cj_matrix_offset(CJ_MATRIX_VIF, k), change, square, values, errors);
  sort(k, values + last, errors + last);
  return CJ_OK;
}

/* Sum of the squared errors of slack. */
static double doubt(int64_t k, const double *errors) {
  const double *slack = errors + cj_matrix_offset(CJ_MATRIX_SLACK, k);
  double sum = 0;
  for (int64_t i = 0; i < k; i++) sum += slack[i] * slack[i];
  return sum;
}

/* In a window: Stein's forms, or the direct ones where those are surer, or the only ones. room: two
 * sets of numbers, and that of the jackknife. */
static cj_status choose_form(form *f, double *room, double *values, double *errors) {
  const int64_t k = f->m->k, count = cj_matrix_offset(CJ_MATRIX_PARTS, k);
  const cj_status stein = jackknife(f, room + 2 * count, values, errors);
  if (stein != CJ_OK && stein != CJ_EARG) return stein;
  f->direct = true;
  const cj_status direct = jackknife(f, room + 2 * count, room, room + count);
  if (direct != CJ_OK) return direct == CJ_EARG ? stein : direct;
  if (stein == CJ_OK && doubt(k, errors) <= doubt(k, room + count)) return CJ_OK;
  memcpy(values, room, (size_t)count * sizeof *values);
  memcpy(errors, room + count, (size_t)count * sizeof *errors);
  return CJ_OK;
}

static void take_gram(const cj_matrix *m, const double *u, double *gram) {
  for (int64_t i = 0; i < m->k; i++)
    for (int64_t j = 0; j <= i; j++) {
      double sum = 0;
      for (int64_t x = 0; x < m->n; x++) sum += u[i * m->n + x] * u[j * m->n + x];
      gram[i * m->k + j] = gram[j * m->k + i] = sum;
    }
}

cj_status cj_matrix_estimate(const cj_matrix *m, const cj_matrix_reading *r, double *values,
                             double *errors) {
  const int64_t square = m->k * m->k, count = cj_matrix_offset(CJ_MATRIX_PARTS, m->k);
  form f = {.m = m, .r = r, .at = matrix_layout(m->k, m->n, m->surface)};
  double *room = cj_alloc((size_t)(f.at.all + 5 * square + 5 * count) * sizeof(double));
  if (!room)
    return cj_fail(CJ_EMEM, "no memory for the matrices of %lld directions", (long long)m->k);
  double *gram = room + f.at.all, *rooms = gram + 5 * square;
  f.mean = room;
  f.gram = gram;
  f.factor = gram + square;
  f.c = f.factor + square;
  f.inverse = f.c + square;
  f.frame = f.inverse + square;
  take_gram(m, r->u, gram);
  const cj_status status =
      r->window ? choose_form(&f, rooms, values, errors) : jackknife(&f, rooms, values, errors);
  cj_free(room);
  return status;
}
