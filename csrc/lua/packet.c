/* packet.c -- packets called from Lua: a measurement in a userdata, filled by and by.
 *
 *   m = packet_new { loss, clip, reference, low, high, tau, centres, seed, size, dtype, labels,
 *                    samples, set, centre, face_pixels, face_samples }
 *
 * With tilt = s and share = a, points come from the defensive mixture with that tilt; a pilot has a
 * stream of points of its own, and keeps its losses. With mcmc = { chains, burn, keep, leaps,
 * acceptance, defence } points come from chains.
 *
 * packet_run.c fills measurements, packet_results.c, packet_matrix.c and pencil.c read them. The
 * Lua half checks what users give; here only what memory safety needs is checked. */
#include <math.h>
#include <string.h>

#include "lua/packet.h"

#include "core/memory.h"

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

static const luaL_Reg functions[] = {{"packet_new", l_new}, {NULL, NULL}};

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
}
