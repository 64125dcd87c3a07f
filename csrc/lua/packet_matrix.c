/* packet_matrix.c -- directions of packets called from Lua, and the matrix form along them.
 *
 *   packet_directions_new(m, vectors, joint)    before the measurement is filled
 *   packet_directions(m, label place, faces)    all quantities along each direction
 *   packet_matrix(m, label place, faces)        the matrix form
 *   symmetric_eigen(a)                          eigenvalues and eigenvectors */
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "lua/packet.h"
#include "packet/symmetric.h"

static int l_new(lua_State *L) {
  measurement *m = check_measurement(L, 1);
  const cj_tensor *u = check_tensor(L, 2, "packet", "directions");
  const bool joint = lua_toboolean(L, 3);
  if (!m->sums.all || m->sums.done || m->directions.k)
    raise_error(L, "packet: directions come once, and before all samples");
  if (u->dtype != CJ_F64 || u->ndim != 2 || u->size[0] < 1 || u->size[1] != m->p.reference.n)
    raise_error(L, "packet: expected float64 [k, %lld] for directions",
                (long long)m->p.reference.n);
  const int64_t k = u->size[0];
  check_status(L, cj_tensor_pack(&m->vectors, u));
  cj_status status;
  RETRY(L, status, cj_directions_open(&m->directions, &m->p, k, m->vectors.data, joint));
  if (status != CJ_OK) cj_tensor_drop(&m->vectors);
  check_call(L, "packet", status);
  m->sums.directions = &m->directions;
  if (joint)
    tell_gc(L, (size_t)m->p.label_count * (size_t)cj_matrix_bytes(k, m->p.reference.n, false));
  return 0;
}

/* The sums of a label; NULL when nobody asked for the faces of all pixels. */
static const cj_direction_sums *check_sums(lua_State *L, const measurement *m) {
  const int64_t j = check_place(L, 2, m);
  if (!m->directions.k) raise_error(L, "packet: no directions");
  if (!lua_toboolean(L, 3)) return &m->directions.all[j];
  return m->directions.faces ? &m->directions.faces[j] : NULL;
}

/* -> values, errors, float64 [quantities, k]; the effective number of samples. Nothing without
 * faces. */
static int l_directions(lua_State *L) {
  const measurement *m = check_measurement(L, 1);
  const cj_direction_sums *s = check_sums(L, m);
  if (!s) return 0;
  const cj_directions *a = &m->directions;
  const int64_t n = m->p.reference.n;
  double *centres = lua_newuserdata(L, (size_t)a->k * sizeof *centres);
  for (int64_t k = 0; k < a->k; k++) {
    centres[k] = 0;
    for (int64_t i = 0; i < n; i++) centres[k] += a->u[k * n + i] * m->p.centre[i];
  }
  measurement turned = *m; /* directions are the pixels of a turned frame */
  turned.p.centre = centres;
  push_estimates(L, &turned, &s->each, NULL);
  cj_means w;
  cj_moments_means(&s->each, 0, &w);
  const double square = w.mean[0] * w.mean[0];
  lua_pushnumber(L, square > 0 ? w.count * square / (square + w.cov[0]) : 0);
  return 3;
}

/* -> name -> float64 [k, k] or [k], of the values and of the errors; nil and the reason; nothing
 * without faces */
static int l_matrix(lua_State *L) {
  const measurement *m = check_measurement(L, 1);
  const cj_direction_sums *s = check_sums(L, m);
  if (!s || !m->directions.joint) return 0;
  const int64_t k = m->directions.k, all = cj_matrix_offset(CJ_MATRIX_PARTS, k);
  const cj_reference_kind kind = m->p.reference.kind;
  const cj_matrix_reading r = {.u = m->directions.u,
                               .whole = kind != CJ_REFERENCE_BOX,
                               .window = kind == CJ_REFERENCE_WINDOW,
                               .tau = m->p.reference.tau};
  const double *from[2];
  for (int e = 0; e < 2; e++) from[e] = push_new(L, CJ_F64, 1, &all)->data;
  cj_status status;
  RETRY(L, status, cj_matrix_estimate(&s->joint, &r, (double *)from[0], (double *)from[1]));
  if (status == CJ_EARG) {
    lua_pushnil(L);
    lua_pushstring(L, cj_errmsg());
    return 2;
  }
  check_status(L, status);
  for (int e = 0; e < 2; e++) {
    lua_createtable(L, 0, CJ_MATRIX_PARTS);
    for (int p = 0; p < CJ_MATRIX_PARTS; p++) {
      const int64_t size[2] = {k, k};
      double *to = push_new(L, CJ_F64, p < CJ_MATRIX_P ? 2 : 1, size)->data;
      memcpy(to, from[e] + cj_matrix_offset(p, k),
             (size_t)(p < CJ_MATRIX_P ? k * k : k) * sizeof *to);
      lua_setfield(L, -2, cj_matrix_name(p));
    }
  }
  return 2;
}

/* symmetric_eigen(a) -> values [n], rising; vectors [n, n], one a row. a: float64 [n, n] */
static int l_eigen(lua_State *L) {
  const cj_tensor *a = check_tensor(L, 1, "symmetric_eigen", "a");
  if (a->dtype != CJ_F64 || a->ndim != 2 || a->size[0] != a->size[1])
    raise_error(L, "symmetric_eigen: expected float64 [n, n] for a");
  const int64_t size[2] = {a->size[0], a->size[0]};
  cj_tensor *values = push_new(L, CJ_F64, 1, size), *vectors = push_new(L, CJ_F64, 2, size);
  cj_tensor *used = push_new(L, CJ_F64, 2, size);
  check_status(L, cj_tensor_copy(used, a));
  check_call(L, "symmetric_eigen",
             cj_symmetric_eigen(size[0], used->data, values->data, vectors->data));
  lua_pop(L, 1);
  return 2;
}

static const luaL_Reg functions[] = {{"packet_directions_new", l_new},
                                     {"packet_directions", l_directions},
                                     {"packet_matrix", l_matrix},
                                     {"symmetric_eigen", l_eigen},
                                     {NULL, NULL}};

void open_packet_matrix(lua_State *L) {
  set_functions(L, functions);
}
