/* pool.c -- maxima and means over windows of images [B, C, H, W].
 *
 * Windows of max_pool2d and avg_pool2d are kh x kw, step by stride (0: as the window), and may hang
 * over the border by pad <= k / 2; H' = (H + 2 pad - k) / stride + 1, rounded down. Overhanging
 * places never win a maximum and count as zeros in a mean (PyTorch's count_include_pad).
 * adaptive_avg_pool2d cuts H into H' windows from floor(i H / H') to ceil((i + 1) H / H'). */
#include <math.h>

#include "core/threads.h"
#include "expect.h"
#include "kernels/conv.h"
#include "kernels/simd.h"

enum { KERNEL, STRIDE = 2, PAD = 4, NUMBERS = 6 };
enum { LARGE = 1 << 20, NARROW = 256 /* places in a window whose winner fits a byte */ };

typedef struct pool {
  int64_t planes, h, w, oh, ow;
  int64_t kh, kw, stride_h, stride_w, pad_h, pad_w;
  const real *x;
  real *y;
  uint8_t *winner;      /* place in the window, row by row; NULL when nobody will ask */
  int64_t *wide_winner; /* instead, for large windows */
  const real *gy;
  real *gx;
  bool mean;
} pool;

static pool pool_sizes(const cj_args *a) {
  const cj_tensor *x = a->in[0];
  pool p = {.planes = x->size[0] * x->size[1],
            .h = x->size[2],
            .w = x->size[3],
            .kh = (int64_t)a->num[KERNEL],
            .kw = (int64_t)a->num[KERNEL + 1],
            .stride_h = (int64_t)a->num[STRIDE],
            .stride_w = (int64_t)a->num[STRIDE + 1],
            .pad_h = (int64_t)a->num[PAD],
            .pad_w = (int64_t)a->num[PAD + 1]};
  if (p.stride_h == 0) p.stride_h = p.kh;
  if (p.stride_w == 0) p.stride_w = p.kw;
  p.oh = cj_conv_out(p.h, p.kh, p.stride_h, p.pad_h, 1);
  p.ow = cj_conv_out(p.w, p.kw, p.stride_w, p.pad_w, 1);
  return p;
}

static cj_status pool_infer(cj_args *a, cj_tensor *y) {
  int64_t h, w;
  CJ_TRY(expect_images(a->in[0], "x"));
  CJ_TRY(expect_pair(a, KERNEL, "kernel", 1, LARGE, &h, &w));
  CJ_TRY(expect_pair(a, STRIDE, "stride", 0, LARGE, &h, &w));
  CJ_TRY(expect_pair(a, PAD, "padding", 0, LARGE, &h, &w));
  const pool p = pool_sizes(a);
  if (2 * p.pad_h > p.kh || 2 * p.pad_w > p.kw)
    return cj_fail(CJ_EARG,
                   "expected padding of at most half the kernel, got padding %lldx%lld for kernel "
                   "%lldx%lld",
                   (long long)p.pad_h, (long long)p.pad_w, (long long)p.kh, (long long)p.kw);
  if (p.oh < 1 || p.ow < 1)
    return cj_fail(CJ_ESHAPE,
                   "kernel %lldx%lld is larger than the image %lldx%lld with padding %lldx%lld",
                   (long long)p.kh, (long long)p.kw, (long long)p.h, (long long)p.w,
                   (long long)p.pad_h, (long long)p.pad_w);
  const int64_t size[] = {a->in[0]->size[0], a->in[0]->size[1], p.oh, p.ow};
  return cj_tensor_describe(y, CJ_REAL, 4, size);
}

/* Runs task over all planes, a few per piece when they are small. */
typedef struct planes {
  const pool *p;
  void (*task)(const pool *p, int64_t plane);
  int64_t per_piece;
} planes;

static void planes_piece(void *context, int64_t piece) {
  const planes *s = context;
  const int64_t end = least(s->p->planes, (piece + 1) * s->per_piece);
  for (int64_t i = piece * s->per_piece; i < end; i++) s->task(s->p, i);
}

static void each_plane(const pool *p, void (*task)(const pool *p, int64_t plane)) {
  planes s = {p, task, 32768 / (p->h * p->w + 1) + 1};
  cj_parallel((p->planes + s.per_piece - 1) / s.per_piece, planes_piece, &s);
}

/* --- maximum --------------------------------------------------------------------------------- */

/* Output (i, j), number `at` of all: the first of the largest values wins, and a NaN beats all. */
static void max_window(const pool *p, const real *x, int64_t i, int64_t j, int64_t at) {
  const int64_t top = i * p->stride_h - p->pad_h, left = j * p->stride_w - p->pad_w;
  const int64_t r0 = top < 0 ? -top : 0, r1 = least(p->kh, p->h - top);
  const int64_t c0 = left < 0 ? -left : 0, c1 = least(p->kw, p->w - left);
  real best = -(real)INFINITY;
  int64_t place = r0 * p->kw + c0;
  for (int64_t r = r0; r < r1; r++)
    for (int64_t c = c0; c < c1; c++) {
      const real v = x[(top + r) * p->w + left + c];
      if (v > best || (v != v && best == best)) {
        best = v;
        place = r * p->kw + c;
      }
    }
  p->y[at] = best;
  if (p->winner) p->winner[at] = (uint8_t)place;
  if (p->wide_winner) p->wide_winner[at] = place;
}

/* LANES values x[0], x[stride] ...; stride is 1 or 2, and reads up to x[2 * LANES - 1]. */
static inline vec load_spread(const real *x, int64_t stride) {
  if (stride == 1) return vec_load(x);
  wholes even;
  for (int i = 0; i < LANES; i++) even[i] = 2 * i;
  return __builtin_shuffle(vec_load(x), vec_load(x + LANES), even);
}

/* Outputs (i, j) and on, numbers `at` and on of all, of which `wanted` <= LANES are kept; their
 * windows lie within the columns of the image. As max_window, without branches. */
static void max_lanes(const pool *p, const real *x, int64_t i, int64_t j, int64_t wanted,
                      int64_t at) {
  const int64_t top = i * p->stride_h - p->pad_h, left = j * p->stride_w - p->pad_w;
  const int64_t r0 = top < 0 ? -top : 0, r1 = least(p->kh, p->h - top);
  vec best = (vec){0} - (real)INFINITY;
  wholes winner = (wholes){0} + (whole)(r0 * p->kw);
  for (int64_t r = r0; r < r1; r++)
    for (int64_t c = 0; c < p->kw; c++) {
      const vec v = load_spread(x + (top + r) * p->w + left + c, p->stride_w);
      const wholes take = ~(wholes)(v <= best) & (wholes)(best == best);
      best = (vec)((take & (wholes)v) | (~take & (wholes)best));
      winner = (take & (whole)(r * p->kw + c)) | (~take & winner);
    }
  for (int64_t k = 0; k < wanted; k++) p->y[at + k] = best[k];
  for (int64_t k = 0; k < wanted && p->winner; k++) p->winner[at + k] = (uint8_t)winner[k];
}

/* How many outputs of line i of a plane, from the first on, max_lanes may compute: those with whole
 * windows that can be read without leaving x. */
static int64_t safe_lanes(const pool *p, int64_t plane, int64_t i, int64_t first) {
  const int64_t room = p->w + p->pad_w - p->kw; /* the last whole window begins here at most */
  const bool slow = p->stride_w > 2 || p->kh * p->kw > NARROW;
  const int64_t end = room < 0 || slow ? 0 : least(p->ow, room / p->stride_w + 1);
  const int64_t row = least(p->h, i * p->stride_h - p->pad_h + p->kh) - 1;
  const int64_t room_left = (p->planes - plane) * p->h * p->w;
  int64_t count = end > first ? end - first : 0;
  while (count > 0) {
    const int64_t lanes = (count + LANES - 1) / LANES * LANES;
    const int64_t left = first * p->stride_w - p->pad_w;
    if (row * p->w + left + p->kw - 1 + lanes * p->stride_w <= room_left) break;
    count = lanes - LANES;
  }
  return count;
}

static void max_plane(const pool *p, int64_t plane) {
  const real *x = p->x + plane * p->h * p->w;
  const int64_t first = least(p->ow, (p->pad_w + p->stride_w - 1) / p->stride_w);
  for (int64_t i = 0; i < p->oh; i++) {
    const int64_t at = (plane * p->oh + i) * p->ow, end = first + safe_lanes(p, plane, i, first);
    for (int64_t j = 0; j < first; j++) max_window(p, x, i, j, at + j);
    for (int64_t j = first; j < end; j += LANES)
      max_lanes(p, x, i, j, least(LANES, end - j), at + j);
    for (int64_t j = end; j < p->ow; j++) max_window(p, x, i, j, at + j);
  }
}

static void max_plane_backward(const pool *p, int64_t plane) {
  const real *gy = p->gy + plane * p->oh * p->ow;
  const int64_t at = plane * p->oh * p->ow;
  real *gx = p->gx + plane * p->h * p->w;
  for (int64_t i = 0; i < p->oh; i++)
    for (int64_t j = 0; j < p->ow; j++) {
      const int64_t k = at + i * p->ow + j;
      const int64_t place = p->winner ? p->winner[k] : p->wide_winner[k];
      const int64_t r = i * p->stride_h - p->pad_h + place / p->kw;
      const int64_t c = j * p->stride_w - p->pad_w + place % p->kw;
      gx[r * p->w + c] += gy[i * p->ow + j];
    }
}

static cj_status max_pool2d_infer(cj_args *a, cj_tensor *y) {
  CJ_TRY(pool_infer(a, y));
  const pool p = pool_sizes(a);
  return cj_save(a, 0, p.kh * p.kw <= NARROW ? CJ_U8 : CJ_I64, 4, y->size);
}

static void attach_winners(const cj_args *a, pool *p) {
  if (!a->recording) return;
  if (a->saved[0].dtype == CJ_U8)
    p->winner = a->saved[0].data;
  else
    p->wide_winner = a->saved[0].data;
}

static void max_pool2d_forward(const cj_args *a, cj_tensor *y) {
  pool p = pool_sizes(a);
  p.x = a->in[0]->data;
  p.y = y->data;
  attach_winners(a, &p);
  each_plane(&p, max_plane);
}

static void max_pool2d_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                                cj_tensor *const *gx) {
  (void)y;
  pool p = pool_sizes(a);
  attach_winners(a, &p);
  p.gy = gy->data;
  p.gx = gx[0]->data;
  each_plane(&p, max_plane_backward);
}

/* --- means ----------------------------------------------------------------------------------- */

typedef struct window {
  int64_t r0, r1, c0, c1; /* rows and columns inside the image */
  real scale;
} window;

static window mean_window(const pool *p, int64_t i, int64_t j) {
  window v;
  if (p->mean) {
    const int64_t top = i * p->stride_h - p->pad_h, left = j * p->stride_w - p->pad_w;
    v = (window){top < 0 ? 0 : top, least(p->h, top + p->kh), left < 0 ? 0 : left,
                 least(p->w, left + p->kw), 1};
    const int64_t rows = least(top + p->kh, p->h + p->pad_h) - top;
    const int64_t cols = least(left + p->kw, p->w + p->pad_w) - left;
    v.scale = (real)1 / (real)(rows * cols);
  } else {
    v = (window){i * p->h / p->oh, ((i + 1) * p->h + p->oh - 1) / p->oh, j * p->w / p->ow,
                 ((j + 1) * p->w + p->ow - 1) / p->ow, 1};
    v.scale = (real)1 / (real)((v.r1 - v.r0) * (v.c1 - v.c0));
  }
  return v;
}

/* Sixteen partial sums, folded at the end. */
static real sum_line(const real *x, int64_t count) {
  real sum[16] = {0};
  int64_t i = 0;
  for (; i + 16 <= count; i += 16)
    for (int64_t j = 0; j < 16; j++) sum[j] += x[i + j];
  for (int64_t j = 0; i + j < count; j++) sum[j] += x[i + j];
  for (int width = 8; width > 0; width /= 2)
    for (int j = 0; j < width; j++) sum[j] += sum[j + width];
  return sum[0];
}

static void mean_plane(const pool *p, int64_t plane) {
  const real *x = p->x + plane * p->h * p->w;
  for (int64_t i = 0; i < p->oh; i++)
    for (int64_t j = 0; j < p->ow; j++) {
      const window v = mean_window(p, i, j);
      real sum = 0;
      if (v.c1 - v.c0 == p->w) /* whole lines lie side by side */
        sum = sum_line(x + v.r0 * p->w, (v.r1 - v.r0) * p->w);
      else
        for (int64_t r = v.r0; r < v.r1; r++)
          for (int64_t c = v.c0; c < v.c1; c++) sum += x[r * p->w + c];
      p->y[(plane * p->oh + i) * p->ow + j] = sum * v.scale;
    }
}

static void mean_plane_backward(const pool *p, int64_t plane) {
  real *gx = p->gx + plane * p->h * p->w;
  for (int64_t i = 0; i < p->oh; i++)
    for (int64_t j = 0; j < p->ow; j++) {
      const window v = mean_window(p, i, j);
      const real g = p->gy[(plane * p->oh + i) * p->ow + j] * v.scale;
      const bool lines = v.c1 - v.c0 == p->w;
      const int64_t rows = lines ? 1 : v.r1 - v.r0;
      const int64_t cols = lines ? (v.r1 - v.r0) * p->w : v.c1 - v.c0;
      for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++) gx[(v.r0 + r) * p->w + v.c0 + c] += g;
    }
}

static void avg_pool2d_forward(const cj_args *a, cj_tensor *y) {
  pool p = pool_sizes(a);
  p.mean = true;
  p.x = a->in[0]->data;
  p.y = y->data;
  each_plane(&p, mean_plane);
}

static void avg_pool2d_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                                cj_tensor *const *gx) {
  (void)y;
  pool p = pool_sizes(a);
  p.mean = true;
  p.gy = gy->data;
  p.gx = gx[0]->data;
  each_plane(&p, mean_plane_backward);
}

static pool adaptive_sizes(const cj_args *a) {
  const cj_tensor *x = a->in[0];
  return (pool){.planes = x->size[0] * x->size[1],
                .h = x->size[2],
                .w = x->size[3],
                .oh = (int64_t)a->num[0],
                .ow = (int64_t)a->num[1]};
}

static cj_status adaptive_avg_pool2d_infer(cj_args *a, cj_tensor *y) {
  int64_t h, w;
  char text[CJ_SHAPE_TEXT];
  const cj_tensor *x = a->in[0];
  CJ_TRY(expect_images(x, "x"));
  CJ_TRY(expect_pair(a, 0, "size", 1, LARGE, &h, &w));
  if (x->size[2] < 1 || x->size[3] < 1)
    return cj_fail(CJ_ESHAPE, "expected an image of at least one pixel, got %s",
                   cj_shape_text(text, x));
  const int64_t size[] = {x->size[0], x->size[1], h, w};
  return cj_tensor_describe(y, CJ_REAL, 4, size);
}

static void adaptive_avg_pool2d_forward(const cj_args *a, cj_tensor *y) {
  pool p = adaptive_sizes(a);
  p.x = a->in[0]->data;
  p.y = y->data;
  each_plane(&p, mean_plane);
}

static void adaptive_avg_pool2d_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                                         cj_tensor *const *gx) {
  (void)y;
  pool p = adaptive_sizes(a);
  p.gy = gy->data;
  p.gx = gx[0]->data;
  each_plane(&p, mean_plane_backward);
}

CJ_OPS(pool) = {
    {"max_pool2d", 1, NUMBERS, max_pool2d_infer, max_pool2d_forward, max_pool2d_backward,
     CJ_DROPS_INPUTS | CJ_APART, NULL},
    {"avg_pool2d", 1, NUMBERS, pool_infer, avg_pool2d_forward, avg_pool2d_backward,
     CJ_DROPS_INPUTS | CJ_APART, NULL},
    {"adaptive_avg_pool2d", 1, 2, adaptive_avg_pool2d_infer, adaptive_avg_pool2d_forward,
     adaptive_avg_pool2d_backward, CJ_DROPS_INPUTS | CJ_APART, NULL},
    {0},
};
