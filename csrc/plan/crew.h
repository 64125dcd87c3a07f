/* crew.h -- an evaluation plan and the frames to run it on all threads, depth first.
 *
 * Images are independent, so a batch of any size is cut into pieces of at most the plan's rows, and
 * a thread takes one piece through the whole network, and back, before it takes the next. How a
 * batch is cut changes no image's result. */
#ifndef CJ_CREW_H
#define CJ_CREW_H

#include "kernels/slots.h"
#include "plan/plan.h"

enum { CJ_MOST_OUTPUTS = 8 };

typedef struct cj_crew {
  int refs;
  cj_plan *plan;
  cj_frame *frames[CJ_MAX_SLOTS];
  int count; /* of frames */
  cj_slots slots;
} cj_crew;

/* Takes the plan over, also on failure. One reference in *out. CJ_EARG for a plan with more than
 * CJ_MOST_OUTPUTS results. */
cj_status cj_crew_new(cj_crew **out, cj_plan *plan);
cj_crew *cj_crew_keep(cj_crew *c);
void cj_crew_drop(cj_crew *c);

/* Images of a piece when there are n. */
int64_t cj_crew_piece(const cj_crew *c, int64_t n);

/* Brings the weights up to date and makes frames for that many pieces at a time. Before
 * cj_crew_take, by one thread. */
cj_status cj_crew_ready(cj_crew *c, int64_t pieces);

/* A frame that nobody else uses, and its number for cj_crew_give. */
cj_frame *cj_crew_take(cj_crew *c, int *slot);
void cj_crew_give(cj_crew *c, int slot);

/* out[i] (or NULL) of the n images at x; gx, unless NULL: sum gy[i] d out[i] / dx, gy[i] NULL for
 * none. All contiguous. */
cj_status cj_crew_run(cj_crew *c, int64_t n, const void *x, void *const *out, const void *const *gy,
                      void *gx);

#endif
