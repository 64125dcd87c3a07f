/* conv.c -- two-dimensional convolution (correlation) of images; the formula is in kernels/conv.h.
 *
 * x [B, C, H, W], weight [O, C/groups, kh, kw], bias [O] or none -> [B, O, H', W'] with
 * H' = (H + 2 pad - dil (kh - 1) - 1) / stride + 1, rounded down. */
#include "kernels/conv.h"
#include "expect.h"

enum { STRIDE, PAD = 2, DILATION = 4, GROUPS = 6, NUMBERS }; /* places in num; pairs are h, w */
enum { LARGE = 1 << 20 };

/* Sizes of a call whose numbers have been checked. */
static cj_conv conv_sizes(const cj_args *a) {
  const cj_tensor *x = a->in[0], *w = a->in[1];
  cj_conv s = {.batch = x->size[0],
               .groups = (int64_t)a->num[GROUPS],
               .c_in = x->size[1],
               .c_out = w->size[0],
               .h = x->size[2],
               .w = x->size[3],
               .kh = w->size[2],
               .kw = w->size[3],
               .stride_h = (int64_t)a->num[STRIDE],
               .stride_w = (int64_t)a->num[STRIDE + 1],
               .pad_h = (int64_t)a->num[PAD],
               .pad_w = (int64_t)a->num[PAD + 1],
               .dil_h = (int64_t)a->num[DILATION],
               .dil_w = (int64_t)a->num[DILATION + 1]};
  s.oh = cj_conv_out(s.h, s.kh, s.stride_h, s.pad_h, s.dil_h);
  s.ow = cj_conv_out(s.w, s.kw, s.stride_w, s.pad_w, s.dil_w);
  return s;
}

static cj_status check_numbers(const cj_args *a) {
  int64_t h, w;
  CJ_TRY(expect_pair(a, STRIDE, "stride", 1, LARGE, &h, &w));
  CJ_TRY(expect_pair(a, PAD, "padding", 0, LARGE, &h, &w));
  CJ_TRY(expect_pair(a, DILATION, "dilation", 1, LARGE, &h, &w));
  return cj_expect_int(a, GROUPS, "groups", 1, LARGE, &h);
}

static cj_status check_weight(const cj_args *a, const cj_conv *s) {
  char left[CJ_SHAPE_TEXT], right[CJ_SHAPE_TEXT];
  const cj_tensor *x = a->in[0], *w = a->in[1];
  if (s->c_in % s->groups || s->c_out % s->groups || s->c_in != w->size[1] * s->groups)
    return cj_fail(CJ_ESHAPE,
                   "channels do not fit: x %s, weight %s, groups %lld (weight is "
                   "[out, in / groups, kernel height, kernel width])",
                   cj_shape_text(left, x), cj_shape_text(right, w), (long long)s->groups);
  if (s->kh < 1 || s->kw < 1 || s->kh > CJ_MAX_WINDOW || s->kw > CJ_MAX_WINDOW)
    return cj_fail(CJ_ESHAPE, "kernel sizes from 1 to %d are possible, got weight %s",
                   CJ_MAX_WINDOW, cj_shape_text(right, w));
  return CJ_OK;
}

static cj_status conv2d_infer(cj_args *a, cj_tensor *y) {
  CJ_TRY(expect_images(a->in[0], "x"));
  CJ_TRY(expect_images(a->in[1], "weight"));
  CJ_TRY(check_numbers(a));
  const cj_conv s = conv_sizes(a);
  CJ_TRY(check_weight(a, &s));
  CJ_TRY(expect_vector(a->in[2], "bias", s.c_out));
  if (s.oh < 1 || s.ow < 1)
    return cj_fail(CJ_ESHAPE,
                   "kernel %lldx%lld with dilation %lldx%lld is larger than the image %lldx%lld "
                   "with padding %lldx%lld",
                   (long long)s.kh, (long long)s.kw, (long long)s.dil_h, (long long)s.dil_w,
                   (long long)s.h, (long long)s.w, (long long)s.pad_h, (long long)s.pad_w);
  const int64_t size[] = {s.batch, s.c_out, s.oh, s.ow};
  return cj_tensor_describe(y, CJ_REAL, 4, size);
}

static size_t conv2d_scratch(const cj_args *a) {
  const cj_conv s = conv_sizes(a);
  return CJ_KERNEL(conv_scratch)(&s);
}

static void conv2d_forward(const cj_args *a, cj_tensor *y) {
  const cj_conv s = conv_sizes(a);
  const real *x = a->in[0]->data, *w = a->in[1]->data, *bias = optional_data(a->in[2]);
  CJ_KERNEL(conv_forward)(&s, x, w, bias, y->data, false, a->scratch);
}

static void conv2d_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                            cj_tensor *const *gx) {
  (void)y;
  const cj_conv s = conv_sizes(a);
  const real *x = a->in[0]->data, *w = a->in[1]->data, *g = gy->data;
  if (gx[0]) CJ_KERNEL(conv_input_gradient)(&s, g, w, NULL, gx[0]->data, true, a->scratch);
  if (gx[1]) CJ_KERNEL(conv_weight_gradient)(&s, x, g, gx[1]->data, a->scratch);
  if (gx[2]) CJ_KERNEL(conv_bias_gradient)(s.batch, s.c_out, s.oh * s.ow, g, gx[2]->data);
}

CJ_OPS(conv) = {
    {"conv2d", 3, NUMBERS, conv2d_infer, conv2d_forward, conv2d_backward, CJ_OPTIONAL(1) | CJ_APART,
     conv2d_scratch},
    {0},
};
