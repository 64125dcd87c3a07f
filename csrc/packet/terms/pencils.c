/* pencils.c -- the terms of faces, integrated along lines before they come here. */
#include "packet/add_terms.h"

enum { PENCILS = 8 };

static inline void pencil_terms(const place *at, wide *b) {
  const double *given = at->e->given + at->row * PENCILS * at->e->n + at->i;
  for (int k = 0; k < PENCILS; k++) load_double(at, given + k * at->e->n, &b[k]);
}

static void add_pencils(const cj_evidence *e, double *sums) {
  add_terms(e, PENCILS, pencil_terms, sums);
}

CJ_TERM_SETS(pencils) = {{"pencils", PENCILS, add_pencils}, {0}};
