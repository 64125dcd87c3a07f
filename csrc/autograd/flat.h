/* flat.h -- leaves side by side in one storage and their gradients in another, so that one call of
 * an operator can step over all of them.
 *
 * A leaf that was moved is a contiguous tensor as before, whose storage is a part of the common one
 * and has its own version. Nothing ties it to its place: a later move takes it away, and whoever
 * steps over the common storage asks cj_flat_here first. */
#ifndef CJ_FLAT_H
#define CJ_FLAT_H

#include "autograd/tape.h"

typedef struct cj_flat {
  cj_tensor values, grads; /* [total]; zeros between the leaves */
} cj_flat;

/* Moves those of t that are leaves with a gradient, of t[0]'s type, and that nobody else looks at:
 * offset[i] becomes the element of values where t[i] begins, or -1 where it stayed. Their gradients
 * will be made in grads. f must be empty, and stays so when there is none to move. On CJ_EMEM none
 * has moved. */
cj_status cj_flat_move(cj_flat *f, int count, cj_tensor *const *t, int64_t *offset);

/* Is t still at `offset`, and its gradient too? */
bool cj_flat_here(const cj_tensor *values, const cj_tensor *grads, const cj_tensor *t,
                  int64_t offset);

#endif
