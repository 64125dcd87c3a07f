/* l2.c -- the Euclidean ball inside a box.
 *
 * v is scaled by min(1, eps / ||v||_2), then clamped. Clamping toward a box that holds x0 only
 * shrinks v, so the result is feasible, though not always the nearest point. Rounding x0 + v to the
 * stored type may lengthen it again by a few units in the last place; then the scale is lowered. */
#include <math.h>

#include "attacks/attack.h"
#include "attacks/sums.h"
#include "core/random.h"
#include "kernels/kernel.h"

static double l2_norm(int64_t n, const void *v) {
  return sqrt(sum_squares(n, v));
}

/* ||v||_2 of numbers that are not rounded to the stored type yet. */
static double length_of(int64_t n, const double *v) {
  double part[CJ_PARTS] = {0};
  int64_t i = 0;
  for (; i + CJ_PARTS <= n; i += CJ_PARTS)
    for (int p = 0; p < CJ_PARTS; p++) part[p] += v[i + p] * v[i + p];
  for (; i < n; i++) part[i % CJ_PARTS] += v[i] * v[i];
  return sqrt(fold_parts(part));
}

/* ||x - x0||_2 of the stored values. */
static double distance(int64_t n, const real *x0, const real *x) {
  double part[CJ_PARTS] = {0};
  int64_t i = 0;
  for (; i + CJ_PARTS <= n; i += CJ_PARTS)
    for (int p = 0; p < CJ_PARTS; p++) {
      const double v = (double)x[i + p] - (double)x0[i + p];
      part[p] += v * v;
    }
  for (; i < n; i++) {
    const double v = (double)x[i] - (double)x0[i];
    part[i % CJ_PARTS] += v * v;
  }
  return sqrt(fold_parts(part));
}

static void scale_into(const cj_ball *b, int64_t n, double scale, const real *x0, const double *v,
                       real *out) {
  const real lo = (real)b->lo, hi = (real)b->hi;
  for (int64_t i = 0; i < n; i++) out[i] = clamp_real((real)((double)x0[i] + scale * v[i]), lo, hi);
}

static void l2_move(const cj_ball *b, int64_t n, double length, const void *d_, const void *x0_,
                    const void *x_, void *out_, void *scratch) {
  const real *d = d_, *x0 = x0_, *x = x_;
  real *out = out_;
  double *v = scratch;
  for (int64_t i = 0; i < n; i++) {
    const double moved = d ? (double)x[i] + length * (double)d[i] : (double)x[i];
    v[i] = moved - (double)x0[i];
  }
  const double norm = length_of(n, v);
  double scale = norm > b->eps ? b->eps / norm : 1;
  scale_into(b, n, scale, x0, v, out);
  if (isinf(b->eps)) return;
  for (int turn = 0; turn < 8; turn++) {
    const double got = distance(n, x0, out);
    if (got <= b->eps * (1 + 1e-6) + 0.5e-7) return;
    scale *= b->eps / got * (1 - 1e-7);
    scale_into(b, n, scale, x0, v, out);
  }
}

/* Uniform in the ball: a Gaussian direction, radius eps * U^(1/n). */
static void l2_start(const cj_ball *b, const cj_start_key *key, int64_t n, const void *x0_,
                     void *out_, void *scratch) {
  const cj_stream s = cj_stream_open(key->seed, "attack.start", key->sample);
  const cj_stream radius = cj_stream_open(key->seed, "attack.radius", key->sample);
  const uint64_t base = key->restart << 40;
  double *v = scratch;
  cj_stream_normals(&s, base, n, v);
  const double u = cj_stream_uniform(&radius, key->restart);
  const double length = b->eps * pow(u, 1.0 / (double)(n > 0 ? n : 1));
  scale_into(b, n, length / fmax(length_of(n, v), 1e-300), x0_, v, out_);
}

CJ_PROJECTIONS(l2) = {{"l2", l2_norm, l2_move, l2_start, sizeof(double)}, {0}};
