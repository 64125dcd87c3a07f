/* places.h -- where chains stand, and the coordinates y in which they walk.
 *
 * On a box the walk is in y = logit((x - low) / (high - low)), with the Jacobian in
 * the density: a walk in x must reject whatever leaves the box, which in hundreds of dimensions
 * leaves no step worth taking. Elsewhere y = (x - centre) / tau. */
#ifndef CJ_PACKET_PLACES_H
#define CJ_PACKET_PLACES_H

#include <math.h>

#include "packet/run.h"

/* Where the chains stand. Rows of n numbers; x, h and score are of the element type. */
typedef struct cj_places {
  cj_tensor x;
  double *y, *slope, *bend; /* dx/dy, d log(dx/dy) / dy */
  char *h, *score;          /* d log l / dx, d log nu / dx */
  double *l;                /* losses; 0 until the model was asked */
  double *level;            /* log rho up to a constant; -INFINITY where l = 0 */
  double *volume;           /* log det dx/dy up to a constant */
  double *steep, *blunt;    /* |h|^2, and sum (h - h^3 / |h|^2)^2 */
} cj_places;

/* CJ_EMEM. */
cj_status cj_places_open(cj_places *at, const cj_packet *p, int64_t chains);
void cj_places_drop(cj_places *at);

/* Does chain c still stand where l = 0? */
static inline bool cj_place_dead(const cj_places *at, int64_t c) {
  return at->level[c] == -INFINITY;
}

/* Row c of x, h or score. */
char *cj_place_row(const cj_packet *p, const void *values, int64_t c);

void cj_place_copy(const cj_packet *p, cj_places *to, const cj_places *from, int64_t c);

/* y of chain c for its x. */
void cj_place_from_x(const cj_packet *p, cj_places *at, int64_t c);
/* x, slope, bend, volume and score of chain c for its y, and log nu in its level. near: a centre
 * not far from it; scratch: n + centres doubles. */
void cj_place_to_x(const cj_packet *p, cj_places *at, int64_t c, int64_t near, double *scratch);

#endif
