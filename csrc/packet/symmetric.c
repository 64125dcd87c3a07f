/* symmetric.c -- Cholesky factors, and eigenvalues by Householder and QL. */
#include "packet/symmetric.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "core/threads.h"

static const double LEAST_PIVOT = 1e-12;
enum { MOST_TURNS = 60 }; /* of QL, for one eigenvalue; a few are usual */

/* y += c x */
static void add_scaled(int64_t n, double c, const double *x, double *y) {
  for (int64_t i = 0; i < n; i++) y[i] += c * x[i];
}

static double dot(int64_t n, const double *x, const double *y) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += x[i] * y[i];
  return sum;
}

bool cj_cholesky(int64_t n, double *a) {
  for (int64_t i = 0; i < n; i++) {
    double *row = a + i * n, pivot = row[i];
    for (int64_t j = 0; j < i; j++) {
      row[j] = (row[j] - dot(j, row, a + j * n)) / a[j * n + j];
      pivot -= row[j] * row[j];
    }
    if (!(pivot > LEAST_PIVOT * row[i])) return false; /* NaN, too */
    row[i] = sqrt(pivot);
  }
  return true;
}

void cj_lower_solve(int64_t n, const double *l, int64_t m, double *b) {
  for (int64_t i = 0; i < n; i++) {
    double *row = b + i * m;
    for (int64_t j = 0; j < i; j++) add_scaled(m, -l[i * n + j], b + j * m, row);
    for (int64_t k = 0; k < m; k++) row[k] /= l[i * n + i];
  }
}

/* --- three diagonals ---------------------------------------------------------------------------
 */

/* A matrix on its way to its eigenvalues. */
typedef struct problem {
  int64_t n;
  double *a, *diagonal, *beside; /* beside[i]: between i and i + 1 */
  double *p;                     /* scratch [n] */
  double nothing;  /* what counts as zero beside the diagonal: rounding of the whole */
  double *vectors; /* rows, or NULL */
} problem;

/* Column j below the diagonal is mirrored onto its first element by I - v v', |v|^2 = 2. v takes
 * its place in row j, right of the diagonal. */
static void mirror(problem *s, int64_t j) {
  const int64_t m = s->n - j - 1;
  double *v = s->a + j * s->n + j + 1;
  const double length = sqrt(dot(m, v, v));
  s->beside[j] = length;
  if (length == 0) return;
  s->beside[j] = v[0] > 0 ? -length : length;
  v[0] -= s->beside[j];
  const double scale = sqrt(2 / dot(m, v, v));
  for (int64_t i = 0; i < m; i++) v[i] *= scale;
}

/* A - v q' - q v' with q = p - (v'p / 2) v, p = A v: A in the mirrored frame. */
static void turn_rest(problem *s, int64_t j) {
  const int64_t n = s->n, m = n - j - 1;
  const double *v = s->a + j * n + j + 1;
  double *rest = s->a + (j + 1) * n + j + 1, *p = s->p;
  memset(p, 0, (size_t)m * sizeof *p);
  for (int64_t i = 0; i < m; i++) add_scaled(m, v[i], rest + i * n, p);
  add_scaled(m, -dot(m, v, p) / 2, v, p);
  for (int64_t i = 0; i < m; i++)
    for (int64_t k = 0; k < m; k++) rest[i * n + k] -= v[i] * p[k] + p[i] * v[k];
}

/* vectors = the product of all mirrors, transposed: its rows are the frame of the diagonals. Last
 * to first, so that each changes only the block from its own place on. */
static void collect_mirrors(problem *s) {
  const int64_t n = s->n;
  memset(s->vectors, 0, (size_t)(n * n) * sizeof(double));
  for (int64_t i = 0; i < n; i++) s->vectors[i * n + i] = 1;
  for (int64_t j = n - 3; j >= 0; j--) {
    const int64_t m = n - j - 1;
    const double *v = s->a + j * n + j + 1;
    double *block = s->vectors + (j + 1) * n + j + 1;
    if (s->beside[j] == 0) continue;
    for (int64_t i = 0; i < m; i++) add_scaled(m, -dot(m, block + i * n, v), v, block + i * n);
  }
}

static void reduce(problem *s) {
  const int64_t n = s->n;
  for (int64_t j = 0; j + 2 < n; j++) {
    s->diagonal[j] = s->a[j * n + j];
    mirror(s, j);
    if (s->beside[j] != 0) turn_rest(s, j);
  }
  for (int64_t j = n > 2 ? n - 2 : 0; j < n; j++) s->diagonal[j] = s->a[j * n + j];
  if (n > 1) s->beside[n - 2] = s->a[(n - 2) * n + n - 1];
  s->beside[n - 1] = 0;
  if (s->vectors) collect_mirrors(s);
}

/* --- QL ----------------------------------------------------------------------------------------
 */

/* Rows i and i + 1 of the vectors, turned. */
static void turn_rows(const problem *s, int64_t i, double cosine, double sine) {
  double *a = s->vectors + i * s->n, *b = a + s->n;
  for (int64_t k = 0; k < s->n; k++) {
    const double x = a[k], y = b[k];
    b[k] = sine * x + cosine * y;
    a[k] = cosine * x - sine * y;
  }
}

/* Where the block that begins at l ends: at an element beside the diagonal that is next to 0. */
static int64_t block_end(const problem *s, int64_t l) {
  int64_t m = l;
  while (m + 1 < s->n && fabs(s->beside[m]) > s->nothing) m++;
  return m;
}

/* One turn of QL over l..m with Wilkinson's shift. */
static void chase(problem *s, int64_t l, int64_t m) {
  double *d = s->diagonal, *e = s->beside;
  double g = (d[l + 1] - d[l]) / (2 * e[l]);
  g = d[m] - d[l] + e[l] / (g + copysign(hypot(g, 1), g));
  double sine = 1, cosine = 1, moved = 0;
  for (int64_t i = m - 1; i >= l; i--) {
    const double f = sine * e[i], b = cosine * e[i], r = hypot(f, g);
    e[i + 1] = r;
    if (r == 0) { /* the block has fallen apart */
      d[i + 1] -= moved;
      e[m] = 0;
      return;
    }
    sine = f / r;
    cosine = g / r;
    g = d[i + 1] - moved;
    const double t = (d[i] - g) * sine + 2 * cosine * b;
    moved = sine * t;
    d[i + 1] = g + moved;
    g = cosine * t - b;
    if (s->vectors) turn_rows(s, i, cosine, sine);
  }
  d[l] -= moved;
  e[l] = g;
  e[m] = 0;
}

static double size_of(const problem *s) {
  double most = 0;
  for (int64_t i = 0; i < s->n; i++) most = fmax(most, fabs(s->diagonal[i]) + fabs(s->beside[i]));
  return most;
}

static cj_status iterate(problem *s) {
  s->nothing = DBL_EPSILON * size_of(s);
  for (int64_t l = 0; l < s->n; l++) {
    int turns = 0;
    if (cj_stop_requested()) return cj_fail(CJ_ESTOP, "interrupted");
    for (int64_t m = block_end(s, l); m != l; m = block_end(s, l)) {
      if (turns++ == MOST_TURNS)
        return cj_fail(CJ_EARG, "no eigenvalues: the matrix has no numbers");
      chase(s, l, m);
    }
    if (!isfinite(s->diagonal[l]))
      return cj_fail(CJ_EARG, "no eigenvalues: the matrix has no numbers");
  }
  return CJ_OK;
}

static void exchange(int64_t n, double *x, double *y) {
  for (int64_t k = 0; k < n; k++) {
    const double held = x[k];
    x[k] = y[k];
    y[k] = held;
  }
}

static void sort(const problem *s) {
  for (int64_t i = 0; i < s->n; i++) {
    int64_t least = i;
    for (int64_t k = i + 1; k < s->n; k++)
      if (s->diagonal[k] < s->diagonal[least]) least = k;
    if (least == i) continue;
    exchange(1, s->diagonal + i, s->diagonal + least);
    if (s->vectors) exchange(s->n, s->vectors + i * s->n, s->vectors + least * s->n);
  }
}

cj_status cj_symmetric_eigen(int64_t n, double *a, double *values, double *vectors) {
  if (n == 0) return CJ_OK;
  double *room = cj_alloc((size_t)(2 * n) * sizeof(double));
  if (!room) return cj_fail(CJ_EMEM, "no memory for %lld eigenvalues", (long long)n);
  problem s = {
      .n = n, .a = a, .diagonal = values, .beside = room, .p = room + n, .vectors = vectors};
  reduce(&s);
  const cj_status status = iterate(&s);
  if (status == CJ_OK) sort(&s);
  cj_free(room);
  return status;
}
