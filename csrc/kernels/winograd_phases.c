/* winograd_phases.c -- sizes of layers with stride 2, whose kernels of 4 or 3 rows are cut into
 * phases of 2, or 2 and 1. */
#include "kernels/winograd_parts.h"

enum { STEP = 2, TAPS = 2 };

bool CJ_KERNEL(winograd_phases)(const cj_conv *s, int i, cj_winograd *a) {
  static const int choices[] = {3, 4, 5, 7};
  const bool square = s->kh == s->kw && (s->kh == 3 || s->kh == 4);
  const bool padded = s->pad_h >= 0 && s->pad_w >= 0 && s->pad_h < s->kh && s->pad_w < s->kw;
  const bool gradient = s->stride_h == -STEP;
  if (!square || !padded || s->groups != 1 || s->stride_h != s->stride_w || s->dil_h != 1 ||
      s->dil_w != 1 || (s->stride_h != STEP && !gradient) ||
      i >= (int)(sizeof choices / sizeof *choices))
    return false;
  const int outputs = choices[i], y_step = gradient ? STEP : 1, x_step = gradient ? 1 : STEP;
  *a = (cj_winograd){.k = TAPS,
                     .points = outputs + TAPS - 1,
                     .outputs = outputs,
                     .x_step = x_step,
                     .y_step = y_step,
                     .pad_h = s->pad_h,
                     .pad_w = s->pad_w,
                     .halves_h = s->kh / 2,
                     .halves_w = s->kw / 2,
                     .tiles_h = divide_up(divide_up(s->oh, y_step), outputs),
                     .tiles_w = divide_up(divide_up(s->ow, y_step), outputs),
                     .from = divide_up(s->c_in, BLOCK) * x_step * x_step,
                     .to = divide_up(s->c_out, BLOCK)};
  return true;
}

/* One dimension: tap 2r + phase of the layer takes row u of x to row 2 (u + r) + phase - pad of y,
 * with the layer's own pad. */
static void set_axis(int64_t k, int64_t turned_pad, int64_t phase, int64_t *pad, int64_t *first,
                     int64_t *halves) {
  const int64_t taps = winograd_taps(k, phase, STEP), own_pad = k - 1 - turned_pad;
  *first = (phase + own_pad) % STEP;
  *pad = taps - 1 - (*first - phase + own_pad) / STEP;
  *halves = taps == TAPS ? 2 : 0;
}

void CJ_KERNEL(winograd_set_phase)(const cj_conv *s, int phase, cj_winograd *a) {
  if (a->y_step == 1) return;
  set_axis(s->kh, s->pad_h, phase / STEP, &a->pad_h, &a->first_h, &a->halves_h);
  set_axis(s->kw, s->pad_w, phase % STEP, &a->pad_w, &a->first_w, &a->halves_w);
}
