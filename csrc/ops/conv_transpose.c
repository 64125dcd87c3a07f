/* conv_transpose.c -- the transposed map of a convolution, as an operator of its own.
 *
 * x [B, C, H, W], weight [C, O/groups, kh, kw], bias [O] or none -> [B, O, H', W'] with
 * H' = (H - 1) stride - 2 pad + dil (kh - 1) + out_pad + 1. Its forward pass is the input gradient
 * of the convolution with this weight from O to C channels, and the other way round. */
#include "expect.h"
#include "kernels/conv.h"

enum { STRIDE, PAD = 2, OUT_PAD = 4, GROUPS = 6, DILATION = 7, NUMBERS = 9 };
enum { LARGE = 1 << 20 };

static int64_t grown(int64_t size, int64_t k, const double *num) {
  return (size - 1) * (int64_t)num[STRIDE] - 2 * (int64_t)num[PAD] +
         (int64_t)num[DILATION] * (k - 1) + (int64_t)num[OUT_PAD] + 1;
}

/* The convolution from y's sizes to x's. */
static cj_conv conv_sizes(const cj_args *a) {
  const cj_tensor *x = a->in[0], *w = a->in[1];
  const int64_t groups = (int64_t)a->num[GROUPS];
  cj_conv s = {.batch = x->size[0],
               .groups = groups,
               .c_in = w->size[1] * groups,
               .c_out = x->size[1],
               .oh = x->size[2],
               .ow = x->size[3],
               .kh = w->size[2],
               .kw = w->size[3],
               .stride_h = (int64_t)a->num[STRIDE],
               .stride_w = (int64_t)a->num[STRIDE + 1],
               .pad_h = (int64_t)a->num[PAD],
               .pad_w = (int64_t)a->num[PAD + 1],
               .dil_h = (int64_t)a->num[DILATION],
               .dil_w = (int64_t)a->num[DILATION + 1]};
  s.h = grown(s.oh, s.kh, a->num);
  s.w = grown(s.ow, s.kw, a->num + 1);
  return s;
}

static cj_status check_numbers(const cj_args *a) {
  int64_t h, w, stride_h, stride_w, dil_h, dil_w;
  CJ_TRY(expect_pair(a, STRIDE, "stride", 1, LARGE, &stride_h, &stride_w));
  CJ_TRY(expect_pair(a, PAD, "padding", 0, LARGE, &h, &w));
  CJ_TRY(expect_pair(a, DILATION, "dilation", 1, LARGE, &dil_h, &dil_w));
  CJ_TRY(cj_expect_int(a, GROUPS, "groups", 1, LARGE, &h));
  CJ_TRY(expect_pair(a, OUT_PAD, "output_padding", 0, LARGE, &h, &w));
  if ((h >= stride_h && h >= dil_h) || (w >= stride_w && w >= dil_w))
    return cj_fail(CJ_EARG,
                   "expected output_padding below stride or dilation, got output_padding "
                   "%lldx%lld, stride %lldx%lld, dilation %lldx%lld",
                   (long long)h, (long long)w, (long long)stride_h, (long long)stride_w,
                   (long long)dil_h, (long long)dil_w);
  return CJ_OK;
}

static cj_status check_weight(const cj_args *a, const cj_conv *s) {
  char left[CJ_SHAPE_TEXT], right[CJ_SHAPE_TEXT];
  const cj_tensor *x = a->in[0], *w = a->in[1];
  if (x->size[1] != w->size[0] || s->c_out % s->groups)
    return cj_fail(CJ_ESHAPE,
                   "channels do not fit: x %s, weight %s, groups %lld (weight is "
                   "[in, out / groups, kernel height, kernel width])",
                   cj_shape_text(left, x), cj_shape_text(right, w), (long long)s->groups);
  if (s->kh < 1 || s->kw < 1 || s->kh > CJ_MAX_WINDOW || s->kw > CJ_MAX_WINDOW)
    return cj_fail(CJ_ESHAPE, "kernel sizes from 1 to %d are possible, got weight %s",
                   CJ_MAX_WINDOW, cj_shape_text(right, w));
  return CJ_OK;
}

static cj_status conv_transpose2d_infer(cj_args *a, cj_tensor *y) {
  CJ_TRY(expect_images(a->in[0], "x"));
  CJ_TRY(expect_images(a->in[1], "weight"));
  CJ_TRY(check_numbers(a));
  const cj_conv s = conv_sizes(a);
  CJ_TRY(check_weight(a, &s));
  CJ_TRY(expect_vector(a->in[2], "bias", s.c_in));
  if (s.oh < 1 || s.ow < 1 || s.h < 1 || s.w < 1)
    return cj_fail(CJ_ESHAPE, "the result would be empty: image %lldx%lld becomes %lldx%lld",
                   (long long)s.oh, (long long)s.ow, (long long)s.h, (long long)s.w);
  const int64_t size[] = {s.batch, s.c_in, s.h, s.w};
  return cj_tensor_describe(y, CJ_REAL, 4, size);
}

static size_t conv_transpose2d_scratch(const cj_args *a) {
  const cj_conv s = conv_sizes(a);
  return CJ_KERNEL(conv_scratch)(&s);
}

static void conv_transpose2d_forward(const cj_args *a, cj_tensor *y) {
  const cj_conv s = conv_sizes(a);
  const real *x = a->in[0]->data, *w = a->in[1]->data, *bias = optional_data(a->in[2]);
  CJ_KERNEL(conv_input_gradient)(&s, x, w, bias, y->data, false, a->scratch);
}

static void conv_transpose2d_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                                      cj_tensor *const *gx) {
  (void)y;
  const cj_conv s = conv_sizes(a);
  const real *x = a->in[0]->data, *w = a->in[1]->data, *g = gy->data;
  if (gx[0]) CJ_KERNEL(conv_forward)(&s, g, w, NULL, gx[0]->data, true, a->scratch);
  if (gx[1]) CJ_KERNEL(conv_weight_gradient)(&s, g, x, gx[1]->data, a->scratch);
  if (gx[2]) CJ_KERNEL(conv_bias_gradient)(s.batch, s.c_in, s.h * s.w, g, gx[2]->data);
}

CJ_OPS(conv_transpose) = {
    {"conv_transpose2d", 3, NUMBERS, conv_transpose2d_infer, conv_transpose2d_forward,
     conv_transpose2d_backward, CJ_OPTIONAL(1) | CJ_APART, conv_transpose2d_scratch},
    {0},
};
