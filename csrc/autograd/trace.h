/* trace.h -- writes down every operator call between start and stop, for the plan compiler.
 *
 * A trace keeps all inputs and results alive, so a tensor is known again by its storage, place,
 * sizes and strides. What cannot be repeated by calling the same operators again (a function from
 * outside, a look at a result's elements) makes the trace refuse, with a reason. One trace at a
 * time, on the tape's thread.
 *
 * A dry trace computes nothing that depends on the function's inputs and changes nothing in place:
 * such results have memory that nobody fills. So it costs next to nothing, memory included, and
 * leaves no trace in the state of a model. */
#ifndef CJ_TRACE_H
#define CJ_TRACE_H

#include "ops/op.h"

typedef struct cj_traced {
  const cj_op *op;
  bool into; /* the result was written over in[0] */
  int count; /* tensors; absent ones are empty */
  int numbers;
  cj_tensor y;   /* with its node, if it has one */
  cj_tensor *in; /* behind this struct's block, as num */
  const double *num;
  bool depends; /* on the function's inputs */
} cj_traced;

typedef struct cj_trace {
  cj_traced **calls;
  int64_t count, room;
  cj_status status;  /* of the recording itself: CJ_EMEM */
  char refused[200]; /* "" or why this cannot become a plan */
  bool dry;
  int inputs; /* of the function, set before start; borrowed */
  const cj_tensor *const *in;
} cj_trace;

/* Recording goes on until stop; a second start before that is CJ_EARG. *t must be zeroed. */
cj_status cj_trace_start(cj_trace *t);
void cj_trace_stop(void);
/* Gives everything back; stops first if this is the running one. */
void cj_trace_drop(cj_trace *t);

/* For the tape: a call that was made. No effect when nothing records. */
void cj_trace_call(const cj_op *op, bool into, int count, const cj_tensor *const *in, int numbers,
                   const double *num, const cj_tensor *y);
/* The running trace cannot become a plan. */
void cj_trace_refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Somebody looks at elements of t, which a plan could not do again: refuses. */
void cj_trace_look(const cj_tensor *t);
bool cj_tracing(void);
/* Has the running trace refused? Why; NULL if not, or when nothing records. */
const char *cj_trace_refused(void);
/* Does t depend on the inputs of the function that is traced? */
bool cj_trace_depends(const cj_tensor *t);
/* Does infer of that operator look at elements of its int64 tensors? */
bool cj_reads_indices(const cj_op *op);
/* For the tape, before infer: a dry trace has no elements to look at, but those of the inputs. */
void cj_trace_indices(const cj_op *op, int count, const cj_tensor *const *in);
/* For the tape: is this call only written down? */
bool cj_trace_skips(bool into, int count, const cj_tensor *const *in);

/* Are they the same elements, seen the same way? */
bool cj_same_view(const cj_tensor *a, const cj_tensor *b);

#endif
