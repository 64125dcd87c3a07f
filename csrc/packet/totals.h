/* totals.h -- what all pixels together say, with standard errors by the jackknife over batches: a
 * total's influence function would need every pixel's mean before the first sample. */
#ifndef CJ_PACKET_TOTALS_H
#define CJ_PACKET_TOTALS_H

#include "packet/estimate.h"

typedef enum cj_total {
  CJ_TOTAL_SIGMA_X, /* (sum sigma_x^2)^(1/2) */
  CJ_TOTAL_SIGMA_P, /* (sum sigma_p^2)^(1/2) */
  CJ_TOTAL_P,       /* their product */
  CJ_TOTAL_BOUND,   /* sum |1 - B| / 2, which the product cannot be below */
  CJ_TOTAL_G,       /* (sum g^2)^(1/2), */
  CJ_TOTAL_U,       /* and its product with sigma_x */
  CJ_TOTAL_SLACK,   /* P - bound */
  CJ_TOTAL_TIGHT,   /* bound / P */
  CJ_TOTAL_LOSS,    /* the parts of sum g^2: E[|grad l|^2] / beta, */
  CJ_TOTAL_CROSS,   /* E[l grad l . grad log nu] / beta, */
  CJ_TOTAL_WINDOW,  /* E[l^2 |grad log nu|^2] / (4 beta) */
  CJ_TOTAL_RMS,     /* (beta * loss part)^(1/2): the root mean square of |grad l| */
  CJ_TOTALS
} cj_total;

const char *cj_total_name(int t); /* NULL past the last */

/* all: the moments of all pixels; parts: those of the set "parts", or NULL where nu is constant.
 * readings[n]: one a pixel. */
void cj_estimate_totals(const cj_moments *all, const cj_moments *parts, const cj_reading *readings,
                        cj_estimate out[CJ_TOTALS]);

#endif
