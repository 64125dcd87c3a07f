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

/* Packed for the way there: slope and shift per output channel, then weights. */
typedef struct parts {
  real *slope, *shift, *weights;
} parts;

static parts parts_of(int64_t channels, void *memory) {
  parts m = {.slope = memory};
  m.shift = m.slope + padded(channels);
  m.weights = m.shift + padded(channels);
  return m;
}

static parts packed_there(const cj_plan *p, const cj_step *s, int64_t channels) {
  return parts_of(channels, p->packed + s->packed_at[0]);
}

static const real *packed_back(const cj_plan *p, const cj_step *s) {
  return (const real *)(void *)(p->packed + s->packed_at[1]);
}

static void set_packed(cj_step *s, int64_t channels, int64_t there, int64_t back) {
  s->packed[0] = (size_t)(2 * padded(channels) + there) * sizeof(real);
  s->packed[1] = (size_t)back * sizeof(real);
}

/* Slope and shift of the folded norm; the factors of output channels, or NULL where there are none.
 */
static const real *fold(const cj_plan *p, const cj_step *s, int64_t channels, const parts *m) {
  fold_norm(p, s->norm, s->eps, live_data(p, s->in[BIAS]), channels, m->slope, m->shift);
  return s->norm[2] == NONE ? NULL : m->slope;
}

/* --- between pictures -------------------------------------------------------------------------
 */

/* Of the forward pass and of the input gradient of c. */
static int64_t map_elements(const cj_conv *c, bool tiles) {
  return tiles ? CJ_KERNEL(winograd_packed)(c) : CJ_KERNEL(direct_packed)(c);
}

static int64_t gradient_elements(const cj_conv *c, bool tiles) {
  const cj_conv turned = CJ_KERNEL(winograd_turn)(c);
  return tiles ? CJ_KERNEL(winograd_packed)(&turned) : CJ_KERNEL(direct_packed)(c);
}

static int64_t there_elements(const cj_step *s, const cj_conv *c) {
  return map_elements(c, s->algorithm & FORWARD_TILES);
}

static int64_t back_elements(const cj_step *s, const cj_conv *c) {
  return gradient_elements(c, s->algorithm & BACK_TILES);
}

static void say_how(cj_step *s, bool back) {
  const bool there_tiles = s->algorithm & FORWARD_TILES, back_tiles = s->algorithm & BACK_TILES;
  snprintf(s->how, sizeof s->how, "%s%s", there_tiles ? "winograd" : "direct",
           !back || back_tiles == there_tiles ? ""
           : back_tiles                       ? ", winograd back"
                                              : ", direct back");
}

static cj_status conv_size(cj_plan *p, cj_step *s) {
  const cj_conv c = conv_sizes(p, s, p->rows), turned = CJ_KERNEL(winograd_turn)(&c);
  const bool back = s->write[X].mode != CJ_SKIP, tiles = !p->o.exact;
  if (tiles && CJ_KERNEL(winograd_suits)(&c)) s->algorithm |= FORWARD_TILES;
  if (tiles && back && CJ_KERNEL(winograd_suits)(&turned)) s->algorithm |= BACK_TILES;
  const bool there_tiles = s->algorithm & FORWARD_TILES, back_tiles = s->algorithm & BACK_TILES;
  want_ring(p, s->in[X], there_tiles ? CJ_KERNEL(winograd_ring)(&c) : CJ_KERNEL(direct_ring)(&c));
  if (learns(p, s)) {
    if (tiles && CJ_KERNEL(winograd_weight_suits)(&c)) s->algorithm |= WEIGHT_TILES;
    if (!(s->algorithm & WEIGHT_TILES)) want_ring(p, s->in[X], CJ_KERNEL(direct_ring)(&c));
    s->scratch = s->algorithm & WEIGHT_TILES ? CJ_KERNEL(winograd_weight_scratch)(&c)
                                             : CJ_KERNEL(direct_weight_scratch)(&c);
  }
  if (back)
    want_ring(p, s->out,
              back_tiles ? CJ_KERNEL(winograd_ring)(&turned) : CJ_KERNEL(direct_input_ring)(&c));
  if (there_tiles) s->scratch = most(s->scratch, CJ_KERNEL(winograd_scratch)(&c, p->slots));
  if (back_tiles) s->scratch = most(s->scratch, CJ_KERNEL(winograd_scratch)(&turned, p->slots));
  set_packed(s, c.c_out, there_elements(s, &c), back ? back_elements(s, &c) : 0);
  say_how(s, back);
  return CJ_OK;
}

static void conv_pack(const cj_plan *p, const cj_step *s, bool back, void *packed) {
  const cj_conv c = conv_sizes(p, s, p->rows), turned = CJ_KERNEL(winograd_turn)(&c);
  const real *w = live_data(p, s->in[WEIGHT]);
  if (!back) {
    const parts m = parts_of(c.c_out, packed);
    const real *scale = fold(p, s, c.c_out, &m);
    if (s->algorithm & FORWARD_TILES)
      CJ_KERNEL(winograd_pack)(&c, w, scale, false, m.weights);
    else
      CJ_KERNEL(direct_pack)(&c, w, scale, m.weights);
    return;
  }
  const real *scale = s->norm[2] == NONE ? NULL : packed_there(p, s, c.c_out).slope;
  if (s->algorithm & BACK_TILES)
    CJ_KERNEL(winograd_pack)(&turned, w, scale, true, packed);
  else
    CJ_KERNEL(direct_input_pack)(&c, w, scale, packed);
}

static void conv_forward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  const cj_conv c = conv_sizes(p, s, f->rows);
  const parts m = packed_there(p, s, c.c_out);
  cj_picture add, x = data_of(f, s->in[X]), y = stored(f, data_of(f, s->out));
  const cj_finish finish = result_finish(s, f, m.shift, &add);
  if (s->algorithm & FORWARD_TILES)
    CJ_KERNEL(winograd_forward)(&c, &x, m.weights, &finish, &y, f->scratch, p->slots);
  else
    CJ_KERNEL(direct_forward)(&c, &x, m.weights, &finish, &y);
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
  cj_picture gx, add;
  const cj_finish finish = gradient_finish(s, f, X, &gx, &add);
  if (s->algorithm & BACK_TILES) {
    const cj_conv turned = CJ_KERNEL(winograd_turn)(&c);
    CJ_KERNEL(winograd_forward)
    (&turned, &gy, packed_back(p, s), &finish, &gx, f->scratch, p->slots);
  } else
    CJ_KERNEL(direct_input)(&c, &gy, packed_back(p, s), &finish, &gx);
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

static void stem_pack(const cj_plan *p, const cj_step *s, bool back, void *packed) {
  const cj_conv c = conv_sizes(p, s, p->rows);
  const real *w = live_data(p, s->in[WEIGHT]);
  const parts m = back ? packed_there(p, s, c.c_out) : parts_of(c.c_out, packed);
  if (back)
    CJ_KERNEL(stem_input_pack)(&c, w, s->norm[2] == NONE ? NULL : m.slope, packed);
  else
    CJ_KERNEL(stem_pack)(&c, w, fold(p, s, c.c_out, &m), m.weights);
}

static void stem_forward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  const cj_conv c = conv_sizes(p, s, f->rows);
  const parts m = packed_there(p, s, c.c_out);
  cj_picture add, y = stored(f, data_of(f, s->out));
  const cj_finish finish = result_finish(s, f, m.shift, &add);
  CJ_KERNEL(stem_forward)(&c, f->data[s->in[X]], m.weights, &finish, &y, f->scratch, p->slots);
}

static void stem_backward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  const cj_conv c = conv_sizes(p, s, f->rows);
  const cj_picture gy = grad_of(f, s->out);
  real *gw = gradient(p, f, s->in[WEIGHT]), *gb = gradient(p, f, s->in[BIAS]);
  if (gw || gb) CJ_KERNEL(stem_weight)(&c, f->data[s->in[X]], &gy, gw, gb, f->scratch);
  if (s->write[X].mode != CJ_SKIP) CJ_KERNEL(stem_input)
  (&c, &gy, packed_back(p, s), f->grad[s->in[X]], s->write[X].mode == CJ_ADD, f->scratch, p->slots);
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

static int64_t turned_there(const cj_step *s, const cj_conv *c) {
  return gradient_elements(c, s->algorithm & FORWARD_TILES);
}

static cj_status turned_size(cj_plan *p, cj_step *s) {
  const cj_conv c = turned_sizes(p, s, p->rows), b = turned_bias_sizes(c);
  const cj_conv turned = CJ_KERNEL(winograd_turn)(&c);
  const bool back = s->write[X].mode != CJ_SKIP, tiles = !p->o.exact;
  if (tiles && CJ_KERNEL(winograd_suits)(&turned)) s->algorithm |= FORWARD_TILES;
  if (tiles && back && CJ_KERNEL(winograd_suits)(&c)) s->algorithm |= BACK_TILES;
  const bool there_tiles = s->algorithm & FORWARD_TILES, back_tiles = s->algorithm & BACK_TILES;
  want_ring(p, s->in[X],
            there_tiles ? CJ_KERNEL(winograd_ring)(&turned) : CJ_KERNEL(direct_input_ring)(&c));
  if (back)
    want_ring(p, s->out, back_tiles ? CJ_KERNEL(winograd_ring)(&c) : CJ_KERNEL(direct_ring)(&c));
  if (learns(p, s)) {
    if (tiles && CJ_KERNEL(winograd_weight_suits)(&c)) s->algorithm |= WEIGHT_TILES;
    if (!(s->algorithm & WEIGHT_TILES)) want_ring(p, s->out, CJ_KERNEL(direct_ring)(&c));
    s->scratch = s->algorithm & WEIGHT_TILES ? CJ_KERNEL(winograd_weight_scratch)(&c)
                                             : CJ_KERNEL(direct_weight_scratch)(&c);
    s->scratch = most(s->scratch, CJ_KERNEL(direct_weight_scratch)(&b));
  }
  if (there_tiles) s->scratch = most(s->scratch, CJ_KERNEL(winograd_scratch)(&turned, p->slots));
  if (back_tiles) s->scratch = most(s->scratch, CJ_KERNEL(winograd_scratch)(&c, p->slots));
  set_packed(s, c.c_in, turned_there(s, &c), back ? map_elements(&c, back_tiles) : 0);
  say_how(s, back);
  return CJ_OK;
}

static void turned_pack(const cj_plan *p, const cj_step *s, bool back, void *packed) {
  const cj_conv c = turned_sizes(p, s, p->rows);
  const cj_conv turned = CJ_KERNEL(winograd_turn)(&c);
  const real *w = live_data(p, s->in[WEIGHT]);
  if (back && (s->algorithm & BACK_TILES))
    CJ_KERNEL(winograd_pack)(&c, w, NULL, false, packed);
  else if (back)
    CJ_KERNEL(direct_pack)(&c, w, NULL, packed);
  if (back) return;
  const parts m = parts_of(c.c_in, packed);
  (void)fold(p, s, c.c_in, &m);
  if (s->algorithm & FORWARD_TILES)
    CJ_KERNEL(winograd_pack)(&turned, w, NULL, true, m.weights);
  else
    CJ_KERNEL(direct_input_pack)(&c, w, NULL, m.weights);
}

static void turned_forward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  const cj_conv c = turned_sizes(p, s, f->rows);
  const parts m = packed_there(p, s, c.c_in);
  cj_picture add, x = data_of(f, s->in[X]), y = stored(f, data_of(f, s->out));
  const cj_finish finish = result_finish(s, f, m.shift, &add);
  if (s->algorithm & FORWARD_TILES) {
    const cj_conv turned = CJ_KERNEL(winograd_turn)(&c);
    CJ_KERNEL(winograd_forward)(&turned, &x, m.weights, &finish, &y, f->scratch, p->slots);
  } else
    CJ_KERNEL(direct_input)(&c, &x, m.weights, &finish, &y);
}

static void turned_backward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  const cj_conv c = turned_sizes(p, s, f->rows), b = turned_bias_sizes(c);
  const cj_picture gy = grad_of(f, s->out), x = data_of(f, s->in[X]);
  real *gw = gradient(p, f, s->in[WEIGHT]), *gb = gradient(p, f, s->in[BIAS]);
  if (gw && (s->algorithm & WEIGHT_TILES))
    CJ_KERNEL(winograd_weight)(&c, &gy, &x, gw, NULL, f->scratch);
  else if (gw)
    CJ_KERNEL(direct_weight)(&c, &gy, &x, gw, NULL, f->scratch);
  if (gb) CJ_KERNEL(direct_weight)(&b, NULL, &gy, NULL, gb, f->scratch);
  if (s->write[X].mode == CJ_SKIP) return;
  cj_picture gx, add;
  const cj_finish finish = gradient_finish(s, f, X, &gx, &add);
  if (s->algorithm & BACK_TILES)
    CJ_KERNEL(winograd_forward)(&c, &gy, packed_back(p, s), &finish, &gx, f->scratch, p->slots);
  else
    CJ_KERNEL(direct_forward)(&c, &gy, packed_back(p, s), &finish, &gx);
}

CJ_STEPS(conv) = {
    {"conv", CJ_CLIPS | CJ_FINISHES | CJ_READS_INPUT, conv_size, conv_pack, conv_forward,
     conv_backward, NULL},
    {"stem", CJ_CLIPS | CJ_READS_INPUT, stem_size, stem_pack, stem_forward, stem_backward, NULL},
    {"turned", CJ_CLIPS | CJ_FINISHES | CJ_READS_INPUT, turned_size, turned_pack, turned_forward,
     turned_backward, NULL},
    {0},
};
