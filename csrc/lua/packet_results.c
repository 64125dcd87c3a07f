/* packet_results.c -- what a measurement of a packet found.
 *
 *   packet_estimates(m, label place, faces)   values and errors of all quantities
 *   packet_parts(m, label place)              the parts of g^2
 *   packet_evenness(m, label place)           how even the weights are; of chains: what g^2 is a
 *                                             mean of
 *   packet_totals(m, label place)             sums over all pixels
 *   packet_chains(m)                          whether its chains agree
 *   packet_fit(m)                             the tilt that a pilot suggests
 *   packet_quantities(), packet_loss(kind, clip, z, y) */
#include <math.h>
#include <string.h>

#include "lua/packet.h"

#include "packet/pilot.h"
#include "packet/totals.h"

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

static const luaL_Reg functions[] = {{"packet_estimates", l_estimates},
                                     {"packet_evenness", l_evenness},
                                     {"packet_totals", l_totals},
                                     {"packet_parts", l_parts},
                                     {"packet_quantities", l_quantities},
                                     {"packet_loss", l_loss},
                                     {"packet_chains", l_chains},
                                     {"packet_fit", l_fit},
                                     {NULL, NULL}};

void open_packet_results(lua_State *L) {
  set_functions(L, functions);
}
