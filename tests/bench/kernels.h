/* kernels.h -- what the benchmark of kernels is asked for. */
#ifndef CJ_BENCH_KERNELS_H
#define CJ_BENCH_KERNELS_H

#include <stdbool.h>

#include "kernels/kernel.h"

enum { CJ_MOST_ROUNDS = 1000 };

typedef struct cj_kernel_bench {
  char **words; /* all of which the name of a kernel must hold */
  int word_count;
  int rounds, batch; /* rounds <= CJ_MOST_ROUNDS */
  bool processor;    /* per second of processor time, not of the clock on the wall */
  bool json;
  bool first; /* nothing was printed yet */
} cj_kernel_bench;

void CJ_KERNEL(bench)(cj_kernel_bench *o);

#endif
