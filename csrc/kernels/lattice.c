/* lattice.c -- images in planes, taps at constant distances; see lattice.h. */
#include "kernels/lattice.h"

#include <string.h>

static int64_t floor_div(int64_t a, int64_t b) {
  const int64_t q = a / b;
  return q * b > a ? q - 1 : q;
}

static void axis_begin(cj_axis *x, int64_t source, int64_t count, int64_t step) {
  x->source = source;
  x->count = count;
  x->step = step;
  x->taps = 0;
  x->planes = 0;
  x->to_step = 1;
  x->to_first = 0;
}

/* Adds kernel place `tap`, which reads source coordinate step*i + shift. Until axis_end, `at` holds
 * the quotient of the shift and `first` of a plane its remainder. */
static void axis_add(cj_axis *x, int64_t tap, int64_t shift) {
  const int64_t quotient = floor_div(shift, x->step), rest = shift - quotient * x->step;
  int p = 0;
  while (p < x->planes && x->first[p] != rest) p++;
  if (p == x->planes) x->first[x->planes++] = rest;
  x->tap[x->taps] = tap;
  x->at[x->taps] = quotient;
  x->plane[x->taps++] = p;
}

static void axis_end(cj_axis *x) {
  int64_t low = x->taps ? x->at[0] : 0, high = low;
  for (int t = 1; t < x->taps; t++) {
    if (x->at[t] < low) low = x->at[t];
    if (x->at[t] > high) high = x->at[t];
  }
  for (int t = 0; t < x->taps; t++) x->at[t] -= low;
  for (int p = 0; p < x->planes; p++) x->first[p] += x->step * low;
  x->span = x->count + high - low;
}

static void lattice_end(cj_lattice *l) {
  axis_end(&l->v);
  axis_end(&l->h);
  l->plane = l->v.span * l->h.span;
  l->channel = l->plane * l->v.planes * l->h.planes;
  const bool empty = l->v.count <= 0 || l->h.count <= 0;
  l->positions = empty ? 0 : (l->v.count - 1) * l->h.span + l->h.count;
}

static void axis_forward(cj_axis *x, int64_t source, int64_t count, int64_t k, int64_t stride,
                         int64_t pad, int64_t dil) {
  axis_begin(x, source, count, stride);
  for (int64_t t = 0; t < k; t++) axis_add(x, t, t * dil - pad);
}

void CJ_KERNEL(lattice_forward)(cj_lattice *l, const cj_conv *s) {
  axis_forward(&l->v, s->h, s->oh, s->kh, s->stride_h, s->pad_h, s->dil_h);
  axis_forward(&l->h, s->w, s->ow, s->kw, s->stride_w, s->pad_w, s->dil_w);
  lattice_end(l);
}

/* Input a + stride*i takes part in output i + (a + pad - t*dil)/stride for the taps t that divide.
 */
static void axis_input(cj_axis *x, int64_t size, int64_t out, int64_t k, int64_t stride,
                       int64_t pad, int64_t dil, int64_t a) {
  axis_begin(x, out, a < size ? (size - a + stride - 1) / stride : 0, 1);
  for (int64_t t = 0; t < k; t++)
    if ((a + pad - t * dil) % stride == 0) axis_add(x, t, (a + pad - t * dil) / stride);
  x->to_step = stride;
  x->to_first = a;
}

void CJ_KERNEL(lattice_input)(cj_lattice *l, const cj_conv *s, int64_t a, int64_t b) {
  axis_input(&l->v, s->h, s->oh, s->kh, s->stride_h, s->pad_h, s->dil_h, a);
  axis_input(&l->h, s->w, s->ow, s->kw, s->stride_w, s->pad_w, s->dil_w, b);
  lattice_end(l);
}

void CJ_KERNEL(lattice_offsets)(const cj_lattice *l, int64_t channels, int64_t *off) {
  for (int64_t c = 0; c < channels; c++)
    for (int r = 0; r < l->v.taps; r++)
      for (int s = 0; s < l->h.taps; s++) {
        const int64_t plane = (int64_t)l->v.plane[r] * l->h.planes + l->h.plane[s];
        *off++ = c * l->channel + plane * l->plane + l->v.at[r] * l->h.span + l->h.at[s];
      }
}

/* One line of a plane: places whose source lies outside become zeros. */
static void fill_line(const cj_axis *x, int64_t first, const real *from, real *to) {
  const int64_t step = x->step;
  int64_t low = first < 0 ? (-first + step - 1) / step : 0;
  int64_t high = first < x->source ? (x->source - first + step - 1) / step : 0;
  if (low > x->span) low = x->span;
  if (high > x->span) high = x->span;
  if (high < low) high = low;
  for (int64_t i = 0; i < low; i++) to[i] = 0;
  if (step == 1)
    memcpy(to + low, from + first + low, (size_t)(high - low) * sizeof *to);
  else
    for (int64_t i = low; i < high; i++) to[i] = from[first + i * step];
  for (int64_t i = high; i < x->span; i++) to[i] = 0;
}

static real *fill_plane(const cj_lattice *l, int pv, int ph, const real *image, real *to) {
  for (int64_t i = 0; i < l->v.span; i++, to += l->h.span) {
    const int64_t row = l->v.first[pv] + i * l->v.step;
    if (row >= 0 && row < l->v.source)
      fill_line(&l->h, l->h.first[ph], image + row * l->h.source, to);
    else
      memset(to, 0, (size_t)l->h.span * sizeof *to);
  }
  return to;
}

void CJ_KERNEL(lattice_fill)(const cj_lattice *l, int64_t channels, const real *image, real *planes,
                             int64_t slack) {
  for (int64_t c = 0; c < channels; c++, image += l->v.source * l->h.source)
    for (int pv = 0; pv < l->v.planes; pv++)
      for (int ph = 0; ph < l->h.planes; ph++) planes = fill_plane(l, pv, ph, image, planes);
  memset(planes, 0, (size_t)slack * sizeof *planes);
}

static void put_line(real *y, int64_t step, const real *c, int64_t count, real bias, bool add) {
  if (step == 1 && add)
    for (int64_t i = 0; i < count; i++) y[i] += c[i] + bias;
  else if (step == 1)
    for (int64_t i = 0; i < count; i++) y[i] = c[i] + bias;
  else if (add)
    for (int64_t i = 0; i < count; i++) y[i * step] += c[i] + bias;
  else
    for (int64_t i = 0; i < count; i++) y[i * step] = c[i] + bias;
}

void CJ_KERNEL(lattice_store)(const cj_lattice *l, const cj_store *s) {
  const int64_t span = l->h.span, end = s->q + s->count;
  for (int64_t q = s->q; q < end;) {
    const int64_t i = q / span, j = q % span;
    const int64_t next = q + span - j < end ? q + span - j : end;
    const int64_t wanted = l->h.count - j < next - q ? l->h.count - j : next - q;
    real *y =
        s->y + (l->v.to_first + i * l->v.to_step) * s->line + l->h.to_first + j * l->h.to_step;
    for (int r = 0; r < s->rows && wanted > 0; r++)
      put_line(y + r * s->plane, l->h.to_step, s->c + r * s->width + (q - s->q), wanted,
               s->bias ? s->bias[r] : 0, s->add);
    q = next;
  }
}
