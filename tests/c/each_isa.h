/* each_isa.h -- for a test of kernels. Its file is compiled once per instruction set and type and
 * ends with
 *
 *   int CJ_KERNEL(test)(void) {
 *     ...
 *     CHECK_DONE();
 *   }
 *
 * each_isa.c holds main, which calls all those that this machine runs. */
#ifndef CJ_EACH_ISA_H
#define CJ_EACH_ISA_H

#include "check.h"
#include "kernels/kernel.h"

/* Returns 0 when all checks held. */
int CJ_KERNEL(test)(void);

#endif
