/* lattice.c -- images in planes, taps at constant distances; see lattice.h. */
#include "kernels/lattice.h"

#include <string.h>

#include "kernels/simd.h"

static int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

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

/* Zeros that one image's line can lend to the next one's: as many as both have in every plane, and
 * no more than leave the outputs apart. */
static int64_t axis_overlap(const cj_axis *x) {
  int64_t most = x->span - x->count;
  for (int p = 0; p < x->planes; p++) {
    const int64_t left = -floor_div(x->first[p], x->step);
    const int64_t inside = -floor_div(x->first[p] - x->source, x->step); /* places before the end */
    const int64_t right = x->span - inside;
    if (left < most) most = left;
    if (right < most) most = right;
  }
  return most > 0 ? most : 0;
}

static void lattice_end(cj_lattice *l, int64_t images) {
  const int64_t overlap = axis_overlap(&l->h);
  l->images = images;
  l->pitch = l->h.span - overlap;
  l->line = images * l->pitch;
  l->plane = l->v.span * l->line + overlap;
  l->channel = l->plane * l->v.planes * l->h.planes;
  const bool empty = l->v.count <= 0 || l->h.count <= 0;
  l->positions = empty ? 0 : (l->v.count - 1) * l->line + (images - 1) * l->pitch + l->h.count;
}

void CJ_KERNEL(lattice_gather)(cj_lattice *l, int64_t wanted, int64_t most, int64_t channels,
                               int64_t room) {
  if (l->positions == 0) return;
  int64_t images = (wanted + l->positions - 1) / l->positions;
  const int64_t fit = room / (channels * l->channel + 1);
  if (images > fit) images = fit;
  if (images > most) images = most;
  lattice_end(l, images > 1 ? images : 1);
}

static void axis_forward(cj_axis *x, int64_t source, int64_t count, int64_t k, int64_t stride,
                         int64_t pad, int64_t dil) {
  axis_begin(x, source, count, stride);
  for (int64_t t = 0; t < k; t++) axis_add(x, t, t * dil - pad);
  axis_end(x);
}

void CJ_KERNEL(lattice_forward)(cj_lattice *l, const cj_conv *s) {
  axis_forward(&l->v, s->h, s->oh, s->kh, s->stride_h, s->pad_h, s->dil_h);
  axis_forward(&l->h, s->w, s->ow, s->kw, s->stride_w, s->pad_w, s->dil_w);
  lattice_end(l, 1);
}

/* Input a + stride*i takes part in output i + (a + pad - t*dil)/stride for the taps t that divide.
 */
static void axis_input(cj_axis *x, int64_t size, int64_t out, int64_t k, int64_t stride,
                       int64_t pad, int64_t dil, int64_t a) {
  axis_begin(x, out, a < size ? (size - a + stride - 1) / stride : 0, 1);
  for (int64_t t = 0; t < k; t++)
    if ((a + pad - t * dil) % stride == 0) axis_add(x, t, (a + pad - t * dil) / stride);
  axis_end(x);
  x->to_step = stride;
  x->to_first = a;
}

void CJ_KERNEL(lattice_input)(cj_lattice *l, const cj_conv *s, int64_t a, int64_t b) {
  axis_input(&l->v, s->h, s->oh, s->kh, s->stride_h, s->pad_h, s->dil_h, a);
  axis_input(&l->h, s->w, s->ow, s->kw, s->stride_w, s->pad_w, s->dil_w, b);
  lattice_end(l, 1);
}

void CJ_KERNEL(lattice_offsets)(const cj_lattice *l, int64_t channels, int64_t *off) {
  for (int64_t c = 0; c < channels; c++)
    for (int r = 0; r < l->v.taps; r++)
      for (int s = 0; s < l->h.taps; s++) {
        const int64_t plane = (int64_t)l->v.plane[r] * l->h.planes + l->h.plane[s];
        *off++ = c * l->channel + plane * l->plane + l->v.at[r] * l->line + l->h.at[s];
      }
}

/* The places of a plane's line, or column, whose source lies inside: [low, high). */
static void axis_inside(const cj_axis *x, int64_t first, int64_t *low, int64_t *high) {
  *low = first < 0 ? least(x->span, -floor_div(first, x->step)) : 0;
  *high = first < x->source ? least(x->span, -floor_div(first - x->source, x->step)) : 0;
  if (*high < *low) *high = *low;
}

static void copy_line(const real *from, int64_t step, int64_t count, real *to) {
  if (step == 1)
    vec_copy(to, from, count);
  else
    for (int64_t i = 0; i < count; i++) to[i] = from[i * step];
}

/* Fills one plane of channel c, which is all zeros, with the lines of f->count images. */
static void fill_plane(const cj_lattice *l, int pv, int ph, const cj_fill *f, int64_t c, real *to) {
  int64_t top, bottom, low, high;
  axis_inside(&l->v, l->v.first[pv], &top, &bottom);
  axis_inside(&l->h, l->h.first[ph], &low, &high);
  for (int64_t i = top; i < bottom; i++) {
    const int64_t row = c * l->v.source + l->v.first[pv] + i * l->v.step;
    const int64_t at = row * l->h.source + l->h.first[ph] + low * l->h.step;
    for (int64_t g = 0; g < f->count && low < high; g++)
      copy_line(f->from + at + g * f->image, l->h.step, high - low,
                to + i * l->line + g * l->pitch + low);
  }
}

void CJ_KERNEL(lattice_fill)(const cj_lattice *l, const cj_fill *f, real *planes) {
  memset(planes, 0, (size_t)(f->channels * l->channel + f->slack) * sizeof *planes);
  for (int64_t c = 0; c < f->channels; c++)
    for (int pv = 0; pv < l->v.planes; pv++)
      for (int ph = 0; ph < l->h.planes; ph++, planes += l->plane)
        fill_plane(l, pv, ph, f, c, planes);
}

/* Every element is written once, or added to once: the end of a stored line may be written twice
 * with the same values, that of an added line may not. */
static void put_line(real *y, int64_t step, const real *c, int64_t count, real bias, bool add) {
  int64_t i = 0;
  if (step == 1)
    for (; i + LANES <= count; i += LANES) {
      const vec v = vec_load(c + i) + bias;
      vec_store(y + i, add ? vec_load(y + i) + v : v);
    }
  if (step == 1 && !add && i < count && count >= LANES) {
    vec_store(y + count - LANES, vec_load(c + count - LANES) + bias);
    return;
  }
  for (; i < count; i++) { /* 0 + v would lose the sign of a zero */
    const real v = c[i] + bias;
    y[i * step] = add ? y[i * step] + v : v;
  }
}

void CJ_KERNEL(lattice_store)(const cj_lattice *l, const cj_store *s) {
  const int64_t end = s->q + s->count;
  const bool solid = l->images == 1 && l->h.to_step == 1 && l->v.to_step == 1 &&
                     l->pitch == l->h.count && s->line == l->h.count; /* nothing to drop */
  for (int64_t q = s->q, next; q < end; q = next) {
    const int64_t i = q / l->line, g = q % l->line / l->pitch, j = q % l->line % l->pitch;
    next = solid ? end : least(end, q + l->pitch - j);
    const int64_t most = solid ? s->count : l->h.count - j;
    const int64_t wanted = g < s->images ? least(most, next - q) : 0;
    real *y = s->y + g * s->image + (l->v.to_first + i * l->v.to_step) * s->line + l->h.to_first +
              j * l->h.to_step;
    for (int r = 0; r < s->rows && wanted > 0; r++)
      put_line(y + r * s->plane, l->h.to_step, s->c + r * s->width + (q - s->q), wanted,
               s->bias ? s->bias[r] : 0, s->add);
  }
}
