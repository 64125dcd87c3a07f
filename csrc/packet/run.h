/* run.h -- from points of a reference to the moments of packets, through a model.
 *
 * All labels share the points and the forward passes; each label costs one backward pass more. */
#ifndef CJ_PACKET_RUN_H
#define CJ_PACKET_RUN_H

#include "attacks/oracle.h"
#include "packet/loss.h"
#include "packet/moments.h"
#include "packet/reference.h"
#include "packet/tilt.h"
#include "packet/weights.h"
#include "plan/crew.h"

/* l(x) a(x) of a field a for `rows` points: x, g (of the loss) and out are [rows, n]. */
typedef cj_status (*cj_packet_field)(void *self, int64_t label, int64_t rows, const void *x,
                                     const double *l, const void *g, void *out);

typedef struct cj_packet {
  cj_packet_loss loss;
  cj_reference reference;
  int ndim; /* of a point, and its sizes */
  int64_t size[CJ_MAX_DIMS];
  int64_t label_count;
  const int64_t *labels;
  int64_t samples;       /* in all */
  const double *centre;  /* m [n] */
  const cj_tilt *tilt;   /* points of a defensive mixture; NULL: of the reference */
  bool keep;             /* the losses of the first label, for a pilot */
  cj_packet_field field; /* or NULL */
  void *field_self;
  /* Faces of chosen pixels of a box, from the first `face_samples` samples. */
  int64_t face_count, face_samples;
  const int64_t *face_pixels;
} cj_packet;

/* What is measured, for each label. */
typedef struct cj_packet_sums {
  cj_moments *all, *faces;          /* [labels]; faces: NULL without chosen pixels */
  cj_moments *parts;                /* [labels]; NULL where nu is constant */
  cj_weights *weights;              /* [labels]: v l^2 */
  cj_weights *slopes;               /* [labels]: v |dl/dx|^2, what g^2 is a mean of */
  double *losses;                   /* [samples], those that are to be kept; or NULL */
  struct cj_directions *directions; /* what is measured along directions, or NULL; borrowed */
  int64_t done;                     /* samples so far */
  int64_t forwards, backwards;
} cj_packet_sums;

/* Is the slope of log nu wanted? A pilot does without. */
bool cj_packet_scored(const cj_packet *p);

/* set: the term set of `all`. CJ_EMEM. */
cj_status cj_packet_sums_open(cj_packet_sums *s, const cj_packet *p, const cj_term_set *set);
void cj_packet_sums_drop(cj_packet_sums *s, const cj_packet *p);

/* Adds the next `count` samples. Batch b takes the samples b, b + CJ_BATCHES, b + 2 CJ_BATCHES ...,
 * in this order: how the work is cut into calls, and on how many threads it runs, changes no bit.
 * CJ_ESTOP when the user asked to stop; what the oracle reports; CJ_EARG for labels the model does
 * not know and for logits or gradients that are not finite. */
cj_status cj_packet_run(const cj_packet *p, cj_oracle *o, int64_t count, cj_packet_sums *s);
/* The same through a plan, on all threads. p->field must be NULL. */
cj_status cj_packet_run_planned(const cj_packet *p, cj_crew *crew, int64_t count,
                                cj_packet_sums *s);

/* CJ_EARG for labels that z does not have, and for numbers that are not finite. */
cj_status cj_packet_check_logits(const cj_packet *p, const cj_logits *z);
cj_status cj_packet_check_gradient(const cj_tensor *g);

#endif
