/* fourier.h -- Fourier transforms in double, of lengths that are powers of two. */
#ifndef CJ_PACKET_FOURIER_H
#define CJ_PACKET_FOURIER_H

#include <stdint.h>

#include "core/status.h"

/* Numbers in turn real and imaginary part: z[rows, columns] becomes
 *
 *   Z[k, l] = sum_r,c z[r, c] exp(-2 pi i (k r / rows + l c / columns))
 *
 * rows = 1 for a line. CJ_EMEM; CJ_EARG unless rows and columns are powers of two. */
cj_status cj_fourier(int64_t rows, int64_t columns, double *z);

#endif
