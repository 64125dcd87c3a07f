/* trial.h -- one sample under attack, as a method sees it.
 *
 * The loop answers questions about one point at a time. After the logits of a point came in it
 * calls the method's `seen`, after a gradient its `pulled`; each says what is asked next. The first
 * `seen` is about the clean input. A method is a function of its trial alone: trials of one call
 * run side by side, on any thread and in any order, and nothing but the trial may be read or
 * written. Methods come as tables, compiled once per instruction set and element type. */
#ifndef CJ_TRIAL_H
#define CJ_TRIAL_H

#include "attacks/attack.h"
#include "attacks/loop.h"
#include "core/memory.h"
#include "core/random.h"

typedef enum cj_ask {
  CJ_ASK_END,    /* nothing more about this sample */
  CJ_ASK_LOGITS, /* the logits at `point`, which the method has written */
  CJ_ASK_POINT,  /* the same, and perhaps gradients there afterwards */
  CJ_ASK_PULL    /* sum_k slopes[k] dz_k/dx at the point of the last logits; only after a `seen`
                    that CJ_ASK_POINT led to (or the first), any number of times */
} cj_ask;

/* What is kept of a trial as its result. */
typedef struct cj_kept {
  bool any;     /* x_adv holds a candidate; else it is the clean input */
  bool hit;     /* that reached the goal */
  bool last;    /* the last forward pass was on exactly what is kept */
  double value; /* its loss, or its distance */
} cj_kept;

typedef struct cj_trial {
  const cj_attack *a;
  const cj_projection *ball_norm, *linf, *l2, *l1; /* that of a->norm; and each */
  cj_ball ball;                                    /* of this sample; eps may be INFINITY */
  double alpha;                                    /* of this sample */
  cj_dtype dtype;                                  /* of x, point, g, d and x_adv */
  int64_t n, classes;                              /* elements; K */
  int64_t channels, height, width; /* of an image [C, H, W]; 1, 1, n for other samples */
  int64_t y, target;               /* target < 0: untargeted */
  uint64_t index;  /* the sample's number: with the seed it keys all random numbers */
  const void *x;   /* the clean input, n elements */
  void *point;     /* what the last logits were about, until the method writes the next */
  const double *z; /* the last logits [K] */
  double *slopes;  /* [K]: what CJ_ASK_PULL asks about */
  const void *g;   /* in `pulled`: the gradient, finite or infinite but not NaN, n elements */
  double size;     /* its largest magnitude */
  const void *d;   /* in `pulled` without a->direction: the direction made outside */
  void *state;     /* the method's own memory, zero before the first `seen`, 64-byte aligned */
  double *extra;   /* a->extras numbers that are given to the caller; zero at first */
  void *x_adv;
  cj_record *record; /* the method counts iters; the loop counts passes and zero gradients */
  cj_kept kept;
  /* For the sums over samples, of methods that are traced: where `point` stands, and its loss. */
  int64_t step, restart;
  double value;
  bool nan; /* set by the loop or the method: NaN or infinity turned up; the trial ends */
} cj_trial;

typedef struct cj_method {
  const char *name;
  /* Names of a->numbers, in their order, NULL-ended. */
  const char *const *numbers;
  /* Bytes of the state for n elements and K classes. May depend on *a. */
  size_t (*state)(const cj_attack *a, int64_t n, int64_t classes);
  cj_ask (*seen)(cj_trial *t);
  cj_ask (*pulled)(cj_trial *t);
  bool traced; /* keeps step, restart and value */
  bool inside; /* every point it asks about lies in the ball: one misclassified breaks the sample */
  bool every;  /* can attack samples that have reached the goal already (a->every) */
} cj_method;

#define CJ_METHODS(file)                                                                           \
  extern const cj_method CJ_JOIN4(cj_methods, file, CJ_ISA, CJ_TYPE)[];                            \
  const cj_method CJ_JOIN4(cj_methods, file, CJ_ISA, CJ_TYPE)[]

/* Written by the build: [instruction set][element type], each a NULL-ended list of tables. */
extern const cj_method *const *const cj_methods_tables[3][4];

/* The method of that name for elements of type t in the chosen instruction set, or NULL. */
const cj_method *cj_method_find(const char *name, cj_dtype t);

/* The smallest index among the largest of the last logits. */
int64_t cj_trial_pred(const cj_trial *t);
/* Is the goal reached at the point: the target predicted, or any class but the label? */
bool cj_trial_reached(const cj_trial *t);
/* Loss (a->loss) at the last logits; its slopes into t->slopes. Raises record->loss_best. */
double cj_trial_loss(cj_trial *t);
/* slopes = d(z_k - z_y)/dz. */
void cj_trial_slopes(cj_trial *t, int64_t k, int64_t y);

/* Keeps the point if nothing is kept, if it is the first that reached the goal, or if it does as
 * well and its value (a loss) is higher. True when it was kept. */
bool cj_trial_keep_highest(cj_trial *t, double value);
/* Keeps the point if it reached the goal, its distance is at most ball.eps (with the slack of
 * rounding) and less than that of what is kept. True when it was kept. */
bool cj_trial_keep_nearest(cj_trial *t, double distance);

/* ||point - x|| in the stored precision, under one of the trial's projections. d: room for n
 * elements of the type, left with point - x. */
double cj_trial_distance(const cj_trial *t, const cj_projection *norm, void *d);

/* The random numbers of this sample for one purpose ("attack.square" ...). Give each restart its
 * own range of the stream: numbers part << 40 onward. */
cj_stream cj_trial_stream(const cj_trial *t, const char *purpose);

#endif
