/* pilot.c -- the terms of a pilot's mean score.
 *
 * With w = v l^2 and d = x - m:  w, w d^2, v l dl/dx, v l dl/dx d^2. */
#include "packet/add_terms.h"

enum { PILOT = 4 };

static inline void pilot_terms(const place *at, wide *b) {
  const double v = at->e->v[at->row], l = at->e->l[at->row];
  const wide none = {0};
  wide g, x;
  load_real(at, at->e->g, &g);
  load_shift(at, &x);
  b[0] = none + v * l * l;
  b[1] = b[0] * x * x;
  b[2] = v * l * g;
  b[3] = b[2] * x * x;
}

static void add_pilot(const cj_evidence *e, double *sums) {
  add_terms(e, PILOT, pilot_terms, sums);
}

CJ_TERM_SETS(pilot) = {{"pilot", PILOT, add_pilot}, {0}};
