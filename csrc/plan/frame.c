/* frame.c -- running a plan. */
#include <string.h>
#include <time.h>

#include "autograd/tape.h"
#include "core/memory.h"
#include "core/threads.h"
#include "plan/graph.h"

enum { BLOCK = 16 };

/* Where a value's first pixel or element is, when its buffer begins at `at`. */
static void *first_element(const cj_frame *f, const cj_value *v, int64_t at) {
  if (at == NONE) return NULL;
  int64_t inside = 0;
  if (v->layout == CJ_PICTURE)
    inside = v->ring * (v->t.size[3] + 2 * v->ring) * BLOCK + v->ring * BLOCK;
  return f->arena + at + inside * (int64_t)cj_dtype_bytes(v->t.dtype);
}

static void resolve(cj_frame *f) {
  const cj_plan *p = f->p;
  for (int v = 0; v < p->value_count; v++) {
    const cj_value *own = &p->values[cj_root(p, v)];
    f->data[v] = own->live ? own->t.data : first_element(f, own, own->data);
    f->grad[v] = own->live ? NULL : first_element(f, own, own->grad);
    f->signs[v] = own->signs == NONE ? NULL : f->arena + own->signs;
  }
}

static cj_status fill_frame(cj_frame *f) {
  const size_t values = (size_t)f->p->value_count;
  f->data = cj_alloc_zeroed(values * sizeof *f->data);
  f->grad = cj_alloc_zeroed(values * sizeof *f->grad);
  f->signs = cj_alloc_zeroed(values * sizeof *f->signs);
  f->bound = cj_alloc_zeroed((size_t)f->p->step_count * sizeof *f->bound);
  f->arena = cj_alloc_zeroed(f->p->arena); /* rows that are not used hold numbers, too */
  f->scratch = cj_alloc(f->p->scratch);
  if (!f->data || !f->grad || !f->signs || !f->bound || !f->arena || !f->scratch)
    return cj_fail(CJ_EMEM, "out of memory: %zu bytes to run a plan", f->p->arena + f->p->scratch);
  resolve(f);
  return cj_calls_bind(f);
}

cj_status cj_frame_new(cj_frame **out, cj_plan *p) {
  cj_frame *f = cj_alloc_zeroed(sizeof *f);
  if (!f) return cj_fail(CJ_EMEM, "out of memory: no room to run a plan");
  f->p = p;
  f->storage.refs = 1 << 30; /* never given back by a tensor over the arena */
  const cj_status status = fill_frame(f);
  if (status == CJ_OK)
    *out = f;
  else
    cj_frame_drop(f);
  return status;
}

void cj_frame_drop(cj_frame *f) {
  if (!f) return;
  cj_calls_drop(f);
  cj_free(f->data);
  cj_free(f->grad);
  cj_free(f->signs);
  cj_free(f->bound);
  cj_free(f->arena);
  cj_free(f->scratch);
  cj_free(f);
}

/* --- running -----------------------------------------------------------------------------------
 */

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Bytes of the rows in use of a plain value. */
static size_t row_bytes(const cj_frame *f, int v) {
  const cj_tensor *t = &f->p->values[v].t;
  const size_t all = (size_t)cj_numel(t) * cj_dtype_bytes(t->dtype);
  return f->p->o.train || t->ndim == 0 ? all : all / (size_t)t->size[0] * (size_t)f->rows;
}

/* In training, right before each use: all steps share the place. */
static void pack(const cj_frame *f, const cj_step *s, bool back) {
  if (f->p->o.train && s->packed[back])
    s->kind->pack(f->p, s, back, f->p->packed + s->packed_at[back]);
}

static void run_forward(cj_frame *f, cj_step *s) {
  const int64_t begin = f->p->profiling ? now() : 0;
  pack(f, s, false);
  s->kind->forward(f->p, s, f);
  if (begin) atomic_fetch_add(&s->nanoseconds[0], now() - begin);
}

cj_status cj_frame_forward(cj_frame *f, int64_t rows, const void *const *in, void *const *out) {
  cj_plan *p = f->p;
  f->rows = rows;
  f->status = CJ_OK;
  for (int v = 0; v < p->value_count; v++) {
    const cj_value *value = &p->values[v];
    if (value->live) f->data[v] = value->t.data;
    if (value->again) f->data[v] = first_element(f, value, value->data);
  }
  for (int k = 0; k < p->input_count; k++)
    if (f->data[p->inputs[k]]) memcpy(f->data[p->inputs[k]], in[k], row_bytes(f, p->inputs[k]));
  for (int s = 0; s < p->step_count && !cj_stop_requested(); s++) {
    run_forward(f, p->steps[s]);
    CJ_TRY(f->status);
  }
  for (int k = 0; k < p->output_count; k++)
    if (out[k]) memcpy(out[k], f->data[p->outputs[k]], row_bytes(f, p->outputs[k]));
  return cj_stop_requested() ? cj_fail(CJ_ESTOP, "interrupted") : CJ_OK;
}

static void run_act(cj_frame *f, const cj_act *act) {
  cj_step *s = act->step == NONE ? f->p->sums : f->p->steps[act->step];
  const int64_t begin = f->p->profiling ? now() : 0;
  f->act = act;
  if (act->again) {
    const cj_value *y = &f->p->values[s->out];
    f->data[s->out] = first_element(f, y, y->data_again);
    s->kind->again(f->p, s, f);
  } else {
    pack(f, s, true);
    s->kind->backward(f->p, s, f);
  }
  if (begin) atomic_fetch_add(&s->nanoseconds[1], now() - begin);
}

static void run_back(cj_frame *f) {
  const cj_plan *p = f->p;
  for (int a = 0; a < p->act_count && !cj_stop_requested(); a++) run_act(f, &p->acts[a]);
}

void cj_frame_pull(cj_frame *f, const void *const *gy, void *gx) {
  const cj_plan *p = f->p;
  const int x = p->inputs[0];
  for (int k = 0; k < p->output_count; k++) {
    const int y = p->outputs[k];
    if (!f->grad[y]) continue;
    if (gy[k])
      memcpy(f->grad[y], gy[k], row_bytes(f, y));
    else
      memset(f->grad[y], 0, row_bytes(f, y));
  }
  if (p->act_count) run_back(f);
  if (f->grad[x])
    memcpy(gx, f->grad[x], row_bytes(f, x));
  else
    memset(gx, 0, row_bytes(f, x));
}

/* --- training ----------------------------------------------------------------------------------
 */

/* The gradient of a parameter is its leaf's; what the repeats made gets one for the moment. */
static cj_status open_gradients(cj_frame *f, cj_tensor *made) {
  const cj_plan *p = f->p;
  for (int v = 0; v < p->value_count; v++) {
    const cj_value *value = &p->values[v];
    if (!value->live || !value->wanted) continue;
    cj_tensor *g = value->preamble == NONE ? &value->t.node->grad : &made[v];
    if (!g->storage)
      CJ_TRY(value->preamble == NONE
                 ? cj_leaf_gradient(g, &value->t)
                 : cj_tensor_zeros(g, value->t.dtype, value->t.ndim, value->t.size));
    f->grad[v] = g->data;
  }
  return CJ_OK;
}

static cj_status walk_repeats(const cj_frame *f, const cj_tensor *made) {
  for (int v = 0; v < f->p->value_count; v++)
    if (made[v].storage) CJ_TRY(cj_backward(&f->p->values[v].t, &made[v], true));
  return CJ_OK;
}

static void seed(const cj_frame *f, const void *gy) {
  const cj_value *y = &f->p->values[f->p->outputs[0]];
  const double one = 1;
  const float narrow = 1;
  if (!gy) gy = y->t.dtype == CJ_F32 ? (const void *)&narrow : &one;
  memcpy(f->grad[f->p->outputs[0]], gy, (size_t)cj_numel(&y->t) * cj_dtype_bytes(y->t.dtype));
}

cj_status cj_frame_backward(cj_frame *f, const void *gy) {
  const cj_plan *p = f->p;
  cj_tensor *made = cj_alloc_zeroed((size_t)p->value_count * sizeof *made);
  if (!made) return cj_fail(CJ_EMEM, "out of memory: no room for gradients");
  cj_status status = open_gradients(f, made);
  if (status == CJ_OK && f->grad[p->outputs[0]]) {
    seed(f, gy);
    run_back(f);
    status = walk_repeats(f, made);
  }
  for (int v = 0; v < p->value_count; v++) cj_tensor_drop(&made[v]);
  cj_free(made);
  if (status == CJ_OK && cj_stop_requested()) return cj_fail(CJ_ESTOP, "interrupted");
  return status;
}
