/* norm.c -- batch norm: in training by the moments of the batch ("norm"), in evaluation, where no
 * convolution could take it in, a map per channel ("affine"). Inputs: x, weight, bias, running
 * mean, running variance. */
#include <stdio.h>

#include "kernels/picture_ops.h"
#include "step.h"

enum { X, WEIGHT, BETA, MEAN, VAR };
enum { TRAINING, MOMENTUM, EPS }; /* numbers */

static int64_t width(const cj_plan *p, const cj_step *s) {
  return padded(cj_size(p, s->out, 1));
}

/* --- training ----------------------------------------------------------------------------------
 */

/* Saved: variance, mean, 1 / deviation, slope, shift. */
typedef struct moments {
  double *var;
  real *mean, *scale, *slope, *shift;
} moments;

static moments moments_of(const cj_plan *p, const cj_step *s, const cj_frame *f) {
  const int64_t n = width(p, s);
  moments m = {.var = (double *)(void *)(f->arena + s->saved_at)};
  m.mean = (real *)(m.var + n);
  m.scale = m.mean + n;
  m.slope = m.scale + n;
  m.shift = m.slope + n;
  return m;
}

static cj_status norm_size(cj_plan *p, cj_step *s) {
  const cj_frame nowhere = {.p = p};
  const cj_picture x = picture_over(&nowhere, s->in[X], NULL);
  s->saved = (size_t)width(p, s) * (sizeof(double) + 4 * sizeof(real));
  s->scratch = CJ_KERNEL(picture_norm_scratch)(&x, p->rows);
  snprintf(s->how, sizeof s->how, "batch moments");
  return CJ_OK;
}

static void move(const cj_plan *p, int running, int64_t c, double to, double momentum) {
  if (running == NONE) return;
  real *r = p->values[running].t.data;
  r[c] = (real)((1 - momentum) * (double)r[c] + momentum * to);
}

static void move_running(const cj_plan *p, const cj_step *s, const cj_frame *f, const moments *m) {
  const double n = (double)(f->rows * cj_size(p, s->in[X], 2) * cj_size(p, s->in[X], 3));
  for (int64_t c = 0; c < cj_size(p, s->out, 1); c++) {
    move(p, s->in[MEAN], c, (double)m->mean[c], s->num[MOMENTUM]);
    move(p, s->in[VAR], c, m->var[c] * n / (n - 1), s->num[MOMENTUM]);
  }
  for (int k = MEAN; k <= VAR; k++)
    if (s->in[k] != NONE) p->values[s->in[k]].t.storage->version++;
}

static void norm_forward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  const moments m = moments_of(p, s, f);
  const real *weight = live_data(p, s->in[WEIGHT]), *beta = live_data(p, s->in[BETA]);
  const int64_t channels = cj_size(p, s->out, 1);
  cj_picture add, x = data_of(f, s->in[X]), y = stored(f, data_of(f, s->out));
  CJ_KERNEL(picture_moments)(f->rows, &x, s->num[EPS], m.mean, m.scale, m.var, f->scratch);
  for (int64_t c = 0; c < width(p, s); c++) {
    m.slope[c] = c >= channels ? 0 : weight ? m.scale[c] * weight[c] : m.scale[c];
    m.shift[c] = (c < channels && beta ? beta[c] : 0) - m.mean[c] * m.slope[c];
  }
  move_running(p, s, f, &m);
  const cj_finish finish = result_finish(s, f, NULL, &add);
  CJ_KERNEL(picture_affine)(f->rows, &x, m.slope, m.shift, &finish, &y);
}

/* The same numbers through the same map; signs and running statistics are there already. */
static void norm_again(const cj_plan *p, const cj_step *s, cj_frame *f) {
  const moments m = moments_of(p, s, f);
  cj_picture add, x = data_of(f, s->in[X]), y = stored(f, data_of(f, s->out));
  cj_finish finish = result_finish(s, f, NULL, &add);
  finish.signs = NULL;
  CJ_KERNEL(picture_affine)(f->rows, &x, m.slope, m.shift, &finish, &y);
}

static void norm_backward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  const moments m = moments_of(p, s, f);
  const cj_norm_back b = {.mean = m.mean,
                          .scale = m.scale,
                          .weight = live_data(p, s->in[WEIGHT]),
                          .gweight = gradient(p, f, s->in[WEIGHT]),
                          .gbias = gradient(p, f, s->in[BETA])};
  const cj_picture x = data_of(f, s->in[X]), gy = grad_of(f, s->out);
  cj_picture gx, add;
  cj_finish finish = {0};
  const bool back = s->write[X].mode != CJ_SKIP;
  if (back) finish = gradient_finish(s, f, X, &gx, &add);
  CJ_KERNEL(picture_norm_back)(f->rows, &b, &x, &gy, &finish, back ? &gx : NULL, f->scratch);
}

/* --- evaluation --------------------------------------------------------------------------------
 */

static cj_status affine_size(cj_plan *p, cj_step *s) {
  s->packed[0] = (size_t)(2 * width(p, s)) * sizeof(real);
  snprintf(s->how, sizeof s->how, "per channel");
  return CJ_OK;
}

static void affine_pack(const cj_plan *p, const cj_step *s, bool back, void *packed) {
  (void)back; /* it serves both ways */
  fold_norm(p, s->in + 1, s->num[EPS], NULL, cj_size(p, s->out, 1), packed,
            (real *)packed + width(p, s));
}

static void affine_forward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  const real *slope = (const real *)(void *)(p->packed + s->packed_at[0]);
  cj_picture add, x = data_of(f, s->in[X]), y = stored(f, data_of(f, s->out));
  const cj_finish finish = result_finish(s, f, NULL, &add);
  CJ_KERNEL(picture_affine)(f->rows, &x, slope, slope + width(p, s), &finish, &y);
}

static void affine_backward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  const real *slope = (const real *)(void *)(p->packed + s->packed_at[0]);
  const cj_picture gy = grad_of(f, s->out);
  cj_picture gx, add;
  if (s->write[X].mode == CJ_SKIP) return;
  const cj_finish finish = gradient_finish(s, f, X, &gx, &add);
  CJ_KERNEL(picture_affine)(f->rows, &gy, slope, NULL, &finish, &gx);
}

CJ_STEPS(norm) = {
    {"norm", CJ_CLIPS | CJ_FINISHES | CJ_READS_ALWAYS, norm_size, NULL, norm_forward, norm_backward,
     norm_again},
    {"affine", CJ_CLIPS | CJ_FINISHES, affine_size, affine_pack, affine_forward, affine_backward,
     NULL},
    {0},
};
