/* group.h -- some samples of one batch on their way through the model into the sums. */
#ifndef CJ_PACKET_GROUP_H
#define CJ_PACKET_GROUP_H

#include "packet/element.h"
#include "packet/run.h"

/* Memory for at most `room` samples of one batch. */
typedef struct cj_group {
  const cj_packet *p;
  cj_oracle *o;
  cj_packet_sums *sums;
  int batch;
  size_t bytes;        /* of an element */
  int64_t room, rows;  /* samples */
  int64_t first;       /* the number of the first; the others follow CJ_BATCHES apart */
  int64_t with_faces;  /* the first of them, whose faces are asked for */
  cj_tensor x;         /* [room, ...] */
  char *score, *field; /* [room, n], or NULL */
  char *few[3];        /* x, g and score at the chosen pixels, [room, faces] */
  double *l, *v, *slopes, *scratch;
  double *along;      /* s.x of the tilt */
  int64_t classes;    /* of slopes */
  double *low, *high; /* [labels, room, faces] */
} cj_group;

/* For g->p, g->o, g->sums and g->room. CJ_EMEM. */
cj_status cj_group_open(cj_group *g);
void cj_group_close(cj_group *g);

/* Adds sample `number`, which belongs to the group's batch. */
void cj_group_draw(cj_group *g, int64_t number);
/* Asks about the group's samples, adds what is said to the sums and empties the group. CJ_ESTOP;
 * what the oracle reports; CJ_EARG for what is not finite. */
cj_status cj_group_flush(cj_group *g);

/* An empty tensor of `rows` samples. CJ_EMEM. */
cj_status cj_group_tensor(const cj_group *g, cj_tensor *t, int64_t rows);
/* Sample `row`. */
static inline char *cj_group_row(const cj_group *g, int64_t row) {
  return (char *)g->x.data + (size_t)(row * g->p->reference.n) * g->bytes;
}

/* Asks for v l^2 with each of the chosen pixels at its faces. */
cj_status cj_group_ask_faces(cj_group *g);
/* Adds the answers for label j. e: of all pixels of the group; centre: room for n numbers. */
void cj_group_add_faces(const cj_group *g, int64_t j, const cj_evidence *e, double *centre);

#endif
