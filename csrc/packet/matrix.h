/* matrix.h -- the matrix form G >= C Sigma^-1 C' of the uncertainty relation along k directions.
 *
 * With z = U (x - m) and d = U D of a sample, D = dl/dx + l d log nu / dx / 2 (dl/dx alone in a
 * window), w = v l^2, every batch adds up
 *
 *   w, w z, v l d, w z z', v d d', v l d z',
 *
 * and where the faces of a box are known, s, s z' and e: the surface integral of the boundary term
 * B_pq = surface of n_p (z_q - mu_q) psi^2 is mean(s_p (z_q - mu_q)) + U diag(mean(e)) U', over
 * beta, with s and e of directions.h.
 *
 * Standard errors, and the correction of what the inverse of Sigma does to its order of k /
 * samples, are by the jackknife over the batches. */
#ifndef CJ_PACKET_MATRIX_H
#define CJ_PACKET_MATRIX_H

#include <stdbool.h>

#include "packet/moments.h"

typedef struct cj_matrix {
  int64_t k, n; /* directions, pixels */
  bool surface;
  double *sums[CJ_BATCHES];
} cj_matrix;

/* Rows of samples: l, v [rows]; z, d, s [rows, k], e [rows, n]; s and e NULL without a surface. */
typedef struct cj_matrix_rows {
  int64_t rows;
  const double *l, *v, *z, *d, *s, *e;
} cj_matrix_rows;

/* Bytes of all its sums. */
double cj_matrix_bytes(int64_t k, int64_t n, bool surface);

/* CJ_EMEM. */
cj_status cj_matrix_open(cj_matrix *m, int64_t k, int64_t n, bool surface);
void cj_matrix_drop(cj_matrix *m);

/* Adds samples to one batch, one after the other. */
void cj_matrix_add(cj_matrix *m, int batch, const cj_matrix_rows *r);

/* How the sums are to be read. */
typedef struct cj_matrix_reading {
  const double *u; /* [k, n] */
  bool whole;      /* the domain is all of R^n: B = 0 */
  bool window;     /* d is without the score, and m the centre: Stein's identities */
  double tau;      /* of the window */
} cj_matrix_reading;

/* k x k: Sigma, G (centred) and B (of the volume; with a surface, of it; 0 on all of R^n). k each:
 * P = sqrt(Sigma_ii G_ii); VIF = Sigma_ii (Sigma^-1)_ii; bound = sqrt(Sigma_ii (C Sigma^-1 C')_ii),
 * which is sqrt(VIF) / 2 where B = 0; slack = P - bound; eigenvalues of G - C Sigma^-1 C', rising.
 */
typedef enum cj_matrix_part {
  CJ_MATRIX_SIGMA,
  CJ_MATRIX_G,
  CJ_MATRIX_B,
  CJ_MATRIX_P,
  CJ_MATRIX_VIF,
  CJ_MATRIX_BOUND,
  CJ_MATRIX_SLACK,
  CJ_MATRIX_EIGENVALUES,
  CJ_MATRIX_PARTS
} cj_matrix_part;

const char *cj_matrix_name(int part); /* NULL past the last */
/* Where a part begins in the numbers; with CJ_MATRIX_PARTS, how many there are. */
int64_t cj_matrix_offset(int part, int64_t k);

/* All numbers and their standard errors. VIF and what comes after it are corrected for bias.
 * CJ_EARG: a batch is empty, or Sigma is not positive definite; CJ_EMEM; CJ_ESTOP. */
cj_status cj_matrix_estimate(const cj_matrix *m, const cj_matrix_reading *r, double *values,
                             double *errors);

#endif
