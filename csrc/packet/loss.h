/* loss.h -- what a packet is made of: non-negative losses of the logits, in double.
 *
 * z are the K logits of one sample, p = softmax(z), Y the label that is claimed. */
#ifndef CJ_PACKET_LOSS_H
#define CJ_PACKET_LOSS_H

#include <stdint.h>

#include "core/status.h"

typedef enum cj_packet_kind {
  CJ_PACKET_CE,      /* -log p_Y */
  CJ_PACKET_CE_CLIP, /* min(-log p_Y, C) */
  CJ_PACKET_ERR,     /* 1 - p_Y */
  CJ_PACKET_TANH_CE, /* tanh(-log p_Y) */
  CJ_PACKET_BRIER,   /* sum_k (p_k - e_k)^2, e the one-hot of Y */
  CJ_PACKET_MSE,     /* sum_k (z_k - e_k)^2 / 2 */
  CJ_PACKET_AMP,     /* sqrt(p_Y): the likelihood packet */
  CJ_PACKET_VALUE,   /* z_0 itself: the model gives the loss, whatever the label */
  CJ_PACKET_KINDS
} cj_packet_kind;

typedef struct cj_packet_loss {
  cj_packet_kind kind;
  double clip; /* C of CJ_PACKET_CE_CLIP */
} cj_packet_loss;

/* "ce", "ce_clip", "err", "tanh_ce", "brier", "mse", "amp", "value"; NULL past the last. */
const char *cj_packet_kind_name(int kind);
/* CJ_EARG for a name that is none of them. */
cj_status cj_packet_kind_parse(cj_packet_kind *out, const char *name);

/* The loss at z, and its slopes dl/dz in slope[K] unless that is NULL. Nothing cancels: losses of
 * confident samples keep their digits down to the smallest double. */
double cj_packet_value(const cj_packet_loss *l, int64_t classes, const double *z, int64_t y,
                       double *slope);

#endif
