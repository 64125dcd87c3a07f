/* tape.c -- calling operators, recording the calls, and the life of nodes.
 *
 * Every call is first written into a node: its inputs (packed where the operator wants that),
 * numbers and saved tensors. If nothing asks for a gradient the node is dropped at the end of the
 * call; otherwise the result keeps it. So planning, eager calls and recording see the same struct.
 */
#include "autograd/tape.h"

#include <stdio.h>
#include <string.h>

#include "autograd/trace.h"
#include "core/memory.h"
#include "core/threads.h"

static bool enabled = true;
static uint64_t calls; /* nodes made so far */

bool cj_grad_enabled(void) {
  return enabled;
}

bool cj_grad_enable(bool on) {
  const bool old = enabled;
  enabled = on;
  return old;
}

/* --- nodes ----------------------------------------------------------------------------------- */

/* A node in one block with room for its inputs and numbers behind it. */
static cj_status node_new(cj_node **out, int count, int numbers, const double *num) {
  const size_t tensors = (size_t)count, values = (size_t)numbers;
  const size_t bytes = sizeof(cj_node) + values * sizeof(double) +
                       tensors * (sizeof(cj_tensor) + sizeof(cj_tensor *) + sizeof(uint32_t));
  cj_node *n = cj_alloc_zeroed(bytes);
  if (!n) return cj_fail(CJ_EMEM, "out of memory: no room for a call");
  double *own_num = (double *)(n + 1);
  n->inputs = (cj_tensor *)(own_num + values);
  const cj_tensor **in = (const cj_tensor **)(void *)(n->inputs + tensors);
  n->version = (uint32_t *)(in + tensors);
  if (numbers) memcpy(own_num, num, values * sizeof(double));
  n->args.in = in;
  n->args.num = own_num;
  n->args.count = count;
  n->args.numbers = numbers;
  n->refs = 1;
  n->sequence = ++calls;
  *out = n;
  return CJ_OK;
}

cj_node *cj_node_keep(cj_node *n) {
  if (n) n->refs++;
  return n;
}

void cj_node_free_call(cj_node *n) {
  for (int i = 0; i < n->args.count; i++) cj_tensor_drop(&n->inputs[i]);
  for (int i = 0; i < CJ_MAX_SAVED; i++) cj_tensor_drop(&n->args.saved[i]);
  cj_tensor_drop(&n->y);
  if (n->custom) n->custom->release(n->self);
  n->custom = NULL;
  n->freed = true;
}

/* Dropping inputs drops their nodes, so the dead are queued instead of visited recursively. */
void cj_node_drop(cj_node *n) {
  static cj_node *dead;
  static bool working;
  if (!n || --n->refs > 0) return;
  n->next = dead;
  dead = n;
  if (working) return;
  working = true;
  while (dead) {
    cj_node *one = dead;
    dead = one->next;
    cj_node_free_call(one);
    cj_tensor_drop(&one->grad);
    cj_tensor_drop(&one->home);
    cj_free(one);
  }
  working = false;
}

/* Takes the inputs in: shared, or packed where the operator needs contiguous memory. A packed copy
 * keeps the node of its original, since the gradient has the same sizes. */
static cj_status take_inputs(cj_node *n, const cj_tensor *const *in, bool strided) {
  const cj_tensor **slot = (const cj_tensor **)n->args.in;
  for (int i = 0; i < n->args.count; i++) {
    if (!in[i]) continue;
    if (strided || cj_contiguous(in[i])) {
      cj_tensor_share(&n->inputs[i], in[i]);
    } else {
      CJ_TRY(cj_tensor_pack(&n->inputs[i], in[i]));
      n->inputs[i].node = cj_node_keep(in[i]->node);
    }
    n->version[i] = n->inputs[i].storage->version;
    slot[i] = &n->inputs[i];
  }
  return CJ_OK;
}

static bool wants_grad(int count, const cj_tensor *const *in) {
  for (int i = 0; i < count; i++)
    if (in[i] && in[i]->node) return true;
  return false;
}

/* --- calls ----------------------------------------------------------------------------------- */

static cj_status named(const char *name, cj_status status) {
  if (status == CJ_OK || status == CJ_ECALL) return status;
  char text[480];
  snprintf(text, sizeof text, "%s", cj_errmsg());
  return cj_fail(status, "%s: %s", name, text);
}

static cj_status check_counts(const cj_op *op, int count, const cj_tensor *const *in, int numbers) {
  const int least = op->tensors < 0 ? -op->tensors : op->tensors;
  if (count < least || (op->tensors > 0 && count > least))
    return cj_fail(CJ_EARG, "expected %d tensors, got %d", least, count);
  const int needed = count - (int)(op->flags >> 8);
  for (int i = 0; i < needed || i == 0; i++)
    if (!in[i] || !in[i]->storage)
      return cj_fail(CJ_EARG, "expected a tensor as input %d, got none", i + 1);
  if (op->numbers != CJ_ANY && numbers != op->numbers)
    return cj_fail(CJ_EARG, "expected %d numbers, got %d", op->numbers, numbers);
  return CJ_OK;
}

/* Checks, takes the inputs and infers; on success *out is the node of a call ready to run and y is
 * described (for a view: complete). */
static cj_status prepare(cj_node **out, cj_tensor *y, const cj_op *op, int count,
                         const cj_tensor *const *in, int numbers, const double *num,
                         bool recording) {
  CJ_TRY(check_counts(op, count, in, numbers));
  if ((op->flags & CJ_MUTATES) && !cj_contiguous(in[0]))
    return cj_fail(CJ_EARG, "expected a contiguous tensor to change in place");
  cj_node *n = NULL;
  CJ_TRY(node_new(&n, count, numbers, num));
  n->op = op;
  n->args.recording = recording;
  cj_status status = take_inputs(n, in, op->flags & CJ_STRIDED);
  y->dtype = in[0]->dtype;
  if (status == CJ_OK) status = op->infer(&n->args, y);
  if (status != CJ_OK) {
    cj_tensor_drop(y);
    cj_node_drop(n);
    return status;
  }
  *out = n;
  return CJ_OK;
}

/* Runs forward into y, which has its memory; a dry trace leaves it as it is. */
static cj_status run(cj_node *n, cj_tensor *y) {
  const cj_op *op = n->op;
  if (cj_trace_skips(op->flags & CJ_MUTATES, n->args.count, n->args.in)) return CJ_OK;
  const size_t bytes = op->scratch ? op->scratch(&n->args) : 0;
  if (bytes && !(n->args.scratch = cj_alloc(bytes)))
    return cj_fail(CJ_EMEM, "out of memory: %zu bytes of scratch were asked for", bytes);
  if (op->forward) op->forward(&n->args, y);
  cj_free(n->args.scratch);
  n->args.scratch = NULL;
  if (cj_stop_requested()) return cj_fail(CJ_ESTOP, "interrupted");
  return CJ_OK;
}

/* What only the backward call needs stays in the node; the node becomes y's. */
static void record(cj_node *n, cj_tensor *y) {
  if (n->op->flags & CJ_KEEPS_OUTPUT)
    cj_tensor_detach(&n->y, y);
  else
    cj_tensor_describe(&n->y, y->dtype, y->ndim, y->size);
  if (n->op->flags & CJ_DROPS_INPUTS)
    for (int i = 0; i < n->args.count; i++) {
      cj_storage_drop(n->inputs[i].storage);
      n->inputs[i].storage = NULL;
      n->inputs[i].data = NULL;
    }
  y->node = n;
}

static cj_status call(cj_tensor *y, const cj_op *op, int count, const cj_tensor *const *in,
                      int numbers, const double *num) {
  const bool recording = enabled && op->backward && wants_grad(count, in);
  cj_node *n = NULL;
  cj_trace_indices(op, count, in);
  CJ_TRY(prepare(&n, y, op, count, in, numbers, num, recording));
  cj_status status = op->flags & CJ_VIEW ? CJ_OK : cj_tensor_allocate(y);
  if (status == CJ_OK) status = run(n, y);
  if (status != CJ_OK) {
    cj_tensor_drop(y);
    cj_node_drop(n);
    return status;
  }
  if (op->flags & CJ_MUTATES) y->storage->version++;
  if (recording && cj_dtype_float(y->dtype)) /* integers have no gradient */
    record(n, y);
  else
    cj_node_drop(n);
  cj_trace_call(op, op->flags & CJ_MUTATES, count, in, numbers, num, y);
  return CJ_OK;
}

cj_status cj_apply(cj_tensor *y, const cj_op *op, int count, const cj_tensor *const *in,
                   int numbers, const double *num) {
  return named(op->name, call(y, op, count, in, numbers, num));
}

cj_status cj_apply_named(cj_tensor *y, const char *name, int count, const cj_tensor *const *in,
                         int numbers, const double *num) {
  if (count < 1 || !in[0]) return cj_fail(CJ_EARG, "%s: expected a tensor first, got none", name);
  const cj_op *op = cj_op_find(name, in[0]->dtype);
  if (op) return cj_apply(y, op, count, in, numbers, num);
  if (cj_op_find(name, CJ_F32))
    return cj_fail(CJ_EDTYPE, "%s: expected a float tensor, got %s", name,
                   cj_dtype_name(in[0]->dtype));
  return cj_fail(CJ_EARG, "%s: there is no operator of that name", name);
}

/* May the result be written over in[0] while the inputs are read? Only if every other input that
 * shares its storage is the very same view. */
static bool may_alias(const cj_op *op, int count, const cj_tensor *const *in) {
  if (!(op->flags & CJ_ELEMENTWISE) || !cj_contiguous(in[0])) return false;
  for (int i = 1; i < count; i++)
    if (in[i] && in[i]->storage == in[0]->storage &&
        (in[i]->data != in[0]->data || !cj_same_shape(in[i], in[0]) || !cj_contiguous(in[i])))
      return false;
  return true;
}

/* Copies the result y into target; by way of a copy where y is a view of it. */
static cj_status copy_back(cj_tensor *target, const cj_tensor *y) {
  if (y->storage != target->storage) return cj_tensor_copy(target, y);
  cj_tensor own = {0};
  CJ_TRY(cj_tensor_new(&own, y->dtype, y->ndim, y->size));
  cj_status status = cj_tensor_copy(&own, y);
  if (status == CJ_OK) status = cj_tensor_copy(target, &own);
  cj_tensor_drop(&own);
  return status;
}

static cj_status call_into(const cj_op *op, int count, const cj_tensor *const *in, int numbers,
                           const double *num) {
  if (enabled && wants_grad(count, in))
    return cj_fail(CJ_EARG, "a tensor that wants a gradient cannot be changed in place; use the "
                            "form that returns a new tensor, or cj.no_grad");
  if (count > 0 && in[0] && cj_repeats(in[0]))
    return cj_fail(CJ_EARG, "a view that repeats elements (expand) cannot be changed in place; "
                            "clone it first");
  const bool skipped = cj_trace_skips(true, count, in);
  cj_node *n = NULL;
  cj_tensor y = {0}, target = *in[0];
  CJ_TRY(prepare(&n, &y, op, count, in, numbers, num, false));
  cj_status status = CJ_OK;
  if (y.dtype != target.dtype || !cj_same_shape(&y, &target)) {
    char got[CJ_SHAPE_TEXT], expected[CJ_SHAPE_TEXT];
    status = cj_fail(CJ_ESHAPE, "the result, %s %s, does not fit in place of %s %s",
                     cj_dtype_name(y.dtype), cj_shape_text(got, &y), cj_dtype_name(target.dtype),
                     cj_shape_text(expected, &target));
  } else if (skipped) {
    status = CJ_OK;
  } else if (may_alias(op, count, in)) {
    cj_tensor_detach(&y, &target);
    status = run(n, &y);
  } else {
    if (!(op->flags & CJ_VIEW)) status = cj_tensor_allocate(&y);
    if (status == CJ_OK) status = run(n, &y);
    if (status == CJ_OK) status = copy_back(&target, &y);
  }
  if (!skipped) target.storage->version++;
  if (status == CJ_OK) cj_trace_call(op, true, count, in, numbers, num, in[0]);
  cj_tensor_drop(&y);
  cj_node_drop(n);
  return status;
}

cj_status cj_apply_into(const cj_op *op, int count, const cj_tensor *const *in, int numbers,
                        const double *num) {
  char name[40]; /* as Lua calls it */
  snprintf(name, sizeof name, "%s_", op->name);
  return named(name, call_into(op, count, in, numbers, num));
}

cj_status cj_record_custom(cj_tensor *y, const cj_custom *custom, void *self, int count,
                           const cj_tensor *const *in) {
  cj_trace_refuse("it calls %s, which is not an operator of the core", custom->name);
  if (!enabled || !wants_grad(count, in) || !cj_dtype_float(y->dtype)) {
    custom->release(self);
    return CJ_OK;
  }
  cj_node *n = NULL;
  cj_status status = node_new(&n, count, 0, NULL);
  if (status == CJ_OK) {
    status = take_inputs(n, in, true);
    if (status == CJ_OK) status = cj_tensor_describe(&n->y, y->dtype, y->ndim, y->size);
    if (status != CJ_OK) cj_node_drop(n);
  }
  if (status != CJ_OK) {
    custom->release(self);
    return named(custom->name, status);
  }
  n->custom = custom;
  n->self = self;
  y->node = n;
  return CJ_OK;
}

cj_status cj_require_grad(cj_tensor *t, bool want) {
  if (!cj_is_leaf(t))
    return cj_fail(CJ_EARG, "only a leaf's wish for a gradient can be changed; detach it first");
  if (!want) {
    cj_node_drop(t->node);
    t->node = NULL;
    return CJ_OK;
  }
  if (!cj_dtype_float(t->dtype))
    return cj_fail(CJ_EDTYPE, "only float tensors have gradients, got %s", cj_dtype_name(t->dtype));
  return t->node ? CJ_OK : node_new(&t->node, 0, 0, NULL);
}
