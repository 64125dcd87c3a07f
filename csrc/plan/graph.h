/* graph.h -- what a plan is inside: values, steps, and the order of the way back.
 *
 * Made in passes: lower (calls become steps, neighbours are fused), reverse (who writes and who
 * adds to which gradient), each step's size (rings, algorithms, scratch), place (one arena). */
#ifndef CJ_GRAPH_H
#define CJ_GRAPH_H

#include <stdatomic.h>

#include "plan/plan.h"

enum { NONE = -1 };

typedef enum cj_layout { CJ_PLAIN, CJ_PICTURE } cj_layout;

typedef struct cj_value {
  cj_tensor t; /* type and sizes; a live one has its memory too */
  cj_layout layout;
  bool live;    /* parameter or constant, read where it is */
  int preamble; /* live: the preamble's call that makes it, or NONE */
  int same;     /* plain: shares memory with this value, which has other sizes; or NONE */
  int64_t ring; /* of a picture and of its gradient */
  bool clip;    /* its last word was ReLU (or leaky: slope); signs are kept for the way back */
  double slope;
  bool wanted;               /* its gradient is asked for */
  bool again;                /* training: made again for the way back, instead of being kept */
  int64_t data, grad, signs; /* places in the arena, or NONE */
  int64_t data_again;
} cj_value;

typedef enum cj_mode { CJ_SKIP, CJ_STORE, CJ_ADD } cj_mode;

/* How a step writes the gradient of an input. */
typedef struct cj_write {
  cj_mode mode;
  int add;   /* value whose gradient is added on the way, or NONE */
  bool mask; /* the input's signs are applied on the way */
} cj_write;

typedef struct cj_step cj_step;

/* What steps have in common is in a table, compiled per instruction set and type (plan/steps). */
typedef struct cj_step_kind {
  const char *name;
  unsigned flags;
  /* Chooses the algorithm; raises rings of values; sets packed, scratch, saved. */
  cj_status (*size)(cj_plan *p, cj_step *s);
  /* Packs the weights for the way there or back; NULL: there are none. */
  void (*pack)(const cj_plan *p, const cj_step *s, bool back, void *packed);
  void (*forward)(const cj_plan *p, const cj_step *s, cj_frame *f);
  void (*backward)(const cj_plan *p, const cj_step *s, cj_frame *f);
  /* Makes the result again from what the backward needs anyway; NULL: cannot. */
  void (*again)(const cj_plan *p, const cj_step *s, cj_frame *f);
} cj_step_kind;

enum {
  CJ_CLIPS = 1,       /* forward can add `add` and clip at the store */
  CJ_FINISHES = 2,    /* backward can add and mask at the store */
  CJ_READS_INPUT = 4, /* backward reads data of input 0 where weights want gradients */
  CJ_READS_ALWAYS = 8 /* backward reads data of input 0 in any case */
};

struct cj_step {
  const cj_step_kind *kind;
  const cj_op *op;
  double *num; /* the call's numbers, owned */
  int numbers;
  int count, *in; /* values, NONE for absent ones; owned */
  int out;
  int add;     /* value added to the result before clipping, or NONE */
  int norm[4]; /* folded batch norm: weight, bias, mean, variance; mean NONE: nothing folded */
  double eps;
  cj_write
      *write;    /* per input; owned. `add` has none: acts and later writers pass the gradient on */
  int algorithm; /* the kind's own meaning */
  size_t packed[2], packed_at[2]; /* there and back: bytes of packed weights, and where */
  size_t scratch;                 /* bytes, for the plan's slots together */
  size_t saved;                   /* bytes kept from forward to backward */
  int64_t saved_at;               /* place in the arena */
  char how[32];
  atomic_int_fast64_t nanoseconds[2];
};

/* The way back is a list of acts: a step's backward; a step's result made again; or a sum of
 * gradients where no step does it. */
typedef struct cj_act {
  int step; /* or NONE: grad[to] = mask(grad[from] (+ grad[add])) */
  int from, to, add;
  bool mask;
  bool again; /* the step's result is made again */
} cj_act;

/* A call on parameters alone, repeated by refresh. */
typedef struct cj_repeat {
  const cj_op *op;
  bool into;
  int count, numbers;
  cj_tensor *in; /* owned; those that an earlier repeat makes are taken from there */
  int *from;     /* the repeat that makes input i, or NONE */
  double *num;
  cj_tensor y;
} cj_repeat;

struct cj_plan {
  cj_plan_options o;
  cj_dtype dtype;
  int isa;   /* column of the step tables */
  int slots; /* threads that may work inside one step */
  int64_t rows;
  cj_value *values;
  int value_count, value_room;
  cj_step **steps;
  int step_count, step_room;
  cj_act *acts;
  int act_count, act_room;
  cj_repeat *repeats;
  int repeat_count;
  int *inputs, input_count;
  int *outputs, output_count;
  cj_step *sums; /* a step of the kind "act", for acts without a step */
  size_t arena, scratch, weights;
  char *packed;
  uint32_t *versions; /* of live values at the last packing */
  bool fresh;
  bool profiling;
};

struct cj_frame {
  cj_plan *p;
  int64_t rows;
  const cj_act *act; /* the one that runs */
  cj_status status;  /* of this run: a call may find its labels out of range */
  char *arena, *scratch;
  void **data, **grad, **signs; /* per value */
  struct cj_bound **bound;      /* per step: what a call step calls */
  cj_storage storage;           /* of the arena, for tensors made of it */
};

/* --- passes ---------------------------------------------------------------------------------- */

cj_status cj_plan_lower(cj_plan *p, const cj_trace *t, int inputs, const cj_tensor *const *in,
                        int outputs, const cj_tensor *const *out);
cj_status cj_plan_reverse(cj_plan *p);
cj_status cj_plan_place(cj_plan *p);

/* New ones; the id, or NONE when there is no memory. */
int cj_plan_value(cj_plan *p, const cj_tensor *like, cj_layout layout);
cj_step *cj_plan_step(cj_plan *p, const char *kind, int count);
bool cj_plan_act(cj_plan *p, cj_act act);

/* --- for steps ------------------------------------------------------------------------------- */

static inline int64_t cj_size(const cj_plan *p, int value, int d) {
  return p->values[value].t.size[d];
}

/* The value whose memory v shares, or v. Gradients are shared likewise. */
static inline int cj_root(const cj_plan *p, int v) {
  while (p->values[v].same != NONE) v = p->values[v].same;
  return v;
}

/* Does the backward of a step read the data of its input 0? */
bool cj_step_reads_input(const cj_plan *p, const cj_step *s);

/* The kind of steps that call an operator as it is (call.c). */
extern const cj_step_kind cj_call_kind;
/* Makes what call steps need in a frame; gives it back. */
cj_status cj_calls_bind(cj_frame *f);
void cj_calls_drop(cj_frame *f);

#define CJ_STEPS(file)                                                                             \
  extern const cj_step_kind CJ_JOIN4(cj_steps, file, CJ_ISA, CJ_TYPE)[];                           \
  const cj_step_kind CJ_JOIN4(cj_steps, file, CJ_ISA, CJ_TYPE)[]
/* Written by the build: [instruction set][element type], each a NULL-ended list of tables. */
extern const cj_step_kind *const *const cj_steps_tables[3][4];

#endif
