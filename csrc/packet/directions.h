/* directions.h -- operators along k directions u: what a measurement adds up beside the pixels.
 *
 * A direction is a pixel of a turned frame: with z = u.(x - m) and d = u.D its numbers come from
 * the base terms of pixels, and from matrix.h with all others together. The boundary term of a box
 * needs every face:
 *
 *   B_u = sum_i u_i [ (u.(x - mu)) l^2 at x_i = b  -  the same at x_i = a ] / ((b - a) beta),
 *
 * where u.x at a face is u.x + u_i (b - x_i). With h and f for v l^2 at the upper and lower face,
 *
 *   s = sum_i u_i (h_i - f_i) / (b - a),   e_i = ((b - x_i) h_i - (a - x_i) f_i) / (b - a),
 *   B_u = mean(s (z - u.(mu - m)) + sum_i u_i^2 e_i) / beta,   c_u = mean(s) / (2 beta). */
#ifndef CJ_PACKET_DIRECTIONS_H
#define CJ_PACKET_DIRECTIONS_H

#include "packet/matrix.h"
#include "packet/run.h"

/* Of one label. */
typedef struct cj_direction_sums {
  cj_moments each; /* of directions by themselves */
  cj_matrix joint; /* of all together, if wanted */
} cj_direction_sums;

typedef struct cj_directions {
  int64_t k, labels;
  const double *u; /* [k, n], unit vectors */
  bool joint;      /* with the matrix form */
  cj_direction_sums *all,
      *faces;               /* [labels]; faces: NULL unless those of all pixels are asked for */
  double *origin;           /* [k] zeros: where z is counted from */
  double *room[CJ_BATCHES]; /* scratch */
} cj_directions;

/* u, which is borrowed, holds k rows of p->reference.n numbers. CJ_EARG when the sums of the matrix
 * form would take more than CJ_MATRIX_MOST_BYTES; CJ_EMEM. */
#define CJ_MATRIX_MOST_BYTES 500e6
cj_status cj_directions_open(cj_directions *a, const cj_packet *p, int64_t k, const double *u,
                             bool joint);
void cj_directions_drop(cj_directions *a);

/* Adds the samples of e to a batch of a label: to `faces` where e has low and high, else to `all`.
 * Different batches may be filled on different threads. */
void cj_directions_add(cj_directions *a, const cj_packet *p, int64_t label, int batch,
                       const cj_evidence *e);

#endif
