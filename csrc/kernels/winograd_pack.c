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
static void line_weights(const pack_job *job, int64_t step, double from[][BLOCK],
                         double to[][BLOCK]) {
  for (int i = 0; i < job->a.points; i++)
    for (int l = 0; l < BLOCK; l++) {
      double sum = 0;
      for (int j = 0; j < job->a.k; j++) sum += job->g[i][j] * from[j * step][l];
      to[i][l] = sum;
    }
}

/* A piece is one block of x and one of y. */
static void pack_piece(void *context, int64_t piece) {
  const pack_job *job = context;
  const cj_winograd *a = &job->a;
  const int64_t block = piece / a->from, group = block / GROUP;
  const int64_t width = winograd_group_blocks(a, group) * BLOCK;
  const int64_t columns = winograd_columns(width / BLOCK), depth = a->from * BLOCK;
  for (int64_t c = piece % a->from * BLOCK, end = c + BLOCK; c < end; c++) {
    double w[MAX_TAPS][BLOCK], across[MAX_K][MAX_POINTS][BLOCK], all[MAX_POINTS][BLOCK];
    gather(job, block, c, w);
    for (int r = 0; r < a->k; r++) line_weights(job, 1, w + r * a->k, across[r]);
    for (int j = 0; j < a->points; j++) {
      line_weights(job, MAX_POINTS, &across[0][j], all);
      for (int i = 0; i < a->points; i++)
        for (int l = 0; l < BLOCK; l++) {
          const int64_t column = block % GROUP * BLOCK + l;
          real *point =
              job->packed + group * winograd_group_packed(a) + (i * a->points + j) * depth * width;
          point[(column / columns * depth + c) * columns + column % columns] = (real)all[i][l];
        }
    }
  }
}

void CJ_KERNEL(winograd_pack)(const cj_conv *s, const real *w, const real *scale, bool turned,
                              real *packed) {
  pack_job job = {.s = s, .w = w, .scale = scale, .turned = turned, .packed = packed};
  if (!CJ_KERNEL(winograd_sizes)(s, &job.a)) return;
  fill_g(&job);
  cj_parallel(job.a.from * job.a.to, pack_piece, &job);
}
