/* upsample.c -- images [B, C, H, W] enlarged by whole factors to [B, C, H f, W g].
 *
 * nearest: each pixel becomes a block. bilinear: the value at row (i + 1/2) / f - 1/2 (and column
 * likewise), between the two nearest pixels and clamped to the border; PyTorch's align_corners =
 * false. */
#include "core/threads.h"
#include "expect.h"

enum { FACTOR, MODE = 2, NUMBERS };
enum mode { NEAREST, BILINEAR };
enum { LARGE = 1024 };

typedef struct upsample {
  int64_t planes, h, w, oh, ow;
  bool smooth;
  const real *from;
  real *to;
} upsample;

/* Two pixels of one dimension and the weight of the second. */
typedef struct between {
  int64_t a, b;
  real u;
} between;

static between locate(int64_t i, int64_t out, int64_t in, bool smooth) {
  const int64_t factor = out / in;
  if (!smooth) return (between){i / factor, i / factor, 0};
  double at = ((double)i + 0.5) / (double)factor - 0.5;
  if (at < 0) at = 0;
  const int64_t a = (int64_t)at, b = a + 1 < in ? a + 1 : a;
  return (between){a, b, (real)(at - (double)a)};
}

static cj_status upsample_infer(cj_args *a, cj_tensor *y) {
  const cj_tensor *x = a->in[0];
  int64_t f, g, mode;
  CJ_TRY(expect_images(x, "x"));
  CJ_TRY(expect_pair(a, FACTOR, "factor", 1, LARGE, &f, &g));
  CJ_TRY(cj_expect_int(a, MODE, "mode", NEAREST, BILINEAR, &mode));
  const int64_t size[] = {x->size[0], x->size[1], x->size[2] * f, x->size[3] * g};
  return cj_tensor_describe(y, CJ_REAL, 4, size);
}

static upsample upsample_of(const cj_args *a, const cj_tensor *y) {
  return (upsample){.planes = y->size[0] * y->size[1],
                    .h = a->in[0]->size[2],
                    .w = a->in[0]->size[3],
                    .oh = y->size[2],
                    .ow = y->size[3],
                    .smooth = (int)a->num[MODE] == BILINEAR};
}

static void upsample_plane(void *context, int64_t plane) {
  const upsample *s = context;
  const real *x = s->from + plane * s->h * s->w;
  real *y = s->to + plane * s->oh * s->ow;
  for (int64_t i = 0; i < s->oh; i++) {
    const between v = locate(i, s->oh, s->h, s->smooth);
    const real *up = x + v.a * s->w, *low = x + v.b * s->w;
    for (int64_t j = 0; j < s->ow; j++) {
      const between h = locate(j, s->ow, s->w, s->smooth);
      if (!s->smooth)
        *y++ = up[h.a];
      else
        *y++ = (1 - v.u) * ((1 - h.u) * up[h.a] + h.u * up[h.b]) +
               v.u * ((1 - h.u) * low[h.a] + h.u * low[h.b]);
    }
  }
}

static void upsample_plane_backward(void *context, int64_t plane) {
  const upsample *s = context;
  const real *gy = s->from + plane * s->oh * s->ow;
  real *gx = s->to + plane * s->h * s->w;
  for (int64_t i = 0; i < s->oh; i++) {
    const between v = locate(i, s->oh, s->h, s->smooth);
    real *up = gx + v.a * s->w, *low = gx + v.b * s->w;
    for (int64_t j = 0; j < s->ow; j++, gy++) {
      const between h = locate(j, s->ow, s->w, s->smooth);
      if (!s->smooth) {
        up[h.a] += *gy;
        continue;
      }
      up[h.a] += (1 - v.u) * (1 - h.u) * *gy;
      up[h.b] += (1 - v.u) * h.u * *gy;
      low[h.a] += v.u * (1 - h.u) * *gy;
      low[h.b] += v.u * h.u * *gy;
    }
  }
}

static void upsample_forward(const cj_args *a, cj_tensor *y) {
  upsample s = upsample_of(a, y);
  s.from = a->in[0]->data;
  s.to = y->data;
  cj_parallel(s.planes, upsample_plane, &s);
}

static void upsample_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                              cj_tensor *const *gx) {
  upsample s = upsample_of(a, y);
  s.from = gy->data;
  s.to = gx[0]->data;
  cj_parallel(s.planes, upsample_plane_backward, &s);
}

CJ_OPS(upsample) = {
    {"upsample", 1, NUMBERS, upsample_infer, upsample_forward, upsample_backward,
     CJ_DROPS_INPUTS | CJ_APART, NULL},
    {0},
};
