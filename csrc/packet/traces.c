/* traces.c -- means and spreads of halves of chains, and what they say about convergence. */
#include "packet/traces.h"

#include <math.h>

#include "core/memory.h"

cj_status cj_traces_open(cj_traces *t, int64_t chains, int64_t variables, int64_t steps) {
  const size_t bytes = (size_t)(2 * chains * variables) * sizeof(double);
  *t = (cj_traces){.chains = chains, .variables = variables, .half = steps / 2};
  t->mean = cj_alloc_zeroed(bytes);
  t->squares = cj_alloc_zeroed(bytes);
  if (t->mean && t->squares) return CJ_OK;
  cj_traces_drop(t);
  return cj_fail(CJ_EMEM, "no memory for the traces of %lld chains", (long long)chains);
}

void cj_traces_drop(cj_traces *t) {
  cj_free(t->mean);
  cj_free(t->squares);
  *t = (cj_traces){0};
}

void cj_traces_add(cj_traces *t, int64_t chain, int64_t step, int64_t variable, double value) {
  const int64_t at = (2 * chain + (step >= t->half)) * t->variables + variable;
  const double count = (double)(step % t->half + 1), off = value - t->mean[at];
  t->mean[at] += off / count;
  t->squares[at] += off * (value - t->mean[at]);
}

cj_agreement cj_traces_agreement(const cj_traces *t, int64_t variable) {
  const int64_t halves = 2 * t->chains;
  const double n = (double)t->half, m = (double)halves;
  double mean = 0, within = 0, between = 0;
  for (int64_t h = 0; h < halves; h++) {
    mean += t->mean[h * t->variables + variable] / m;
    within += t->squares[h * t->variables + variable] / ((n - 1) * m);
  }
  for (int64_t h = 0; h < halves; h++) {
    const double off = t->mean[h * t->variables + variable] - mean;
    between += off * off / (m - 1);
  }
  if (between == 0) return (cj_agreement){1, within > 0 ? n * m : 0};
  const double all = (n - 1) / n * within + between;
  return (cj_agreement){sqrt(all / within), fmin(m * all / between, n * m)};
}
