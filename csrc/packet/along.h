/* along.h -- losses at points of a line or plane of images, and their slopes along it, through a
 * compiled model. */
#ifndef CJ_PACKET_ALONG_H
#define CJ_PACKET_ALONG_H

#include "packet/loss.h"
#include "plan/crew.h"

/* Images x(t) = x0 + sum_a t_a u_a of the type that the model takes. */
typedef struct cj_along {
  cj_crew *crew; /* compiled for gradients */
  cj_packet_loss loss;
  int64_t label; /* from 0, below the number of logits */
  int axes;
  const double *x0, *u; /* [pixels] and [axes, pixels] */
} cj_along;

/* The model's first result as logits [B, K]: K; 0 when it has another form. */
int64_t cj_along_classes(const cj_along *a);

/* l[n] and slope[n, axes] = u_a . grad l at t[n, axes]. The bytes do not depend on how points are
 * dealt out to threads. CJ_EMEM, CJ_ESTOP. */
cj_status cj_along_look(const cj_along *a, int64_t n, const double *t, double *l, double *slope);

#endif
