/* oracle.h -- what an attack may ask about a model. Attacks see nothing else of it.
 *
 * B samples x [B, ...] have logits z [B, K], float32 or float64, K >= 2 the same in every call. An
 * oracle is used by one thread at a time. */
#ifndef CJ_ORACLE_H
#define CJ_ORACLE_H

#include "attacks/loss.h"
#include "core/tensor.h"

typedef struct cj_oracle {
  void *self;
  /* Fills the empty z with the logits of x, contiguous and without a node. With pulls, calls of
   * `pull` for this x may follow; what is kept for them ends with the next call of `logits`. */
  cj_status (*logits)(void *self, const cj_tensor *x, bool pulls, cj_tensor *z);
  /* Fills the empty gx, of the sizes and type of x, with sum_k gz[b, k] dz_k/dx for the last x.
   * gz is contiguous, of z's type. keep: another pull for the same x will follow. */
  cj_status (*pull)(void *self, const cj_tensor *gz, bool keep, cj_tensor *gx);
  int64_t forwards, backwards; /* samples so far; kept by the functions below */
} cj_oracle;

/* Logits as doubles: z is an array of B * classes, owned by the caller of cj_logits_drop. */
typedef struct cj_logits {
  int64_t rows, classes;
  cj_dtype dtype;
  double *z;
} cj_logits;
void cj_logits_drop(cj_logits *l);

/* The logits of x in the empty *out; checks their form. classes: the K that is expected, 0 for any.
 * CJ_ESHAPE or CJ_EDTYPE when the model gives something else. */
cj_status cj_oracle_logits(cj_oracle *o, const cj_tensor *x, bool pulls, int64_t classes,
                           cj_logits *out);

/* gx for slopes[rows * classes] at the last x. */
cj_status cj_oracle_pull(cj_oracle *o, const cj_logits *l, const double *slopes, bool keep,
                         cj_tensor *gx);

/* Losses (summed per sample, never averaged) and input gradients at x [B, ...] for labels y[B] and,
 * unless NULL, targets[B]: loss[B] and the empty gx. */
cj_status cj_oracle_gradient(cj_oracle *o, cj_loss kind, const cj_tensor *x, const int64_t *y,
                             const int64_t *targets, double *loss, cj_tensor *gx);

/* Gradients of chosen logits at x: gx[j], empty before, is the gradient of logit choice[b * count +
 * j] of sample b. One forward pass and count backward passes. */
cj_status cj_oracle_classes(cj_oracle *o, const cj_tensor *x, int64_t count, const int64_t *choice,
                            cj_tensor *gx);

#endif
