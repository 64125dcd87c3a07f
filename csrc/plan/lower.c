/* lower.c -- from a trace to values and steps, neighbours fused on the way.
 *
 * Calls that do not depend on the plan's inputs are repeats. The others become steps in the order
 * of the trace. A result lives in one layout at a time; `form` converts where a reader wants the
 * other one, once. */
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "plan/graph.h"

typedef struct result { /* of one traced call, or an input of the plan */
  const cj_tensor *t;
  int form[2]; /* value per layout, or NONE */
  int uses;
  int repeat; /* the repeat that makes it, or NONE */
  bool needed, depends;
} result;

typedef struct lowering {
  cj_plan *p;
  const cj_trace *t;
  int inputs;
  result *results; /* inputs first, then calls */
} lowering;

static cj_status no_memory(void) {
  return cj_fail(CJ_EMEM, "out of memory: no room for a plan");
}

static int64_t result_count(const lowering *l) {
  return l->inputs + l->t->count;
}

/* The last result that is this view, before result `before`; NONE: live. */
static int find_result(const lowering *l, const cj_tensor *t, int64_t before) {
  for (int64_t i = before - 1; i >= 0; i--)
    if (cj_same_view(l->results[i].t, t)) return (int)i;
  return NONE;
}

static const cj_traced *call_of(const lowering *l, int64_t i) {
  return l->t->calls[i - l->inputs];
}

/* --- who depends on the inputs, and who is needed ------------------------------------------------
 */

static bool same_storage_as_dependent(const lowering *l, const cj_tensor *t, int64_t before) {
  for (int64_t i = 0; i < before; i++)
    if (l->results[i].depends && l->results[i].t->storage == t->storage) return true;
  return false;
}

static cj_status mark_dependent(lowering *l) {
  for (int64_t i = l->inputs; i < result_count(l); i++) {
    const cj_traced *c = call_of(l, i);
    bool depends = false;
    for (int k = 0; k < c->count; k++) {
      if (!c->in[k].storage) continue;
      const int from = find_result(l, &c->in[k], i);
      depends |=
          from != NONE ? l->results[from].depends : same_storage_as_dependent(l, &c->in[k], i);
      if (from == NONE && depends && same_storage_as_dependent(l, &c->in[k], i))
        return cj_fail(CJ_EARG, "cannot be compiled: %s reads a view that no operator made",
                       c->op->name);
    }
    if (depends && c->into)
      return cj_fail(CJ_EARG, "cannot be compiled: %s_ changes a tensor in place", c->op->name);
    l->results[i].depends = depends;
  }
  return CJ_OK;
}

static void need(lowering *l, int i) {
  if (i == NONE) return;
  l->results[i].uses++;
  if (l->results[i].needed) return;
  l->results[i].needed = true;
  if (i < l->inputs) return;
  const cj_traced *c = call_of(l, i);
  for (int k = 0; k < c->count; k++)
    if (c->in[k].storage) need(l, find_result(l, &c->in[k], i));
}

/* --- live values -------------------------------------------------------------------------------
 */

static int live_value(lowering *l, const cj_tensor *t, int repeat) {
  cj_plan *p = l->p;
  for (int v = 0; v < p->value_count; v++)
    if (p->values[v].live && cj_same_view(&p->values[v].t, t)) return v;
  const int v = cj_plan_value(p, t, CJ_PLAIN);
  if (v == NONE) return NONE;
  p->values[v].live = true;
  p->values[v].preamble = repeat;
  cj_tensor_share(&p->values[v].t, t);
  return v;
}

static cj_status add_repeat(lowering *l, int64_t i) {
  cj_plan *p = l->p;
  const cj_traced *c = call_of(l, i);
  cj_repeat *r = &p->repeats[p->repeat_count];
  const size_t n = (size_t)c->count;
  r->in = cj_alloc_zeroed(n * sizeof *r->in);
  r->from = cj_alloc(n * sizeof *r->from);
  r->num = cj_alloc((size_t)c->numbers * sizeof *r->num);
  p->repeat_count++;
  if (!r->in || !r->from || !r->num) return no_memory();
  r->op = c->op;
  r->into = c->into;
  r->count = c->count;
  r->numbers = c->numbers;
  if (c->numbers) memcpy(r->num, c->num, (size_t)c->numbers * sizeof *r->num);
  for (int k = 0; k < c->count; k++) {
    const int from = c->in[k].storage ? find_result(l, &c->in[k], i) : NONE;
    r->from[k] = from == NONE ? NONE : l->results[from].repeat;
    if (r->from[k] == NONE && c->in[k].storage) cj_tensor_share(&r->in[k], &c->in[k]);
  }
  /* What is written over stays the tensor it was. */
  l->results[i].repeat = c->into ? NONE : p->repeat_count - 1;
  return CJ_OK;
}

/* --- forms -------------------------------------------------------------------------------------
 */

static bool is_image(const cj_tensor *t) {
  return t->ndim == 4 && cj_dtype_float(t->dtype);
}

static cj_step *emit(lowering *l, const char *kind, const cj_traced *c, int count, int out) {
  cj_step *s = cj_plan_step(l->p, kind, count);
  if (!s) return NULL;
  s->out = out;
  if (!c) return s;
  s->op = c->op;
  s->numbers = c->numbers;
  s->num = cj_alloc((size_t)c->numbers * sizeof *s->num);
  if (!s->num) return NULL;
  if (c->numbers) memcpy(s->num, c->num, (size_t)c->numbers * sizeof *s->num);
  return s;
}

/* The value of a result in a layout; a conversion is added when it has only the other one. */
static int form(lowering *l, int r, cj_layout layout) {
  result *res = &l->results[r];
  if (res->form[layout] != NONE) return res->form[layout];
  const int from = res->form[layout == CJ_PLAIN ? CJ_PICTURE : CJ_PLAIN];
  const int to = from == NONE ? NONE : cj_plan_value(l->p, res->t, layout);
  if (to == NONE) return NONE;
  cj_step *s = emit(l, layout == CJ_PLAIN ? "to_plain" : "to_picture", NULL, 1, to);
  if (!s) return NONE;
  s->in[0] = from;
  return res->form[layout] = to;
}

/* Input k of a call as a value: NONE when it is absent (*ok stays) or there is no memory. */
static int input(lowering *l, const cj_traced *c, int64_t i, int k, cj_layout layout, bool *ok) {
  if (k >= c->count || !c->in[k].storage) return NONE;
  const int r = find_result(l, &c->in[k], i);
  const int v = r != NONE && l->results[r].depends
                    ? form(l, r, layout)
                    : live_value(l, &c->in[k], r == NONE ? NONE : l->results[r].repeat);
  if (v == NONE) *ok = false;
  return v;
}

static bool depends(const lowering *l, const cj_traced *c, int64_t i, int k) {
  if (k >= c->count || !c->in[k].storage) return false;
  const int r = find_result(l, &c->in[k], i);
  return r != NONE && l->results[r].depends;
}

static int new_result(lowering *l, int64_t i, cj_layout layout) {
  return l->results[i].form[layout] = cj_plan_value(l->p, l->results[i].t, layout);
}

/* The step that makes result r as a picture, if nobody else reads it and it may still be extended:
 * its index, or NONE. */
static int open_step(const lowering *l, int r, unsigned flag) {
  const cj_plan *p = l->p;
  if (r == NONE || l->results[r].uses != 1) return NONE;
  for (int layout = 0; layout < 2; layout++)
    for (int s = p->step_count - 1; s >= 0 && l->results[r].form[layout] != NONE; s--)
      if (p->steps[s]->out == l->results[r].form[layout])
        return (p->steps[s]->kind->flags & flag) && !p->values[p->steps[s]->out].clip ? s : NONE;
  return NONE;
}

/* Result i is the (changed) result of step s. */
static void take_over(lowering *l, int64_t i, int r) {
  memcpy(l->results[i].form, l->results[r].form, sizeof l->results[i].form);
}

/* --- calls -------------------------------------------------------------------------------------
 */

enum { TRAINING = 0, EPS = 2 }; /* numbers of batch_norm */

static cj_status done(bool ok, const cj_step *s) {
  return ok && s ? CJ_OK : no_memory();
}

/* A step of the kind on pictures (x_layout says how input 0 is read), all other inputs live. */
static cj_status emit_layer(lowering *l, int64_t i, const char *kind, cj_layout x_layout,
                            cj_layout y_layout) {
  const cj_traced *c = call_of(l, i);
  bool ok = true;
  const int x = input(l, c, i, 0, x_layout, &ok), y = ok ? new_result(l, i, y_layout) : NONE;
  cj_step *s = y == NONE ? NULL : emit(l, kind, c, c->count, y);
  if (!s) return no_memory();
  s->in[0] = x;
  for (int k = 1; k < c->count; k++) s->in[k] = input(l, c, i, k, CJ_PLAIN, &ok);
  return done(ok, s);
}

static cj_status lower_call(lowering *l, int64_t i) {
  const cj_traced *c = call_of(l, i);
  bool ok = true;
  const int y = new_result(l, i, CJ_PLAIN);
  int in[64];
  if (c->count > 64)
    return cj_fail(CJ_EARG, "cannot be compiled: %s of %d tensors", c->op->name, c->count);
  for (int k = 0; k < c->count; k++) in[k] = input(l, c, i, k, CJ_PLAIN, &ok);
  cj_step *s = ok && y != NONE ? emit(l, "call", c, c->count, y) : NULL;
  if (s) memcpy(s->in, in, (size_t)c->count * sizeof *in);
  return done(ok, s);
}

static bool only_first_depends(const lowering *l, const cj_traced *c, int64_t i) {
  for (int k = 1; k < c->count; k++)
    if (depends(l, c, i, k)) return false;
  return depends(l, c, i, 0);
}

enum { DILATION = 4, GROUPS = 6, TURNED_DILATION = 7 };

static cj_status lower_conv(lowering *l, int64_t i) {
  const cj_traced *c = call_of(l, i);
  if (!only_first_depends(l, c, i) || c->num[DILATION] != 1 || c->num[DILATION + 1] != 1 ||
      c->num[GROUPS] != 1)
    return lower_call(l, i);
  const int r = find_result(l, &c->in[0], i);
  const bool stem = c->in[0].size[1] <= 4 && l->results[r].form[CJ_PLAIN] != NONE;
  return emit_layer(l, i, stem ? "stem" : "conv", stem ? CJ_PLAIN : CJ_PICTURE, CJ_PICTURE);
}

static cj_status lower_turned(lowering *l, int64_t i) {
  const cj_traced *c = call_of(l, i);
  if (!only_first_depends(l, c, i) || c->num[GROUPS] != 1 || c->num[TURNED_DILATION] != 1 ||
      c->num[TURNED_DILATION + 1] != 1)
    return lower_call(l, i);
  return emit_layer(l, i, "turned", CJ_PICTURE, CJ_PICTURE);
}

static cj_status lower_dense(lowering *l, int64_t i) {
  const cj_traced *c = call_of(l, i);
  if (!only_first_depends(l, c, i) || c->in[0].ndim != 2) return lower_call(l, i);
  return emit_layer(l, i, "dense", CJ_PLAIN, CJ_PLAIN);
}

/* Evaluation: folded into the convolution before it, or a map per channel; training: its own step.
 */
static cj_status lower_norm(lowering *l, int64_t i) {
  const cj_traced *c = call_of(l, i);
  if (!only_first_depends(l, c, i) || !is_image(&c->in[0])) return lower_call(l, i);
  if (l->p->o.train)
    return c->num[TRAINING] != 0 ? emit_layer(l, i, "norm", CJ_PICTURE, CJ_PICTURE)
                                 : lower_call(l, i);
  if (c->num[TRAINING] != 0) return lower_call(l, i); /* which refuses: images would meet */
  const int r = find_result(l, &c->in[0], i), at = open_step(l, r, CJ_CLIPS);
  cj_step *s = at == NONE ? NULL : l->p->steps[at];
  const bool folds = s && s->add == NONE && s->norm[2] == NONE &&
                     (strcmp(s->kind->name, "conv") == 0 || strcmp(s->kind->name, "stem") == 0);
  if (!folds) return emit_layer(l, i, "affine", CJ_PICTURE, CJ_PICTURE);
  bool ok = true;
  for (int k = 0; k < 4; k++) s->norm[k] = input(l, c, i, k + 1, CJ_PLAIN, &ok);
  s->eps = c->num[EPS];
  take_over(l, i, r);
  return done(ok, s);
}

/* ReLU and leaky ReLU, at the store of what comes before. */
static cj_status lower_clip(lowering *l, int64_t i) {
  const cj_traced *c = call_of(l, i);
  const double slope = c->numbers ? c->num[0] : 0;
  const int r = find_result(l, &c->in[0], i), at = open_step(l, r, CJ_CLIPS);
  const bool plain = at != NONE && l->p->values[l->p->steps[at]->out].layout == CJ_PLAIN;
  if (slope < 0 || (plain && slope != 0)) return lower_call(l, i);
  if (at == NONE && !(r != NONE && is_image(&c->in[0]) && l->results[r].form[CJ_PICTURE] != NONE))
    return lower_call(l, i);
  if (at == NONE) CJ_TRY(emit_layer(l, i, "sum", CJ_PICTURE, CJ_PICTURE));
  const int s = at == NONE ? l->p->step_count - 1 : at;
  cj_value *y = &l->p->values[l->p->steps[s]->out];
  y->clip = true;
  y->slope = slope;
  if (at != NONE) take_over(l, i, r);
  return CJ_OK;
}

/* Puts step `at` last: its result has one reader, which comes now. */
static void move_last(cj_plan *p, int at) {
  cj_step *s = p->steps[at];
  memmove(p->steps + at, p->steps + at + 1, (size_t)(p->step_count - at - 1) * sizeof *p->steps);
  p->steps[p->step_count - 1] = s;
}

/* The sum of two pictures, one of them added at the store of the other where that is open. */
static cj_status lower_add(lowering *l, int64_t i) {
  const cj_traced *c = call_of(l, i);
  if (!depends(l, c, i, 0) || !depends(l, c, i, 1) || !is_image(&c->in[0]) ||
      !cj_same_shape(&c->in[0], &c->in[1]))
    return lower_call(l, i);
  const int r[2] = {find_result(l, &c->in[0], i), find_result(l, &c->in[1], i)};
  if (l->results[r[0]].form[CJ_PICTURE] == NONE && l->results[r[1]].form[CJ_PICTURE] == NONE)
    return lower_call(l, i);
  for (int k = 0; k < 2 && r[0] != r[1]; k++) {
    const int at = open_step(l, r[k], CJ_CLIPS);
    if (at == NONE || l->p->steps[at]->add != NONE ||
        l->p->values[l->p->steps[at]->out].layout != CJ_PICTURE)
      continue;
    cj_step *s = l->p->steps[at];
    const int other = form(l, r[1 - k], CJ_PICTURE);
    if (other == NONE) return no_memory();
    move_last(l->p, at);
    s->add = other;
    take_over(l, i, r[k]);
    return CJ_OK;
  }
  CJ_TRY(emit_layer(l, i, "sum", CJ_PICTURE, CJ_PICTURE));
  cj_step *s = l->p->steps[l->p->step_count - 1];
  bool ok = true;
  s->count = 1;
  s->add = input(l, c, i, 1, CJ_PICTURE, &ok);
  return ok ? CJ_OK : no_memory();
}

static cj_status lower_pool(lowering *l, int64_t i) {
  const cj_traced *c = call_of(l, i);
  const int r = find_result(l, &c->in[0], i);
  if (!is_image(&c->in[0]) || r == NONE || l->results[r].form[CJ_PICTURE] == NONE)
    return lower_call(l, i);
  const bool largest = strcmp(c->op->name, "max_pool2d") == 0;
  return emit_layer(l, i, largest ? "max_pool" : "avg_pool", CJ_PICTURE, CJ_PICTURE);
}

/* Adaptive pooling to one pixel is an average over the image; other sizes stay calls. */
static cj_status lower_adaptive(lowering *l, int64_t i) {
  const cj_traced *c = call_of(l, i);
  if (c->num[0] != 1 || c->num[1] != 1) return lower_call(l, i);
  return lower_pool(l, i);
}

static bool all_zero(const cj_tensor *t) {
  const char *bytes = t->data;
  const size_t count = (size_t)cj_numel(t) * cj_dtype_bytes(t->dtype);
  for (size_t i = 0; i < count; i++)
    if (bytes[i]) return false;
  return cj_contiguous(t);
}

/* Of channels; constants among them are zeros (the shortcuts of residual networks). */
static cj_status lower_cat(lowering *l, int64_t i) {
  const cj_traced *c = call_of(l, i);
  bool pictures = is_image(&c->in[0]) && c->num[0] == 1, ok = true;
  for (int k = 0; k < c->count; k++) {
    const int r = find_result(l, &c->in[k], i);
    const bool moves = r != NONE && l->results[r].depends;
    pictures &= moves ? l->results[r].form[CJ_PICTURE] != NONE : r == NONE && all_zero(&c->in[k]);
  }
  if (!pictures || c->count > 64) return lower_call(l, i);
  int in[64];
  for (int k = 0; k < c->count; k++) in[k] = input(l, c, i, k, CJ_PICTURE, &ok);
  const int y = ok ? new_result(l, i, CJ_PICTURE) : NONE;
  cj_step *s = y == NONE ? NULL : emit(l, "cat", c, c->count, y);
  if (s) memcpy(s->in, in, (size_t)c->count * sizeof *in);
  return done(ok, s);
}

/* The same elements in the same order with other sizes: no step at all. */
static cj_status lower_reshape(lowering *l, int64_t i) {
  const cj_traced *c = call_of(l, i);
  bool ok = true;
  if (!cj_contiguous(&c->y)) return lower_call(l, i);
  const int x = input(l, c, i, 0, CJ_PLAIN, &ok), y = ok ? new_result(l, i, CJ_PLAIN) : NONE;
  if (y == NONE) return no_memory();
  l->p->values[y].same = x;
  return CJ_OK;
}

static cj_status lower_dropout(lowering *l, int64_t i) {
  const cj_traced *c = call_of(l, i);
  if (c->num[1] != 0 && c->num[0] > 0) return lower_call(l, i);
  take_over(l, i, find_result(l, &c->in[0], i));
  return CJ_OK;
}

static const struct {
  const char *name;
  cj_status (*lower)(lowering *l, int64_t i);
} rules[] = {
    {"conv2d", lower_conv},
    {"conv_transpose2d", lower_turned},
    {"linear", lower_dense},
    {"batch_norm", lower_norm},
    {"relu", lower_clip},
    {"leaky_relu", lower_clip},
    {"add", lower_add},
    {"max_pool2d", lower_pool},
    {"avg_pool2d", lower_pool},
    {"adaptive_avg_pool2d", lower_adaptive},
    {"cat", lower_cat},
    {"reshape", lower_reshape},
    {"contiguous", lower_reshape},
    {"unsqueeze", lower_reshape},
    {"squeeze", lower_reshape},
    {"dropout", lower_dropout},
};

static cj_status lower_one(lowering *l, int64_t i) {
  const cj_traced *c = call_of(l, i);
  if (l->results[i].t->dtype == l->p->dtype)
    for (size_t k = 0; k < sizeof rules / sizeof *rules; k++)
      if (strcmp(rules[k].name, c->op->name) == 0) return rules[k].lower(l, i);
  return lower_call(l, i);
}

/* --- the whole ---------------------------------------------------------------------------------
 */

static cj_status open_inputs(lowering *l, const cj_tensor *const *in) {
  cj_plan *p = l->p;
  for (int k = 0; k < l->inputs; k++) {
    const int v = cj_plan_value(p, in[k], CJ_PLAIN);
    if (v == NONE) return no_memory();
    if (!cj_contiguous(in[k])) return cj_fail(CJ_EARG, "expected contiguous inputs");
    p->inputs[k] = v;
    l->results[k] = (result){.t = in[k], .form = {v, NONE}, .repeat = NONE, .depends = true};
  }
  return CJ_OK;
}

static cj_status close_outputs(lowering *l, int outputs, const cj_tensor *const *out) {
  cj_plan *p = l->p;
  for (int k = 0; k < outputs; k++) {
    const int r = find_result(l, out[k], result_count(l));
    if (r == NONE || !l->results[r].depends)
      return cj_fail(CJ_EARG, "cannot be compiled: result %d does not come from the inputs", k + 1);
    p->outputs[k] = form(l, r, CJ_PLAIN);
    if (p->outputs[k] == NONE) return no_memory();
  }
  return CJ_OK;
}

static cj_status lower_all(lowering *l, int outputs, const cj_tensor *const *out) {
  CJ_TRY(mark_dependent(l));
  for (int k = 0; k < outputs; k++) need(l, find_result(l, out[k], result_count(l)));
  for (int64_t i = l->inputs; i < result_count(l); i++) {
    if (!l->results[i].depends)
      CJ_TRY(add_repeat(l, i));
    else if (l->results[i].needed)
      CJ_TRY(lower_one(l, i));
  }
  return close_outputs(l, outputs, out);
}

cj_status cj_plan_lower(cj_plan *p, const cj_trace *t, int inputs, const cj_tensor *const *in,
                        int outputs, const cj_tensor *const *out) {
  lowering l = {.p = p, .t = t, .inputs = inputs};
  const size_t many = (size_t)(inputs + t->count);
  l.results = cj_alloc_zeroed(many * sizeof *l.results);
  if (!l.results) return no_memory();
  for (int64_t i = 0; i < t->count; i++)
    l.results[inputs + i] = (result){.t = &t->calls[i]->y, .form = {NONE, NONE}, .repeat = NONE};
  cj_status status = open_inputs(&l, in);
  if (status == CJ_OK) status = lower_all(&l, outputs, out);
  cj_free(l.results);
  return status;
}
