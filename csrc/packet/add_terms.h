/* add_terms.h -- adds the base terms of samples to their sums, 8 pixels at a time. For the files of
 * terms/, which say what the terms are. */
#ifndef CJ_PACKET_ADD_TERMS_H
#define CJ_PACKET_ADD_TERMS_H

#include <string.h>

#include "packet/terms.h"

typedef double wide __attribute__((vector_size(CJ_TERM_LANES * sizeof(double)), aligned(8)));
typedef real narrow __attribute__((vector_size(CJ_TERM_LANES * sizeof(real)), aligned(4)));

/* Pixels i .. i + lanes - 1 of one sample. */
typedef struct place {
  const cj_evidence *e;
  int64_t row, i;
  int lanes;
} place;

/* Results go through pointers: vectors wider than the instruction set's have no calling convention.
 * Fewer than 8 pixels are followed by zeros. */
static inline void load_real(const place *at, const void *values, wide *out) {
  const real *from = (const real *)values + at->row * at->e->n + at->i;
  narrow v = {0};
  if (at->lanes == CJ_TERM_LANES)
    memcpy(&v, from, sizeof v);
  else
    memcpy(&v, from, (size_t)at->lanes * sizeof(real));
  *out = __builtin_convertvector(v, wide);
}

static inline void load_double(const place *at, const double *from, wide *out) {
  *out = (wide){0};
  if (at->lanes == CJ_TERM_LANES)
    memcpy(out, from, sizeof *out);
  else
    memcpy(out, from, (size_t)at->lanes * sizeof(double));
}

/* l sqrt(nu)'s slope over sqrt(nu): dl/dx + l d log nu / dx / 2. */
static inline void load_slope(const place *at, wide *out) {
  wide score;
  load_real(at, at->e->g, out);
  if (!at->e->score) return;
  load_real(at, at->e->score, &score);
  *out += 0.5 * at->e->l[at->row] * score;
}

/* x - m. */
static inline void load_shift(const place *at, wide *out) {
  wide centre;
  load_real(at, at->e->x, out);
  load_double(at, at->e->centre + at->i, &centre);
  *out -= centre;
}

typedef void (*term_maker)(const place *at, wide *b);

/* terms and make are constants where this is inlined, so that the sums stay in registers. */
static inline __attribute__((always_inline)) void add_terms(const cj_evidence *e, int terms,
                                                            term_maker make, double *sums) {
  const int all = terms + terms * (terms + 1) / 2;
  for (int64_t i = 0; i < e->n; i += CJ_TERM_LANES, sums += all * CJ_TERM_LANES) {
    const int lanes = (int)min64(e->n - i, CJ_TERM_LANES);
    wide sum[all], b[terms];
    memcpy(sum, sums, sizeof sum);
    for (int64_t row = 0; row < e->rows; row++) {
      make(&(place){e, row, i, lanes}, b);
      wide *product = sum + terms;
      for (int p = 0; p < terms; p++) {
        sum[p] += b[p];
        for (int q = 0; q <= p; q++) *product++ += b[p] * b[q];
      }
    }
    memcpy(sums, sum, sizeof sum);
  }
}

#endif
