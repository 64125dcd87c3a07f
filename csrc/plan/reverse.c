/* reverse.c -- who writes the gradient of which value, in what order, and who only adds.
 *
 * The way back visits the steps in falling order. The first to write a gradient stores it, later
 * ones add. A sum passes its gradient on unchanged to what it added: such a contribution is no work
 * of its own where the next writer can add it at the store. The last writer applies the signs of a
 * clipped value where it can; else an act does. */
#include "autograd/tape.h"
#include "core/memory.h"
#include "plan/graph.h"

typedef struct tally {
  int total, so_far; /* contributions */
  bool written;
  int pending; /* value whose gradient is still to be added, or NONE */
  bool made;   /* its data are there again */
} tally;

static bool is_parameter(const cj_value *v) {
  return v->live && v->t.node && cj_dtype_float(v->t.dtype);
}

static void mark_from_sources(cj_plan *p) {
  for (int v = 0; v < p->value_count; v++)
    p->values[v].wanted = p->o.train && is_parameter(&p->values[v]);
  if (!p->o.train && p->o.pulls) p->values[p->inputs[0]].wanted = true;
  for (int s = 0; s < p->step_count; s++) {
    const cj_step *step = p->steps[s];
    bool any = step->add != NONE && p->values[cj_root(p, step->add)].wanted;
    for (int k = 0; k < step->count; k++)
      any |= step->in[k] != NONE && p->values[cj_root(p, step->in[k])].wanted;
    p->values[step->out].wanted =
        any && cj_dtype_float(p->values[step->out].t.dtype) && (!step->op || step->op->backward);
  }
}

/* Keeps `wanted` only where it leads to an output. */
static void mark_to_outputs(cj_plan *p, bool *leads) {
  for (int k = 0; k < p->output_count && (k == 0 || !p->o.train); k++)
    leads[cj_root(p, p->outputs[k])] = true;
  for (int s = p->step_count - 1; s >= 0; s--) {
    const cj_step *step = p->steps[s];
    if (!leads[cj_root(p, step->out)] || !p->values[step->out].wanted) continue;
    if (step->add != NONE) leads[cj_root(p, step->add)] = true;
    for (int k = 0; k < step->count; k++)
      if (step->in[k] != NONE) leads[cj_root(p, step->in[k])] = true;
  }
  for (int v = 0; v < p->value_count; v++)
    p->values[v].wanted = p->values[cj_root(p, v)].wanted && leads[cj_root(p, v)];
}

static bool flows(const cj_plan *p, int v) {
  return v != NONE && p->values[cj_root(p, v)].wanted && !p->values[cj_root(p, v)].live;
}

static bool clipped(const cj_plan *p, int v) {
  return p->values[v].clip;
}

/* The pending contribution becomes an act of its own. */
static bool flush(cj_plan *p, tally *t, int v, bool last) {
  if (t->pending == NONE) return true;
  const cj_act act = {.step = NONE,
                      .from = t->written ? v : t->pending,
                      .to = v,
                      .add = t->written ? t->pending : NONE,
                      .mask = last && clipped(p, v)};
  t->pending = NONE;
  t->written = true;
  return cj_plan_act(p, act);
}

/* Input k of the step: its writer is the step's backward, which comes after this. */
static bool plan_write(cj_plan *p, cj_step *s, int k, tally *tallies) {
  const int v = s->in[k];
  cj_write *w = &s->write[k];
  if (v != NONE && p->values[v].live) {
    w->mode = p->values[v].wanted ? CJ_ADD : CJ_SKIP;
    return true;
  }
  if (!flows(p, v)) return true;
  const int to = cj_root(p, v);
  tally *t = &tallies[to];
  const bool last = ++t->so_far == t->total, able = s->kind->flags & CJ_FINISHES;
  if (!(able && p->values[to].layout == CJ_PICTURE && !t->written) && !flush(p, t, to, false))
    return false;
  w->mode = t->written ? CJ_ADD : CJ_STORE;
  w->add = t->pending;
  w->mask = able && last && clipped(p, to);
  t->pending = NONE;
  t->written = true;
  return true;
}

/* What must follow a backward that could not apply the signs itself. */
static bool mask_after(cj_plan *p, const cj_step *s, const tally *tallies) {
  for (int k = 0; k < s->count; k++) {
    if (!flows(p, s->in[k])) continue;
    const int v = cj_root(p, s->in[k]);
    if (tallies[v].so_far < tallies[v].total || !clipped(p, v) || s->write[k].mask) continue;
    bool again = false; /* the same value as a later input: once is enough */
    for (int j = k + 1; j < s->count; j++) again |= flows(p, s->in[j]) && cj_root(p, s->in[j]) == v;
    if (!again &&
        !cj_plan_act(p, (cj_act){.step = NONE, .from = v, .to = v, .add = NONE, .mask = true}))
      return false;
  }
  return true;
}

/* The signs of a clipped value that nobody reads in the plan, whose gradient comes from outside. */
static bool mask_given(cj_plan *p, int v, const tally *t) {
  if (!clipped(p, v) || t->total > 0) return true;
  return cj_plan_act(p, (cj_act){.step = NONE, .from = v, .to = v, .add = NONE, .mask = true});
}

/* The gradient of the result goes unchanged to what was added to it. */
static bool pass_on(cj_plan *p, const cj_step *s, tally *tallies) {
  if (!flows(p, s->add)) return true;
  const int v = cj_root(p, s->add);
  tally *t = &tallies[v];
  const bool last = ++t->so_far == t->total;
  if (!flush(p, t, v, false)) return false;
  t->pending = s->out;
  return !(last || t->written) || flush(p, t, v, last);
}

/* In training, what batch norm gave is made again from what its own way back needs, where only the
 * weight gradients behind it read it. A sum is made from the other summand, which must be kept. */
static void mark_again(cj_plan *p) {
  for (int i = 0; p->o.train && i < p->step_count; i++) {
    const cj_step *s = p->steps[i];
    if (!s->kind->again || !p->values[s->out].wanted || p->values[cj_root(p, s->in[0])].again)
      continue;
    p->values[s->out].again = s->add == NONE || !p->values[cj_root(p, s->add)].again;
    for (int k = 0; k < p->output_count; k++)
      if (cj_root(p, p->outputs[k]) == s->out) p->values[s->out].again = false;
  }
}

static bool learns(const cj_plan *p, const cj_step *s) {
  for (int k = 1; k < s->count; k++)
    if (s->in[k] != NONE && p->values[s->in[k]].live && p->values[s->in[k]].wanted) return true;
  return false;
}

bool cj_step_reads_input(const cj_plan *p, const cj_step *s) {
  const unsigned flags = s->kind->flags;
  return (flags & CJ_READS_ALWAYS) || ((flags & CJ_READS_INPUT) && learns(p, s));
}

static int maker_of(const cj_plan *p, int v) {
  int s = 0;
  while (p->steps[s]->out != v) s++;
  return s;
}

/* The data that the backward of a step is going to read. */
static bool make_again(cj_plan *p, const cj_step *s, tally *tallies) {
  const int v = s->count && s->in[0] != NONE ? cj_root(p, s->in[0]) : NONE;
  if (v == NONE || !p->values[v].again || tallies[v].made || !cj_step_reads_input(p, s))
    return true;
  tallies[v].made = true;
  const cj_act act = {.step = maker_of(p, v), .from = NONE, .to = NONE, .add = NONE, .again = true};
  return cj_plan_act(p, act);
}

static bool reverse_step(cj_plan *p, int i, tally *tallies) {
  cj_step *s = p->steps[i];
  if (!p->values[cj_root(p, s->out)].wanted) return true;
  /* What is still pending for this step's own result is due now. */
  const int out = cj_root(p, s->out);
  if (!flush(p, &tallies[out], out, true) || !mask_given(p, out, &tallies[out])) return false;
  if (!pass_on(p, s, tallies)) return false;
  for (int k = 0; k < s->count; k++)
    if (!plan_write(p, s, k, tallies)) return false;
  if (!make_again(p, s, tallies)) return false;
  return cj_plan_act(p, (cj_act){.step = i, .from = NONE, .to = NONE, .add = NONE}) &&
         mask_after(p, s, tallies);
}

static void count_contributions(const cj_plan *p, tally *tallies) {
  for (int k = 0; k < p->output_count && (k == 0 || !p->o.train); k++)
    if (flows(p, p->outputs[k])) {
      tallies[cj_root(p, p->outputs[k])].written = true; /* given from outside */
    }
  for (int s = 0; s < p->step_count; s++) {
    const cj_step *step = p->steps[s];
    if (!p->values[cj_root(p, step->out)].wanted) continue;
    if (flows(p, step->add)) tallies[cj_root(p, step->add)].total++;
    for (int k = 0; k < step->count; k++)
      if (flows(p, step->in[k])) tallies[cj_root(p, step->in[k])].total++;
  }
}

cj_status cj_plan_reverse(cj_plan *p) {
  if (!p->o.train && !p->o.pulls) return CJ_OK;
  const size_t many = (size_t)p->value_count;
  tally *tallies = cj_alloc_zeroed(many * sizeof *tallies);
  bool *leads = cj_alloc_zeroed(many * sizeof *leads);
  bool ok = tallies && leads;
  for (int v = 0; ok && v < p->value_count; v++) tallies[v].pending = NONE;
  if (ok) mark_from_sources(p);
  if (ok) mark_to_outputs(p, leads);
  if (ok) count_contributions(p, tallies);
  if (ok) mark_again(p);
  for (int s = p->step_count - 1; ok && s >= 0; s--) ok = reverse_step(p, s, tallies);
  cj_free(tallies);
  cj_free(leads);
  return ok ? CJ_OK : cj_fail(CJ_EMEM, "out of memory: no room for a plan");
}
