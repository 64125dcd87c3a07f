/* l1.c -- the l1 ball inside a box, exactly [Croce & Hein 2021, section 3].
 *
 * With the room u_i that coordinate i has in the direction of v_i, the nearest point is
 *   delta_i = sign(v_i) * clip(|v_i| - lambda, 0, u_i),
 * lambda = 0 if sum min(|v_i|, u_i) <= eps, else the root of sum clip(|v_i| - lambda, 0, u_i) =
 * eps. That sum is piecewise linear in lambda: sort its 2n breakpoints and walk. */
#include <math.h>
#include <stdlib.h>

#include "attacks/attack.h"
#include "attacks/sums.h"
#include "core/random.h"
#include "kernels/kernel.h"

/* At lambda = `at` a coordinate starts (+1) or ends (-1) to shrink. */
typedef struct turn {
  double at, change;
} turn;

enum { SCRATCH = 2 * sizeof(turn) + sizeof(double) };

static double l1_norm(int64_t n, const void *v_) {
  const real *v = v_;
  double part[CJ_PARTS] = {0};
  int64_t i = 0;
  for (; i + CJ_PARTS <= n; i += CJ_PARTS)
    for (int p = 0; p < CJ_PARTS; p++) part[p] += fabs((double)v[i + p]);
  for (; i < n; i++) part[i % CJ_PARTS] += fabs((double)v[i]);
  return fold_parts(part);
}

static int by_place(const void *a_, const void *b_) {
  const turn *a = a_, *b = b_;
  return (a->at > b->at) - (a->at < b->at);
}

static double room(const cj_ball *b, double x0, double v) {
  return fmax(v > 0 ? b->hi - x0 : x0 - b->lo, 0);
}

/* The root lambda for radius eps; turns has space for 2n entries. */
static double solve(const cj_ball *b, double eps, int64_t n, const real *x0, const double *v,
                    turn *turns) {
  double sum = 0, slope = 0, at = 0;
  int64_t count = 0;
  for (int64_t i = 0; i < n; i++) {
    const double size = fabs(v[i]), u = room(b, (double)x0[i], v[i]);
    sum += fmin(size, u);
    if (!(size > 0 && u > 0)) continue;
    if (size > u)
      turns[count++] = (turn){size - u, 1};
    else
      slope += 1;
    turns[count++] = (turn){size, -1};
  }
  if (sum <= eps) return 0;
  qsort(turns, (size_t)count, sizeof(turn), by_place);
  for (int64_t i = 0; i < count; i++) {
    const double next = sum - slope * (turns[i].at - at);
    if (next <= eps && slope > 0) return at + (sum - eps) / slope;
    sum = next;
    at = turns[i].at;
    slope += turns[i].change;
  }
  return at;
}

/* Writes x0 + delta; returns ||delta||_1 of the stored values. */
static double shrink_into(const cj_ball *b, double lambda, int64_t n, const real *x0,
                          const double *v, real *out) {
  double part[CJ_PARTS] = {0};
  for (int64_t i = 0; i < n; i++) {
    const double size = fmin(fmax(fabs(v[i]) - lambda, 0), room(b, (double)x0[i], v[i]));
    const double moved = (double)x0[i] + (v[i] > 0 ? size : -size);
    out[i] = clamp_real((real)moved, (real)b->lo, (real)b->hi);
    part[i % CJ_PARTS] += fabs((double)out[i] - (double)x0[i]);
  }
  return fold_parts(part);
}

static void l1_move(const cj_ball *b, int64_t n, double length, const void *d_, const void *x0_,
                    const void *x_, void *out_, void *scratch) {
  const real *d = d_, *x0 = x0_, *x = x_;
  double *v = scratch, eps = b->eps;
  turn *turns = (turn *)(v + n);
  for (int64_t i = 0; i < n; i++) {
    const double moved = d ? (double)x[i] + length * (double)d[i] : (double)x[i];
    v[i] = moved - (double)x0[i];
  }
  for (int turn_count = 0; turn_count < 8; turn_count++) {
    /* Rounding x0 + delta to the stored type may exceed the radius: then aim a little shorter. */
    const double got = shrink_into(b, solve(b, eps, n, x0, v, turns), n, x0, v, out_);
    if (got <= b->eps * (1 + 1e-6) + 0.5e-7) return;
    eps -= 1.5 * (got - b->eps);
  }
}

/* n + 1 exponentials, the first n over the sum of all, random signs, times eps. */
static void l1_start(const cj_ball *b, const cj_start_key *key, int64_t n, const void *x0_,
                     void *out_, void *scratch) {
  const cj_stream s = cj_stream_open(key->seed, "attack.start", key->sample);
  const cj_stream signs = cj_stream_open(key->seed, "attack.signs", key->sample);
  const uint64_t base = key->restart << 40;
  double *v = scratch, *sign = v + n, sum = -log1p(-cj_stream_uniform(&s, base + (uint64_t)n));
  cj_stream_uniforms(&s, base, n, v);
  cj_stream_uniforms(&signs, base, n, sign);
  for (int64_t i = 0; i < n; i++) {
    v[i] = -log1p(-v[i]);
    sum += v[i];
  }
  for (int64_t i = 0; i < n; i++) {
    v[i] *= b->eps / sum;
    if (sign[i] < 0.5) v[i] = -v[i];
  }
  shrink_into(b, 0, n, x0_, v, out_);
}

CJ_PROJECTIONS(l1) = {{"l1", l1_norm, l1_move, l1_start, SCRATCH}, {0}};
