/* pilot.h -- choosing the tilt of a defensive mixture from a small measurement before.
 *
 * The pilot is a measurement of one label with the terms "pilot", whose losses were kept, by a
 * mixture of its own (at first with s = 0). Two
 * directions are known in closed form; how far to go along them is chosen by the effective sample
 * size that the pilot's own points predict, where 0 is a choice.
 *
 * 1. The mean of grad log l^2 under rho, s = 2 E[l grad l] / E[l^2]: the tilt with the least
 *    E_rho |grad log rho - grad log rho~|^2 [Hyvarinen 2005]. In a window it matches the mean of
 *    rho exactly [Stein]; for l = exp(b.x) it is rho itself after any sample. Matching the
 *    weighted mean of x would add the noise of all pixels: with 784 of them and 2000 points the
 *    result is worse than nothing. Gradients are noisy only along what the network looks at. On a
 *    box that mean sees no more than the faces, and is 0 where l vanishes there; the distance
 *    k = (x - low) (high - x) from them goes into both means as a weight [Yu et al. 2019].
 * 2. For data, where most of the spread is between the images, and no slope knows of it: a step to
 *    the mean of rho along the line to it. */
#ifndef CJ_PACKET_PILOT_H
#define CJ_PACKET_PILOT_H

#include "packet/run.h"
#include "packet/tilt.h"

/* The slope [n] of a tilt of p->reference, from the pilot p of which s has the sums, and the
 * effective sample size, over the samples, that they predict for it; 0 and no tilt where no loss is
 * above 0. CJ_EMEM. */
cj_status cj_pilot_fit(const cj_packet *p, const cj_packet_sums *s, double *slope,
                       double *evenness);

#endif
