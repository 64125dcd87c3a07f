/* linf.c -- the max-norm ball inside a box.
 *
 * Clamp to x0 +- eps, then to the box: the exact nearest point. */
#include <math.h>

#include "attacks/attack.h"
#include "attacks/sums.h"
#include "core/random.h"
#include "kernels/kernel.h"

enum { PART = 64 }; /* random numbers at a time */

static double linf_norm(int64_t n, const void *v_) {
  const real *v = v_;
  real top[CJ_PARTS] = {0}, most = 0;
  int bad = 0;
  int64_t i = 0;
  for (; i + CJ_PARTS <= n; i += CJ_PARTS)
    for (int p = 0; p < CJ_PARTS; p++) {
      const real size = v[i + p] < 0 ? -v[i + p] : v[i + p];
      top[p] = size > top[p] ? size : top[p];
      bad |= size != size;
    }
  for (; i < n; i++) {
    const real size = v[i] < 0 ? -v[i] : v[i];
    top[0] = size > top[0] ? size : top[0];
    bad |= size != size;
  }
  for (int p = 0; p < CJ_PARTS; p++) most = top[p] > most ? top[p] : most;
  return bad ? (double)NAN : (double)most;
}

static void linf_move(const cj_ball *b, int64_t n, double length, const void *d_, const void *x0_,
                      const void *x_, void *out_, void *scratch) {
  const real *d = d_, *x0 = x0_, *x = x_;
  const real step = (real)length, eps = (real)b->eps, lo = (real)b->lo, hi = (real)b->hi;
  real *out = out_;
  (void)scratch;
  for (int64_t i = 0; i < n; i++) {
    const real moved = d ? x[i] + step * d[i] : x[i];
    out[i] = clamp_real(clamp_real(moved, x0[i] - eps, x0[i] + eps), lo, hi);
  }
}

/* Uniform in the cube. */
static void linf_start(const cj_ball *b, const cj_start_key *key, int64_t n, const void *x0_,
                       void *out_, void *scratch) {
  const cj_stream s = cj_stream_open(key->seed, "attack.start", key->sample);
  const uint64_t base = key->restart << 40;
  const real *x0 = x0_;
  real *out = out_;
  (void)scratch;
  for (int64_t from = 0; from < n; from += PART) {
    double u[PART];
    const int64_t count = min64(PART, n - from);
    cj_stream_uniforms(&s, base + (uint64_t)from, count, u);
    for (int64_t i = 0; i < count; i++) {
      const real moved = x0[from + i] + (real)(b->eps * (2 * u[i] - 1));
      out[from + i] = clamp_real(moved, (real)b->lo, (real)b->hi);
    }
  }
}

CJ_PROJECTIONS(linf) = {{"linf", linf_norm, linf_move, linf_start, 0}, {0}};
