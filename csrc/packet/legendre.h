/* legendre.h -- nodes and weights of Gauss-Legendre quadrature of any order. */
#ifndef CJ_PACKET_LEGENDRE_H
#define CJ_PACKET_LEGENDRE_H

#include <stdint.h>

/* The rule of `count` nodes on [0, 1], rising; weights add up to 1. Exact for polynomials of a
 * degree below 2 count. */
void cj_legendre(int64_t count, double *node, double *weight);

#endif
