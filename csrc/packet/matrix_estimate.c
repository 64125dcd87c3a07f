/* matrix_estimate.c -- from the sums of matrix.c to matrices, bounds and eigenvalues: once for all
 * batches, and once without each of them. */
#include <math.h>
#include <string.h>

#include "core/memory.h"
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

/* Eigenvalues of G - y' y. */
static cj_status rest(const form *f, const double *g, double *eigenvalues) {
  const int64_t k = f->m->k;
  double *left = f->factor; /* no longer needed */
  memcpy(left, g, (size_t)(k * k) * sizeof *g);
  for (int64_t r = 0; r < k; r++)
    for (int64_t i = 0; i < k; i++)
      for (int64_t j = 0; j < k; j++) left[i * k + j] -= f->c[r * k + i] * f->c[r * k + j];
  return cj_symmetric_eigen(k, left, eigenvalues, NULL);
}

/* All numbers from the means. CJ_EARG when Sigma is not positive definite. */
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
  return rest(f, g, part[CJ_MATRIX_EIGENVALUES]);
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

static cj_status jackknife(const form *f, double *room, double *values, double *errors) {
  const int64_t count = cj_matrix_offset(CJ_MATRIX_PARTS, f->m->k);
  double *one = room, *change = room + count, *square = change + count;
  CJ_TRY(take_means(f, CJ_BATCHES));
  CJ_TRY(evaluate(f, values));
  for (int b = 0; b < CJ_BATCHES; b++) {
    CJ_TRY(take_means(f, b));
    CJ_TRY(evaluate(f, one));
    for (int64_t i = 0; i < count; i++) {
      const double d = one[i] - values[i];
      change[i] += d;
      square[i] += d * d;
    }
  }
  conclude(count, cj_matrix_offset(CJ_MATRIX_VIF, f->m->k), change, square, values, errors);
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
  double *room = cj_alloc_zeroed((size_t)(f.at.all + 4 * square + 3 * count) * sizeof(double));
  if (!room)
    return cj_fail(CJ_EMEM, "no memory for the matrices of %lld directions", (long long)m->k);
  double *gram = room + f.at.all;
  f.mean = room;
  f.gram = gram;
  f.factor = gram + square;
  f.c = f.factor + square;
  f.inverse = f.c + square;
  take_gram(m, r->u, gram);
  cj_status status = jackknife(&f, f.inverse + square, values, errors);
  if (status == CJ_EARG && r->window) { /* Stein's variances may come out below 0 */
    f.direct = true;
    memset(f.inverse + square, 0, (size_t)(3 * count) * sizeof(double));
    status = jackknife(&f, f.inverse + square, values, errors);
  }
  cj_free(room);
  return status;
}
