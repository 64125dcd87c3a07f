/* describe.c -- what a plan does, in words and numbers. */
#include <stdio.h>
#include <string.h>

#include "plan/graph.h"

int64_t cj_plan_steps(const cj_plan *p) {
  return p->step_count;
}

static double elements(const cj_plan *p, int v) {
  return v == NONE ? 0 : (double)cj_numel(&p->values[v].t);
}

/* Multiply-adds count two: weights times pixels of the result (or, transposed, of the input). */
static double step_flops(const cj_plan *p, const cj_step *s) {
  const bool turned = strcmp(s->kind->name, "turned") == 0;
  const bool layer = turned || strcmp(s->kind->name, "conv") == 0 ||
                     strcmp(s->kind->name, "stem") == 0 || strcmp(s->kind->name, "dense") == 0;
  if (!layer) return elements(p, s->out);
  const cj_tensor *y = &p->values[turned ? s->in[0] : s->out].t;
  const double pixels = (double)(y->size[0] * (y->ndim == 4 ? y->size[2] * y->size[3] : 1));
  return 2 * elements(p, s->in[1]) * pixels;
}

static double step_bytes(const cj_plan *p, const cj_step *s) {
  double count = elements(p, s->out) + elements(p, s->add);
  for (int k = 0; k < s->count; k++) count += elements(p, s->in[k]);
  return count * (double)cj_dtype_bytes(p->dtype);
}

static void describe_layer(const cj_plan *p, const cj_step *s, char *text, size_t size) {
  const cj_tensor *w = &p->values[s->in[1]].t, *y = &p->values[s->out].t;
  const long long in = p->values[s->in[0]].t.size[1], out = y->size[1];
  if (w->ndim == 4)
    snprintf(text, size, "%s %lldx%lld %lld->%lld at %lldx%lld", s->op->name, (long long)w->size[2],
             (long long)w->size[3], in, out, (long long)y->size[2], (long long)y->size[3]);
  else
    snprintf(text, size, "%s %lld->%lld", s->op->name, in, out);
}

static void describe(const cj_plan *p, const cj_step *s, char *text, size_t size) {
  const cj_value *y = &p->values[s->out];
  if (s->kind->pack && s->count > 1 && s->norm[0] == NONE && s->op && s->count <= 3 &&
      s->in[1] != NONE)
    describe_layer(p, s, text, size);
  else if (s->op && s->norm[2] != NONE)
    describe_layer(p, s, text, size);
  else
    snprintf(text, size, "%s", s->op ? s->op->name : s->kind->name);
  const size_t at = strlen(text);
  snprintf(text + at, size - at, "%s%s%s", s->norm[2] != NONE ? " + norm" : "",
           s->add != NONE ? " + add" : "",
           !y->clip || (s->op && strstr(s->op->name, "relu")) ? "" : " + relu");
}

void cj_plan_step_row(const cj_plan *p, int64_t i, cj_plan_row *row) {
  const cj_step *s = p->steps[i];
  const double share = p->o.train ? 1 : (double)p->rows;
  *row = (cj_plan_row){.flops = step_flops(p, s) / share, .bytes = step_bytes(p, s) / share};
  describe(p, s, row->what, sizeof row->what);
  snprintf(row->how, sizeof row->how, "%s", s->kind == &cj_call_kind ? "operator" : s->how);
  row->forward = (double)atomic_load(&s->nanoseconds[0]) * 1e-9;
  row->backward = (double)atomic_load(&s->nanoseconds[1]) * 1e-9;
}

void cj_plan_profile(cj_plan *p, bool on) {
  p->profiling = on;
  for (int i = 0; i < p->step_count && on; i++) {
    atomic_store(&p->steps[i]->nanoseconds[0], 0);
    atomic_store(&p->steps[i]->nanoseconds[1], 0);
  }
}
