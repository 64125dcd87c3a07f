/* trace.c -- the list of calls a plan is compiled from. */
#include "autograd/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"

static cj_trace *running;

bool cj_tracing(void) {
  return running != NULL;
}

cj_status cj_trace_start(cj_trace *t) {
  if (running) return cj_fail(CJ_EARG, "a function is being traced already");
  running = t;
  return CJ_OK;
}

void cj_trace_stop(void) {
  running = NULL;
}

static void drop_call(cj_traced *c) {
  for (int i = 0; i < c->count; i++) cj_tensor_drop(&c->in[i]);
  cj_tensor_drop(&c->y);
  cj_free(c);
}

void cj_trace_drop(cj_trace *t) {
  if (running == t) running = NULL;
  for (int64_t i = 0; i < t->count; i++) drop_call(t->calls[i]);
  cj_free(t->calls);
  *t = (cj_trace){0};
}

static bool make_room(cj_trace *t) {
  if (t->count < t->room) return true;
  const int64_t room = t->room ? 2 * t->room : 64;
  cj_traced **more = cj_alloc((size_t)room * sizeof *more);
  if (!more) return false;
  if (t->count) memcpy(more, t->calls, (size_t)t->count * sizeof *more);
  cj_free(t->calls);
  t->calls = more;
  t->room = room;
  return true;
}

static cj_traced *new_call(int count, int numbers) {
  const size_t tensors = (size_t)count * sizeof(cj_tensor);
  cj_traced *c = cj_alloc_zeroed(sizeof *c + tensors + (size_t)numbers * sizeof(double));
  if (!c) return NULL;
  c->in = (cj_tensor *)(c + 1);
  c->num = (const double *)(c->in + count);
  c->count = count;
  c->numbers = numbers;
  return c;
}

bool cj_trace_depends(const cj_tensor *x) {
  const cj_trace *t = running;
  if (!t) return false;
  for (int64_t i = t->count - 1; i >= 0; i--)
    if (t->calls[i]->depends && t->calls[i]->y.storage == x->storage) return true;
  for (int k = 0; k < t->inputs; k++)
    if (t->in[k]->storage == x->storage) return true;
  return false;
}

static bool any_depends(int count, const cj_tensor *const *in) {
  for (int i = 0; i < count; i++)
    if (in[i] && cj_trace_depends(in[i])) return true;
  return false;
}

bool cj_reads_indices(const cj_op *op) {
  static const char *const names[] = {"cross_entropy", "index_select", "gather", "scatter_add",
                                      "one_hot"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(names[i], op->name) == 0) return true;
  return false;
}

static bool is_input(const cj_tensor *x) {
  for (int k = 0; k < running->inputs; k++)
    if (cj_same_view(running->in[k], x)) return true;
  return false;
}

void cj_trace_indices(const cj_op *op, int count, const cj_tensor *const *in) {
  if (!running || !running->dry || !cj_reads_indices(op)) return;
  for (int i = 0; i < count; i++)
    if (in[i] && in[i]->dtype == CJ_I64 && cj_trace_depends(in[i]) && !is_input(in[i]))
      cj_trace_refuse("%s takes indices that are computed", op->name);
}

bool cj_trace_skips(bool into, int count, const cj_tensor *const *in) {
  return running && running->dry && (into || any_depends(count, in));
}

void cj_trace_call(const cj_op *op, bool into, int count, const cj_tensor *const *in, int numbers,
                   const double *num, const cj_tensor *y) {
  cj_trace *t = running;
  if (!t || t->status != CJ_OK) return;
  cj_traced *c = make_room(t) ? new_call(count, numbers) : NULL;
  if (!c) {
    t->status = cj_fail(CJ_EMEM, "out of memory: no room to trace a call");
    return;
  }
  c->op = op;
  c->into = into;
  c->depends = any_depends(count, in);
  for (int i = 0; i < count; i++)
    if (in[i]) cj_tensor_share(&c->in[i], in[i]);
  if (numbers) memcpy((double *)(c->in + count), num, (size_t)numbers * sizeof *num);
  cj_tensor_share(&c->y, y);
  t->calls[t->count++] = c;
}

void cj_trace_refuse(const char *format, ...) {
  if (!running || running->refused[0]) return;
  va_list list;
  va_start(list, format);
  vsnprintf(running->refused, sizeof running->refused, format, list);
  va_end(list);
}

const char *cj_trace_refused(void) {
  return running && running->refused[0] ? running->refused : NULL;
}

void cj_trace_look(const cj_tensor *t) {
  if (!running) return;
  for (int64_t i = running->count - 1; i >= 0; i--) {
    const cj_traced *c = running->calls[i];
    if (c->y.storage != t->storage) continue;
    cj_trace_refuse("it looks at elements of the result of %s", c->op->name);
    return;
  }
  cj_trace_refuse("it looks at elements of a tensor");
}

bool cj_same_view(const cj_tensor *a, const cj_tensor *b) {
  if (a->storage != b->storage || a->data != b->data || a->dtype != b->dtype) return false;
  if (!cj_same_shape(a, b)) return false;
  for (int d = 0; d < a->ndim; d++)
    if (a->size[d] > 1 && a->stride[d] != b->stride[d]) return false;
  return true;
}
