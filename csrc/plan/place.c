/* place.c -- sizes of all buffers, when each is alive, and where it lies in the arena.
 *
 * Time counts the forward steps 0..S-1 and then the acts of the way back from S on. Two buffers
 * share memory only if they are never alive at the same time; large ones are placed first, each at
 * the lowest place that is free throughout its life. */
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "plan/graph.h"

typedef struct buffer {
  int64_t *at; /* where its place is wanted */
  size_t bytes;
  int first, last;
  size_t place;
} buffer;

typedef struct placing {
  cj_plan *p;
  buffer *list;
  int count;
  int *data_first, *data_last, *grad_first, *grad_last, *signs_last;
  int *again_first, *again_last;
} placing;

static size_t element_count(const cj_value *v) {
  if (v->layout == CJ_PLAIN) return (size_t)cj_numel(&v->t);
  const int64_t *n = v->t.size, blocks = (n[1] + 15) / 16;
  return (size_t)(n[0] * blocks * (n[2] + 2 * v->ring) * (n[3] + 2 * v->ring) * 16);
}

static size_t sign_bytes(const cj_value *v) {
  if (v->layout == CJ_PLAIN) return (size_t)cj_numel(&v->t);
  const int64_t *n = v->t.size;
  return (size_t)(n[0] * ((n[1] + 15) / 16) * n[2] * n[3] * 2);
}

static void use(int *first, int *last, int v, int time) {
  if (first[v] < 0 || time < first[v]) first[v] = time;
  if (time > last[v]) last[v] = time;
}

static void use_data(placing *g, int v, int time) {
  if (v == NONE || g->p->values[v].live) return;
  const int r = cj_root(g->p, v);
  if (g->p->values[r].again && time >= g->p->step_count)
    use(g->again_first, g->again_last, r, time);
  else
    use(g->data_first, g->data_last, r, time);
}

static void use_grad(placing *g, int v, int time) {
  if (v != NONE && !g->p->values[v].live) use(g->grad_first, g->grad_last, cj_root(g->p, v), time);
}

static void use_signs(placing *g, int v, int time) {
  const int r = cj_root(g->p, v);
  if (time > g->signs_last[r]) g->signs_last[r] = time;
}

/* What the backward of a step reads of the forward pass. In evaluation it may be asked for again,
 * so it stays to the end. */
static void use_back(placing *g, const cj_step *s, int time, int end) {
  const cj_plan *p = g->p;
  const int until = p->o.train ? time : end;
  if (cj_step_reads_input(p, s)) use_data(g, s->in[0], until);
  if (strcmp(s->kind->name, "call") != 0) return;
  for (int k = 0; k < s->count && !(s->op->flags & CJ_DROPS_INPUTS); k++)
    use_data(g, s->in[k], until);
  if (s->op->flags & CJ_KEEPS_OUTPUT) use_data(g, s->out, until);
}

static void use_act(placing *g, int a, int end) {
  const cj_plan *p = g->p;
  const cj_act *act = &p->acts[a];
  const int time = p->step_count + a, until = p->o.train ? time : end;
  if (act->step == NONE) {
    use_grad(g, act->from, time);
    use_grad(g, act->to, time);
    use_grad(g, act->add, time);
    if (act->mask) use_signs(g, act->to, until);
    return;
  }
  const cj_step *s = p->steps[act->step];
  if (act->again) {
    use_data(g, s->out, time);
    use_data(g, s->in[0], time);
    use_data(g, s->add, time);
    return;
  }
  use_grad(g, s->out, time);
  for (int k = 0; k < s->count; k++) {
    if (s->write[k].mode == CJ_SKIP) continue;
    use_grad(g, s->in[k], time);
    use_grad(g, s->write[k].add, time);
    if (s->write[k].mask) use_signs(g, s->in[k], until);
  }
  use_back(g, s, time, end);
}

static void find_lives(placing *g) {
  const cj_plan *p = g->p;
  const int steps = p->step_count, end = steps + p->act_count;
  for (int k = 0; k < p->input_count; k++) use_data(g, p->inputs[k], 0);
  for (int i = 0; i < steps; i++) {
    const cj_step *s = p->steps[i];
    use_data(g, s->out, i);
    use_data(g, s->add, i);
    for (int k = 0; k < s->count; k++) use_data(g, s->in[k], i);
  }
  for (int k = 0; k < p->output_count; k++) use_data(g, p->outputs[k], steps);
  for (int a = 0; a < p->act_count; a++) use_act(g, a, end);
  for (int k = 0; k < p->output_count; k++)
    if (p->values[cj_root(p, p->outputs[k])].wanted) use_grad(g, p->outputs[k], steps);
  if (!p->o.train && p->values[p->inputs[0]].wanted) use_grad(g, p->inputs[0], end);
}

static void add_buffer(placing *g, int64_t *at, size_t bytes, int first, int last) {
  g->list[g->count++] = (buffer){at, (bytes + 63) / 64 * 64, first, last, 0};
}

static void list_buffers(placing *g) {
  cj_plan *p = g->p;
  for (int v = 0; v < p->value_count; v++) {
    cj_value *value = &p->values[v];
    if (value->live || value->same != NONE || g->data_first[v] < 0) continue;
    const size_t bytes = element_count(value) * cj_dtype_bytes(value->t.dtype);
    add_buffer(g, &value->data, bytes, g->data_first[v], g->data_last[v]);
    if (g->again_first[v] >= 0)
      add_buffer(g, &value->data_again, bytes, g->again_first[v], g->again_last[v]);
    if (g->grad_first[v] >= 0)
      add_buffer(g, &value->grad, bytes, g->grad_first[v], g->grad_last[v]);
    if (value->clip && g->signs_last[v] >= 0)
      add_buffer(g, &value->signs, sign_bytes(value), g->data_first[v], g->signs_last[v]);
  }
  for (int i = 0; i < p->step_count; i++) {
    cj_step *s = p->steps[i];
    if (s->saved) add_buffer(g, &s->saved_at, s->saved, i, p->step_count + p->act_count);
  }
}

static int by_size(const void *a, const void *b) {
  const buffer *p = a, *q = b;
  if (p->bytes != q->bytes) return p->bytes < q->bytes ? 1 : -1;
  return p->at < q->at ? -1 : p->at > q->at;
}

/* The lowest place where `b` meets none of those before it: candidates are 0 and all their ends. */
static size_t lowest_place(const buffer *list, int count, const buffer *b) {
  size_t place = 0;
  for (bool moved = true; moved;) {
    moved = false;
    for (int i = 0; i < count; i++) {
      const buffer *o = &list[i];
      const bool together = o->first <= b->last && b->first <= o->last;
      if (together && place < o->place + o->bytes && o->place < place + b->bytes) {
        place = o->place + o->bytes;
        moved = true;
      }
    }
  }
  return place;
}

static void place_all(placing *g) {
  qsort(g->list, (size_t)g->count, sizeof *g->list, by_size);
  for (int i = 0; i < g->count; i++) {
    buffer *b = &g->list[i];
    b->place = lowest_place(g->list, i, b);
    *b->at = (int64_t)b->place;
    if (b->place + b->bytes > g->p->arena) g->p->arena = b->place + b->bytes;
  }
}

/* In training all packed weights share one place, since a step packs them before each use. */
static void place_weights(cj_plan *p) {
  for (int i = 0; i < p->step_count; i++) {
    cj_step *s = p->steps[i];
    for (int way = 0; way < 2; way++) {
      const size_t bytes = (s->packed[way] + 63) / 64 * 64, end = p->o.train ? 0 : p->weights;
      s->packed_at[way] = end;
      if (end + bytes > p->weights) p->weights = end + bytes;
    }
    if (s->scratch > p->scratch) p->scratch = s->scratch;
  }
}

cj_status cj_plan_place(cj_plan *p) {
  const size_t values = (size_t)p->value_count, most = 4 * values + (size_t)p->step_count;
  placing g = {.p = p};
  int *times = cj_alloc(7 * values * sizeof *times);
  g.list = cj_alloc(most * sizeof *g.list);
  if (times && g.list) {
    memset(times, -1, 7 * values * sizeof *times);
    g.data_first = times;
    g.data_last = times + values;
    g.grad_first = times + 2 * values;
    g.grad_last = times + 3 * values;
    g.signs_last = times + 4 * values;
    g.again_first = times + 5 * values;
    g.again_last = times + 6 * values;
    find_lives(&g);
    list_buffers(&g);
    place_all(&g);
    place_weights(p);
  }
  const bool ok = times && g.list;
  cj_free(times);
  cj_free(g.list);
  return ok ? CJ_OK : cj_fail(CJ_EMEM, "out of memory: no room for a plan");
}
