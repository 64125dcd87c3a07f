/* window.c -- the terms of the low-variance forms for a Gaussian window nu = N(x0, tau^2 I).
 *
 * With w = v l^2 and the centre m = x0:  w, v l dl/dx, v l dl/dx (x - x0), v (dl/dx)^2, and
 * w (x - x0), w (x - x0)^2 for the plain forms beside them. */
#include "packet/add_terms.h"

enum { WINDOW = 6 };

static inline void window_terms(const place *at, wide *b) {
  const double v = at->e->v[at->row], l = at->e->l[at->row];
  const wide none = {0};
  wide g, x;
  load_real(at, at->e->g, &g);
  load_shift(at, &x);
  b[0] = none + v * l * l;
  b[1] = v * l * g;
  b[2] = b[1] * x;
  b[3] = v * g * g;
  b[4] = b[0] * x;
  b[5] = b[4] * x;
}

static void add_window(const cj_evidence *e, double *sums) {
  add_terms(e, WINDOW, window_terms, sums);
}

CJ_TERM_SETS(window) = {{"window", WINDOW, add_window}, {0}};
