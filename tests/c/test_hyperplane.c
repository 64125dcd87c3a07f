/* The shortest way onto a plane inside a box: golden values, and random problems against the best
 * of all choices of which entries stand at their bounds. */
#include "attacks/hyperplane.h"
#include "core/random.h"
#include "each_isa.h"

enum { MOST = 7 };
static const plane_norm norms[] = {PLANE_LINF, PLANE_L2, PLANE_L1};

typedef struct problem {
  int n;
  double c;
  real w[MOST], x[MOST];
} problem;

static const double tolerance = sizeof(real) == 4 ? 2e-6 : 1e-12;

static void solve(const problem *p, plane_norm norm, real *delta) {
  const cj_ball box = {INFINITY, 0, 1};
  int64_t index[MOST];
  hyperplane_step(norm, &box, p->n, p->w, p->c, p->x, delta, index);
}

static double norm_of(plane_norm norm, int n, const double *delta) {
  double most = 0, squares = 0, sum = 0;
  for (int i = 0; i < n; i++) {
    most = fmax(most, fabs(delta[i]));
    squares += delta[i] * delta[i];
    sum += fabs(delta[i]);
  }
  return norm == PLANE_LINF ? most : norm == PLANE_L2 ? sqrt(squares) : sum;
}

/* --- the reference: every set of entries that stand at their bounds ------------------------------
 */

static double room(const problem *p, int i) {
  const double toward = p->c < 0 ? -(double)p->w[i] : (double)p->w[i];
  return toward > 0 ? 1 - (double)p->x[i] : toward < 0 ? (double)p->x[i] : 0;
}

/* The norm of the best delta whose entries in `full` are at their bounds, while the others move
 * alike (linf), by |w_i| (l2), or not at all but for `last` (l1); infinite if there is none. */
static double candidate(const problem *p, plane_norm norm, unsigned full, int last) {
  double rest = fabs(p->c), slope = 0, delta[MOST] = {0}, pace[MOST] = {0};
  for (int i = 0; i < p->n; i++) {
    const double size = fabs((double)p->w[i]);
    if (full >> i & 1) {
      delta[i] = room(p, i);
      rest -= size * delta[i];
      continue;
    }
    pace[i] = norm == PLANE_L2 ? size : norm == PLANE_LINF ? size > 0 : i == last;
    slope += size * pace[i];
  }
  const double lambda = slope > 0 ? rest / slope : 0;
  if (lambda < 0 || fabs(rest - lambda * slope) > 1e-12) return INFINITY;
  for (int i = 0; i < p->n; i++) {
    delta[i] += lambda * pace[i];
    if (delta[i] > room(p, i) + 1e-12) return INFINITY;
  }
  return norm_of(norm, p->n, delta);
}

static double shortest(const problem *p, plane_norm norm) {
  double best = INFINITY;
  for (unsigned full = 0; full < 1U << p->n; full++)
    for (int last = 0; last < (norm == PLANE_L1 ? p->n : 1); last++)
      best = fmin(best, candidate(p, norm, full, last));
  return best;
}

/* --- tests --------------------------------------------------------------------------------------
 */

static problem draw(uint64_t number) {
  const cj_stream s = cj_stream_open(1, "test", number);
  problem p = {.n = 1 + (int)(number % MOST)};
  double all = 0;
  for (int i = 0; i < p.n; i++) {
    const double w = cj_stream_normal(&s, (uint64_t)i),
                 u = cj_stream_uniform(&s, 100 + (uint64_t)i);
    p.w[i] = (real)(number % 5 == 0 && i == 0 ? 0 : number % 3 == 0 ? rint(2 * w) : w);
    p.x[i] = (real)(number % 4 == 0 ? rint(u) : u); /* at the bounds too */
  }
  p.c = number % 2 ? -1 : 1;
  for (int i = 0; i < p.n; i++) all += fabs((double)p.w[i]) * room(&p, i);
  p.c *= all * cj_stream_uniform(&s, 200);
  return p;
}

static void test_shortest(void) {
  for (uint64_t number = 0; number < 600; number++) {
    const problem p = draw(number);
    for (int k = 0; k < 3; k++) {
      real delta[MOST];
      double d[MOST], dot = 0;
      solve(&p, norms[k], delta);
      for (int i = 0; i < p.n; i++) {
        d[i] = (double)delta[i];
        dot += (double)p.w[i] * d[i];
        CHECK((double)p.x[i] + d[i] >= -tolerance && (double)p.x[i] + d[i] <= 1 + tolerance);
      }
      CHECK(fabs(dot - p.c) <= 10 * tolerance);
      CHECK(fabs(norm_of(norms[k], p.n, d) - shortest(&p, norms[k])) <= 10 * tolerance);
    }
  }
}

static void expect(const problem *p, plane_norm norm, double a, double b, double c) {
  const double want[3] = {a, b, c};
  real delta[MOST];
  solve(p, norm, delta);
  for (int i = 0; i < 3; i++) CHECK(fabs((double)delta[i] - want[i]) <= tolerance);
}

static void test_golden(void) {
  problem p = {3, .55, {3, 2, -1}, {(real).95, (real).5, (real).4}};
  expect(&p, PLANE_LINF, .05, .4 / 3, -.4 / 3);
  expect(&p, PLANE_L2, .05, .16, -.08);
  expect(&p, PLANE_L1, .05, .2, 0);
  for (int k = 0; k < 3; k++) {
    p.c = 5; /* the box ends before the plane */
    expect(&p, norms[k], .05, .5, -.4);
    p.c = 0;
    expect(&p, norms[k], 0, 0, 0);
  }
}

/* Many entries, no box, no gradient. */
static void test_edges(void) {
  enum { N = 1000 };
  static real w[N], x[N], delta[N];
  static int64_t index[N];
  const cj_stream s = cj_stream_open(2, "test", 0);
  const cj_ball box = {INFINITY, 0, 1}, open = {INFINITY, -INFINITY, INFINITY};
  for (int i = 0; i < N; i++) {
    w[i] = (real)cj_stream_normal(&s, (uint64_t)i);
    x[i] = (real)cj_stream_uniform(&s, N + (uint64_t)i);
  }
  for (int k = 0; k < 3; k++) {
    for (double c = -300; c < 301; c += 100) {
      double dot = 0, free = 0, squares = 0, sizes = 0, most = 0;
      hyperplane_step(norms[k], &box, N, w, c, x, delta, index);
      for (int i = 0; i < N; i++) dot += (double)w[i] * (double)delta[i];
      CHECK(fabs(dot - c) <= 1000 * tolerance);
      hyperplane_step(norms[k], &open, N, w, c, x, delta, index);
      for (int i = 0; i < N; i++) {
        free += (double)w[i] * (double)delta[i];
        squares += (double)w[i] * (double)w[i];
        sizes += fabs((double)w[i]);
        most = fmax(most, fabs((double)w[i]));
      }
      CHECK(fabs(free - c) <= 1000 * tolerance);
      const double lambda = fabs(c) / (k == 0 ? sizes : k == 1 ? squares : most);
      for (int i = 0; i < N; i++) {
        const double size = fabs((double)w[i]);
        const double want = lambda * (k == 0 ? 1 : k == 1 ? size : size == most);
        CHECK(fabs(fabs((double)delta[i]) - want) <= 1000 * tolerance);
      }
    }
    for (int i = 0; i < 8; i++) delta[i] = 7;
    const real zero[8] = {0};
    hyperplane_step(norms[k], &box, 8, zero, 1, x, delta, index);
    for (int i = 0; i < 8; i++) CHECK(delta[i] == 0);
  }
}

int CJ_KERNEL(test)(void) {
  test_golden();
  test_shortest();
  test_edges();
  CHECK_DONE();
}
