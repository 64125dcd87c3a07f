/* reference.h -- where a packet lives: domain and density nu, and points drawn from nu.
 *
 * Point number s of a reference depends on the seed and on s alone. Points have n elements of a
 * float type. */
#ifndef CJ_PACKET_REFERENCE_H
#define CJ_PACKET_REFERENCE_H

#include "core/random.h"
#include "core/tensor.h"

typedef enum cj_reference_kind {
  CJ_REFERENCE_BOX,    /* uniform on [low, high]^n */
  CJ_REFERENCE_WINDOW, /* N(x0, tau^2 I) on R^n */
  CJ_REFERENCE_DATA    /* the mixture 1/count sum_k N(x_k, tau^2 I) */
} cj_reference_kind;

typedef struct cj_reference {
  cj_reference_kind kind;
  cj_dtype dtype;
  int64_t n;
  uint64_t seed;
  uint64_t stream;  /* points of different streams have nothing in common */
  double low, high; /* of a box */
  double tau;
  const void *centres; /* x0 [n], or the x_k [count, n]; of the type */
  int64_t count;
} cj_reference;

/* Is log nu constant on the domain? Then there is no score. */
bool cj_reference_flat(const cj_reference *r);

/* Point `number` into x [n]; gives the centre it was drawn around, from 0. */
int64_t cj_reference_draw(const cj_reference *r, int64_t number, void *x);
/* The same around centre k moved by tau^2 slope [n]; slope: NULL for none. */
void cj_reference_draw_around(const cj_reference *r, int64_t number, int64_t k, const double *slope,
                              void *x);
/* The random numbers of point `number`. */
cj_stream cj_reference_stream(const cj_reference *r, const char *purpose, int64_t number);

/* d log nu / dx at x into score [n], where log nu is not constant; gives log nu up to a constant.
 * near: a centre not far from x, which saves time. scratch: n + `count` doubles. */
double cj_reference_score(const cj_reference *r, const void *x, int64_t near, void *score,
                          double *scratch);

#endif
