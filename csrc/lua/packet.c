/* packet.c -- packets called from Lua: a measurement in a userdata, filled by and by.
 *
 *   m = packet_new { loss, clip, reference, low, high, tau, centres, seed, size, dtype, labels,
 *                    samples, set, centre, face_pixels, face_samples }
 *   packet_run(m, model, plan or nil, field or nil, count)    adds samples; gives those so far
 *   packet_estimates(m, label place, faces)                   values and errors of all quantities
 *   packet_evenness(m, label place)                           how even the weights are
 *   packet_totals(m, label place)                             sums over all pixels
 *   packet_chains(m)                                          whether its chains agree
 *   packet_fit(m)                                             the tilt that a pilot suggests
 *
 * With tilt = s and share = a, points come from the defensive mixture with that tilt; a pilot has a
 * stream of points of its own, and keeps its losses.
 *
 * With mcmc = { chains, burn, keep, leaps, acceptance, defence } in the description, points come
 * from chains: count and what packet_run gives are steps, and packet_evenness is of what g^2 is a
 * mean of.
 *
 * The Lua half checks what users give; here only what memory safety needs is checked. */
#include <math.h>
#include <string.h>

#include "lua/packet.h"

#include "core/memory.h"
#include "lua/attack_job.h"
#include "lua/plan.h"
#include "packet/pilot.h"
#include "packet/totals.h"

static const char metatable_key = 0;
enum { SPEC = 1 };

/* --- reading the description -------------------------------------------------------------------
 */

/* Left on the stack, so that it stays alive. */
static const char *text(lua_State *L, const char *name) {
  lua_getfield(L, SPEC, name);
  return check_text(L, -1, "packet", name, NULL);
}

int64_t *packet_list(lua_State *L, int spec, const char *name, int64_t low, int64_t high,
                     int64_t from, int64_t *count) {
  lua_getfield(L, spec, name);
  luaL_checktype(L, -1, LUA_TTABLE);
  *count = (int64_t)lua_objlen(L, -1);
  int64_t *out = cj_alloc((size_t)*count * sizeof *out);
  if (!out) check_status(L, cj_fail(CJ_EMEM, "no memory for %s", name));
  for (int64_t k = 0; k < *count; k++) {
    lua_rawgeti(L, -1, (int)k + 1);
    const double v = lua_tonumber(L, -1);
    if (!(v >= (double)low && v <= (double)high && v == floor(v))) {
      cj_free(out);
      raise_error(L, "packet: expected whole numbers in %lld..%lld for %s", (long long)low,
                  (long long)high, name);
    }
    out[k] = (int64_t)v - from;
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return out;
}

static void read_sizes(lua_State *L, cj_packet *p) {
  lua_getfield(L, SPEC, "size");
  p->ndim = check_sizes(L, -1, "packet", p->size);
  p->reference.n = 1;
  for (int k = 0; k < p->ndim; k++) p->reference.n *= p->size[k];
  if (p->ndim < 1 || p->ndim >= CJ_MAX_DIMS || p->reference.n < 1)
    raise_error(L, "packet: expected sizes of a sample for size");
  lua_pop(L, 1);
}

/* The tensor in a field, contiguous, in *out. */
static bool take_tensor(lua_State *L, const char *name, cj_dtype dtype, cj_tensor *out) {
  lua_getfield(L, SPEC, name);
  const cj_tensor *t = opt_tensor(L, -1, "packet", name);
  if (t && t->dtype != dtype)
    raise_error(L, "packet: expected a %s tensor for %s", cj_dtype_name(dtype), name);
  if (t) check_status(L, cj_tensor_pack(out, t));
  lua_pop(L, 1);
  return t != NULL;
}

static void read_reference(lua_State *L, measurement *m) {
  static const char *const kinds[] = {"box", "window", "data"};
  cj_reference *r = &m->p.reference;
  const char *name = text(L, "reference");
  r->kind = CJ_REFERENCE_BOX;
  for (int k = 0; k < 3; k++)
    if (strcmp(kinds[k], name) == 0) r->kind = (cj_reference_kind)k;
  lua_getfield(L, SPEC, "dtype");
  r->dtype = opt_dtype(L, -1, "packet");
  lua_pop(L, 1);
  r->seed = (uint64_t)field_integer(L, SPEC, "packet", "seed", 0, INT64_C(1) << 53);
  r->low = field_number(L, SPEC, "packet", "low");
  r->high = field_number(L, SPEC, "packet", "high");
  r->tau = field_number(L, SPEC, "packet", "tau");
  const bool given = take_tensor(L, "centres", r->dtype, &m->centres);
  if (r->kind == CJ_REFERENCE_BOX) return;
  if (!given || cj_numel(&m->centres) % r->n != 0 || cj_numel(&m->centres) == 0)
    raise_error(L, "packet: expected centres of the sizes of a sample");
  r->centres = m->centres.data;
  r->count = cj_numel(&m->centres) / r->n;
}

static void read_centre(lua_State *L, measurement *m) {
  if (!take_tensor(L, "centre", CJ_F64, &m->centre) || cj_numel(&m->centre) != m->p.reference.n)
    raise_error(L, "packet: expected one number a pixel for centre");
  m->p.centre = m->centre.data;
}

/* The defensive mixture, if there is one. */
static void read_tilt(lua_State *L, measurement *m) {
  cj_reference *r = &m->p.reference;
  lua_getfield(L, SPEC, "tilt");
  const cj_tensor *slope = opt_tensor(L, -1, "packet", "tilt");
  if (!slope) return;
  if (slope->dtype != CJ_F64 || cj_numel(slope) != r->n || !cj_contiguous(slope))
    raise_error(L, "packet: expected one number a pixel for tilt");
  const double share = field_number(L, SPEC, "packet", "share");
  if (!(share > 0 && share <= 1)) raise_error(L, "packet: expected a share in (0, 1]");
  cj_status status;
  RETRY(L, status, cj_tilt_open(&m->tilt, r, share));
  check_status(L, status);
  cj_tilt_set(&m->tilt, r, slope->data);
  m->p.tilt = &m->tilt;
  lua_getfield(L, SPEC, "stream"); /* of a pilot */
  m->p.keep = !lua_isnil(L, -1);
  if (m->p.keep) r->stream = (uint64_t)field_integer(L, SPEC, "packet", "stream", 1, 1 << 20);
}

/* The settings of chains, if there are any. */
static bool read_chains(lua_State *L, cj_mcmc_settings *set) {
  static const char *const names[] = {"chains", "burn", "keep", "leaps", "acceptance", "defence"};
  double v[6];
  lua_getfield(L, SPEC, "mcmc");
  if (lua_isnil(L, -1)) return false;
  luaL_checktype(L, -1, LUA_TTABLE);
  for (int k = 0; k < 6; k++) {
    lua_getfield(L, -1, names[k]);
    v[k] = check_number(L, -1, "packet", names[k]);
    lua_pop(L, 1);
  }
  const bool counts = v[0] >= CJ_BATCHES && fmod(v[0], CJ_BATCHES) == 0 && v[1] >= 1 && v[2] >= 4 &&
                      fmod(v[2], 2) == 0 && v[3] >= 1 && v[0] + v[1] + v[2] + v[3] < 0x1p40;
  if (!counts || !(v[5] >= 0 && v[5] < 1)) raise_error(L, "packet: wrong settings for mcmc");
  *set = (cj_mcmc_settings){(int64_t)v[0], (int64_t)v[1], (int64_t)v[2], (int64_t)v[3], v[4], v[5]};
  return true;
}

measurement *check_measurement(lua_State *L, int i) {
  char what[GOT_TEXT];
  measurement *m = lua_touserdata(L, i);
  bool right = m && lua_getmetatable(L, i);
  if (right) {
    lua_pushlightuserdata(L, (void *)&metatable_key);
    lua_rawget(L, LUA_REGISTRYINDEX);
    right = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
  }
  if (!right) raise_error(L, "packet: expected a measurement, got %s", got(L, i, what));
  return m;
}

static int l_gc(lua_State *L) {
  measurement *m = check_measurement(L, 1);
  if (m->sums.all) cj_packet_sums_drop(&m->sums, &m->p);
  cj_mcmc_drop(&m->mcmc);
  cj_pencils_drop(&m->pencils);
  cj_directions_drop(&m->directions);
  cj_tilt_drop(&m->tilt);
  cj_tensor_drop(&m->centres);
  cj_tensor_drop(&m->centre);
  cj_tensor_drop(&m->vectors);
  cj_free(m->labels);
  cj_free(m->pixels);
  cj_free(m->pencil_pixels);
  memset(m, 0, sizeof *m);
  return 0;
}

static int l_new(lua_State *L) {
  luaL_checktype(L, SPEC, LUA_TTABLE);
  lua_settop(L, 1);
  measurement *m = lua_newuserdata(L, sizeof *m);
  memset(m, 0, sizeof *m);
  lua_pushlightuserdata(L, (void *)&metatable_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  lua_setmetatable(L, -2);
  cj_packet *p = &m->p;
  check_status(L, cj_packet_kind_parse(&p->loss.kind, text(L, "loss")));
  p->loss.clip = field_number(L, SPEC, "packet", "clip");
  read_sizes(L, p);
  read_reference(L, m);
  read_centre(L, m);
  read_tilt(L, m);
  p->labels = m->labels = packet_list(L, SPEC, "labels", 0, INT32_MAX, 0, &p->label_count);
  p->samples = field_integer(L, SPEC, "packet", "samples", 1, INT64_C(1) << 40);
  m->pixels = packet_list(L, SPEC, "face_pixels", 1, p->reference.n, 1, &p->face_count);
  p->face_pixels = m->pixels;
  p->face_samples = field_integer(L, SPEC, "packet", "face_samples", 0, INT64_C(1) << 40);
  const cj_term_set *set = cj_term_set_find(text(L, "set"), p->reference.dtype);
  if (!set) raise_error(L, "packet: no such terms");
  cj_status status;
  RETRY(L, status, cj_packet_sums_open(&m->sums, p, set));
  check_status(L, status);
  cj_mcmc_settings set_of_chains;
  if (read_chains(L, &set_of_chains)) {
    if (p->label_count != 1 || p->face_count)
      raise_error(L, "packet: chains are of one label, without faces");
    RETRY(L, status, cj_mcmc_open(&m->mcmc, p, &set_of_chains));
    check_status(L, status);
  }
  tell_gc(L, (size_t)p->label_count * CJ_BATCHES * cj_term_sums(set->terms, p->reference.n) *
                 sizeof(double));
  lua_pushvalue(L, 2);
  return 1;
}

/* --- running -----------------------------------------------------------------------------------
 */

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

/* --- results -----------------------------------------------------------------------------------
 */

int64_t check_place(lua_State *L, int i, const measurement *m) {
  return check_integer(L, i, "packet", "the label's place", 1, m->p.label_count) - 1;
}

/* Means of the terms of pixel k, with covariances; those of chains from the spread of batches. */
static void read_means(const measurement *m, const cj_moments *moments, int64_t k,
                       cj_means *means) {
  if (m->mcmc.set.chains > 0)
    cj_moments_between(moments, k, means);
  else
    cj_moments_means(moments, k, means);
}

cj_reading packet_reading(const measurement *m, const cj_moments *moments, int64_t k, int64_t i,
                          cj_means *means) {
  cj_reading r = {.set = moments->set->name,
                  .whole = m->p.reference.kind != CJ_REFERENCE_BOX,
                  .centre = m->p.centre[i],
                  .low = m->p.reference.low,
                  .high = m->p.reference.high,
                  .tau = m->p.reference.tau};
  read_means(m, moments, k, means);
  cj_reading_choose(&r, means, m->mcmc.set.chains > 0 || m->p.tilt);
  return r;
}

void push_estimates(lua_State *L, const measurement *m, const cj_moments *moments,
                    const int64_t *pixels) {
  const int64_t size[2] = {CJ_QUANTITIES, moments->n};
  double *values = push_new(L, CJ_F64, 2, size)->data, *errors = push_new(L, CJ_F64, 2, size)->data;
  for (int64_t i = 0; i < moments->n; i++) {
    cj_means means;
    cj_estimate out[CJ_QUANTITIES];
    const cj_reading r = packet_reading(m, moments, i, pixels ? pixels[i] : i, &means);
    cj_estimate_pixel(&r, &means, out);
    for (int q = 0; q < CJ_QUANTITIES; q++) {
      values[q * moments->n + i] = out[q].value;
      errors[q * moments->n + i] = out[q].error;
    }
  }
}

/* packet_estimates(measurement, place, faces) -> values, errors of all pixels, or with faces of the
 * chosen ones */
static int l_estimates(lua_State *L) {
  const measurement *m = check_measurement(L, 1);
  const int64_t j = check_place(L, 2, m);
  const bool faces = lua_toboolean(L, 3);
  if (!m->sums.all || (faces && !m->sums.faces)) raise_error(L, "packet: nothing was measured");
  push_estimates(L, m, faces ? &m->sums.faces[j] : &m->sums.all[j], faces ? m->pixels : NULL);
  return 2;
}

/* packet_parts(measurement, place) -> values, errors: float64 [3, pixels], the loss, cross and
 * window parts of g^2; nothing where nu is constant and g^2 has but one. */
static int l_parts(lua_State *L) {
  const measurement *m = check_measurement(L, 1);
  const int64_t j = check_place(L, 2, m), n = m->p.reference.n, size[2] = {CJ_PARTS, n};
  if (!m->sums.all) raise_error(L, "packet: nothing was measured");
  if (!m->sums.parts) return 0;
  double *values = push_new(L, CJ_F64, 2, size)->data, *errors = push_new(L, CJ_F64, 2, size)->data;
  for (int64_t i = 0; i < n; i++) {
    cj_means means;
    cj_estimate out[CJ_PARTS];
    read_means(m, &m->sums.parts[j], i, &means);
    cj_estimate_parts(&means, out);
    for (int k = 0; k < CJ_PARTS; k++) {
      values[k * n + i] = out[k].value;
      errors[k * n + i] = out[k].error;
    }
  }
  return 2;
}

/* packet_totals(measurement, place) -> name -> { value, error } of what all pixels say, where it
 * is a number */
static int l_totals(lua_State *L) {
  const measurement *m = check_measurement(L, 1);
  const int64_t j = check_place(L, 2, m), n = m->p.reference.n;
  if (!m->sums.all) raise_error(L, "packet: nothing was measured");
  cj_reading *readings = lua_newuserdata(L, (size_t)n * sizeof *readings);
  cj_means means;
  for (int64_t i = 0; i < n; i++) readings[i] = packet_reading(m, &m->sums.all[j], i, i, &means);
  cj_estimate out[CJ_TOTALS];
  cj_estimate_totals(&m->sums.all[j], m->sums.parts ? &m->sums.parts[j] : NULL, readings, out);
  lua_createtable(L, 0, CJ_TOTALS);
  for (int t = 0; t < CJ_TOTALS; t++) {
    if (!isfinite(out[t].value) || !isfinite(out[t].error)) continue; /* tightness where P = 0 */
    lua_createtable(L, 2, 0);
    lua_pushnumber(L, out[t].value);
    lua_rawseti(L, -2, 1);
    lua_pushnumber(L, out[t].error);
    lua_rawseti(L, -2, 2);
    lua_setfield(L, -2, cj_total_name(t));
  }
  return 1;
}

/* packet_evenness(measurement, place, slopes) -> { samples, ess, largest, k } of the weights, or of
 * the squared slopes */
static int l_evenness(lua_State *L) {
  const measurement *m = check_measurement(L, 1);
  const int64_t j = check_place(L, 2, m);
  cj_weights all = {0};
  if (!m->sums.all) raise_error(L, "packet: nothing was measured");
  const cj_weights *of = lua_toboolean(L, 3) ? m->sums.slopes : m->sums.weights;
  check_status(L, cj_weights_open(&all, m->p.samples));
  for (int b = 0; b < CJ_BATCHES; b++) cj_weights_merge(&all, &of[j * CJ_BATCHES + b]);
  const cj_evenness e = cj_weights_evenness(&all);
  cj_weights_drop(&all);
  lua_createtable(L, 0, 4);
  set_number(L, "samples", e.samples);
  set_number(L, "ess", e.ess);
  set_number(L, "largest", e.largest);
  set_number(L, "k", e.k);
  return 1;
}

/* packet_chains(measurement) -> { acceptance, eps, dead, rhat, ess, rho_rhat, rho_ess }: rhat and
 * ess float64 [n], of the pixels; dead: chains that never found l > 0. After the last step. */
static int l_chains(lua_State *L) {
  const measurement *m = check_measurement(L, 1);
  const cj_mcmc *c = &m->mcmc;
  if (!c->set.chains || c->step < c->set.burn + c->set.keep)
    raise_error(L, "packet: no chains, or not at their end");
  const int64_t n = m->p.reference.n;
  lua_createtable(L, 0, 7);
  double *rhat = push_new(L, CJ_F64, 1, &n)->data;
  lua_setfield(L, -2, "rhat");
  double *ess = push_new(L, CJ_F64, 1, &n)->data;
  lua_setfield(L, -2, "ess");
  for (int64_t i = 0; i < n; i++) {
    const cj_agreement a = cj_traces_agreement(&c->traces, i);
    rhat[i] = a.rhat;
    ess[i] = a.ess;
  }
  const cj_agreement rho = cj_traces_agreement(&c->traces, n);
  set_number(L, "rho_rhat", rho.rhat);
  set_number(L, "rho_ess", rho.ess);
  set_number(L, "acceptance", c->moved > 0 ? c->accepted / c->moved : 0);
  set_number(L, "eps", exp(c->log_eps));
  set_number(L, "dead", (double)c->dead);
  return 1;
}

/* packet_fit(pilot) -> float64 [n], the slope of a tilt, and its effective sample size over the
 * samples, as the pilot predicts it */
static int l_fit(lua_State *L) {
  const measurement *m = check_measurement(L, 1);
  if (!m->sums.losses || m->sums.done < m->p.samples || strcmp(m->sums.all->set->name, "pilot"))
    raise_error(L, "packet: no pilot, or not at its end");
  const cj_reference *r = &m->p.reference;
  double *slope = push_new(L, CJ_F64, 1, &r->n)->data, evenness;
  cj_status status;
  RETRY(L, status, cj_pilot_fit(&m->p, &m->sums, slope, &evenness));
  check_status(L, status);
  lua_pushnumber(L, evenness);
  return 2;
}

/* packet_quantities() -> names, in the order of the estimates */
static int l_quantities(lua_State *L) {
  lua_createtable(L, CJ_QUANTITIES, 0);
  for (int q = 0; q < CJ_QUANTITIES; q++) {
    lua_pushstring(L, cj_quantity_name(q));
    lua_rawseti(L, -2, q + 1);
  }
  return 1;
}

/* packet_loss(kind, clip, z, y) -> value, slopes: z a list of logits, y from 0 */
static int l_loss(lua_State *L) {
  cj_packet_loss loss = {.clip = check_number(L, 2, "packet_loss", "clip")};
  check_status(L, cj_packet_kind_parse(&loss.kind, check_text(L, 1, "packet_loss", "kind", NULL)));
  luaL_checktype(L, 3, LUA_TTABLE);
  const int64_t classes = (int64_t)lua_objlen(L, 3);
  if (classes < 2) raise_error(L, "packet_loss: expected at least 2 logits");
  const int64_t y = check_integer(L, 4, "packet_loss", "y", 0, classes - 1);
  double *z = lua_newuserdata(L, (size_t)(2 * classes) * sizeof(double)), *slope = z + classes;
  for (int64_t k = 0; k < classes; k++) {
    lua_rawgeti(L, 3, (int)k + 1);
    z[k] = check_number(L, -1, "packet_loss", "a logit");
    lua_pop(L, 1);
  }
  lua_pushnumber(L, cj_packet_value(&loss, classes, z, y, slope));
  lua_createtable(L, (int)classes, 0);
  for (int64_t k = 0; k < classes; k++) {
    lua_pushnumber(L, slope[k]);
    lua_rawseti(L, -2, (int)k + 1);
  }
  return 2;
}

static const luaL_Reg functions[] = {
    {"packet_new", l_new},           {"packet_estimates", l_estimates},
    {"packet_evenness", l_evenness}, {"packet_totals", l_totals},
    {"packet_parts", l_parts},       {"packet_quantities", l_quantities},
    {"packet_loss", l_loss},         {"packet_chains", l_chains},
    {"packet_fit", l_fit},           {NULL, NULL}};

/* Once a state: measurements made before the module is loaded again are still measurements. */
static void make_metatable(lua_State *L) {
  lua_pushlightuserdata(L, (void *)&metatable_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  if (lua_isnil(L, -1)) {
    lua_pushlightuserdata(L, (void *)&metatable_key);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, l_gc);
    lua_setfield(L, -2, "__gc");
    lua_rawset(L, LUA_REGISTRYINDEX);
  }
  lua_pop(L, 1);
}

void open_packet(lua_State *L) {
  make_metatable(L);
  set_functions(L, functions);
  lua_getfield(L, -1, "grad");
  lua_pushcclosure(L, l_run, 1);
  lua_setfield(L, -2, "packet_run");
}
