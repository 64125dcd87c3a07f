/* plan.c -- the life of a plan: compiled from a trace, refreshed, dropped. */
#include "plan/plan.h"

#include <string.h>

#include "autograd/tape.h"
#include "core/cpu.h"
#include "core/memory.h"
#include "core/threads.h"
#include "plan/graph.h"

/* Makes room for one more element of a list. */
static bool grow(void **list, int count, int *room, size_t bytes) {
  if (count < *room) return true;
  const int more = *room ? 2 * *room : 32;
  void *bigger = cj_alloc_zeroed((size_t)more * bytes);
  if (!bigger) return false;
  if (count) memcpy(bigger, *list, (size_t)count * bytes);
  cj_free(*list);
  *list = bigger;
  *room = more;
  return true;
}

int cj_plan_value(cj_plan *p, const cj_tensor *like, cj_layout layout) {
  if (!grow((void **)&p->values, p->value_count, &p->value_room, sizeof *p->values)) return NONE;
  cj_value *v = &p->values[p->value_count];
  *v = (cj_value){.layout = layout,
                  .preamble = NONE,
                  .same = NONE,
                  .data = NONE,
                  .grad = NONE,
                  .signs = NONE,
                  .data_again = NONE};
  if (cj_tensor_describe(&v->t, like->dtype, like->ndim, like->size) != CJ_OK) return NONE;
  return p->value_count++;
}

static const cj_step_kind *find_kind(const cj_plan *p, const char *name) {
  if (strcmp(name, cj_call_kind.name) == 0) return &cj_call_kind;
  for (const cj_step_kind *const *table = cj_steps_tables[p->isa][p->dtype]; *table; table++)
    for (const cj_step_kind *k = *table; k->name; k++)
      if (strcmp(k->name, name) == 0) return k;
  return NULL;
}

static void drop_step(cj_step *s) {
  cj_free(s->num);
  cj_free(s->in);
  cj_free(s->write);
  cj_free(s);
}

cj_step *cj_plan_step(cj_plan *p, const char *kind, int count) {
  if (!grow((void **)&p->steps, p->step_count, &p->step_room, sizeof(cj_step *))) return NULL;
  cj_step *s = cj_alloc_zeroed(sizeof *s);
  if (!s) return NULL;
  s->kind = find_kind(p, kind);
  s->count = count;
  s->in = cj_alloc((size_t)count * sizeof *s->in);
  s->write = cj_alloc_zeroed((size_t)count * sizeof *s->write);
  s->add = s->norm[0] = s->norm[1] = s->norm[2] = s->norm[3] = NONE;
  s->saved_at = NONE;
  if (!s->kind || !s->in || !s->write) {
    drop_step(s);
    return NULL;
  }
  for (int k = 0; k < count; k++) {
    s->in[k] = NONE;
    s->write[k].add = NONE;
  }
  p->steps[p->step_count++] = s;
  return s;
}

bool cj_plan_act(cj_plan *p, cj_act act) {
  if (!grow((void **)&p->acts, p->act_count, &p->act_room, sizeof *p->acts)) return false;
  p->acts[p->act_count++] = act;
  return true;
}

static void drop_repeat(cj_repeat *r) {
  for (int k = 0; r->in && k < r->count; k++) cj_tensor_drop(&r->in[k]);
  cj_tensor_drop(&r->y);
  cj_free(r->in);
  cj_free(r->from);
  cj_free(r->num);
}

void cj_plan_drop(cj_plan *p) {
  if (!p) return;
  for (int s = 0; s < p->step_count; s++) drop_step(p->steps[s]);
  for (int v = 0; v < p->value_count; v++) cj_tensor_drop(&p->values[v].t);
  for (int r = 0; r < p->repeat_count; r++) drop_repeat(&p->repeats[r]);
  if (p->sums) drop_step(p->sums);
  cj_free(p->values);
  cj_free(p->steps);
  cj_free(p->acts);
  cj_free(p->repeats);
  cj_free(p->inputs);
  cj_free(p->outputs);
  cj_free(p->packed);
  cj_free(p->versions);
  cj_free(p);
}

/* --- evaluation: every image for itself --------------------------------------------------------
 */

/* May input k of an operator vary from image to image, or line up with the images? */
static bool lines_up(const cj_plan *p, const cj_step *s, int k) {
  const cj_value *v = &p->values[s->in[k]];
  const int ndim = p->values[s->out].t.ndim;
  if (s->op->flags & CJ_APART) return v->live == (k > 0);
  if (!v->live) return v->t.ndim == ndim || (s->op->flags & CJ_ALONG);
  return !(s->op->flags & CJ_ALONG) && (v->t.ndim < ndim || v->t.size[0] == 1);
}

/* A call step keeps the images apart if its operator does and its inputs line up. */
static cj_status check_step_apart(const cj_plan *p, const cj_step *s) {
  if (s->kind != &cj_call_kind) return CJ_OK;
  const int ndim = p->values[s->in[0]].t.ndim;
  bool apart = s->op->flags & (CJ_ELEMENTWISE | CJ_APART | CJ_ALONG);
  if (s->op->flags & CJ_ALONG) apart = s->num[0] != 0 && s->num[0] != -ndim;
  for (int k = 0; k < s->count && apart; k++) apart = s->in[k] == NONE || lines_up(p, s, k);
  if (apart) return CJ_OK;
  return cj_fail(CJ_EARG, "cannot be compiled: %s may mix images", s->op->name);
}

static cj_status check_apart(const cj_plan *p) {
  for (int v = 0; v < p->value_count; v++) {
    const cj_tensor *t = &p->values[v].t;
    if (!p->values[v].live && (t->ndim < 1 || t->size[0] != p->rows))
      return cj_fail(CJ_EARG,
                     "cannot be compiled: the first dimension is not the images throughout");
  }
  for (int s = 0; s < p->step_count; s++) CJ_TRY(check_step_apart(p, p->steps[s]));
  return CJ_OK;
}

/* --- compiling ---------------------------------------------------------------------------------
 */

static cj_status compile(cj_plan *p, const cj_trace *t, int inputs, const cj_tensor *const *in,
                         int outputs, const cj_tensor *const *out) {
  p->inputs = cj_alloc((size_t)inputs * sizeof *p->inputs);
  p->outputs = cj_alloc((size_t)outputs * sizeof *p->outputs);
  p->repeats = cj_alloc_zeroed((size_t)t->count * sizeof *p->repeats);
  if (!p->inputs || !p->outputs || !p->repeats)
    return cj_fail(CJ_EMEM, "out of memory: no room for a plan");
  p->input_count = inputs;
  p->output_count = outputs;
  p->sums = cj_plan_step(p, "act", 0);
  if (!p->sums) return cj_fail(CJ_EMEM, "out of memory: no room for a plan");
  p->step_count = 0; /* it stands apart from the others */
  CJ_TRY(cj_plan_lower(p, t, inputs, in, outputs, out));
  if (!p->o.train) CJ_TRY(check_apart(p));
  CJ_TRY(cj_plan_reverse(p));
  for (int s = 0; s < p->step_count; s++) CJ_TRY(p->steps[s]->kind->size(p, p->steps[s]));
  return cj_plan_place(p);
}

cj_status cj_plan_compile(cj_plan **plan, const cj_trace *t, const cj_plan_options *o, int inputs,
                          const cj_tensor *const *in, int outputs, const cj_tensor *const *out) {
  if (t->status != CJ_OK) return cj_fail(t->status, "out of memory: no room to trace a call");
  if (t->refused[0]) return cj_fail(CJ_EARG, "cannot be compiled: %s", t->refused);
  if (inputs < 1 || outputs < 1 || !cj_dtype_float(in[0]->dtype) || in[0]->ndim < 1)
    return cj_fail(CJ_EARG, "cannot be compiled: expected a float tensor [B, ...] first");
  if (!o->train && inputs > 1)
    return cj_fail(CJ_EARG, "cannot be compiled: expected one input, got %d", inputs);
  cj_isa isa;
  CJ_TRY(cj_isa_choose(&isa));
  cj_plan *p = cj_alloc_zeroed(sizeof *p);
  if (!p) return cj_fail(CJ_EMEM, "out of memory: no room for a plan");
  p->o = *o;
  p->dtype = in[0]->dtype;
  p->isa = (int)isa;
  p->rows = in[0]->size[0];
  p->slots = o->train ? cj_threads() : 1;
  const cj_status status = compile(p, t, inputs, in, outputs, out);
  if (status == CJ_OK)
    *plan = p;
  else
    cj_plan_drop(p);
  return status;
}

/* --- refreshing --------------------------------------------------------------------------------
 */

static cj_status repeat(cj_plan *p, cj_repeat *r) {
  const cj_tensor *in[64];
  if (r->count > 64) return cj_fail(CJ_EARG, "%s of %d tensors", r->op->name, r->count);
  for (int k = 0; k < r->count; k++)
    in[k] = r->from[k] != NONE ? &p->repeats[r->from[k]].y : r->in[k].storage ? &r->in[k] : NULL;
  if (r->into) return cj_apply_into(r->op, r->count, in, r->numbers, r->num);
  cj_tensor_drop(&r->y);
  return cj_apply(&r->y, r->op, r->count, in, r->numbers, r->num);
}

static cj_status repeat_all(cj_plan *p) {
  const bool was = cj_grad_enable(p->o.train);
  cj_status status = CJ_OK;
  for (int r = 0; r < p->repeat_count && status == CJ_OK; r++) {
    if (p->repeats[r].into) cj_grad_enable(false);
    status = repeat(p, &p->repeats[r]);
    cj_grad_enable(p->o.train);
  }
  cj_grad_enable(was);
  for (int v = 0; v < p->value_count && status == CJ_OK; v++) {
    cj_value *value = &p->values[v];
    if (!value->live || value->preamble == NONE) continue;
    cj_tensor_drop(&value->t);
    cj_tensor_share(&value->t, &p->repeats[value->preamble].y);
  }
  return status;
}

/* Did memory that the repeats or steps read change since the last time? */
static bool stale(const cj_plan *p) {
  if (!p->fresh) return true;
  int at = 0;
  for (int v = 0; v < p->value_count; v++, at++)
    if (p->values[v].live && p->values[v].preamble == NONE &&
        p->values[v].t.storage->version != p->versions[at])
      return true;
  for (int r = 0; r < p->repeat_count; r++)
    for (int k = 0; k < p->repeats[r].count; k++, at++)
      if (p->repeats[r].in[k].storage && p->repeats[r].in[k].storage->version != p->versions[at])
        return true;
  return false;
}

static cj_status note_versions(cj_plan *p) {
  size_t many = (size_t)p->value_count;
  for (int r = 0; r < p->repeat_count; r++) many += (size_t)p->repeats[r].count;
  if (!p->versions && !(p->versions = cj_alloc(many * sizeof *p->versions)))
    return cj_fail(CJ_EMEM, "out of memory: no room for a plan");
  uint32_t *at = p->versions;
  for (int v = 0; v < p->value_count; v++)
    *at++ = p->values[v].live && p->values[v].t.storage ? p->values[v].t.storage->version : 0;
  for (int r = 0; r < p->repeat_count; r++)
    for (int k = 0; k < p->repeats[r].count; k++)
      *at++ = p->repeats[r].in[k].storage ? p->repeats[r].in[k].storage->version : 0;
  return CJ_OK;
}

/* Random operators get new keys, in the order of the calls. */
static void draw_keys(cj_plan *p, double (*random)(const char *purpose)) {
  enum { KEY = 2 }; /* of dropout */
  for (int s = 0; random && s < p->step_count; s++)
    if (p->steps[s]->op && strcmp(p->steps[s]->op->name, "dropout") == 0)
      p->steps[s]->num[KEY] = random("dropout");
}

/* In training every step packs its own before each use. */
static void pack_step(const cj_plan *p, const cj_step *s) {
  for (int way = 0; way < 2; way++)
    if (s->packed[way]) s->kind->pack(p, s, way, p->packed + s->packed_at[way]);
}

cj_status cj_plan_refresh(cj_plan *p, double (*random)(const char *purpose)) {
  draw_keys(p, random);
  if (!p->o.train && !stale(p)) return CJ_OK;
  p->fresh = false;
  CJ_TRY(repeat_all(p));
  if (!p->packed && p->weights && !(p->packed = cj_alloc(p->weights)))
    return cj_fail(CJ_EMEM, "out of memory: no room for the weights of a plan");
  for (int s = 0; s < p->step_count && !p->o.train; s++) pack_step(p, p->steps[s]);
  CJ_TRY(note_versions(p));
  p->fresh = true;
  return CJ_OK;
}

/* --- questions ---------------------------------------------------------------------------------
 */

int64_t cj_plan_rows(const cj_plan *p) {
  return p->rows;
}

int cj_plan_inputs(const cj_plan *p) {
  return p->input_count;
}

int cj_plan_outputs(const cj_plan *p) {
  return p->output_count;
}

const cj_tensor *cj_plan_input(const cj_plan *p, int i) {
  return &p->values[p->inputs[i]].t;
}

const cj_tensor *cj_plan_output(const cj_plan *p, int i) {
  return &p->values[p->outputs[i]].t;
}

size_t cj_plan_bytes(const cj_plan *p) {
  return p->arena + p->scratch;
}

size_t cj_plan_weight_bytes(const cj_plan *p) {
  return p->weights;
}
