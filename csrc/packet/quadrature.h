/* quadrature.h -- packets on slices of one or two dimensions, by Gauss-Legendre quadrature.
 *
 * A slice is a box with a loss l and a density nu. Panels of 8 nodes an axis are bisected until the
 * sums over panels and over their halves agree; what their difference and the roundoff of l do to a
 * result is its error. The boundary term is computed twice: from the faces of the box, where no
 * gradient enters, and from the volume. Both agree unless a gradient is wrong
 * [notebooks/uncertainty.md]. */
#ifndef CJ_PACKET_QUADRATURE_H
#define CJ_PACKET_QUADRATURE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

enum { CJ_MOST_AXES = 2 };

/* Points, and what is asked about them. */
typedef struct cj_slice_points {
  int64_t count;
  const double *x;    /* [count, axes] */
  double *l, *slope;  /* losses [count] and dl/dx [count, axes] */
  double *nu, *score; /* density [count] and d log nu / dx [count, axes]; 1 and 0 until changed */
} cj_slice_points;

typedef struct cj_slice {
  int axes; /* 1 or 2 */
  double low[CJ_MOST_AXES], high[CJ_MOST_AXES];
  cj_status (*look)(void *self, const cj_slice_points *at);
  void *self;
  double tolerance; /* of each sum, relative to its size */
  double roundoff;  /* of losses and slopes, relative; no better tolerance is striven for */
  int64_t panels;   /* of an axis, to begin with */
  int64_t most;     /* points of the box, and of each face, unless the first panels need more */
  int64_t batch;    /* most points of one look */
} cj_slice;

/* Of one axis, with nu normalised and rho = psi^2; D = dl/dx + l score / 2. */
typedef struct cj_slice_axis {
  double mu, sigma_x, g, c, c_face, sigma_p, b, b_face, bound, p, u, slack, tightness, b_gap, c_gap;
  double loss, cross, window; /* the parts of g^2: by dl/dx, both, the score */
} cj_slice_axis;

/* Doubles only, so that a second one holds the errors. Matrices as in G >= C Sigma^-1 C':
 * C[i][j] = int (x_j - mu_j) psi d_i psi; b of the faces; eigen: of G - C Sigma^-1 C', rising. */
typedef struct cj_slice_numbers {
  double beta, ess; /* ess: (mean l^2)^2 / mean l^4, the share of nu's samples that count */
  cj_slice_axis axis[CJ_MOST_AXES];
  double sigma[CJ_MOST_AXES][CJ_MOST_AXES], g[CJ_MOST_AXES][CJ_MOST_AXES];
  double c[CJ_MOST_AXES][CJ_MOST_AXES], b[CJ_MOST_AXES][CJ_MOST_AXES], eigen[CJ_MOST_AXES];
} cj_slice_numbers;

typedef struct cj_slice_result {
  cj_slice_numbers value, error;
  int64_t points, panels; /* looked at; panels of the box at the end */
  bool converged;
} cj_slice_result;

/* CJ_EMEM; CJ_EARG when l is zero everywhere, or something is not finite; what look gives. */
cj_status cj_slice_measure(const cj_slice *s, cj_slice_result *out);

#endif
