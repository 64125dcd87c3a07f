/* plan.h -- a traced function compiled: fused, laid out, with all its memory placed beforehand.
 *
 * A plan is made once from a trace and does not change, but for the packed weights, which
 * cj_plan_refresh brings up to date. A *frame* is the memory of one execution: several threads run
 * the same plan, each in a frame of its own.
 *
 * Two kinds. An evaluation plan has one input x [B, ...]; every step treats the images by
 * themselves, so it may run on any number of rows up to B, and gives gradients of its outputs with
 * respect to x. A training plan has any inputs and gives gradients of its first output with respect
 * to every parameter that wants one; its batch is fixed. */
#ifndef CJ_PLAN_H
#define CJ_PLAN_H

#include "autograd/trace.h"

typedef struct cj_plan cj_plan;
typedef struct cj_frame cj_frame;

typedef struct cj_plan_options {
  bool train;
  bool exact; /* no algorithm that loses digits (Winograd) */
  bool pulls; /* evaluation: gradients of x will be asked for */
} cj_plan_options;

/* Compiles the trace of a function that made `out` from `in` (views as the function saw and gave
 * them). CJ_EARG "cannot be compiled: ..." with the reason when the trace has no plan. Keeps the
 * parameters and constants it reads. */
cj_status cj_plan_compile(cj_plan **plan, const cj_trace *t, const cj_plan_options *o, int inputs,
                          const cj_tensor *const *in, int outputs, const cj_tensor *const *out);
void cj_plan_drop(cj_plan *p);

/* Repeats the calls that depend on parameters alone and packs weights that changed since the last
 * time. Before a run, by one thread; cheap when nothing changed. random: gives the next key for a
 * random operator (training), or NULL. */
cj_status cj_plan_refresh(cj_plan *p, double (*random)(const char *purpose));

/* Images of a frame (B), inputs and outputs; sizes and types of those. */
int64_t cj_plan_rows(const cj_plan *p);
int cj_plan_inputs(const cj_plan *p);
int cj_plan_outputs(const cj_plan *p);
const cj_tensor *cj_plan_input(const cj_plan *p, int i);
const cj_tensor *cj_plan_output(const cj_plan *p, int i);

/* Bytes of a frame. */
size_t cj_plan_bytes(const cj_plan *p);
/* Bytes of all weights that a pass reads. */
size_t cj_plan_weight_bytes(const cj_plan *p);

/* Memory to run p in; p must outlive it. */
cj_status cj_frame_new(cj_frame **f, cj_plan *p);
void cj_frame_drop(cj_frame *f);

/* Runs forward on rows <= B images. in[i]: contiguous data of input i (rows of the first dimension
 * in evaluation, everything in training); out[i]: memory for output i, or NULL. CJ_EARG when an
 * operator refuses integers it is given (labels out of range); CJ_ESTOP. */
cj_status cj_frame_forward(cj_frame *f, int64_t rows, const void *const *in, void *const *out);

/* After forward, evaluation: gx = sum gy[i] d out[i] / dx, gy[i] NULL for none. May be repeated. */
void cj_frame_pull(cj_frame *f, const void *const *gy, void *gx);

/* After forward, training: adds the gradients of output 0 to `grad` of the parameters (leaves),
 * which are made where they are missing. gy: the gradient of output 0, contiguous; NULL: it is one
 * number, and its gradient is 1. */
cj_status cj_frame_backward(cj_frame *f, const void *gy);

/* --- what it does -------------------------------------------------------------------------------
 */

typedef struct cj_plan_row {
  char what[96]; /* "conv 3x3 16->16 + norm + relu" */
  char how[32];  /* "direct", "winograd 4x4", "operator" */
  double flops,
      bytes; /* of one image (evaluation) or the batch, forward: multiply-adds count two */
  double forward, backward; /* seconds since profiling began, all frames */
} cj_plan_row;
int64_t cj_plan_steps(const cj_plan *p);
void cj_plan_step_row(const cj_plan *p, int64_t i, cj_plan_row *row);
/* Clocks every step from now on, or stops. */
void cj_plan_profile(cj_plan *p, bool on);

#endif
