/* adapt.c -- step size and limit of chains while they burn in. */
#include "packet/adapt.h"

#include <math.h>
#include <stdlib.h>

/* The limit is a running mean over some 1 / FORGET steps. */
static const double FORGET = 0.05;

double cj_mcmc_acceptance(const cj_mcmc *m) {
  double sum = 0, count = 0;
  for (int64_t c = 0; c < m->set.chains; c++) {
    if (m->eps[c] == 0) continue;
    sum += m->chance[c];
    count++;
  }
  return count > 0 ? sum / count : -1;
}

static int by_size(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Moves the limit to where the wanted share of the chains is above it. */
static void adapt_limit(cj_mcmc *m) {
  double *steep = m->chance; /* done with, in this step */
  int64_t alive = 0;
  for (int64_t c = 0; c < m->set.chains; c++)
    if (!cj_place_dead(&m->now, c)) steep[alive++] = m->now.steep[c];
  qsort(steep, (size_t)alive, sizeof *steep, by_size);
  const double at = alive ? steep[(int64_t)((1 - m->set.defence) * (double)(alive - 1))] : 0;
  if (!(at > 0)) return;
  m->log_limit += fmax(1 / ++m->quantiles, FORGET) * (log(at) - m->log_limit);
}

/* The step size by stochastic approximation [Robbins & Monro 1951], in the end its mean over the
 * second half. */
void cj_mcmc_adapt(cj_mcmc *m) {
  const double rate = cj_mcmc_acceptance(m), after = (double)(m->step + 1);
  if (rate >= 0) m->log_eps += (rate - m->set.acceptance) * 4 / sqrt(after + 15);
  if (m->step >= m->set.burn / 4) adapt_limit(m);
  if (m->step >= m->set.burn / 2) m->log_eps_sum += m->log_eps;
  if (m->step + 1 < m->set.burn) return;
  m->log_eps = m->log_eps_sum / (double)(m->set.burn - m->set.burn / 2);
  for (int64_t c = 0; c < m->set.chains; c++) m->dead += cj_place_dead(&m->now, c);
}
