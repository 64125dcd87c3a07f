/* cpu.h -- which instruction set the kernels use; chosen once, at load. */
#ifndef CJ_CPU_H
#define CJ_CPU_H

#include "core/status.h"

typedef enum cj_isa { CJ_BASE, CJ_AVX2, CJ_AVX512, CJ_ISAS } cj_isa;

/* "base", "avx2", "avx512". */
const char *cj_isa_name(cj_isa isa);

/* The best set that was compiled in and that this machine runs; or the one named by CJ_ISA in the
 * environment, and CJ_EARG if that one is unknown, not compiled in or not runnable here. */
cj_status cj_isa_choose(cj_isa *out);

#endif
