/* chain_field.h -- a field beside the pixels, at the places of chains.
 *
 * Fields are asked for l a(x) with the loss and its gradient as they are; like all evidence of
 * chains the answer is then divided by l. */
#ifndef CJ_PACKET_CHAIN_FIELD_H
#define CJ_PACKET_CHAIN_FIELD_H

#include "packet/places.h"

typedef struct cj_chain_field {
  char *g, *values; /* [chains, n] of the element type: dl/dx, and a(x) */
} cj_chain_field;

void cj_chain_field_drop(cj_chain_field *f);

/* a(x) of p->field at all places into f->values; 0 where l is 0. CJ_EMEM; CJ_EARG for losses so
 * small that the element type keeps too few digits of l a(x); what the field reports. */
cj_status cj_chain_field_ask(cj_chain_field *f, const cj_packet *p, const cj_places *at,
                             int64_t chains);

#endif
