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
  const int i = q - WINOGRAD_PAIRS_AT(points);
  if (i < 0) return 0;
  const double p = WINOGRAD_VALUE(points, i / 2);
  return i % 2 ? -p : p;
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

/* A channel of a phase of x, and a block of a phase of y. */
typedef struct pair {
  int64_t place; /* of the phase of x */
  int64_t c, block;
  int64_t phase;          /* of x or y, the one that has several */
  int64_t taps[MAX_TAPS]; /* which of the kernel's taps they have, or -1 */
} pair;

/* Row or column of the kernel that is tap r of phase `phase` of it, or -1. */
static int64_t tap_of(const cj_winograd *a, int64_t k, int64_t phase, int64_t r) {
  const int step = a->x_step * a->y_step;
  const int64_t taps = winograd_taps(k, phase, step);
  if (r >= taps) return -1;
  return a->y_step == 1 ? phase + r * step : k - 1 - phase - (taps - 1 - r) * step;
}

/* The first pair of piece `piece`, which holds all channels of one block of x. turned: taps of the
 * kernel are counted from its end. */
static pair pair_of(const cj_conv *s, const cj_winograd *a, int64_t piece, bool turned) {
  const int64_t blocks = a->from / winograd_x_phases(a);
  const int step = a->x_step * a->y_step;
  pair p = {.place = piece % a->from / blocks,
            .c = piece % blocks * BLOCK,
            .block = piece / a->from % a->to,
            .phase = piece / (a->from * a->to)};
  if (a->y_step == 1) p.phase = p.place;
  for (int64_t t = 0; t < a->k * a->k; t++) {
    const int64_t i = tap_of(a, s->kh, p.phase / step, t / a->k);
    const int64_t j = tap_of(a, s->kw, p.phase % step, t % a->k);
    const int64_t tap = i * s->kw + j;
    p.taps[t] = i < 0 || j < 0 ? -1 : turned ? s->kh * s->kw - 1 - tap : tap;
  }
  return p;
}

static int64_t pieces_of(const cj_winograd *a) {
  return winograd_y_phases(a) * a->to * a->from;
}

/* Weights of one channel of x for the channels of one block of y, [tap][16]; zeros for padding. */
static void gather(const pack_job *job, const pair *p, double w[][BLOCK]) {
  const cj_conv *s = job->s;
  const int64_t taps = s->kh * s->kw, some = job->a.k * job->a.k;
  memset(w, 0, (size_t)some * sizeof *w);
  if (p->c >= s->c_in) return;
  for (int64_t l = 0; l < BLOCK && p->block * BLOCK + l < s->c_out; l++) {
    const int64_t o = p->block * BLOCK + l;
    const real *from = job->w + (job->turned ? p->c * s->c_out + o : o * s->c_in + p->c) * taps;
    const double scale = !job->scale ? 1 : (double)job->scale[job->turned ? p->c : o];
    for (int64_t t = 0; t < some; t++)
      if (p->taps[t] >= 0) w[t][l] = scale * (double)from[p->taps[t]];
  }
}

/* Where a pair stands among the packed weights: element `at` at point 0. Elements to the next
 * point, further in the last column of points, and between one pair of registers of the block and
 * the next. */
typedef struct spot {
  int64_t at, point, last, pair;
} spot;

static spot spot_of(const cj_winograd *a, const pair *p) {
  const int64_t group = p->block / GROUP, blocks = winograd_group_blocks(a, group);
  const int64_t columns = winograd_columns(blocks), depth = a->from * BLOCK;
  const int64_t column = p->block % GROUP * BLOCK, channels = depth / winograd_x_phases(a);
  const int64_t u_phase = a->y_step == 1 ? 0 : p->phase * winograd_u_phase(a);
  return (spot){.at = u_phase + group * winograd_u_group(a) + column / columns * depth * columns +
                      (p->place * channels + p->c) * columns + column % columns,
                .point = winograd_u_point(a, blocks),
                .last = (winograd_other_place(p->place) - p->place) * channels * columns,
                .pair = depth * columns};
}

/* Where point (i, j) is, seen from the packed weights. */
CJ_INLINE int64_t spot_point(const int points, const spot *where, int i, int j) {
  return where->at + (i * points + j) * where->point + (j == points - 1 ? where->last : 0);
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
      real *to = job->packed + spot_point(points, where, i, j);
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
  pair p = pair_of(job->s, a, piece, job->turned);
  for (const int64_t end = p.c + BLOCK; p.c < end; p.c++) {
    const spot where = spot_of(a, &p);
    ALIGNED double w[MAX_TAPS][BLOCK];
    gather(job, &p, w);
    switch (a->points * 10 + a->k) {
    case 42:
      pack_channel(4, 2, job, w, &where);
      break;
    case 52:
      pack_channel(5, 2, job, w, &where);
      break;
    case 62:
      pack_channel(6, 2, job, w, &where);
      break;
    case 82:
      pack_channel(8, 2, job, w, &where);
      break;
    case 63:
      pack_channel(6, 3, job, w, &where);
      break;
    case 85:
      pack_channel(8, 5, job, w, &where);
      break;
    default:
      break;
    }
  }
}

void CJ_KERNEL(winograd_pack)(const cj_conv *s, const real *w, const real *scale, bool turned,
                              real *packed) {
  pack_job job = {.s = s, .w = w, .scale = scale, .turned = turned, .packed = packed};
  if (!CJ_KERNEL(winograd_sizes)(s, &job.a)) return;
  fill_g(&job.a, job.g);
  cj_parallel(pieces_of(&job.a), pack_piece, &job);
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
      const real *from = job->sums + spot_point(points, where, i, j);
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

static void add_taps(const unpack_job *job, const pair *p, double w[][BLOCK]) {
  const cj_conv *s = job->s;
  for (int64_t l = 0; l < BLOCK && p->block * BLOCK + l < s->c_out; l++) {
    real *to = job->gw + ((p->block * BLOCK + l) * s->c_in + p->c) * s->kh * s->kw;
    for (int64_t t = 0; t < job->a->k * job->a->k; t++)
      if (p->taps[t] >= 0) to[p->taps[t]] += (real)w[t][l];
  }
}

static void unpack_piece(void *context, int64_t piece) {
  const unpack_job *job = context;
  const cj_winograd *a = job->a;
  const cj_conv *s = job->s;
  pair p = pair_of(job->s, a, piece, false);
  for (const int64_t end = p.c + BLOCK; p.c < end && p.c < s->c_in; p.c++) {
    const spot where = spot_of(a, &p);
    ALIGNED double w[MAX_TAPS][BLOCK];
    switch (a->points * 10 + a->k) {
    case 42:
      unpack_channel(4, 2, job, &where, w);
      break;
    case 52:
      unpack_channel(5, 2, job, &where, w);
      break;
    case 62:
      unpack_channel(6, 2, job, &where, w);
      break;
    case 82:
      unpack_channel(8, 2, job, &where, w);
      break;
    case 63:
      unpack_channel(6, 3, job, &where, w);
      break;
    case 85:
      unpack_channel(8, 5, job, &where, w);
      break;
    default:
      break;
    }
    add_taps(job, &p, w);
  }
}

void CJ_KERNEL(winograd_unpack)(const cj_conv *s, const cj_winograd *a, const real *sums,
                                real *gw) {
  unpack_job job = {.s = s, .a = a, .sums = sums, .gw = gw};
  fill_g(a, job.g);
  cj_parallel(pieces_of(a), unpack_piece, &job);
}
