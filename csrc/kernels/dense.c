/* dense.c -- linear layers on rows with packed weights. */
#include "kernels/dense.h"

int64_t CJ_KERNEL(dense_packed)(const cj_dense *s) {
  return s->in * s->out;
}

void CJ_KERNEL(dense_pack)(const cj_dense *s, const real *w, bool turned, real *packed) {
  for (int64_t i = 0; i < s->in; i++)
    for (int64_t o = 0; o < s->out; o++)
      packed[i * s->out + o] = turned ? w[i * s->out + o] : w[o * s->in + i];
}

void CJ_KERNEL(dense_forward)(const cj_dense *s, const real *x, const real *packed,
                              const cj_dense_finish *f, real *y) {
  for (int64_t n = 0; n < s->rows; n++)
    for (int64_t o = 0; o < s->out; o++) {
      const int64_t at = n * s->out + o;
      real sum = 0;
      for (int64_t i = 0; i < s->in; i++) sum += x[n * s->in + i] * packed[i * s->out + o];
      if (f->bias) sum += f->bias[o];
      if (f->add) sum += y[at];
      if (f->mask && !f->mask[at]) sum = 0;
      const bool low = f->clip && sum <= 0;
      y[at] = low ? 0 : sum;
      if (f->signs) f->signs[at] = !low;
    }
}

size_t CJ_KERNEL(dense_weight_scratch)(const cj_dense *s) {
  (void)s;
  return 64;
}

void CJ_KERNEL(dense_weight)(const cj_dense *s, const real *x, const real *gy, real *gw, real *gb,
                             void *scratch) {
  (void)scratch;
  for (int64_t o = 0; o < s->out; o++) {
    for (int64_t n = 0; n < s->rows && gb; n++) gb[o] += gy[n * s->out + o];
    for (int64_t i = 0; i < s->in && gw; i++)
      for (int64_t n = 0; n < s->rows; n++)
        gw[o * s->in + i] += gy[n * s->out + o] * x[n * s->in + i];
  }
}
