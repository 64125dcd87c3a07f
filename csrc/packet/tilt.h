/* tilt.h -- defensive mixtures: points of a reference, most of them tilted towards where rho is.
 *
 *   q = a nu + (1 - a) rho~,   rho~(x) = nu(x) exp(s.x - A),   A = log E_nu[exp(s.x)]
 *
 * so v = nu / q = 1 / (a + (1 - a) exp(s.x - A)) is in (0, 1/a] [Hesterberg 1995]. The tilt of a
 * box is a product of truncated exponentials, that of a window the window moved by tau^2 s, that of
 * data the mixture whose centres are moved so and weigh exp(s.x_k). */
#ifndef CJ_PACKET_TILT_H
#define CJ_PACKET_TILT_H

#include "packet/reference.h"

typedef struct cj_tilt {
  double share;   /* a, in (0, 1] */
  double *slope;  /* s [n] */
  double *rising; /* [count]: shares of the centres in rho~, summed up */
  double log_mean;
} cj_tilt;

/* A tilt with s = 0: q = nu. CJ_EMEM. */
cj_status cj_tilt_open(cj_tilt *t, const cj_reference *r, double share);
void cj_tilt_drop(cj_tilt *t);
/* Takes over s [n]. */
void cj_tilt_set(cj_tilt *t, const cj_reference *r, const double *slope);

/* Point `number` of q (t NULL: of nu) into x [n]; gives the centre it was drawn around, from 0. */
int64_t cj_tilt_draw(const cj_tilt *t, const cj_reference *r, int64_t number, void *x);
/* s.x */
double cj_tilt_along(const cj_tilt *t, const cj_reference *r, const void *x);
/* v, where s.x = along. */
double cj_tilt_weight(const cj_tilt *t, double along);
/* nu / q of all pixels of a box but i, of which x_i is integrated out. */
double cj_tilt_weight_without(const cj_tilt *t, const cj_reference *r, double along, int64_t i,
                              double x_i);

#endif
