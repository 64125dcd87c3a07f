/* estimate.h -- from means of base terms to the quantities of a packet, each with its standard
 * error.
 *
 * For pixel i (the definitions are those of notebooks/uncertainty.md): mean mu and
 * width sigma_x of x under rho; gradient norm g, mean momentum c and width sigma_p; C and the
 * boundary term B; the bound |1 - B| / 2, the product P = sigma_x sigma_p and U = sigma_x g; slack
 * P - bound and tightness bound / P. */
#ifndef CJ_PACKET_ESTIMATE_H
#define CJ_PACKET_ESTIMATE_H

#include "packet/moments.h"

typedef enum cj_quantity {
  CJ_BETA,
  CJ_MU,
  CJ_SIGMA_X,
  CJ_G,
  CJ_C,      /* from the volume */
  CJ_C_FACE, /* from the faces, as all with that ending */
  CJ_SIGMA_P,
  CJ_B,
  CJ_B_FACE,
  CJ_BOUND, /* of the faces where they are known */
  CJ_P,
  CJ_U,
  CJ_SLACK,
  CJ_TIGHTNESS,
  CJ_B_GAP,       /* B_FACE - B */
  CJ_C_GAP,       /* C_FACE - C */
  CJ_FIELD_SD,    /* of a field a(x): its standard deviation under rho, */
  CJ_FIELD_COV,   /* its covariance with the pixel, */
  CJ_FIELD_CORR,  /* the correlation, */
  CJ_FIELD_BOUND, /* |covariance|, */
  CJ_FIELD_P,     /* and the product of the two widths, which cannot be below */
  CJ_QUANTITIES
} cj_quantity;

const char *cj_quantity_name(int q); /* NULL past the last */

typedef struct cj_estimate {
  double value, error; /* NaN where the base terms do not tell */
} cj_estimate;

/* How base terms are to be read. */
typedef struct cj_reading {
  const char *set;         /* name of the term set */
  double centre;           /* m of this pixel */
  bool whole;              /* the domain is all of R^n: no faces, B = 0 and c = 0 */
  double low, high;        /* its faces; used by "faces" */
  double tau;              /* of the window; used by "window" */
  bool direct_x, direct_p; /* "window": widths of x and p without Stein's identities */
} cj_reading;

/* Chooses the forms for a window: Stein's, unless a variance came out below 0; surer: those of
 * which P has the smallest standard error. For points of rho or near it: there the direct forms are
 * the better ones at pixels that l depends on strongly, Stein's at all others. */
void cj_reading_choose(cj_reading *r, const cj_means *m, bool surer);

/* All quantities of one pixel. */
void cj_estimate_pixel(const cj_reading *r, const cj_means *m, cj_estimate out[CJ_QUANTITIES]);
/* What they change by, at most and to first order, when every sample's terms change like those that
 * `change` is known from: |change| with its own standard error, and what rounding of the means by
 * the share `unit` does. */
void cj_estimate_changes(const cj_reading *r, const cj_means *m, const cj_means *change,
                         double unit, double out[CJ_QUANTITIES]);
/* Their values alone: needs no covariances. */
void cj_estimate_values(const cj_reading *r, const cj_means *m, double out[CJ_QUANTITIES]);

/* The parts of g^2 of one pixel where nu is not constant, from means of the set "parts". */
typedef enum cj_part { CJ_PART_LOSS, CJ_PART_CROSS, CJ_PART_WINDOW, CJ_PARTS } cj_part;
void cj_estimate_parts(const cj_means *m, cj_estimate out[CJ_PARTS]);

#endif
