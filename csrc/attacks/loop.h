/* loop.h -- the loop every attack shares.
 *
 * Samples are taken in chunks of a fixed number. The loop asks the oracle what the samples of a
 * chunk want to know, all at once, and shows each sample's answer to the attack's method
 * (trial.h), which says what it wants next. Samples that are finished leave the chunk and cost
 * nothing more. What happens to a sample depends on nothing but the sample, its index and the
 * options. */
#ifndef CJ_LOOP_H
#define CJ_LOOP_H

#include "attacks/attack.h"
#include "attacks/oracle.h"

typedef enum cj_goal {
  CJ_GOAL_AWAY,   /* a prediction other than the label */
  CJ_GOAL_GIVEN,  /* the targets passed to the call */
  CJ_GOAL_LEAST,  /* the least likely class of the clean input that is not the label */
  CJ_GOAL_SECOND, /* the likeliest class of the clean input that is not the label */
  CJ_GOAL_RANDOM, /* a class other than the label, drawn per sample */
  CJ_GOAL_LABEL   /* the label itself: opposite attacks */
} cj_goal;

typedef enum cj_scale { CJ_SCALE_NONE, CJ_SCALE_LINF, CJ_SCALE_L2 } cj_scale;

/* Where the samples stand that ask for a direction: x [rows, ...] are their points, g their
 * gradient there. sample[j] is the row of sample j in the whole input, from[j] its place in the
 * call before (in the first call of a restart, step = 0, its place among those that were active).
 */
typedef struct cj_stand {
  int64_t step, rows;
  const int64_t *sample, *from;
  const cj_tensor *x, *g;
} cj_stand;

/* A direction made outside the core. d, empty, must become a tensor like x. */
typedef cj_status (*cj_direct)(void *self, const cj_stand *at, cj_tensor *d);

/* Is told each iterate: x [rows, ...] after `step` steps, sample[j] = row of the whole input. */
typedef cj_status (*cj_watch)(void *self, int64_t step, int64_t rows, const int64_t *sample,
                              const cj_tensor *x);

typedef struct cj_attack {
  const char *method;    /* a method's name */
  const char *norm;      /* a projection's name */
  const char *direction; /* of the method "ascent": a direction's name; NULL: direct */
  const double *numbers; /* of the method */
  int64_t extras;        /* numbers the method gives for each sample besides its record */
  cj_direct direct;
  void *direct_self;
  cj_watch watch; /* may be NULL; only restart 0 is watched */
  void *watch_self;
  cj_ball ball;
  double alpha;   /* length of a step */
  cj_scale scale; /* norm brought to 1 before the step; a zero direction stays zero */
  int64_t steps, restarts, batch;
  int64_t first; /* the caller's number of the first sample, for messages; from 0 */
  bool random_start;
  bool every; /* attack samples that are wrong already */
  bool best;  /* return the best iterate instead of the last */
  bool early; /* stop a sample at its first success */
  cj_loss loss;
  cj_goal goal;
  uint64_t seed;
} cj_attack;

typedef enum cj_verdict { CJ_ALREADY, CJ_SUCCESS, CJ_FAILED, CJ_NAN } cj_verdict;
/* "ALREADY", "SUCCESS", "FAIL", "NAN". */
const char *cj_verdict_name(cj_verdict v);

typedef struct cj_record {
  cj_verdict verdict;
  bool broken;    /* some iterate, or the result, was not predicted as the label */
  int64_t target; /* -1: untargeted */
  int64_t pred_clean, pred_adv;
  int64_t iters, forwards, backwards;
  int64_t zeros;                          /* gradients that were zero in every element */
  double loss_first, loss_best, loss_adv; /* of the clean input, the highest met, of the result */
  double l0, l1, l2, linf;                /* of x_adv - x in the stored precision */
} cj_record;

/* Sums over all samples after `step` steps of restart 0. */
typedef struct cj_step_sums {
  int64_t samples, correct, zeros; /* zeros: samples whose gradient was zero everywhere */
  double loss;
} cj_step_sums;

/* What the model's answers told, beyond the samples. */
typedef struct cj_report {
  int64_t classes;       /* K */
  int64_t probabilities; /* clean inputs whose logits look like probabilities */
} cj_report;

/* N samples. */
typedef struct cj_samples {
  const cj_tensor *x;     /* [N, ...], float, contiguous */
  const int64_t *y;       /* labels */
  const int64_t *targets; /* of CJ_GOAL_GIVEN, else NULL */
  const int64_t *index;   /* sample numbers, which key the random streams */
  const double *radii;    /* radii that replace ball.eps, alpha in proportion; or NULL */
} cj_samples;

/* What the attack found, in memory of the caller. */
typedef struct cj_findings {
  cj_tensor *x_adv;   /* like x */
  cj_record *records; /* [N] */
  cj_step_sums *sums; /* [steps + 1], or NULL */
  double *extra;      /* [N, extras]; may be NULL when there are none */
  cj_report report;
} cj_findings;

/* CJ_EARG for labels, targets or pixels out of range and for logits of clean inputs that are not
 * finite; CJ_ESTOP when the user asked to stop; whatever the oracle reports. */
cj_status cj_attack_run(const cj_attack *a, cj_oracle *o, const cj_samples *in, cj_findings *out);

#endif
