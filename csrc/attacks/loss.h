/* loss.h -- what an attack climbs, as a function of the logits of one sample.
 *
 * Every loss is to be maximised. Untargeted: away from the label y. Targeted (target >= 0): toward
 * the target. Values and slopes are computed in double. */
#ifndef CJ_LOSS_H
#define CJ_LOSS_H

#include <stdint.h>

#include "core/status.h"

typedef enum cj_loss {
  CJ_LOSS_CE,     /* -log softmax(z)_y; targeted: log softmax(z)_t */
  CJ_LOSS_MARGIN, /* max_{i != y} z_i - z_y; targeted: z_t - max_{i != t} z_i */
  CJ_LOSS_DLR,    /* the margin over a spread of the logits [Croce & Hein 2020a, section 4] */
  CJ_LOSSES
} cj_loss;

/* "ce", "margin", "dlr". */
const char *cj_loss_name(cj_loss kind);
/* The loss of that name ("cw" is another name of the margin) in *out, or CJ_EARG. */
cj_status cj_loss_parse(cj_loss *out, const char *name);

/* The loss that is used for K classes when `kind` is asked for: the margin instead of DLR at K = 2,
 * where the spread z_(1) - z_(3) does not exist. */
cj_loss cj_loss_for(cj_loss kind, int64_t classes);

/* Value of the loss at the K logits z; its slope in slope[K] unless that is NULL. target < 0:
 * untargeted. 0 <= y < K, target < K, K >= 2. */
double cj_loss_value(cj_loss kind, int64_t classes, const double *z, int64_t y, int64_t target,
                     double *slope);

/* Smallest index among the largest (smallest) of the K logits, leaving out class `but` (-1: none).
 */
int64_t cj_largest(int64_t classes, const double *z, int64_t but);
int64_t cj_smallest(int64_t classes, const double *z, int64_t but);

#endif
