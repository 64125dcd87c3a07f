/* traces.h -- whether chains agree: split R-hat and effective sample size of many variables.
 *
 * Every chain is split in two halves, of which only count, mean and spread are kept. With the
 * variance W inside and V between the means of the 2 C halves of n steps,
 *
 *   var = (n - 1) / n W + V,   R-hat = sqrt(var / W),   ESS = 2 C var / V
 *
 * [Gelman et al. 2013, section 11.4]. The effective sample size is thus that of batch means whose
 * batches are the halves; no correlation inside a chain has to be summed up. */
#ifndef CJ_PACKET_TRACES_H
#define CJ_PACKET_TRACES_H

#include <stdint.h>

#include "core/status.h"

typedef struct cj_traces {
  int64_t chains, variables, half; /* half: steps of a half */
  double *mean, *squares;          /* [2 chains, variables]; squares: of distances from the mean */
} cj_traces;

/* For `steps` steps (even, at least 4) of every chain. CJ_EMEM. */
cj_status cj_traces_open(cj_traces *t, int64_t chains, int64_t variables, int64_t steps);
void cj_traces_drop(cj_traces *t);

/* Adds step number `step` of a variable of a chain; in the order of steps. */
void cj_traces_add(cj_traces *t, int64_t chain, int64_t step, int64_t variable, double value);

typedef struct cj_agreement {
  double rhat, ess;
} cj_agreement;

/* Of one variable, when all steps were added. A variable that never moved has R-hat 1 where all
 * chains agree on it, else infinity. */
cj_agreement cj_traces_agreement(const cj_traces *t, int64_t variable);

#endif
