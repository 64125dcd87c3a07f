/* pencil.h -- packets by quadrature along one pixel at a time.
 *
 * A pencil is the line through a point of a box on which a chosen pixel x_i runs from face to face
 * and all others stand still. Gauss-Legendre quadrature along it gives, in one go, all that pixel i
 * needs [notebooks/uncertainty.md]: the means over the line of
 *
 *   l^2,  (x - m) l^2,  (x - m)^2 l^2,  (d_i l)^2,  l d_i l,  (x - m) l d_i l,  l^2 at each face,
 *
 * which are the base terms of faces with one of n coordinates integrated out. For points of nu they
 * are averaged as they are. For points of rho they are divided by the mean of l^2, and are
 * then expectations under rho given all other pixels [Rao-Blackwell]: faces of the box become
 * known, which chains by themselves never touch.
 *
 * Along a pencil 2 int l d_i l (x - m) = [(x - m) l^2] - int l^2 holds exactly, so what the faces
 * say of B and c differs from what the slopes say only by wrong gradients and by quadrature. The
 * error of the latter is known from some pencils that are looked at in two halves as well, of as
 * many nodes each. */
#ifndef CJ_PACKET_PENCIL_H
#define CJ_PACKET_PENCIL_H

#include "packet/run.h"

typedef struct cj_pencil_settings {
  int64_t rounds;        /* of points, through each of which goes one pencil a pixel */
  int64_t nodes;         /* of a pencil */
  int64_t count;         /* of pixels */
  const int64_t *pixels; /* borrowed */
  bool of_rho;           /* points are drawn from rho, up to weights; otherwise from nu */
} cj_pencil_settings;

typedef struct cj_pencils {
  cj_pencil_settings set;
  int64_t labels, done, samples; /* done: rounds */
  double *place, *weight;        /* of the nodes of a pencil, and of those of its halves */
  cj_moments *sums, *changes;    /* [labels]; changes: from whole pencils to halves */
  double *lost;                  /* [count]: pencils of rho with l = 0 at every node of a rule */
} cj_pencils;

/* Points with their weights v, or NULL for 1. Row k belongs to batch k * CJ_BATCHES / rows. */
typedef struct cj_pencil_round {
  int64_t rows;  /* a multiple of CJ_BATCHES */
  const void *x; /* [rows, n], of the reference's type */
  const double *v;
} cj_pencil_round;

/* The reference of p must be a box. CJ_EMEM. */
cj_status cj_pencils_open(cj_pencils *s, const cj_packet *p, const cj_pencil_settings *set);
void cj_pencils_drop(cj_pencils *s);

/* Adds the pencils of one round; those of the first round are looked at in halves, too, one point a
 * batch. Fails as cj_packet_run does. */
cj_status cj_pencils_add(cj_pencils *s, const cj_packet *p, cj_oracle *o, const cj_pencil_round *r);

/* Up to `count` rounds of CJ_BATCHES points of the reference, or of its defensive mixture. */
cj_status cj_pencils_run(cj_pencils *s, const cj_packet *p, cj_oracle *o, int64_t count);

#endif
