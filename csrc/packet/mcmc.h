/* mcmc.h -- points from rho itself, by Markov chains, where weights of points of nu are too uneven.
 *
 * Hamiltonian Monte Carlo with its one-step case, MALA [Roberts & Tweedie 1996; Neal 2011]. The
 * chains, whose number is a multiple of CJ_BATCHES, walk side by side, so that the model sees all
 * of them in one call. They start at points of nu, take `burn` steps in which the step size is
 * adapted to the wanted acceptance, and then `keep` steps of fixed size, which are added to the
 * moments: chain c to the batch c CJ_BATCHES / chains, so that the spread of the batches is that of
 * independent chains (cj_moments_between).
 *
 * Defence. E_rho[(d log l)^2] has an infinite variance where l crosses zero linearly. Chains draw
 * from
 *
 *   q = max(l^2, |grad l|^2 / limit) nu
 *
 * which is rho where the slope is ordinary and stays positive where l vanishes. Samples carry
 * v = l^2 / max(...), in (0, 1], and v |grad log l|^2 <= limit is bounded. The limit is set in the
 * burn-in so that the share `defence` of the samples is above it.
 *
 * Evidence of a sample is divided by l: loss 1, slope d log l. So beta is unknown to the moments
 * (their first mean is that of v), and nothing underflows however small the losses are.
 *
 * Random numbers are keyed by (seed, chain, step): threads and cuts change no byte. */
#ifndef CJ_PACKET_MCMC_H
#define CJ_PACKET_MCMC_H

#include "packet/chain_field.h"
#include "packet/pencil.h"
#include "packet/places.h"
#include "packet/traces.h"

typedef struct cj_mcmc_settings {
  int64_t chains;    /* a multiple of CJ_BATCHES */
  int64_t burn;      /* at least 1 */
  int64_t keep;      /* even, at least 4 */
  int64_t leaps;     /* most leapfrog steps of a step: 1 is MALA */
  double acceptance; /* that is wanted */
  double defence;    /* share of the samples; 0: q = rho */
} cj_mcmc_settings;

typedef struct cj_mcmc {
  cj_mcmc_settings set;
  cj_places now, next;
  double *momentum, *scratch;                        /* [chains, n] and [chains, n + centres] */
  double *eps, *energy, *chance, *v, *ones;          /* [chains] */
  double *slopes;                                    /* [chains, K] */
  int64_t classes;                                   /* K, once it is known */
  int64_t *near;                                     /* the centre each chain began at */
  double log_eps, log_eps_sum, log_limit, quantiles; /* adapted in the burn-in */
  double accepted, moved;                            /* acceptance of the kept steps, of so many */
  int64_t step, dead; /* steps so far; chains still at l = 0 after burn-in */
  cj_traces traces;   /* of every pixel, and of log rho */
  cj_chain_field field;
  cj_pencils *pencils; /* borrowed: filled from rounds of kept samples; or NULL */
} cj_mcmc;

/* p->label_count must be 1, p->samples = chains * keep, no faces. CJ_EMEM. */
cj_status cj_mcmc_open(cj_mcmc *m, const cj_packet *p, const cj_mcmc_settings *set);
void cj_mcmc_drop(cj_mcmc *m);

/* Takes the next `count` steps, at most burn + keep in all. s->weights takes v |h|^2 of the kept
 * samples: the tail of what g^2 is a mean of. Fails as cj_packet_run does. */
cj_status cj_mcmc_run(cj_mcmc *m, const cj_packet *p, cj_oracle *o, int64_t count,
                      cj_packet_sums *s);

#endif
