/* parts.c -- the terms of the three parts of g^2 where nu is not constant.
 *
 * With w = v l^2 and s = d log nu / dx:  w, v (dl/dx)^2, v l dl/dx s, w s^2. Then
 * g^2 = loss + cross + window = (E[(dl)^2] + E[l dl s] + E[l^2 s^2] / 4) / beta. */
#include "packet/add_terms.h"

enum { PARTS = 4 };

static inline void parts_terms(const place *at, wide *b) {
  const double v = at->e->v[at->row], l = at->e->l[at->row];
  const wide none = {0};
  wide g, s;
  load_real(at, at->e->g, &g);
  load_real(at, at->e->score, &s);
  b[0] = none + v * l * l;
  b[1] = v * g * g;
  b[2] = v * l * g * s;
  b[3] = b[0] * s * s;
}

static void add_parts(const cj_evidence *e, double *sums) {
  add_terms(e, PARTS, parts_terms, sums);
}

CJ_TERM_SETS(parts) = {{"parts", PARTS, add_parts}, {0}};
