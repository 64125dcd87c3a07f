/* backward.c -- walks the tape from a result to the tensors whose gradients are wanted.
 *
 * 1. collect every node that the result depends on; 2. order by falling number; 3. mark those that
 * lead to a wanted node; 4. pass gradients down, each node once. The order is fixed by the calls,
 * so sums of gradients have the same bits every time. A walk keeps its own list of (node,
 * gradient), with a reference to each node, so that freeing calls on the way is safe. */
#include <stdlib.h>
#include <string.h>

#include "autograd/tape.h"
#include "core/memory.h"
#include "core/threads.h"

typedef struct stop {
  cj_node *node;
  bool needed;
  cj_tensor grad; /* of the node's result, so far */
} stop;

typedef struct walk {
  uint64_t id;
  stop *stops;
  int64_t count, room;
  int wanted; /* gradients asked for by cj_grad; -1: every leaf collects */
  const cj_tensor *const *x;
  cj_tensor *gx;
  bool keep;
} walk;

static cj_status add_stop(walk *w, cj_node *n) {
  if (n->walk == w->id) return CJ_OK;
  if (n->walk)
    return cj_fail(CJ_EARG, "a graph that is being walked cannot be walked again inside");
  if (w->count == w->room) {
    const int64_t room = w->room ? w->room * 2 : 64;
    stop *more = cj_alloc((size_t)room * sizeof *more);
    if (!more) return cj_fail(CJ_EMEM, "out of memory: no room to walk the graph");
    if (w->count) memcpy(more, w->stops, (size_t)w->count * sizeof *more);
    cj_free(w->stops);
    w->stops = more;
    w->room = room;
  }
  n->walk = w->id;
  w->stops[w->count++] = (stop){.node = cj_node_keep(n)};
  return CJ_OK;
}

/* The list is its own queue: what stands behind `i` was not looked into yet. */
static cj_status collect(walk *w, cj_node *root) {
  CJ_TRY(add_stop(w, root));
  for (int64_t i = 0; i < w->count; i++) {
    const cj_node *n = w->stops[i].node;
    for (int k = 0; k < n->args.count; k++)
      if (n->inputs[k].node) CJ_TRY(add_stop(w, n->inputs[k].node));
  }
  return CJ_OK;
}

static int by_falling_sequence(const void *a, const void *b) {
  const uint64_t p = ((const stop *)a)->node->sequence, q = ((const stop *)b)->node->sequence;
  return p < q ? 1 : p > q ? -1 : 0;
}

static bool is_leaf(const cj_node *n) {
  return !n->op && !n->custom && !n->freed;
}

static bool is_wanted(const walk *w, const cj_node *n) {
  if (w->wanted < 0) return is_leaf(n);
  for (int i = 0; i < w->wanted; i++)
    if (w->x[i]->node == n) return true;
  return false;
}

static void mark_needed(walk *w) {
  for (int64_t i = 0; i < w->count; i++) w->stops[i].node->slot = i;
  for (int64_t i = w->count - 1; i >= 0; i--) {
    stop *s = &w->stops[i];
    s->needed = s->node->freed || is_wanted(w, s->node); /* freed: step_back says so */
    for (int k = 0; k < s->node->args.count && !s->needed; k++) {
      const cj_node *input = s->node->inputs[k].node;
      s->needed = input && w->stops[input->slot].needed;
    }
  }
}

/* dst += src: same type and sizes, both contiguous. */
static void add_to(cj_tensor *dst, const cj_tensor *src) {
  const int64_t n = cj_numel(dst);
  if (dst->dtype == CJ_F32) {
    float *d = dst->data;
    const float *s = src->data;
    for (int64_t i = 0; i < n; i++) d[i] += s[i];
  } else {
    double *d = dst->data;
    const double *s = src->data;
    for (int64_t i = 0; i < n; i++) d[i] += s[i];
  }
}

static cj_status check_usable(const cj_node *n) {
  if (n->freed)
    return cj_fail(CJ_EARG, "the graph was freed by an earlier walk; pass keep = true to that one");
  for (int k = 0; k < n->args.count; k++)
    if (n->inputs[k].storage && n->inputs[k].storage->version != n->version[k])
      return cj_fail(CJ_EARG, "input %d of %s was changed in place after it was used", k + 1,
                     n->op ? n->op->name : n->custom->name);
  return CJ_OK;
}

/* The gradient buffers of one call's inputs. An input used twice in the call gets a buffer of its
 * own the second time, because operators may assume that their outputs do not overlap. */
typedef struct buffers {
  cj_tensor **gx;
  cj_tensor *extra; /* empty, or a second buffer that is added at the end */
} buffers;

static bool used_before(const cj_node *n, int k) {
  for (int j = 0; j < k; j++)
    if (n->inputs[j].node == n->inputs[k].node) return true;
  return false;
}

cj_status cj_leaf_gradient(cj_tensor *g, const cj_tensor *leaf) {
  const cj_node *n = leaf->node;
  const bool at_home = n->home.storage && !n->grad.storage && n->home.dtype == leaf->dtype &&
                       cj_same_shape(&n->home, leaf) && atomic_load(&n->home.storage->refs) == 1;
  if (!at_home) return cj_tensor_zeros(g, leaf->dtype, leaf->ndim, leaf->size);
  cj_tensor_share(g, &n->home);
  memset(g->data, 0, g->storage->bytes);
  return CJ_OK;
}

static cj_status open_buffers(walk *w, const cj_node *n, buffers *b) {
  for (int k = 0; k < n->args.count; k++) {
    const cj_tensor *in = &n->inputs[k];
    if (!in->node || !w->stops[in->node->slot].needed) continue;
    cj_tensor *g = used_before(n, k) ? &b->extra[k] : &w->stops[in->node->slot].grad;
    if (!g->storage)
      CJ_TRY(w->wanted < 0 && is_leaf(in->node)
                 ? cj_leaf_gradient(g, in)
                 : cj_tensor_zeros(g, in->dtype, in->ndim, in->size));
    b->gx[k] = g;
  }
  return CJ_OK;
}

static void close_buffers(walk *w, const cj_node *n, buffers *b) {
  for (int k = 0; k < n->args.count; k++) {
    if (!b->extra[k].storage) continue;
    add_to(&w->stops[n->inputs[k].node->slot].grad, &b->extra[k]);
    cj_tensor_drop(&b->extra[k]);
  }
}

static cj_status call_backward(cj_node *n, const cj_tensor *gy, cj_tensor *const *gx) {
  if (n->custom) return n->custom->backward(n->self, gy, n->args.count, gx);
  const size_t bytes = n->op->scratch ? n->op->scratch(&n->args) : 0;
  if (bytes && !(n->args.scratch = cj_alloc(bytes)))
    return cj_fail(CJ_EMEM, "out of memory: %zu bytes of scratch were asked for", bytes);
  n->op->backward(&n->args, &n->y, gy, gx);
  cj_free(n->args.scratch);
  n->args.scratch = NULL;
  return cj_stop_requested() ? cj_fail(CJ_ESTOP, "interrupted") : CJ_OK;
}

static cj_status step_back(walk *w, stop *s) {
  cj_node *n = s->node;
  CJ_TRY(check_usable(n));
  const size_t count = (size_t)n->args.count;
  cj_tensor *extra = cj_alloc_zeroed(count * (sizeof(cj_tensor) + sizeof(cj_tensor *)));
  if (!extra) return cj_fail(CJ_EMEM, "out of memory: no room to walk the graph");
  buffers b = {.gx = (cj_tensor **)(void *)(extra + count), .extra = extra};
  cj_status status = open_buffers(w, n, &b);
  if (status == CJ_OK) status = call_backward(n, &s->grad, b.gx);
  close_buffers(w, n, &b);
  cj_free(extra);
  if (status == CJ_OK && !w->keep) cj_node_free_call(n);
  return status;
}

/* A leaf collects: moved in the first time, added later. */
static void collect_leaf(cj_node *leaf, cj_tensor *grad) {
  if (leaf->grad.storage) {
    add_to(&leaf->grad, grad);
    return;
  }
  leaf->grad = *grad;
  memset(grad, 0, sizeof *grad);
}

/* The same node may be asked for twice. Results are copies: the buffer may still be passed on. */
static cj_status deliver(walk *w, const stop *s) {
  for (int i = 0; i < w->wanted; i++) {
    if (w->x[i]->node != s->node) continue;
    CJ_TRY(cj_tensor_new(&w->gx[i], s->grad.dtype, s->grad.ndim, s->grad.size));
    CJ_TRY(cj_tensor_copy(&w->gx[i], &s->grad));
  }
  return CJ_OK;
}

static bool leads_on(const walk *w, const cj_node *n) {
  for (int k = 0; k < n->args.count; k++)
    if (n->inputs[k].node && w->stops[n->inputs[k].node->slot].needed) return true;
  return false;
}

static cj_status visit(walk *w, stop *s) {
  if (!s->needed || !s->grad.storage) return CJ_OK;
  if (w->wanted >= 0) CJ_TRY(deliver(w, s));
  if (is_leaf(s->node)) {
    if (w->wanted < 0) collect_leaf(s->node, &s->grad);
    return CJ_OK;
  }
  if (!s->node->freed && !leads_on(w, s->node)) return CJ_OK;
  return step_back(w, s);
}

static cj_status start_gradient(const cj_tensor *y, const cj_tensor *gy, cj_tensor *out) {
  if (!gy && cj_numel(y) != 1) {
    char text[CJ_SHAPE_TEXT];
    return cj_fail(CJ_EARG, "expected a result of one element or a gradient for it, got sizes %s",
                   cj_shape_text(text, y));
  }
  if (gy && (gy->dtype != y->dtype || !cj_same_shape(gy, y))) {
    char expected[CJ_SHAPE_TEXT], got[CJ_SHAPE_TEXT];
    return cj_fail(CJ_ESHAPE, "expected a gradient of %s %s, got %s %s", cj_dtype_name(y->dtype),
                   cj_shape_text(expected, y), cj_dtype_name(gy->dtype), cj_shape_text(got, gy));
  }
  CJ_TRY(cj_tensor_new(out, y->dtype, y->ndim, y->size));
  if (gy) return cj_tensor_copy(out, gy);
  cj_tensor_fill(out, 1.0);
  return CJ_OK;
}

static cj_status walk_back(walk *w, const cj_tensor *y, const cj_tensor *gy) {
  CJ_TRY(collect(w, y->node));
  qsort(w->stops, (size_t)w->count, sizeof *w->stops, by_falling_sequence);
  mark_needed(w);
  CJ_TRY(start_gradient(y, gy, &w->stops[y->node->slot].grad));
  for (int64_t i = 0; i < w->count; i++) {
    CJ_TRY(visit(w, &w->stops[i]));
    cj_tensor_drop(&w->stops[i].grad);
  }
  return CJ_OK;
}

static cj_status walk_tape(walk *w, const cj_tensor *y, const cj_tensor *gy) {
  static uint64_t walks;
  w->id = ++walks;
  const cj_status status = walk_back(w, y, gy);
  for (int64_t i = 0; i < w->count; i++) {
    w->stops[i].node->walk = 0;
    cj_tensor_drop(&w->stops[i].grad);
    cj_node_drop(w->stops[i].node);
  }
  cj_free(w->stops);
  return status;
}

cj_status cj_backward(const cj_tensor *y, const cj_tensor *gy, bool keep) {
  if (!y->node) return cj_fail(CJ_EARG, "nothing that the result was made from wants a gradient");
  walk w = {.wanted = -1, .keep = keep};
  return walk_tape(&w, y, gy);
}

static cj_status fill_missing(const walk *w) {
  for (int i = 0; i < w->wanted; i++)
    if (!w->gx[i].storage)
      CJ_TRY(cj_tensor_zeros(&w->gx[i], w->x[i]->dtype, w->x[i]->ndim, w->x[i]->size));
  return CJ_OK;
}

cj_status cj_grad(const cj_tensor *y, const cj_tensor *gy, int count, const cj_tensor *const *x,
                  cj_tensor *gx, bool keep) {
  for (int i = 0; i < count; i++)
    if (!x[i]->node)
      return cj_fail(CJ_EARG, "input %d does not want a gradient; set requires_grad first", i + 1);
  walk w = {.wanted = count, .x = x, .gx = gx, .keep = keep};
  cj_status status = y->node ? walk_tape(&w, y, gy) : CJ_OK;
  if (status == CJ_OK) status = fill_missing(&w);
  for (int i = 0; i < count && status != CJ_OK; i++) cj_tensor_drop(&gx[i]);
  return status;
}
