/* symmetric.h -- factors, inverses and eigenvalues of symmetric matrices, in double, row by row.
 *
 * Plain loops in a fixed order on one thread: the same bits everywhere. Some n^3 multiply-adds
 * each, eigenvectors some 6 n^3. */
#ifndef CJ_PACKET_SYMMETRIC_H
#define CJ_PACKET_SYMMETRIC_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

/* The lower triangle L of a = L L' into the lower triangle of a [n, n], of which nothing else is
 * read. false when a is not positive definite: when a pivot falls below 1e-12 of its diagonal. */
bool cj_cholesky(int64_t n, double *a);

/* Solves L y = b for the m columns of b [n, m], in place. */
void cj_lower_solve(int64_t n, const double *l, int64_t m, double *b);

/* Eigenvalues of a [n, n], rising, into values [n]; unit eigenvectors into the rows of vectors
 * [n, n] unless that is NULL. a is used up. Householder's reduction to three diagonals, then QL
 * with implicit shifts [Golub & Van Loan 2013, sections 8.3.1 and 8.3.3]. CJ_EMEM; CJ_ESTOP when
 * the user asked to stop; CJ_EARG when a holds no numbers. */
cj_status cj_symmetric_eigen(int64_t n, double *a, double *values, double *vectors);

#endif
