/* pencil.c -- pencils of packets called from Lua: quadrature along chosen pixels of a measurement.
 *
 *   packet_pencils_new(m, { pixels, nodes, rounds })   before the measurement is filled
 *   packet_pencils_run(m, model, plan or nil, count)   rounds of points of the reference
 *   packet_pencils(m, label place)                     what they say; nothing without pencils
 *
 * Chains add their rounds while they walk. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "lua/attack_job.h"
#include "lua/packet.h"
#include "lua/plan.h"

/* Results of models are good to a few units of their type. */
enum { UNITS = 4 };

static int l_new(lua_State *L) {
  enum { SPEC = 2, MOST_NODES = 64 };
  measurement *m = check_measurement(L, 1);
  luaL_checktype(L, SPEC, LUA_TTABLE);
  if (!m->sums.all || m->sums.done || m->pencils.sums)
    raise_error(L, "packet: pencils come once, and before all samples");
  if (m->p.reference.kind != CJ_REFERENCE_BOX) raise_error(L, "packet: pencils need a box");
  cj_pencil_settings set = {.of_rho = m->mcmc.set.chains > 0};
  set.nodes = field_integer(L, SPEC, "packet", "nodes", 1, MOST_NODES);
  set.rounds = field_integer(L, SPEC, "packet", "rounds", 1, INT64_C(1) << 40);
  cj_free(m->pencil_pixels);
  m->pencil_pixels = NULL;
  m->pencil_pixels = packet_list(L, SPEC, "pixels", 1, m->p.reference.n, 1, &set.count);
  set.pixels = m->pencil_pixels;
  cj_status status;
  RETRY(L, status, cj_pencils_open(&m->pencils, &m->p, &set));
  check_status(L, status);
  tell_gc(L, (size_t)m->p.label_count * 2 * CJ_BATCHES *
                 cj_term_sums(m->pencils.sums->set->terms, set.count) * sizeof(double));
  if (set.of_rho) m->mcmc.pencils = &m->pencils;
  return 0;
}

/* -> rounds, forwards, backwards so far */
static int l_run(lua_State *L) {
  lua_settop(L, 5);
  measurement *m = check_measurement(L, 1);
  if (!m->pencils.sums || m->pencils.set.of_rho)
    raise_error(L, "packet: no pencils through points of the reference");
  cj_crew *crew = lua_isnil(L, 3) ? NULL : check_pulls(L, 3);
  const int64_t count = check_integer(L, 4, "packet", "count", 1, INT64_C(1) << 40);
  const attack_places at = {2, 5, 5, lua_upvalueindex(1)};
  attack_job *j = push_attack_job(L, &at);
  j->name = "packet";
  cj_oracle o = crew ? cj_batch_oracle_open(&j->frames, crew) : attack_job_oracle(j);
  const cj_status status = cj_pencils_run(&m->pencils, &m->p, &o, count);
  m->sums.forwards += o.forwards;
  m->sums.backwards += o.backwards;
  end_attack_job(L, j);
  check_call(L, "packet", status);
  lua_pushnumber(L, (double)m->pencils.done);
  lua_pushnumber(L, (double)m->sums.forwards);
  lua_pushnumber(L, (double)m->sums.backwards);
  return 3;
}

/* Means and covariances of what halves change. */
static void read_changes(const measurement *m, int64_t j, int64_t k, cj_means *out) {
  if (m->pencils.set.of_rho)
    cj_moments_between(&m->pencils.changes[j], k, out);
  else
    cj_moments_means(&m->pencils.changes[j], k, out);
}

/* Pushes the errors of quadrature, float64 [quantities, pixels]. */
static void push_quadrature(lua_State *L, const measurement *m, int64_t j) {
  const cj_pencils *s = &m->pencils;
  const int64_t size[2] = {CJ_QUANTITIES, s->set.count};
  const double unit = UNITS * (m->p.reference.dtype == CJ_F32 ? (double)FLT_EPSILON : DBL_EPSILON);
  double *errors = push_new(L, CJ_F64, 2, size)->data;
  for (int64_t k = 0; k < s->set.count; k++) {
    cj_means means, change;
    double out[CJ_QUANTITIES];
    const cj_reading r = packet_reading(m, &s->sums[j], k, s->set.pixels[k], &means);
    read_changes(m, j, k, &change);
    cj_estimate_changes(&r, &means, &change, unit, out);
    for (int q = 0; q < CJ_QUANTITIES; q++) errors[q * s->set.count + k] = out[q];
  }
}

/* The least (sum w)^2 / sum w^2 over the pixels, w the first term: the pencils that count. Pixels
 * without any have no numbers anyway. */
static double least_even(const measurement *m, int64_t j) {
  double least = INFINITY;
  for (int64_t k = 0; k < m->pencils.set.count; k++) {
    cj_means w;
    cj_moments_means(&m->pencils.sums[j], k, &w);
    const double square = w.mean[0] * w.mean[0];
    if (square > 0) least = fmin(least, w.count * square / (square + w.cov[0]));
  }
  return isfinite(least) ? least : 0;
}

/* -> values, errors and errors of quadrature, float64 [quantities, pixels] each; lost, float64
 * [pixels]: pencils whose nodes all missed the loss; { samples, ess } */
static int l_pencils(lua_State *L) {
  const measurement *m = check_measurement(L, 1);
  const int64_t j = check_place(L, 2, m);
  if (!m->pencils.sums) return 0;
  push_estimates(L, m, &m->pencils.sums[j], m->pencil_pixels);
  push_quadrature(L, m, j);
  double *lost = push_new(L, CJ_F64, 1, &m->pencils.set.count)->data;
  memcpy(lost, m->pencils.lost, (size_t)m->pencils.set.count * sizeof *lost);
  lua_createtable(L, 0, 2);
  set_number(L, "samples", (double)m->pencils.samples);
  set_number(L, "ess", least_even(m, j));
  return 5;
}

static const luaL_Reg functions[] = {
    {"packet_pencils_new", l_new}, {"packet_pencils", l_pencils}, {NULL, NULL}};

void open_pencil(lua_State *L) {
  set_functions(L, functions);
  lua_getfield(L, -1, "grad");
  lua_pushcclosure(L, l_run, 1);
  lua_setfield(L, -2, "packet_pencils_run");
}
