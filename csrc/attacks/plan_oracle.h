/* plan_oracle.h -- attacks on compiled models: depth first, every piece of the samples on its own.
 */
#ifndef CJ_PLAN_ORACLE_H
#define CJ_PLAN_ORACLE_H

#include "attacks/loop.h"
#include "plan/crew.h"

/* As cj_attack_run on an oracle that is crew's plan. The samples are cut into pieces of a few; a
 * thread takes a piece from start to end before it takes the next, so memory does not grow with the
 * samples. a->direct and a->watch must be absent. passes: samples that went forward and backward.
 */
cj_status cj_attack_run_planned(const cj_attack *a, cj_crew *crew, const cj_samples *in,
                                cj_findings *out, int64_t passes[2]);

/* One frame as an oracle, for at most the plan's rows at a time. */
typedef struct cj_frame_oracle {
  const cj_plan *plan;
  cj_frame *frame;
  int64_t rows; /* of the last x */
} cj_frame_oracle;

cj_oracle cj_frame_oracle_open(cj_frame_oracle *f, const cj_plan *plan, cj_frame *frame);

/* An oracle for any number of samples at a time: each piece of them has a frame of its own, so that
 * pulls can follow. For attacks whose directions are made outside the core. */
typedef struct cj_batch_oracle {
  cj_crew *crew;
  cj_frame **frames;
  int64_t count, room, rows, piece; /* rows of the last x, and of its pieces */
  /* Of the call that runs. */
  const char *x, *gz;
  char *z, *gx;
} cj_batch_oracle;

cj_oracle cj_batch_oracle_open(cj_batch_oracle *b, cj_crew *crew);
void cj_batch_oracle_drop(cj_batch_oracle *b);

#endif
