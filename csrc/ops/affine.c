/* affine.c -- y[b, c, i, j] = x[b, c] read at the point (r, s) = M[b] (i, j, 1), bilinearly.
 *
 * x is [B, C, H, W], M is [B, 2, 3]; rows and columns count from 0 at the first pixel's centre, so
 * r = M00 i + M01 j + M02 and s = M10 i + M11 j + M12. Outside the picture the value is that of the
 * nearest border pixel (border 0) or zero (border 1). Differentiable in x and M; the spatial
 * transformer of Jaderberg et al., NIPS 2015, with pixels for units. */
#include <math.h>
#include <string.h>

#include "core/threads.h"
#include "op.h"

enum { NEAREST, ZERO };
enum { MOST_LINES = 1 << 24 }; /* rows or columns: whole numbers of a float */

/* The four pixels around a point: their places in the plane (-1: outside, reads zero), the point's
 * position between them, and whether moving the point moves it (not when clamped to the border). */
typedef struct taps {
  int64_t place[4];
  real u, v;
  bool row_moves, col_moves;
} taps;

static cj_status affine_infer(cj_args *a, cj_tensor *y) {
  const cj_tensor *x = a->in[0], *m = a->in[1];
  int64_t border;
  CJ_TRY(cj_expect_ndim(x, "x", 4));
  CJ_TRY(cj_expect_dtype(m, "matrix", x->dtype));
  CJ_TRY(cj_expect_ndim(m, "matrix", 3));
  CJ_TRY(cj_expect_int(a, 0, "border", NEAREST, ZERO, &border));
  if (m->size[0] != x->size[0] || m->size[1] != 2 || m->size[2] != 3) {
    char text[CJ_SHAPE_TEXT];
    return cj_fail(CJ_ESHAPE, "expected matrix [%lld, 2, 3], got %s", (long long)x->size[0],
                   cj_shape_text(text, m));
  }
  if (x->size[2] > MOST_LINES || x->size[3] > MOST_LINES || x->size[2] * x->size[3] > INT32_MAX)
    return cj_fail(CJ_ESHAPE, "expected pictures of fewer than 2^31 pixels, got %lld x %lld",
                   (long long)x->size[2], (long long)x->size[3]);
  return cj_tensor_describe(y, x->dtype, 4, x->size);
}

/* Splits a coordinate into a whole and a fractional part within -1..size; NaN counts as -1. */
static int64_t split(real at, int64_t size, int border, real *rest, bool *moves) {
  const real low = border == ZERO ? (real)-1 : (real)0;
  const real high = border == ZERO ? (real)size : (real)(size - 1);
  *moves = at > low && at < high;
  if (!(at > low)) at = low;
  if (at > high) at = high;
  const real whole = (real)floor((double)at);
  *rest = at - whole;
  return (int64_t)whole;
}

static int64_t place(int64_t row, int64_t col, int64_t h, int64_t w, int border) {
  if (border == NEAREST) { /* only row = h or col = w can come, with weight zero */
    if (row >= h) row = h - 1;
    if (col >= w) col = w - 1;
  }
  if (row < 0 || row >= h || col < 0 || col >= w) return -1;
  return row * w + col;
}

static taps find_taps(const real *m, int64_t i, int64_t j, int64_t h, int64_t w, int border) {
  taps t;
  const real row = m[0] * (real)i + m[1] * (real)j + m[2];
  const real col = m[3] * (real)i + m[4] * (real)j + m[5];
  const int64_t r = split(row, h, border, &t.u, &t.row_moves);
  const int64_t c = split(col, w, border, &t.v, &t.col_moves);
  for (int k = 0; k < 4; k++) t.place[k] = place(r + k / 2, c + k % 2, h, w, border);
  return t;
}

static void read_taps(real value[4], const taps *t, const real *plane) {
  for (int k = 0; k < 4; k++) value[k] = t->place[k] < 0 ? (real)0 : plane[t->place[k]];
}

typedef struct job {
  const cj_tensor *x, *m, *gy;
  cj_tensor *y, *gx, *gm;
  int border;
} job;

/* --- forward: the same for many points of a row at once, in loops that the compiler vectorises --
 */

enum { RUN = 32 };

/* Points beside each other: as `taps`. */
typedef struct run {
  real u[RUN], v[RUN];
  int32_t row[2][RUN], col[2][RUN]; /* of the pixels around; -1 outside */
  int32_t place[4][RUN];
} run;

/* As split; the next whole number is the second neighbour. */
static void split_run(const real at[RUN], int64_t size, int border, real rest[RUN],
                      int32_t first[RUN], int32_t second[RUN]) {
  const real low = border == ZERO ? (real)-1 : (real)0;
  const real high = border == ZERO ? (real)size : (real)(size - 1);
  const int32_t last = (int32_t)size - 1, beyond = border == ZERO ? -1 : last;
  for (int k = 0; k < RUN; k++) {
    const real above = at[k] > low ? at[k] : low, p = above > high ? high : above;
    int32_t whole = (int32_t)p;
    whole -= (real)whole > p;
    rest[k] = p - (real)whole;
    first[k] = whole > last ? beyond : whole;
    second[k] = whole + 1 > last ? beyond : whole + 1;
  }
}

static void find_run(run *t, const real *m, int64_t i, int64_t j, int64_t h, int64_t w,
                     int border) {
  real row[RUN], col[RUN];
  for (int k = 0; k < RUN; k++) {
    const real at = (real)((int32_t)j + k);
    row[k] = m[0] * (real)i + m[1] * at + m[2];
    col[k] = m[3] * (real)i + m[4] * at + m[5];
  }
  split_run(row, h, border, t->u, t->row[0], t->row[1]);
  split_run(col, w, border, t->v, t->col[0], t->col[1]);
  for (int q = 0; q < 4; q++)
    for (int k = 0; k < RUN; k++) {
      const int32_t r = t->row[q / 2][k], c = t->col[q % 2][k];
      t->place[q][k] = (r | c) < 0 ? -1 : r * (int32_t)w + c;
    }
}

/* The plane has a pixel: there, points outside are read, and not used. */
static inline real tap(const real *plane, int32_t at) {
  const real value = plane[at < 0 ? 0 : at];
  return at < 0 ? (real)0 : value;
}

static void sample_run(const run *t, const real *plane, int64_t count, real *y) {
  real value[RUN];
  for (int k = 0; k < RUN; k++) {
    const real top =
        (1 - t->v[k]) * tap(plane, t->place[0][k]) + t->v[k] * tap(plane, t->place[1][k]);
    const real bottom =
        (1 - t->v[k]) * tap(plane, t->place[2][k]) + t->v[k] * tap(plane, t->place[3][k]);
    value[k] = (1 - t->u[k]) * top + t->u[k] * bottom;
  }
  memcpy(y, value, (size_t)count * sizeof *y);
}

static void sample_forward(void *context, int64_t b) {
  const job *k = context;
  const int64_t channels = k->x->size[1], h = k->x->size[2], w = k->x->size[3], plane = h * w;
  const real *x = (const real *)k->x->data + b * channels * plane;
  real *y = (real *)k->y->data + b * channels * plane;
  for (int64_t i = 0; i < h; i++)
    for (int64_t j = 0; j < w; j += RUN) {
      run t;
      find_run(&t, (const real *)k->m->data + 6 * b, i, j, h, w, k->border);
      for (int64_t c = 0; c < channels; c++)
        sample_run(&t, x + c * plane, w - j < RUN ? w - j : RUN, y + c * plane + i * w + j);
    }
}

static void affine_forward(const cj_args *a, cj_tensor *y) {
  job k = {a->in[0], a->in[1], NULL, y, NULL, NULL, (int)a->num[0]};
  if (cj_numel(y) > 0) cj_parallel(y->size[0], sample_forward, &k);
}

static void add_to_x(real *gx, const taps *t, real g) {
  const real weight[4] = {(1 - t->u) * (1 - t->v), (1 - t->u) * t->v, t->u * (1 - t->v),
                          t->u * t->v};
  for (int k = 0; k < 4; k++)
    if (t->place[k] >= 0) gx[t->place[k]] += weight[k] * g;
}

static void add_to_m(real *gm, const taps *t, const real *plane, real g, int64_t i, int64_t j) {
  real value[4];
  read_taps(value, t, plane);
  const real along_row = (1 - t->v) * (value[2] - value[0]) + t->v * (value[3] - value[1]);
  const real along_col = (1 - t->u) * (value[1] - value[0]) + t->u * (value[3] - value[2]);
  const real gr = t->row_moves ? g * along_row : (real)0;
  const real gc = t->col_moves ? g * along_col : (real)0;
  const real point[3] = {(real)i, (real)j, (real)1};
  for (int k = 0; k < 3; k++) {
    gm[k] += gr * point[k];
    gm[3 + k] += gc * point[k];
  }
}

static void sample_backward(void *context, int64_t b) {
  const job *k = context;
  const int64_t channels = k->x->size[1], h = k->x->size[2], w = k->x->size[3], plane = h * w;
  const int64_t start = b * channels * plane;
  for (int64_t p = 0; p < plane; p++) {
    const taps t = find_taps((const real *)k->m->data + 6 * b, p / w, p % w, h, w, k->border);
    for (int64_t c = 0; c < channels; c++) {
      const int64_t at = start + c * plane;
      const real g = ((const real *)k->gy->data)[at + p];
      if (k->gx) add_to_x((real *)k->gx->data + at, &t, g);
      if (k->gm)
        add_to_m((real *)k->gm->data + 6 * b, &t, (const real *)k->x->data + at, g, p / w, p % w);
    }
  }
}

static void affine_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                            cj_tensor *const *gx) {
  (void)y;
  job k = {a->in[0], a->in[1], gy, NULL, gx[0], gx[1], (int)a->num[0]};
  if (cj_numel(gy) > 0) cj_parallel(gy->size[0], sample_backward, &k);
}

CJ_OPS(affine) = {
    {"affine_sample", 2, 1, affine_infer, affine_forward, affine_backward, CJ_APART, NULL},
    {0},
};
