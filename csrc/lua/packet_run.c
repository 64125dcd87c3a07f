/* packet_run.c -- fills a measurement of a packet through a model, and asks Lua for a field.
 *
 *   packet_run(m, model, plan or nil, field or nil, count)    adds samples; gives those so far
 *
 * Of chains, count and what it gives are steps. */
#include <string.h>

#include "lua/packet.h"

#include "lua/attack_job.h"
#include "lua/plan.h"

/* What the field is asked about. */
typedef struct question {
  attack_job *job;
  const cj_packet *p;
  int64_t label, rows;
  const void *x, *g;
  const double *l;
  void *out;
} question;

static const cj_tensor *push_points(lua_State *L, const question *q, const void *data) {
  int64_t size[CJ_MAX_DIMS] = {q->rows};
  memcpy(size + 1, q->p->size, (size_t)q->p->ndim * sizeof *size);
  cj_tensor *t = push_new(L, q->p->reference.dtype, q->p->ndim + 1, size);
  memcpy(t->data, data,
         (size_t)(q->rows * q->p->reference.n) * cj_dtype_bytes(q->p->reference.dtype));
  return t;
}

/* field(x, l, g, label) -> l a(x), like x. */
static int run_field(lua_State *L) {
  const attack_job *j = attack_job_enter(L);
  const question *q = j->asked;
  char what[GOT_TEXT];
  attack_job_function(L);
  const cj_tensor *x = push_points(L, q, q->x);
  cj_tensor *l = push_new(L, CJ_F64, 1, &q->rows);
  memcpy(l->data, q->l, (size_t)q->rows * sizeof(double));
  push_points(L, q, q->g);
  lua_pushnumber(L, (double)q->label);
  cj_tensor like = *x;
  lua_call(L, 4, 1);
  const cj_tensor *a = test_tensor(L, -1);
  if (!a || !a->storage || a->dtype != like.dtype || !cj_same_shape(a, &like))
    raise_error(L, "packet: expected a tensor like x from the field, got %s", got(L, -1, what));
  cj_tensor *packed = push_tensor(L);
  check_status(L, cj_tensor_pack(packed, a));
  memcpy(q->out, packed->data, (size_t)cj_numel(packed) * cj_dtype_bytes(like.dtype));
  return 0;
}

static cj_status ask_field(void *self, int64_t label, int64_t rows, const void *x, const double *l,
                           const void *g, void *out) {
  question *q = self;
  q->label = label;
  q->rows = rows;
  q->x = x;
  q->l = l;
  q->g = g;
  q->out = out;
  q->job->asked = q;
  return attack_job_call(q->job, run_field, "the field");
}

static cj_status run(measurement *m, attack_job *j, cj_crew *crew, int64_t count) {
  if (crew && !m->p.field && !m->mcmc.set.chains)
    return cj_packet_run_planned(&m->p, crew, count, &m->sums);
  cj_oracle o = crew ? cj_batch_oracle_open(&j->frames, crew) : attack_job_oracle(j);
  if (m->mcmc.set.chains) return cj_mcmc_run(&m->mcmc, &m->p, &o, count, &m->sums);
  return cj_packet_run(&m->p, &o, count, &m->sums);
}

/* packet_run(measurement, model, plan, field, count) -> samples (steps), forwards, backwards so far
 */
static int l_run(lua_State *L) {
  lua_settop(L, 5);
  measurement *m = check_measurement(L, 1);
  if (!m->sums.all) raise_error(L, "packet: the measurement was given back");
  cj_crew *crew = lua_isnil(L, 3) ? NULL : check_pulls(L, 3);
  const int64_t count = check_integer(L, 5, "packet", "count", 1, INT64_C(1) << 40);
  const attack_places at = {2, 4, 4, lua_upvalueindex(1)};
  attack_job *j = push_attack_job(L, &at);
  question q = {.job = j, .p = &m->p};
  cj_status status;
  j->name = "packet";
  if (lua_isnil(L, 4) && strcmp(m->sums.all->set->name, "field") == 0)
    raise_error(L, "packet: expected a field");
  m->p.field = lua_isnil(L, 4) ? NULL : ask_field;
  m->p.field_self = &q;
  status = run(m, j, crew, count);
  m->p.field = NULL;
  end_attack_job(L, j);
  if (status == CJ_EARG || status == CJ_ESHAPE || status == CJ_EDTYPE)
    raise_error(L, "packet: %s", cj_errmsg());
  check_status(L, status);
  lua_pushnumber(L, (double)(m->mcmc.set.chains ? m->mcmc.step : m->sums.done));
  lua_pushnumber(L, (double)m->sums.forwards);
  lua_pushnumber(L, (double)m->sums.backwards);
  return 3;
}

void open_packet_run(lua_State *L) {
  lua_getfield(L, -1, "grad");
  lua_pushcclosure(L, l_run, 1);
  lua_setfield(L, -2, "packet_run");
}
