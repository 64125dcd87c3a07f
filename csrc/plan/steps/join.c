/* join.c -- sums, activations and joins of pictures, and the way between the two layouts. */
#include <stdio.h>

#include "core/threads.h"
#include "kernels/picture_ops.h"
#include "step.h"

static cj_status no_size(cj_plan *p, cj_step *s) {
  (void)p;
  snprintf(s->how, sizeof s->how, "copy");
  return CJ_OK;
}

/* --- y = clip(x + add) -------------------------------------------------------------------------
 */

static void sum_forward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  (void)p;
  cj_picture add, x = data_of(f, s->in[0]), y = stored(f, data_of(f, s->out));
  const cj_finish finish = result_finish(s, f, NULL, &add);
  CJ_KERNEL(picture_finish)(f->rows, &x, &finish, &y);
}

static void sum_backward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  (void)p;
  const cj_picture gy = grad_of(f, s->out);
  cj_picture gx, add;
  if (s->write[0].mode == CJ_SKIP) return;
  const cj_finish finish = gradient_finish(s, f, 0, &gx, &add);
  CJ_KERNEL(picture_finish)(f->rows, &gy, &finish, &gx);
}

/* --- channels behind each other; constants among the inputs are zeros --------------------------
 */

static void cat_forward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  const cj_picture y = stored(f, data_of(f, s->out));
  bool zeros = false;
  for (int k = 0; k < s->count; k++) zeros |= p->values[s->in[k]].live;
  if (zeros) CJ_KERNEL(picture_zero)(f->rows, &y);
  for (int64_t k = 0, at = 0; k < s->count; at += cj_size(p, s->in[k++], 1)) {
    if (p->values[s->in[k]].live) continue;
    const cj_picture x = data_of(f, s->in[k]);
    CJ_KERNEL(picture_put)(f->rows, &x, &y, at);
  }
}

static void cat_backward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  const cj_picture gy = grad_of(f, s->out);
  int64_t at = 0;
  for (int k = 0; k < s->count; at += cj_size(p, s->in[k++], 1)) {
    cj_picture gx, add;
    if (s->write[k].mode == CJ_SKIP) continue;
    const cj_finish finish = gradient_finish(s, f, k, &gx, &add);
    CJ_KERNEL(picture_take)(f->rows, &gy, at, &finish, &gx);
  }
}

/* --- between the layouts -----------------------------------------------------------------------
 */

static void to_plain_forward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  (void)p;
  const cj_picture x = data_of(f, s->in[0]);
  CJ_KERNEL(picture_read)(&x, f->rows, f->data[s->out], false);
}

static void to_plain_backward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  (void)p;
  if (s->write[0].mode == CJ_SKIP) return;
  cj_picture gx = grad_of(f, s->in[0]);
  const bool add = s->write[0].mode == CJ_ADD;
  if (!add) gx = stored(f, gx);
  CJ_KERNEL(picture_fill)(&gx, f->rows, f->grad[s->out], add);
}

static void to_picture_forward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  (void)p;
  const cj_picture y = stored(f, data_of(f, s->out));
  CJ_KERNEL(picture_fill)(&y, f->rows, f->data[s->in[0]], false);
}

static void to_picture_backward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  (void)p;
  if (s->write[0].mode == CJ_SKIP) return;
  const cj_picture gy = grad_of(f, s->out);
  CJ_KERNEL(picture_read)(&gy, f->rows, f->grad[s->in[0]], s->write[0].mode == CJ_ADD);
}

/* --- acts: grad[to] = mask(grad[from] + grad[add]) ---------------------------------------------
 */

enum { PIECE = 1 << 14 };

static void act_piece(void *context, int64_t piece) {
  const cj_frame *f = context;
  const cj_act *a = f->act;
  const int64_t n = cj_numel(&f->p->values[a->to].t);
  const int64_t end = (piece + 1) * PIECE < n ? (piece + 1) * PIECE : n;
  const real *from = f->grad[a->from], *add = a->add == NONE ? NULL : f->grad[a->add];
  const uint8_t *signs = a->mask ? f->signs[a->to] : NULL;
  real *to = f->grad[a->to];
  for (int64_t i = piece * PIECE; i < end; i++) {
    const real g = add ? from[i] + add[i] : from[i];
    to[i] = signs && !signs[i] ? 0 : g;
  }
}

static void act_backward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  (void)s;
  const cj_act *a = f->act;
  const cj_value *to = &p->values[a->to];
  if (to->layout == CJ_PLAIN) {
    cj_parallel((cj_numel(&to->t) + PIECE - 1) / PIECE, act_piece, f);
    return;
  }
  const cj_picture from = grad_of(f, a->from);
  cj_picture add, gx = grad_of(f, a->to);
  cj_finish finish = {.mask = a->mask ? f->signs[a->to] : NULL, .slope = (real)to->slope};
  if (a->from != a->to) gx = stored(f, gx);
  if (a->add != NONE) {
    add = grad_of(f, a->add);
    finish.add = &add;
  }
  CJ_KERNEL(picture_finish)(f->rows, &from, &finish, &gx);
}

CJ_STEPS(join) = {
    {"sum", CJ_CLIPS | CJ_FINISHES, no_size, NULL, sum_forward, sum_backward, NULL},
    {"cat", CJ_FINISHES, no_size, NULL, cat_forward, cat_backward, NULL},
    {"to_plain", 0, no_size, NULL, to_plain_forward, to_plain_backward, NULL},
    {"to_picture", 0, no_size, NULL, to_picture_forward, to_picture_backward, NULL},
    {"act", 0, no_size, NULL, NULL, act_backward, NULL},
    {0},
};
