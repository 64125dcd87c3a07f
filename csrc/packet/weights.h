/* weights.h -- how even the weights w = v l^2 of the samples are: the gates of every estimate.
 *
 * Streaming: sums, the largest weight, and the largest weights for the tail, as many as the Pareto
 * fit looks at. */
#ifndef CJ_PACKET_WEIGHTS_H
#define CJ_PACKET_WEIGHTS_H

#include <stdint.h>

#include "core/status.h"

typedef struct cj_weights {
  double count, sum, squares;
  double *top; /* a heap of the largest, the least of them first */
  int64_t kept, room;
} cj_weights;

/* Weights that the tail of `samples` samples is made of: min(samples / 5, 3 sqrt(samples)). */
int64_t cj_tail_size(int64_t samples);

/* For at most `samples` samples. CJ_EMEM. */
cj_status cj_weights_open(cj_weights *w, int64_t samples);
void cj_weights_drop(cj_weights *w);
void cj_weights_add(cj_weights *w, double weight);
/* Adds what `from` has seen. */
void cj_weights_merge(cj_weights *w, const cj_weights *from);

typedef struct cj_evenness {
  double samples, ess; /* (sum w)^2 / sum w^2 */
  double largest;      /* share of the largest weight in the sum */
  double k;            /* Pareto shape of the tail; NaN with fewer than 5 weights in it */
} cj_evenness;

cj_evenness cj_weights_evenness(const cj_weights *w);

/* Shape k and scale of the generalised Pareto distribution of n exceedances in rising order,
 * all >= 0 [Zhang & Stephens 2009, with the prior of Vehtari et al. 2024]. */
double cj_pareto_shape(int64_t n, const double *excess);

#endif
