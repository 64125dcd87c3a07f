/* conv.c -- convolution, with what was folded into it and fused behind it. Inputs: x, weight, bias
 * or none. */
#include <stdio.h>

#include "kernels/direct.h"
#include "kernels/stem.h"
#include "kernels/winograd.h"
#include "step.h"

enum { X, WEIGHT, BIAS };
enum { STRIDE, PAD = 2 };                                     /* numbers */
enum { FORWARD_TILES = 1, BACK_TILES = 2, WEIGHT_TILES = 4 }; /* algorithm: Winograd there */

/* Sizes of the convolution from value x to value y with the step's weights. */
static cj_conv sizes_between(const cj_plan *p, const cj_step *s, int x, int y, int64_t rows) {
  return (cj_conv){.batch = rows,
                   .groups = 1,
                   .c_in = cj_size(p, x, 1),
                   .c_out = cj_size(p, y, 1),
                   .h = cj_size(p, x, 2),
                   .w = cj_size(p, x, 3),
                   .oh = cj_size(p, y, 2),
                   .ow = cj_size(p, y, 3),
                   .kh = cj_size(p, s->in[WEIGHT], 2),
                   .kw = cj_size(p, s->in[WEIGHT], 3),
                   .stride_h = (int64_t)s->num[STRIDE],
                   .stride_w = (int64_t)s->num[STRIDE + 1],
                   .pad_h = (int64_t)s->num[PAD],
                   .pad_w = (int64_t)s->num[PAD + 1],
                   .dil_h = 1,
                   .dil_w = 1};
}

/* Are gradients of the weights or of the bias asked for? */
static bool learns(const cj_plan *p, const cj_step *s) {
  return wanted(p, s->in[WEIGHT]) || wanted(p, s->in[BIAS]);
}

static cj_conv conv_sizes(const cj_plan *p, const cj_step *s, int64_t rows) {
  return sizes_between(p, s, s->in[X], s->out, rows);
}

static size_t most(size_t a, size_t b) {
  return a > b ? a : b;
}

/* Packed: slope and shift per output channel, weights of the way there, weights of the way back. */
typedef struct parts {
  real *slope, *shift, *there, *back;
} parts;

static parts parts_of(int64_t channels, int64_t there, void *memory) {
  parts m = {.slope = memory};
  m.shift = m.slope + padded(channels);
  m.there = m.shift + padded(channels);
  m.back = m.there + padded(there);
  return m;
}

static void set_packed(cj_step *s, int64_t channels, int64_t there, int64_t back) {
  s->packed = (size_t)(2 * padded(channels) + padded(there) + padded(back)) * sizeof(real);
}

/* --- between pictures -------------------------------------------------------------------------
 */

static int64_t there_elements(const cj_step *s, const cj_conv *c) {
  return s->algorithm & FORWARD_TILES ? CJ_KERNEL(winograd_packed)(c) : CJ_KERNEL(direct_packed)(c);
}

static int64_t back_elements(const cj_step *s, const cj_conv *c) {
  const cj_conv turned = CJ_KERNEL(winograd_turn)(c);
  return s->algorithm & BACK_TILES ? CJ_KERNEL(winograd_packed)(&turned)
                                   : CJ_KERNEL(direct_packed)(c);
}

static cj_status conv_size(cj_plan *p, cj_step *s) {
  const cj_conv c = conv_sizes(p, s, p->rows), turned = CJ_KERNEL(winograd_turn)(&c);
  const bool back = s->write[X].mode != CJ_SKIP, plain = c.stride_h == 1 && c.stride_w == 1;
  const bool tiles = !p->o.exact && plain;
  if (tiles && CJ_KERNEL(winograd_suits)(&c)) s->algorithm |= FORWARD_TILES;
  if (tiles && back && CJ_KERNEL(winograd_suits)(&turned)) s->algorithm |= BACK_TILES;
  const bool there_tiles = s->algorithm & FORWARD_TILES, back_tiles = s->algorithm & BACK_TILES;
  want_ring(p, s->in[X], there_tiles ? CJ_KERNEL(winograd_ring)(&c) : CJ_KERNEL(direct_ring)(&c));
  if (learns(p, s)) {
    if (tiles && CJ_KERNEL(winograd_suits)(&c)) s->algorithm |= WEIGHT_TILES;
    want_ring(p, s->in[X], CJ_KERNEL(direct_ring)(&c));
    s->scratch = s->algorithm & WEIGHT_TILES ? CJ_KERNEL(winograd_weight_scratch)(&c)
                                             : CJ_KERNEL(direct_weight_scratch)(&c);
  }
  if (back)
    want_ring(p, s->out,
              back_tiles ? CJ_KERNEL(winograd_ring)(&turned) : CJ_KERNEL(direct_input_ring)(&c));
  if (there_tiles) s->scratch = most(s->scratch, CJ_KERNEL(winograd_scratch)(&c, p->slots));
  if (back_tiles) s->scratch = most(s->scratch, CJ_KERNEL(winograd_scratch)(&turned, p->slots));
  set_packed(s, c.c_out, there_elements(s, &c), back ? back_elements(s, &c) : 0);
  snprintf(s->how, sizeof s->how, "%s%s", there_tiles ? "winograd" : "direct",
           !back || back_tiles == there_tiles ? ""
           : back_tiles                       ? ", winograd back"
                                              : ", direct back");
  return CJ_OK;
}

static void conv_pack(const cj_plan *p, const cj_step *s, void *packed) {
  const cj_conv c = conv_sizes(p, s, p->rows), turned = CJ_KERNEL(winograd_turn)(&c);
  const parts m = parts_of(c.c_out, there_elements(s, &c), packed);
  const real *w = live_data(p, s->in[WEIGHT]), *scale = s->norm[2] == NONE ? NULL : m.slope;
  fold_norm(p, s->norm, s->eps, live_data(p, s->in[BIAS]), c.c_out, m.slope, m.shift);
  if (s->algorithm & FORWARD_TILES)
    CJ_KERNEL(winograd_pack)(&c, w, scale, false, m.there);
  else
    CJ_KERNEL(direct_pack)(&c, w, scale, m.there);
  if (s->write[X].mode == CJ_SKIP) return;
  if (s->algorithm & BACK_TILES)
    CJ_KERNEL(winograd_pack)(&turned, w, scale, true, m.back);
  else
    CJ_KERNEL(direct_input_pack)(&c, w, scale, m.back);
}

static void conv_forward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  const cj_conv c = conv_sizes(p, s, f->rows);
  const parts m = parts_of(c.c_out, there_elements(s, &c), p->packed + s->packed_at);
  cj_picture add, x = data_of(f, s->in[X]), y = stored(f, data_of(f, s->out));
  const cj_finish finish = result_finish(s, f, m.shift, &add);
  if (s->algorithm & FORWARD_TILES)
    CJ_KERNEL(winograd_forward)(&c, &x, m.there, &finish, &y, f->scratch, p->slots);
  else
    CJ_KERNEL(direct_forward)(&c, &x, m.there, &finish, &y);
}

static real *gradient(const cj_plan *p, const cj_frame *f, int v) {
  return wanted(p, v) ? f->grad[v] : NULL;
}

static void conv_backward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  const cj_conv c = conv_sizes(p, s, f->rows);
  const cj_picture gy = grad_of(f, s->out);
  real *gw = gradient(p, f, s->in[WEIGHT]), *gb = gradient(p, f, s->in[BIAS]);
  if (gw || gb) {
    const cj_picture x = data_of(f, s->in[X]);
    if (s->algorithm & WEIGHT_TILES)
      CJ_KERNEL(winograd_weight)(&c, &x, &gy, gw, gb, f->scratch);
    else
      CJ_KERNEL(direct_weight)(&c, &x, &gy, gw, gb, f->scratch);
  }
  if (s->write[X].mode == CJ_SKIP) return;
  const parts m = parts_of(c.c_out, there_elements(s, &c), p->packed + s->packed_at);
  cj_picture gx, add;
  const cj_finish finish = gradient_finish(s, f, X, &gx, &add);
  if (s->algorithm & BACK_TILES) {
    const cj_conv turned = CJ_KERNEL(winograd_turn)(&c);
    CJ_KERNEL(winograd_forward)(&turned, &gy, m.back, &finish, &gx, f->scratch, p->slots);
  } else
    CJ_KERNEL(direct_input)(&c, &gy, m.back, &finish, &gx);
}

/* --- from plain images of few channels ---------------------------------------------------------
 */

static cj_status stem_size(cj_plan *p, cj_step *s) {
  const cj_conv c = conv_sizes(p, s, p->rows);
  const bool back = s->write[X].mode != CJ_SKIP;
  if (back) want_ring(p, s->out, CJ_KERNEL(stem_input_ring)(&c));
  s->scratch = CJ_KERNEL(stem_scratch)(&c, p->slots);
  if (learns(p, s)) s->scratch = most(s->scratch, CJ_KERNEL(stem_weight_scratch)(&c));
  set_packed(s, c.c_out, CJ_KERNEL(stem_packed)(&c), back ? CJ_KERNEL(stem_input_packed)(&c) : 0);
  snprintf(s->how, sizeof s->how, "first layer");
  return CJ_OK;
}

static void stem_pack(const cj_plan *p, const cj_step *s, void *packed) {
  const cj_conv c = conv_sizes(p, s, p->rows);
  const parts m = parts_of(c.c_out, CJ_KERNEL(stem_packed)(&c), packed);
  const real *w = live_data(p, s->in[WEIGHT]), *scale = s->norm[2] == NONE ? NULL : m.slope;
  fold_norm(p, s->norm, s->eps, live_data(p, s->in[BIAS]), c.c_out, m.slope, m.shift);
  CJ_KERNEL(stem_pack)(&c, w, scale, m.there);
  if (s->write[X].mode != CJ_SKIP) CJ_KERNEL(stem_input_pack)(&c, w, scale, m.back);
}

static void stem_forward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  const cj_conv c = conv_sizes(p, s, f->rows);
  const parts m = parts_of(c.c_out, CJ_KERNEL(stem_packed)(&c), p->packed + s->packed_at);
  cj_picture add, y = stored(f, data_of(f, s->out));
  const cj_finish finish = result_finish(s, f, m.shift, &add);
  CJ_KERNEL(stem_forward)(&c, f->data[s->in[X]], m.there, &finish, &y, f->scratch, p->slots);
}

static void stem_backward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  const cj_conv c = conv_sizes(p, s, f->rows);
  const parts m = parts_of(c.c_out, CJ_KERNEL(stem_packed)(&c), p->packed + s->packed_at);
  const cj_picture gy = grad_of(f, s->out);
  real *gw = gradient(p, f, s->in[WEIGHT]), *gb = gradient(p, f, s->in[BIAS]);
  if (gw || gb) CJ_KERNEL(stem_weight)(&c, f->data[s->in[X]], &gy, gw, gb, f->scratch);
  if (s->write[X].mode != CJ_SKIP) CJ_KERNEL(stem_input)
  (&c, &gy, m.back, f->grad[s->in[X]], s->write[X].mode == CJ_ADD, f->scratch, p->slots);
}

/* --- transposed --------------------------------------------------------------------------------
 */

/* The convolution from y to x whose input gradient this step is. */
static cj_conv turned_sizes(const cj_plan *p, const cj_step *s, int64_t rows) {
  return sizes_between(p, s, s->out, s->in[X], rows);
}

/* For the sum of gy over pixels: y's channels in the place of outputs. */
static cj_conv turned_bias_sizes(cj_conv c) {
  c.c_out = c.c_in;
  c.oh = c.h;
  c.ow = c.w;
  return c;
}

static cj_status turned_size(cj_plan *p, cj_step *s) {
  const cj_conv c = turned_sizes(p, s, p->rows), b = turned_bias_sizes(c);
  const bool back = s->write[X].mode != CJ_SKIP;
  want_ring(p, s->in[X], CJ_KERNEL(direct_input_ring)(&c));
  if (back || learns(p, s)) want_ring(p, s->out, CJ_KERNEL(direct_ring)(&c));
  if (learns(p, s))
    s->scratch = most(CJ_KERNEL(direct_weight_scratch)(&c), CJ_KERNEL(direct_weight_scratch)(&b));
  set_packed(s, c.c_in, CJ_KERNEL(direct_packed)(&c), back ? CJ_KERNEL(direct_packed)(&c) : 0);
  snprintf(s->how, sizeof s->how, "direct");
  return CJ_OK;
}

static void turned_pack(const cj_plan *p, const cj_step *s, void *packed) {
  const cj_conv c = turned_sizes(p, s, p->rows);
  const parts m = parts_of(c.c_in, CJ_KERNEL(direct_packed)(&c), packed);
  const real *w = live_data(p, s->in[WEIGHT]);
  fold_norm(p, s->norm, s->eps, live_data(p, s->in[BIAS]), c.c_in, m.slope, m.shift);
  CJ_KERNEL(direct_input_pack)(&c, w, NULL, m.there);
  if (s->write[X].mode != CJ_SKIP) CJ_KERNEL(direct_pack)(&c, w, NULL, m.back);
}

static void turned_forward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  const cj_conv c = turned_sizes(p, s, f->rows);
  const parts m = parts_of(c.c_in, CJ_KERNEL(direct_packed)(&c), p->packed + s->packed_at);
  cj_picture add, x = data_of(f, s->in[X]), y = stored(f, data_of(f, s->out));
  const cj_finish finish = result_finish(s, f, m.shift, &add);
  CJ_KERNEL(direct_input)(&c, &x, m.there, &finish, &y);
}

static void turned_backward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  const cj_conv c = turned_sizes(p, s, f->rows), b = turned_bias_sizes(c);
  const cj_picture gy = grad_of(f, s->out), x = data_of(f, s->in[X]);
  real *gw = gradient(p, f, s->in[WEIGHT]), *gb = gradient(p, f, s->in[BIAS]);
  if (gw) CJ_KERNEL(direct_weight)(&c, &gy, &x, gw, NULL, f->scratch);
  if (gb) CJ_KERNEL(direct_weight)(&b, NULL, &gy, NULL, gb, f->scratch);
  if (s->write[X].mode == CJ_SKIP) return;
  const parts m = parts_of(c.c_in, CJ_KERNEL(direct_packed)(&c), p->packed + s->packed_at);
  cj_picture gx, add;
  const cj_finish finish = gradient_finish(s, f, X, &gx, &add);
  CJ_KERNEL(direct_forward)(&c, &gy, m.back, &finish, &gx);
}

CJ_STEPS(conv) = {
    {"conv", CJ_CLIPS | CJ_FINISHES | CJ_READS_INPUT, conv_size, conv_pack, conv_forward,
     conv_backward},
    {"stem", CJ_CLIPS | CJ_READS_INPUT, stem_size, stem_pack, stem_forward, stem_backward},
    {"turned", CJ_CLIPS | CJ_FINISHES | CJ_READS_INPUT, turned_size, turned_pack, turned_forward,
     turned_backward},
    {0},
};
