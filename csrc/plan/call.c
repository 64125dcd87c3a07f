/* call.c -- steps that call an operator as it is, on plain tensors in the arena. */
#include <string.h>

#include "core/memory.h"
#include "plan/graph.h"

/* A call step in a frame. */
typedef struct cj_bound {
  cj_args args;
  cj_tensor y, gy;
  cj_tensor *in, *gx;
  const cj_tensor **list; /* what args.in points to */
  cj_tensor **wanted;     /* gradients that are asked for */
} cj_bound;

static bool flows_back(const cj_plan *p, const cj_step *s) {
  return p->act_count > 0 && p->values[cj_root(p, s->out)].wanted;
}

static size_t tensor_bytes(const cj_tensor *t) {
  return ((size_t)cj_numel(t) * cj_dtype_bytes(t->dtype) + 63) / 64 * 64;
}

/* A tensor of a value's sizes over memory that is not its own. */
static cj_tensor over(cj_frame *f, int v, void *data) {
  cj_tensor t = {0};
  const cj_tensor *like = &f->p->values[v].t;
  (void)cj_tensor_describe(&t, like->dtype, like->ndim, like->size); /* held before: cannot fail */
  t.storage = &f->storage;
  t.data = data;
  return t;
}

/* Sizes of what the operator saves and of its scratch, found by infer on tensors without memory;
 * integers, which infer looks at, are zeros. */
static cj_status call_size(cj_plan *p, cj_step *s) {
  size_t most = 1;
  for (int k = 0; k < s->count; k++)
    if (s->in[k] != NONE && tensor_bytes(&p->values[s->in[k]].t) > most)
      most = tensor_bytes(&p->values[s->in[k]].t);
  void *zeros = cj_alloc_zeroed(most);
  if (!zeros) return cj_fail(CJ_EMEM, "out of memory: no room for a plan");
  cj_frame nowhere = {.p = p, .storage = {.refs = 1 << 30}};
  cj_tensor in[64] = {0}, y = {0};
  const cj_tensor *list[64] = {0};
  for (int k = 0; k < s->count; k++) {
    if (s->in[k] == NONE) continue;
    in[k] = over(&nowhere, s->in[k], zeros);
    if (p->values[s->in[k]].live) in[k] = p->values[s->in[k]].t;
    list[k] = &in[k];
  }
  cj_args a = {.count = s->count, .in = list, .numbers = s->numbers, .num = s->num};
  y.dtype = in[0].dtype;
  (void)s->op->infer(&a, &y); /* went well when it was traced */
  for (int k = 0; k < CJ_MAX_SAVED && flows_back(p, s); k++)
    if (a.saved[k].stride[0] || a.saved[k].ndim) s->saved += tensor_bytes(&a.saved[k]);
  s->scratch = s->op->scratch ? s->op->scratch(&a) : 0;
  cj_free(zeros);
  return CJ_OK;
}

static void bind_inputs(cj_frame *f, const cj_step *s, cj_bound *b) {
  for (int k = 0; k < s->count; k++) {
    if (s->in[k] == NONE) continue;
    const cj_value *v = &f->p->values[s->in[k]];
    b->in[k] = v->live ? v->t : over(f, s->in[k], f->data[s->in[k]]);
    b->list[k] = &b->in[k];
  }
}

static cj_status bind(cj_frame *f, const cj_step *s, cj_bound **out) {
  const size_t n = (size_t)s->count;
  cj_bound *b = cj_alloc_zeroed(sizeof *b + n * (2 * sizeof(cj_tensor) + 2 * sizeof(void *)));
  if (!b) return cj_fail(CJ_EMEM, "out of memory: no room to run a plan");
  *out = b;
  b->in = (cj_tensor *)(b + 1);
  b->gx = b->in + n;
  b->list = (const cj_tensor **)(void *)(b->gx + n);
  b->wanted = (cj_tensor **)(void *)(b->list + n);
  b->args = (cj_args){.count = s->count, .in = b->list, .numbers = s->numbers, .num = s->num};
  bind_inputs(f, s, b);
  b->y.dtype = b->in[0].dtype;
  CJ_TRY(s->op->infer(&b->args, &b->y));
  b->args.recording = flows_back(f->p, s);
  size_t at = 0;
  for (int k = 0; k < CJ_MAX_SAVED && b->args.recording; k++) {
    cj_tensor *t = &b->args.saved[k];
    if (!t->stride[0] && !t->ndim) continue;
    t->data = f->arena + s->saved_at + at;
    at += tensor_bytes(t);
  }
  return CJ_OK;
}

cj_status cj_calls_bind(cj_frame *f) {
  for (int i = 0; i < f->p->step_count; i++)
    if (f->p->steps[i]->kind == &cj_call_kind) CJ_TRY(bind(f, f->p->steps[i], &f->bound[i]));
  return CJ_OK;
}

void cj_calls_drop(cj_frame *f) {
  for (int i = 0; f->bound && i < f->p->step_count; i++) cj_free(f->bound[i]);
}

static cj_bound *bound_of(const cj_plan *p, const cj_step *s, const cj_frame *f) {
  int i = 0;
  while (p->steps[i] != s) i++;
  return f->bound[i];
}

/* Integers are looked at in every run: they may be labels. */
static cj_status look_again(const cj_step *s, cj_bound *b) {
  bool integers = false;
  for (int k = 0; k < s->count; k++) integers |= b->list[k] && !cj_dtype_float(b->list[k]->dtype);
  if (!integers) return CJ_OK;
  const bool recording = b->args.recording;
  cj_tensor y = {.dtype = b->y.dtype};
  b->args.recording = false; /* what is saved has its memory */
  const cj_status status = s->op->infer(&b->args, &y);
  b->args.recording = recording;
  return status;
}

static void call_forward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  cj_bound *b = bound_of(p, s, f);
  cj_tensor y = over(f, s->out, f->data[s->out]);
  bind_inputs(f, s, b);
  b->args.scratch = f->scratch;
  f->status = look_again(s, b);
  if (f->status != CJ_OK) return;
  if (s->op->flags & CJ_VIEW)
    (void)cj_tensor_copy(&y, &b->y); /* sizes agree */
  else
    s->op->forward(&b->args, &y);
}

/* The gradients of all inputs, or of input `only`. */
static void call_back(const cj_plan *p, const cj_step *s, cj_frame *f, int only) {
  cj_bound *b = bound_of(p, s, f);
  cj_tensor y = over(f, s->out, s->op->flags & CJ_KEEPS_OUTPUT ? f->data[s->out] : NULL);
  cj_tensor gy = over(f, s->out, f->grad[s->out]);
  for (int k = 0; k < s->count; k++) {
    b->wanted[k] = NULL;
    if (s->write[k].mode == CJ_SKIP || (only != NONE && only != k)) continue;
    b->gx[k] = over(f, s->in[k], f->grad[s->in[k]]);
    b->wanted[k] = &b->gx[k];
    if (s->write[k].mode == CJ_STORE)
      memset(b->gx[k].data, 0, (size_t)cj_numel(&b->gx[k]) * cj_dtype_bytes(b->gx[k].dtype));
  }
  s->op->backward(&b->args, &y, &gy, b->wanted);
}

/* Operators may assume that gradients do not overlap, so an input used twice has them in turn. */
static void call_backward(const cj_plan *p, const cj_step *s, cj_frame *f) {
  bool twice = false;
  for (int k = 0; k < s->count; k++)
    for (int j = 0; j < k; j++)
      twice |= s->write[k].mode != CJ_SKIP && s->write[j].mode != CJ_SKIP &&
               cj_root(p, s->in[j]) == cj_root(p, s->in[k]);
  if (!twice)
    call_back(p, s, f, NONE);
  else
    for (int k = 0; k < s->count; k++) call_back(p, s, f, k);
}

const cj_step_kind cj_call_kind = {"call", 0, call_size, NULL, call_forward, call_backward, NULL};
