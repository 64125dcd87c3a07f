/* walk.h -- goes through up to three operands of any strides in step with a contiguous result.
 *
 * The result's elements are numbered 0..total-1 in row-major order. They are cut into pieces of
 * CJ_PIECE elements, whatever the number of threads, and each piece into runs along the innermost
 * dimension; a run is a plain loop with one constant step per operand (1, 0 or any other). Before
 * that, dimensions that lie one behind the other in all operands are merged, so that contiguous
 * operands make one long run. */
#ifndef CJ_WALK_H
#define CJ_WALK_H

#include <string.h>

#include "core/threads.h"
#include "ops/op.h"

enum { CJ_PIECE = 16384, CJ_OPERANDS = 3 };

typedef struct cj_walk {
  int64_t total;
  int ndim; /* after merging, at least 1 */
  int64_t size[CJ_MAX_DIMS];
  int64_t stride[CJ_OPERANDS][CJ_MAX_DIMS];
} cj_walk;

/* One run: n elements, number `at` of the result first; operand k's elements are at offset[k],
 * offset[k] + step[k] ... */
typedef struct cj_run {
  int64_t n, at;
  int64_t offset[CJ_OPERANDS];
  int64_t step[CJ_OPERANDS];
} cj_run;
typedef void (*cj_run_task)(const void *context, const cj_run *run);

/* t's strides for a walk over the sizes of y: right-aligned, 0 where t repeats (NumPy's
 * broadcasting). */
static inline void cj_walk_strides(int64_t stride[CJ_MAX_DIMS], const cj_tensor *t,
                                   const cj_tensor *y) {
  const int missing = y->ndim - t->ndim;
  for (int d = 0; d < y->ndim; d++) {
    const bool repeats = d < missing || (t->size[d - missing] == 1 && y->size[d] != 1);
    stride[d] = repeats ? 0 : t->stride[d - missing];
  }
}

/* Do all operands step from dimension d into the last merged one without a gap? */
static inline bool cj_walk_joins(const cj_walk *w, int count, const int64_t stride[][CJ_MAX_DIMS],
                                 int d, int64_t size) {
  for (int k = 0; k < count; k++)
    if (w->stride[k][w->ndim - 1] != stride[k][d] * size) return false;
  return true;
}

/* A walk over the sizes of y (its strides do not matter) with the strides of the operands. */
static inline cj_walk cj_walk_strided(const cj_tensor *y, int count,
                                      const int64_t stride[][CJ_MAX_DIMS]) {
  cj_walk w = {.total = cj_numel(y)};
  for (int d = 0; d < y->ndim; d++) {
    if (y->size[d] == 1) continue;
    if (w.ndim && cj_walk_joins(&w, count, stride, d, y->size[d])) {
      w.size[w.ndim - 1] *= y->size[d];
    } else {
      w.size[w.ndim++] = y->size[d];
    }
    for (int k = 0; k < count; k++) w.stride[k][w.ndim - 1] = stride[k][d];
  }
  if (!w.ndim) w.size[w.ndim++] = 1;
  return w;
}

/* The usual case: operands that broadcast to y. */
static inline cj_walk cj_walk_over(const cj_tensor *y, int count, const cj_tensor *const *operand) {
  int64_t stride[CJ_OPERANDS][CJ_MAX_DIMS] = {{0}};
  for (int k = 0; k < count; k++) cj_walk_strides(stride[k], operand[k], y);
  return cj_walk_strided(y, count, stride);
}

/* The runs that cover elements at..end-1, in the calling thread. */
static inline void cj_walk_part(const cj_walk *w, int64_t at, int64_t end, cj_run_task task,
                                const void *context) {
  const int last = w->ndim - 1;
  int64_t index[CJ_MAX_DIMS] = {0};
  cj_run r = {.at = at};
  int64_t rest = at;
  for (int d = last; d >= 0 && rest; d--) {
    index[d] = rest % w->size[d];
    rest /= w->size[d];
  }
  for (int k = 0; k < CJ_OPERANDS; k++) {
    r.step[k] = w->stride[k][last];
    for (int d = 0; d <= last; d++) r.offset[k] += index[d] * w->stride[k][d];
  }
  while (r.at < end) {
    r.n = w->size[last] - index[last];
    if (r.n > end - r.at) r.n = end - r.at;
    task(context, &r);
    r.at += r.n;
    /* Move on to the start of the next run: carry as an odometer does. */
    for (int k = 0; k < CJ_OPERANDS; k++) r.offset[k] += r.n * r.step[k];
    index[last] += r.n;
    for (int d = last; d > 0 && index[d] == w->size[d]; d--) {
      index[d] = 0;
      index[d - 1]++;
      for (int k = 0; k < CJ_OPERANDS; k++)
        r.offset[k] += w->stride[k][d - 1] - w->size[d] * w->stride[k][d];
    }
  }
}

typedef struct cj_walk_job {
  const cj_walk *walk;
  cj_run_task task;
  const void *context;
} cj_walk_job;

static inline void cj_walk_piece(void *context, int64_t piece) {
  const cj_walk_job *job = context;
  const int64_t at = piece * CJ_PIECE;
  const int64_t end = at + CJ_PIECE < job->walk->total ? at + CJ_PIECE : job->walk->total;
  cj_walk_part(job->walk, at, end, job->task, job->context);
}

/* All elements, in parallel pieces. Tasks for different runs must not write the same memory. */
static inline void cj_walk_all(const cj_walk *w, cj_run_task task, const void *context) {
  cj_walk_job job = {w, task, context};
  if (w->total <= CJ_PIECE) {
    cj_walk_part(w, 0, w->total, task, context);
  } else {
    cj_parallel((w->total + CJ_PIECE - 1) / CJ_PIECE, cj_walk_piece, &job);
  }
}

#endif
