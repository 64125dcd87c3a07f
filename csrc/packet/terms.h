/* terms.h -- base terms: the few numbers of a sample and pixel whose means decide everything.
 *
 * A set of base terms is one file of terms/, compiled once per instruction set and element type. It
 * adds the terms b_p of samples, and their products b_p b_q, to running sums: for every 8 pixels
 *
 *   [terms + terms (terms + 1) / 2][8]:   sum b_0, sum b_1 ...,  sum b_0 b_0, sum b_1 b_0,
 *                                         sum b_1 b_1, sum b_2 b_0 ...
 *
 * Samples are added one after the other, each pixel for itself: how many come in a call, and on
 * which machine, changes no bit. */
#ifndef CJ_PACKET_TERMS_H
#define CJ_PACKET_TERMS_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/kernel.h"

enum { CJ_TERM_LANES = 8 };

/* What is known of `rows` samples of n pixels. Arrays of the element type: [rows, n]. */
typedef struct cj_evidence {
  int64_t rows, n;
  const double *l, *v;      /* losses, and weights nu/q, of the samples */
  const void *x, *g;        /* the points, and dl/dx there */
  const void *score;        /* d log nu / dx; NULL: nu is constant */
  const void *field;        /* l a(x) for a field a, or NULL */
  const double *centre;     /* m [n], near the mean */
  const double *low, *high; /* v l^2 with pixel i at its lower and upper face, [rows, n]; or NULL */
  const double *given;      /* of "pencils": the terms themselves, [rows, terms, n] */
} cj_evidence;

typedef struct cj_term_set {
  const char *name;
  int terms;
  void (*add)(const cj_evidence *e, double *sums);
} cj_term_set;

#define CJ_TERM_SETS(file)                                                                         \
  extern const cj_term_set CJ_JOIN4(cj_term_sets, file, CJ_ISA, CJ_TYPE)[];                        \
  const cj_term_set CJ_JOIN4(cj_term_sets, file, CJ_ISA, CJ_TYPE)[]

/* Written by the build: [instruction set][element type], each a NULL-ended list of tables. */
extern const cj_term_set *const *const cj_term_sets_tables[3][4];

/* The set of that name for elements of type t in the chosen instruction set, or NULL. */
const cj_term_set *cj_term_set_find(const char *name, cj_dtype t);

/* Numbers in the sums of n pixels. */
static inline size_t cj_term_sums(int terms, int64_t n) {
  return (size_t)(divide_up(n, CJ_TERM_LANES) * CJ_TERM_LANES * (terms + terms * (terms + 1) / 2));
}

#endif
