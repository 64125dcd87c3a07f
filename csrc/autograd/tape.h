/* tape.h -- records operator calls and walks them backwards.
 *
 * A tensor whose node is not NULL wants a gradient. A leaf's node has no operator and collects
 * `grad`; any other node remembers the call that made the tensor. Nodes are numbered in the order
 * of the calls, so walking them by falling number is a valid and fixed order. The tape is used by
 * one thread at a time; the operators themselves run on many. */
#ifndef CJ_TAPE_H
#define CJ_TAPE_H

#include "core/node.h"
#include "ops/op.h"

/* An operator made outside the core (by a binding): runs backward and is told when it is freed. */
typedef struct cj_custom {
  const char *name;
  /* Adds to gx as cj_op's backward does; may fail. */
  cj_status (*backward)(void *self, const cj_tensor *gy, int count, cj_tensor *const *gx);
  void (*release)(void *self);
} cj_custom;

typedef struct cj_node {
  int refs;
  uint64_t sequence;
  const cj_op *op;         /* NULL: a leaf or a custom call */
  const cj_custom *custom; /* NULL: a leaf or an operator */
  void *self;              /* custom's own */
  cj_args args;            /* in and num point into the node's own block */
  cj_tensor *inputs;       /* what args.in points to; absent ones are empty */
  uint32_t *version;       /* of the inputs' storages when recorded */
  bool freed;              /* the call's memory is gone: it was walked already */
  cj_tensor y;             /* sizes of the result; data only with CJ_KEEPS_OUTPUT; never a node */
  cj_tensor grad;          /* leaf: the accumulated gradient, empty before the first */
  cj_tensor home;          /* leaf: where its gradient is made when nobody looks there, or empty */
  uint64_t walk;           /* the walk that is visiting this node, 0: none */
  int64_t slot;            /* this node's place in that walk */
  struct cj_node *next;    /* in the list of nodes to free */
} cj_node;

/* Is recording on (the default)? Setting returns the old value. One switch for the process. */
bool cj_grad_enabled(void);
bool cj_grad_enable(bool on);

/* Calls op on count tensors (NULL for absent ones) and numbers; y must be empty. Recorded when
 * recording is on and an input has a node. Errors carry op's name in front. */
cj_status cj_apply(cj_tensor *y, const cj_op *op, int count, const cj_tensor *const *in,
                   int numbers, const double *num);

/* As cj_apply, by name; the element type is in[0]'s. "add: expected ..., got int64" when the
 * operator has no such type. */
cj_status cj_apply_named(cj_tensor *y, const char *name, int count, const cj_tensor *const *in,
                         int numbers, const double *num);

/* in[0] becomes op(in...): result must have in[0]'s type and sizes. In place, or through a
 * temporary where op needs one. CJ_EARG if in[0] is on the tape (recording on). Raises the storage
 * version. */
cj_status cj_apply_into(const cj_op *op, int count, const cj_tensor *const *in, int numbers,
                        const double *num);

/* Records a custom call with the given result: y gets a node, unless no input has one or recording
 * is off (then self is released at once). y must be filled and without a node. On failure self is
 * released. */
cj_status cj_record_custom(cj_tensor *y, const cj_custom *custom, void *self, int count,
                           const cj_tensor *const *in);

/* Makes t a leaf that wants (or, with false, no longer wants) a gradient. CJ_EARG if an operator
 * made it; CJ_EDTYPE unless float. */
cj_status cj_require_grad(cj_tensor *t, bool want);
static inline bool cj_is_leaf(const cj_tensor *t) {
  return !t->node || (!t->node->op && !t->node->custom && !t->node->freed);
}

/* Zeros for the gradient of a leaf that has none, in the empty *g: at its home, unless somebody
 * still holds an older gradient that lies there. */
cj_status cj_leaf_gradient(cj_tensor *g, const cj_tensor *leaf);

/* Walks back from y with gradient gy (NULL: y has one element, gy = 1), adding to the leaves' grad.
 * keep: the graph stays usable; else its memory is freed on the way. */
cj_status cj_backward(const cj_tensor *y, const cj_tensor *gy, bool keep);

/* Gradients of y with respect to the count tensors x (leaves or results on the tape), written to
 * the empty tensors gx: contiguous, zeros where y does not depend on x. Leaves' grad stay
 * untouched, and nothing is computed that no x asks for. */
cj_status cj_grad(const cj_tensor *y, const cj_tensor *gy, int count, const cj_tensor *const *x,
                  cj_tensor *gx, bool keep);

/* Takes the call's memory away once it was walked: inputs, saved tensors, output. */
void cj_node_free_call(cj_node *n);

#endif
