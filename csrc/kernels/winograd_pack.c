/* winograd_pack.c -- weights at the points, U = G w G^T, computed in double and rounded once; and
 * the way back, gw += G^T M G. */
#include <string.h>

#include "core/threads.h"
#include "kernels/winograd_lines.h"
#include "kernels/winograd_parts.h"

enum { MAX_K = 5, MAX_TAPS = MAX_K * MAX_K };

typedef struct pack_job {
  const cj_conv *s;
  cj_winograd a;
  const real *w, *scale;
  bool turned;
  real *packed;
  double g[MAX_POINTS][MAX_K];
} pack_job;

static double finite_point(int points, int q) {
  if (q == 0) return 0;
  const double p = WINOGRAD_VALUE(points, (q - 1) / 2);
  return q % 2 ? p : -p;
}

static void fill_g(const cj_winograd *a, double g[][MAX_K]) {
  const int points = a->points, k = a->k;
  for (int q = 0; q < points - 1; q++) {
    double value = 1;
    for (int r = 0; r < points - 1; r++)
      if (r != q) value /= finite_point(points, q) - finite_point(points, r);
    for (int j = 0; j < k; j++, value *= finite_point(points, q)) g[q][j] = value;
  }
  for (int j = 0; j < k; j++) g[points - 1][j] = j == k - 1;
}

/* Weights of one channel of x for the channels of one block of y, [tap][16]; zeros for padding. */
static void gather(const pack_job *job, int64_t block, int64_t c, double w[][BLOCK]) {
  const cj_conv *s = job->s;
  const int64_t taps = s->kh * s->kw;
  memset(w, 0, (size_t)taps * sizeof *w);
  if (c >= s->c_in) return;
  for (int64_t l = 0; l < BLOCK && block * BLOCK + l < s->c_out; l++) {
    const int64_t o = block * BLOCK + l;
    const real *from = job->w + (job->turned ? c * s->c_out + o : o * s->c_in + c) * taps;
    const double scale = !job->scale ? 1 : (double)job->scale[job->turned ? c : o];
    for (int64_t t = 0; t < taps; t++)
      w[t][l] = scale * (double)from[job->turned ? taps - 1 - t : t];
  }
}

/* Where channel c of x and a block of y stand among the packed weights: element `at` at point 0.
 * Elements to the next point, and between one pair of registers of the block and the next. */
typedef struct spot {
  int64_t at, point, pair;
} spot;

static spot spot_of(const cj_winograd *a, int64_t c, int64_t block) {
  const int64_t group = block / GROUP, blocks = winograd_group_blocks(a, group);
  const int64_t columns = winograd_columns(blocks), depth = a->from * BLOCK;
  const int64_t column = block % GROUP * BLOCK;
  return (spot){.at = group * winograd_u_group(a) + column / columns * depth * columns +
                      c * columns + column % columns,
                .point = winograd_u_point(a, blocks),
                .pair = depth * columns};
}

/* Element v * LANES + l of the 16, seen from the spot. */
CJ_INLINE int64_t spot_lane(const spot *where, int v, int l) {
  return v / 2 * where->pair + v % 2 * LANES + l;
}

typedef double doubles __attribute__((vector_size(CJ_VEC_BYTES), may_alias));
enum { DOUBLES = CJ_VEC_BYTES / 8 };
#define ALIGNED _Alignas(CJ_VEC_BYTES)

/* to[l] = sum over i < count of g[i * g_step] * from[i * step][l]. */
CJ_INLINE void line_sum(const int count, const double *g, const int g_step, double from[][BLOCK],
                        const int step, double *to) {
  for (int l = 0; l < BLOCK; l += DOUBLES) {
    doubles sum = g[0] * *(const doubles *)(from[0] + l);
#pragma GCC unroll 8
    for (int i = 1; i < count; i++) sum += g[i * g_step] * *(const doubles *)(from[i * step] + l);
    *(doubles *)(to + l) = sum;
  }
}

/* One line of G times w: to[q] = sum over j of g[q][j] from[j * step]. */
CJ_INLINE void line_weights(const int points, const int k, const pack_job *job, const int step,
                            double from[][BLOCK], double to[][BLOCK]) {
  for (int q = 0; q < points; q++) line_sum(k, job->g[q], 1, from, step, to[q]);
}

CJ_INLINE void pack_channel(const int points, const int k, const pack_job *job, double w[][BLOCK],
                            const spot *where) {
  ALIGNED double across[MAX_K][MAX_POINTS][BLOCK], all[MAX_POINTS][BLOCK];
  for (int r = 0; r < k; r++) line_weights(points, k, job, 1, w + r * k, across[r]);
  for (int j = 0; j < points; j++) {
    line_weights(points, k, job, MAX_POINTS, &across[0][j], all);
    for (int i = 0; i < points; i++) {
      real *to = job->packed + where->at + (i * points + j) * where->point;
#pragma GCC unroll 8
      for (int v = 0; v < PIXEL_VECS; v++)
        for (int l = 0; l < LANES; l++) to[spot_lane(where, v, l)] = (real)all[i][v * LANES + l];
    }
  }
}

/* A piece is one block of x and one of y. */
static void pack_piece(void *context, int64_t piece) {
  const pack_job *job = context;
  const cj_winograd *a = &job->a;
  const int64_t block = piece / a->from;
  for (int64_t c = piece % a->from * BLOCK, end = c + BLOCK; c < end; c++) {
    const spot where = spot_of(a, c, block);
    ALIGNED double w[MAX_TAPS][BLOCK];
    gather(job, block, c, w);
    if (a->k == 3)
      pack_channel(6, 3, job, w, &where);
    else
      pack_channel(8, 5, job, w, &where);
  }
}

void CJ_KERNEL(winograd_pack)(const cj_conv *s, const real *w, const real *scale, bool turned,
                              real *packed) {
  pack_job job = {.s = s, .w = w, .scale = scale, .turned = turned, .packed = packed};
  if (!CJ_KERNEL(winograd_sizes)(s, &job.a)) return;
  fill_g(&job.a, job.g);
  cj_parallel(job.a.from * job.a.to, pack_piece, &job);
}

/* --- back ------------------------------------------------------------------------------------ */

typedef struct unpack_job {
  const cj_conv *s;
  const cj_winograd *a;
  const real *sums;
  real *gw;
  double g[MAX_POINTS][MAX_K];
} unpack_job;

/* One line of G^T times m: to[j] = sum over q of g[q][j] from[q * step]. */
CJ_INLINE void line_taps(const int points, const int k, const unpack_job *job, const int step,
                         double from[][BLOCK], double to[][BLOCK]) {
  for (int j = 0; j < k; j++) line_sum(points, &job->g[0][j], MAX_K, from, step, to[j]);
}

/* Weights [tap][16] of one channel of x and one block of y. */
CJ_INLINE void unpack_channel(const int points, const int k, const unpack_job *job,
                              const spot *where, double w[][BLOCK]) {
  ALIGNED double across[MAX_POINTS][MAX_K][BLOCK], all[MAX_POINTS][BLOCK];
  for (int i = 0; i < points; i++) {
    for (int j = 0; j < points; j++) {
      const real *from = job->sums + where->at + (i * points + j) * where->point;
#pragma GCC unroll 8
      for (int v = 0; v < PIXEL_VECS; v++)
        for (int l = 0; l < LANES; l++)
          all[j][v * LANES + l] = (double)from[spot_lane(where, v, l)];
    }
    line_taps(points, k, job, 1, all, across[i]);
  }
  for (int t = 0; t < k; t++) {
    ALIGNED double column[MAX_K][BLOCK];
    line_taps(points, k, job, MAX_K, &across[0][t], column);
    for (int r = 0; r < k; r++) memcpy(w[r * k + t], column[r], sizeof *w);
  }
}

static void unpack_piece(void *context, int64_t piece) {
  const unpack_job *job = context;
  const cj_winograd *a = job->a;
  const cj_conv *s = job->s;
  const int64_t block = piece / a->from, taps = s->kh * s->kw;
  const int64_t first = piece % a->from * BLOCK;
  for (int64_t c = first; c < first + BLOCK && c < s->c_in; c++) {
    const spot where = spot_of(a, c, block);
    ALIGNED double w[MAX_TAPS][BLOCK];
    if (a->k == 3)
      unpack_channel(6, 3, job, &where, w);
    else
      unpack_channel(8, 5, job, &where, w);
    for (int64_t l = 0; l < BLOCK && block * BLOCK + l < s->c_out; l++)
      for (int64_t t = 0; t < taps; t++)
        job->gw[((block * BLOCK + l) * s->c_in + c) * taps + t] += (real)w[t][l];
  }
}

void CJ_KERNEL(winograd_unpack)(const cj_conv *s, const cj_winograd *a, const real *sums,
                                real *gw) {
  unpack_job job = {.s = s, .a = a, .sums = sums, .gw = gw};
  fill_g(a, job.g);
  cj_parallel(a->from * a->to, unpack_piece, &job);
}
