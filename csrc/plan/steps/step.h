/* step.h -- what the kinds of steps share: pictures and finishes of a frame. */
#ifndef CJ_STEP_H
#define CJ_STEP_H

#include <math.h>
#include <string.h>

#include "kernels/picture.h"
#include "plan/graph.h"

static inline cj_picture picture_over(const cj_frame *f, int v, void *data) {
  const cj_value *value = &f->p->values[v];
  const int64_t *n = value->t.size;
  cj_picture p = {
      .data = data, .channels = n[1], .height = n[2], .width = n[3], .ring = value->ring};
  p.image = picture_blocks(&p) * picture_plane(&p);
  return p;
}

static inline cj_picture data_of(const cj_frame *f, int v) {
  return picture_over(f, v, f->data[v]);
}

static inline cj_picture grad_of(const cj_frame *f, int v) {
  return picture_over(f, v, f->grad[v]);
}

/* The same, about to be stored: memory is shared, so the ring must be made anew. */
static inline cj_picture stored(const cj_frame *f, cj_picture p) {
  if (p.ring) CJ_KERNEL(picture_clear_ring)(&p, f->rows);
  return p;
}

/* What a step's result goes through: the sum and the clipping that were fused. *add must live as
 * long as the finish. */
static inline cj_finish result_finish(const cj_step *s, const cj_frame *f, const real *bias,
                                      cj_picture *add) {
  const cj_value *y = &f->p->values[s->out];
  cj_finish finish = {
      .bias = bias, .clip = y->clip, .slope = (real)y->slope, .signs = f->signs[s->out]};
  if (s->add == NONE) return finish;
  *add = data_of(f, s->add);
  finish.add = add;
  return finish;
}

/* The same for the gradient of input k; *gx becomes the picture to write. */
static inline cj_finish gradient_finish(const cj_step *s, const cj_frame *f, int k, cj_picture *gx,
                                        cj_picture *add) {
  const cj_write *w = &s->write[k];
  const cj_value *x = &f->p->values[s->in[k]];
  cj_finish finish = {.slope = (real)x->slope, .mask = w->mask ? f->signs[s->in[k]] : NULL};
  *gx = grad_of(f, s->in[k]);
  if (w->mode == CJ_ADD) {
    *add = *gx;
    finish.add = add;
  } else {
    *gx = stored(f, *gx);
    if (w->add != NONE) {
      *add = grad_of(f, w->add);
      finish.add = add;
    }
  }
  return finish;
}

/* Raises the ring of a value. */
static inline void want_ring(cj_plan *p, int v, int64_t ring) {
  if (ring > p->values[v].ring) p->values[v].ring = ring;
}

static inline bool wanted(const cj_plan *p, int v) {
  return v != NONE && p->values[v].wanted;
}

/* Where the gradient of a parameter is added to, or NULL where none is wanted. */
static inline real *gradient(const cj_plan *p, const cj_frame *f, int v) {
  return wanted(p, v) ? f->grad[v] : NULL;
}

/* Data of a live value, or NULL where there is none. */
static inline const real *live_data(const cj_plan *p, int v) {
  return v == NONE ? NULL : p->values[v].t.data;
}

static inline int64_t padded(int64_t channels) {
  return (channels + BLOCK - 1) / BLOCK * BLOCK;
}

/* y = x slope + shift for evaluation-mode batch norm with values norm = weight, bias, mean,
 * variance, and a bias before it; both [padded(channels)]. Without a norm: 1 and the bias. */
static inline void fold_norm(const cj_plan *p, const int norm[4], double eps, const real *bias,
                             int64_t channels, real *slope, real *shift) {
  const real *weight = live_data(p, norm[0]), *beta = live_data(p, norm[1]);
  const real *mean = live_data(p, norm[2]), *var = live_data(p, norm[3]);
  for (int64_t c = 0; c < padded(channels); c++) {
    const bool there = c < channels;
    double a = there ? 1 : 0, b = there && bias ? (double)bias[c] : 0;
    if (there && mean) {
      a = (weight ? (double)weight[c] : 1) / sqrt((double)var[c] + eps);
      b = (b - (double)mean[c]) * a + (beta ? (double)beta[c] : 0);
    }
    slope[c] = (real)a;
    shift[c] = (real)b;
  }
}

#endif
