/* pool.c -- pooling of pictures. */
#include <stdio.h>

#include "kernels/picture_ops.h"
#include "step.h"

enum { KERNEL, STRIDE = 2, PAD = 4, NUMBERS = 6 };

/* Of the call's numbers; fewer of them: adaptive pooling to one pixel, the whole image. */
static cj_window window_of(const cj_plan *p, const cj_step *s) {
  const double *n = s->num;
  if (s->numbers < NUMBERS) {
    const int64_t h = cj_size(p, s->in[0], 2), w = cj_size(p, s->in[0], 3);
    return (cj_window){h, w, h, w, 0, 0};
  }
  cj_window w = {(int64_t)n[KERNEL],     (int64_t)n[KERNEL + 1], (int64_t)n[STRIDE],
                 (int64_t)n[STRIDE + 1], (int64_t)n[PAD],        (int64_t)n[PAD + 1]};
  if (w.stride_h == 0) w.stride_h = w.kh;
  if (w.stride_w == 0) w.stride_w = w.kw;
  return w;
}

static cj_status max_pool_size(cj_plan *p, cj_step *s) {
  const cj_tensor *y = &p->values[s->out].t;
  if (p->values[s->out].wanted)
    s->saved = (size_t)(p->rows * padded(y->size[1]) * y->size[2] * y->size[3]);
  snprintf(s->how, sizeof s->how, "windows");
  return CJ_OK;
}

static void max_pool_forward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  const cj_window w = window_of(p, s);
  const cj_picture x = data_of(f, s->in[0]), y = stored(f, data_of(f, s->out));
  uint8_t *winner = s->saved ? (uint8_t *)f->arena + s->saved_at : NULL;
  CJ_KERNEL(picture_max_pool)(&w, f->rows, &x, &y, winner);
}

static void max_pool_backward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  const cj_window w = window_of(p, s);
  const cj_picture gy = grad_of(f, s->out);
  cj_picture gx, add;
  if (s->write[0].mode == CJ_SKIP) return;
  const cj_finish finish = gradient_finish(s, f, 0, &gx, &add);
  CJ_KERNEL(picture_max_pool_back)
  (&w, f->rows, &gy, (uint8_t *)f->arena + s->saved_at, &finish, &gx);
}

static cj_status avg_pool_size(cj_plan *p, cj_step *s) {
  (void)p;
  snprintf(s->how, sizeof s->how, "windows");
  return CJ_OK;
}

static void avg_pool_forward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  const cj_window w = window_of(p, s);
  const cj_picture x = data_of(f, s->in[0]), y = stored(f, data_of(f, s->out));
  CJ_KERNEL(picture_avg_pool)(&w, false, f->rows, &x, &y);
}

static void avg_pool_backward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  const cj_window w = window_of(p, s);
  const cj_picture gy = grad_of(f, s->out);
  cj_picture gx, add;
  if (s->write[0].mode == CJ_SKIP) return;
  const cj_finish finish = gradient_finish(s, f, 0, &gx, &add);
  CJ_KERNEL(picture_avg_pool_back)(&w, false, f->rows, &gy, &finish, &gx);
}

CJ_STEPS(pool) = {
    {"max_pool", CJ_FINISHES, max_pool_size, NULL, max_pool_forward, max_pool_backward, NULL},
    {"avg_pool", CJ_FINISHES, avg_pool_size, NULL, avg_pool_forward, avg_pool_backward, NULL},
    {0},
};
