/* dense.c -- linear layers on rows. Inputs: x [B, in], weight [out, in], bias or none. */
#include "kernels/dense.h"

#include <stdio.h>

#include "step.h"

enum { X, WEIGHT, BIAS };

static cj_dense there(const cj_plan *p, const cj_step *s, int64_t rows) {
  return (cj_dense){rows, cj_size(p, s->in[WEIGHT], 1), cj_size(p, s->in[WEIGHT], 0)};
}

static cj_dense back(const cj_plan *p, const cj_step *s, int64_t rows) {
  return (cj_dense){rows, cj_size(p, s->in[WEIGHT], 0), cj_size(p, s->in[WEIGHT], 1)};
}

static cj_status dense_size(cj_plan *p, cj_step *s) {
  const cj_dense d = there(p, s, p->rows), b = back(p, s, p->rows);
  s->packed[0] = (size_t)CJ_KERNEL(dense_packed)(&d) * sizeof(real);
  if (s->write[X].mode != CJ_SKIP)
    s->packed[1] = (size_t)CJ_KERNEL(dense_packed)(&b) * sizeof(real);
  if (wanted(p, s->in[WEIGHT]) || wanted(p, s->in[BIAS]))
    s->scratch = CJ_KERNEL(dense_weight_scratch)(&d);
  snprintf(s->how, sizeof s->how, "product");
  return CJ_OK;
}

static void dense_pack(const cj_plan *p, const cj_step *s, bool turned, void *packed) {
  const cj_dense d = turned ? back(p, s, p->rows) : there(p, s, p->rows);
  CJ_KERNEL(dense_pack)(&d, live_data(p, s->in[WEIGHT]), turned, packed);
}

static const real *packed_of(const cj_plan *p, const cj_step *s, bool turned) {
  return (const real *)(void *)(p->packed + s->packed_at[turned]);
}

static void dense_forward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  const cj_dense d = there(p, s, f->rows);
  const cj_dense_finish finish = {
      .bias = live_data(p, s->in[BIAS]), .clip = p->values[s->out].clip, .signs = f->signs[s->out]};
  CJ_KERNEL(dense_forward)
  (&d, f->data[s->in[X]], packed_of(p, s, false), &finish, f->data[s->out]);
}

static void dense_backward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  const cj_dense d = there(p, s, f->rows), b = back(p, s, f->rows);
  const real *gy = f->grad[s->out];
  real *gw = gradient(p, f, s->in[WEIGHT]);
  real *gb = gradient(p, f, s->in[BIAS]);
  if (gw || gb) CJ_KERNEL(dense_weight)(&d, f->data[s->in[X]], gy, gw, gb, f->scratch);
  if (s->write[X].mode == CJ_SKIP) return;
  const cj_dense_finish finish = {.add = s->write[X].mode == CJ_ADD,
                                  .mask = s->write[X].mask ? f->signs[s->in[X]] : NULL};
  CJ_KERNEL(dense_forward)
  (&b, gy, packed_of(p, s, true), &finish, f->grad[s->in[X]]);
}

CJ_STEPS(dense) = {
    {"dense", CJ_CLIPS | CJ_FINISHES | CJ_READS_INPUT, dense_size, dense_pack, dense_forward,
     dense_backward, NULL},
    {0},
};
