/* winograd_pack.c -- weights at the points, U = G w G^T, computed in double and rounded once. */
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

static void fill_g(pack_job *job) {
  const int points = job->a.points, k = job->a.k;
  for (int q = 0; q < points - 1; q++) {
    double value = 1;
    for (int r = 0; r < points - 1; r++)
      if (r != q) value /= finite_point(points, q) - finite_point(points, r);
    for (int j = 0; j < k; j++, value *= finite_point(points, q)) job->g[q][j] = value;
  }
  for (int j = 0; j < k; j++) job->g[points - 1][j] = j == k - 1;
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

/* to[i][l] = sum over j of g[i][j] from[j * step][l]. */
CJ_INLINE void line_weights(const int points, const int k, const pack_job *job, const int step,
                            double from[][BLOCK], double to[][BLOCK]) {
  for (int i = 0; i < points; i++) {
    for (int l = 0; l < BLOCK; l++) to[i][l] = job->g[i][0] * from[0][l];
#pragma GCC unroll 5
    for (int j = 1; j < k; j++)
      for (int l = 0; l < BLOCK; l++) to[i][l] += job->g[i][j] * from[j * step][l];
  }
}

/* Weights at the points, for channel c of x and one block of y; `to` is where point 0 stands. */
CJ_INLINE void pack_channel(const int points, const int k, const pack_job *job, double w[][BLOCK],
                            int64_t point, int64_t part, real *to) {
  double across[MAX_K][MAX_POINTS][BLOCK], all[MAX_POINTS][BLOCK];
  for (int r = 0; r < k; r++) line_weights(points, k, job, 1, w + r * k, across[r]);
  for (int j = 0; j < points; j++) {
    line_weights(points, k, job, MAX_POINTS, &across[0][j], all);
    for (int i = 0; i < points; i++)
#pragma GCC unroll 8
      for (int v = 0; v < PIXEL_VECS; v++)
        for (int l = 0; l < LANES; l++)
          to[(i * points + j) * point + v * LANES / (2 * LANES) * part + v * LANES % (2 * LANES) +
             l] = (real)all[i][v * LANES + l];
  }
}

/* A piece is one block of x and one of y. */
static void pack_piece(void *context, int64_t piece) {
  const pack_job *job = context;
  const cj_winograd *a = &job->a;
  const int64_t block = piece / a->from, group = block / GROUP;
  const int64_t width = winograd_group_blocks(a, group) * BLOCK;
  const int64_t columns = winograd_columns(width / BLOCK), depth = a->from * BLOCK;
  const int64_t column = block % GROUP * BLOCK, point = winograd_u_point(a, width / BLOCK);
  real *to = job->packed + group * winograd_u_group(a) + column / columns * depth * columns +
             column % columns;
  for (int64_t c = piece % a->from * BLOCK, end = c + BLOCK; c < end; c++) {
    double w[MAX_TAPS][BLOCK];
    gather(job, block, c, w);
    if (a->k == 5)
      pack_channel(8, 5, job, w, point, depth * columns, to + c * columns);
    else if (a->points == 6)
      pack_channel(6, 3, job, w, point, depth * columns, to + c * columns);
    else
      pack_channel(8, 3, job, w, point, depth * columns, to + c * columns);
  }
}

void CJ_KERNEL(winograd_pack)(const cj_conv *s, const real *w, const real *scale, bool turned,
                              real *packed) {
  pack_job job = {.s = s, .w = w, .scale = scale, .turned = turned, .packed = packed};
  if (!CJ_KERNEL(winograd_sizes)(s, &job.a)) return;
  fill_g(&job);
  cj_parallel(job.a.from * job.a.to, pack_piece, &job);
}
