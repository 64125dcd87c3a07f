/* measure.h -- small loops over samples that need no instruction set of their own. */
#ifndef CJ_MEASURE_H
#define CJ_MEASURE_H

#include "attacks/attack.h"

/* d = out - x in the stored precision, n elements each of float type t; gives the number of
 * elements that differ by more than 1e-6. */
int64_t cj_attack_subtract(cj_dtype t, int64_t n, const void *out, const void *x, void *d);

/* d /= norm, unless norm is 0. */
void cj_attack_divide(cj_dtype t, int64_t n, void *d, double norm);

/* CJ_EARG unless all pixels of x [N, ...] lie in b's box, to 1e-6; NaN does not. */
cj_status cj_attack_check_box(const cj_tensor *x, const cj_ball *b);

#endif
