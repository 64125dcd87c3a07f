/* adapt.h -- what chains learn in the burn-in: the size of their steps, and where the defence
 * begins.
 */
#ifndef CJ_PACKET_ADAPT_H
#define CJ_PACKET_ADAPT_H

#include "packet/mcmc.h"

/* Mean acceptance of the chains that took a step; -1 for none. */
double cj_mcmc_acceptance(const cj_mcmc *m);

/* After a step of the burn-in; leaves nothing of m->chance. */
void cj_mcmc_adapt(cj_mcmc *m);

#endif
