/* quadrature.c -- slices called from Lua: quadrature over a function in Lua, and losses of logits.
 *
 * The quadrature is plain C and calls back through protected calls; an error in the callback is
 * kept, the core gives its memory back, and only then is the error raised again. */
#include "packet/quadrature.h"

#include <string.h>

#include "lua/binding.h"
#include "lua/plan.h"
#include "packet/along.h"
#include "packet/loss.h"

typedef struct slice_job {
  lua_State *L;
  int ref, axes; /* of the function, in the registry */
  const cj_slice_points *at;
} slice_job;

/* Copies result i of the function, float64 with `count` elements, or leaves `to` where it may be
 * nil. */
static void read_result(lua_State *L, int i, const char *name, bool needed, int64_t count,
                        double *to) {
  char what[GOT_TEXT];
  if (!needed && lua_isnil(L, i)) return;
  const cj_tensor *t = check_tensor(L, i, "quadrature", name);
  if (t->dtype != CJ_F64 || cj_numel(t) != count)
    raise_error(L, "quadrature: expected a float64 tensor of %lld elements for %s, got %s",
                (long long)count, name, got(L, i, what));
  check_look(L, t);
  cj_tensor *packed = push_tensor(L);
  check_status(L, cj_tensor_pack(packed, t));
  memcpy(to, packed->data, (size_t)count * sizeof *to);
  lua_pop(L, 1);
}

/* f(x [B, axes]) -> l [B], slope [B, axes], nu [B] or nil, score [B, axes] or nil */
static int run_look(lua_State *L) {
  const slice_job *j = lua_touserdata(L, 1);
  const cj_slice_points *at = j->at;
  const int64_t size[2] = {at->count, j->axes}, all = at->count * j->axes;
  lua_rawgeti(L, LUA_REGISTRYINDEX, j->ref);
  cj_tensor *x = push_new(L, CJ_F64, 2, size);
  memcpy(x->data, at->x, (size_t)all * sizeof *at->x);
  lua_call(L, 1, 4);
  read_result(L, 2, "the loss", true, at->count, at->l);
  read_result(L, 3, "the slope", true, all, at->slope);
  read_result(L, 4, "the density", false, at->count, at->nu);
  read_result(L, 5, "the score", false, all, at->score);
  return 0;
}

static cj_status ask_look(void *self, const cj_slice_points *at) {
  slice_job *j = self;
  j->at = at;
  const bool was = cj_grad_enabled();
  const int failed = lua_cpcall(j->L, run_look, j);
  cj_grad_enable(was);
  return failed ? keep_error(j->L, "the loss of the slice") : CJ_OK;
}

/* --- results -----------------------------------------------------------------------------------
 */

/* Names of the numbers of an axis, in the order of cj_slice_axis: those of estimate.h and parts. */
static const char *const axis_names[] = {"mu",        "sigma_x",    "g",          "c",     "c_face",
                                         "sigma_p",   "B",          "B_face",     "bound", "P",
                                         "U",         "slack",      "tightness",  "B_gap", "c_gap",
                                         "loss_part", "cross_part", "window_part"};
enum { AXIS_NAMES = sizeof axis_names / sizeof *axis_names };
_Static_assert(sizeof(cj_slice_axis) == AXIS_NAMES * sizeof(double), "a name for each number");

static void set_matrix(lua_State *L, const char *name, int axes,
                       const double m[CJ_MOST_AXES][CJ_MOST_AXES]) {
  lua_createtable(L, axes, 0);
  for (int i = 0; i < axes; i++) {
    lua_createtable(L, axes, 0);
    for (int j = 0; j < axes; j++) {
      lua_pushnumber(L, m[i][j]);
      lua_rawseti(L, -2, j + 1);
    }
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, name);
}

static void push_numbers(lua_State *L, int axes, const cj_slice_numbers *n) {
  lua_createtable(L, 0, 8);
  set_number(L, "beta", n->beta);
  set_number(L, "ess", n->ess);
  lua_createtable(L, axes, 0);
  for (int i = 0; i < axes; i++) {
    lua_createtable(L, 0, AXIS_NAMES);
    for (int k = 0; k < AXIS_NAMES; k++)
      set_number(L, axis_names[k], ((const double *)&n->axis[i])[k]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "axes");
  set_matrix(L, "Sigma", axes, n->sigma);
  set_matrix(L, "G", axes, n->g);
  set_matrix(L, "C", axes, n->c);
  set_matrix(L, "B", axes, n->b);
  lua_createtable(L, axes, 0);
  for (int i = 0; i < axes; i++) {
    lua_pushnumber(L, n->eigen[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "eigenvalues");
}

static void read_ends(lua_State *L, int i, const char *name, int axes, double *out) {
  if ((int)lua_objlen(L, i) != axes)
    raise_error(L, "quadrature: expected as many numbers for high as for low");
  for (int a = 0; a < axes; a++) {
    lua_rawgeti(L, i, a + 1);
    out[a] = check_number(L, -1, "quadrature", name);
    lua_pop(L, 1);
  }
}

/* packet_quadrature(f, low, high, tolerance, panels, most, batch, roundoff) -> values, errors,
 * points, panels, converged; low and high: lists of 1 or 2 numbers; f as above. */
static int l_quadrature(lua_State *L) {
  const int64_t limit = INT64_C(1) << 26;
  slice_job j = {.L = L};
  cj_slice s = {.look = ask_look, .self = &j};
  char what[GOT_TEXT];
  for (int i = 1; i <= 3; i++)
    if (lua_type(L, i) != (i == 1 ? LUA_TFUNCTION : LUA_TTABLE))
      raise_error(L, "quadrature: expected %s, got %s",
                  i == 1   ? "a function"
                  : i == 2 ? "a list for low"
                           : "a list for high",
                  got(L, i, what));
  s.axes = j.axes = (int)lua_objlen(L, 2);
  if (s.axes < 1 || s.axes > CJ_MOST_AXES)
    raise_error(L, "quadrature: expected 1 or 2 numbers for low");
  read_ends(L, 2, "low", s.axes, s.low);
  read_ends(L, 3, "high", s.axes, s.high);
  for (int a = 0; a < s.axes; a++)
    if (!(s.low[a] < s.high[a])) raise_error(L, "quadrature: expected low below high");
  s.tolerance = check_number(L, 4, "quadrature", "tolerance");
  s.panels = check_integer(L, 5, "quadrature", "panels", 1, 1024);
  s.most = check_integer(L, 6, "quadrature", "points", 1, limit);
  s.batch = check_integer(L, 7, "quadrature", "batch", 1, limit);
  s.roundoff = lua_isnoneornil(L, 8) ? 0 : check_number(L, 8, "quadrature", "roundoff");
  cj_slice_result r;
  lua_pushvalue(L, 1);
  j.ref = luaL_ref(L, LUA_REGISTRYINDEX); /* nothing raises until it is given back */
  const cj_status status = cj_slice_measure(&s, &r);
  luaL_unref(L, LUA_REGISTRYINDEX, j.ref);
  check_call(L, "quadrature", status);
  push_numbers(L, s.axes, &r.value);
  push_numbers(L, s.axes, &r.error);
  lua_pushnumber(L, (double)r.points);
  lua_pushnumber(L, (double)r.panels);
  lua_pushboolean(L, r.converged);
  return 5;
}

/* --- losses ------------------------------------------------------------------------------------
 */

/* packet_losses(kind, clip, z, y) -> l float64 [B], slopes dl/dz [B, K] of z's type, for logits
 * z [B, K] and one label y from 0. */
static int l_losses(lua_State *L) {
  char what[GOT_TEXT];
  cj_packet_loss loss = {.clip = check_number(L, 2, "packet", "clip")};
  check_call(L, "packet",
             cj_packet_kind_parse(&loss.kind, check_text(L, 1, "packet", "loss", NULL)));
  const cj_tensor *z = check_tensor(L, 3, "packet", "the logits");
  check_look(L, z);
  if (!cj_dtype_float(z->dtype) || z->ndim != 2 || z->size[1] < 1)
    raise_error(L, "packet: expected logits [B, K] from the model, got %s", got(L, 3, what));
  const int64_t rows = z->size[0], classes = z->size[1];
  const int64_t y = check_integer(L, 4, "packet", "label", 0, classes - 1);
  cj_tensor *packed = push_tensor(L);
  check_status(L, cj_tensor_pack(packed, z));
  double *line = lua_newuserdata(L, (size_t)(2 * classes) * sizeof *line), *slope = line + classes;
  cj_tensor *l = push_new(L, CJ_F64, 1, &rows), *slopes = push_new(L, z->dtype, 2, z->size);
  for (int64_t b = 0; b < rows; b++) {
    for (int64_t k = 0; k < classes; k++)
      line[k] = z->dtype == CJ_F64 ? ((const double *)packed->data)[b * classes + k]
                                   : (double)((const float *)packed->data)[b * classes + k];
    ((double *)l->data)[b] = cj_packet_value(&loss, classes, line, y, slope);
    for (int64_t k = 0; k < classes; k++)
      if (z->dtype == CJ_F64)
        ((double *)slopes->data)[b * classes + k] = slope[k];
      else
        ((float *)slopes->data)[b * classes + k] = (float)slope[k];
  }
  return 2;
}

/* The float64 tensor at index i, packed and pushed, with `rows` lines of `length`. */
static const double *push_lines(lua_State *L, int i, const char *name, int64_t rows,
                                int64_t length) {
  char what[GOT_TEXT];
  const cj_tensor *t = check_tensor(L, i, "packet", name);
  if (t->dtype != CJ_F64 || cj_numel(t) != rows * length)
    raise_error(L, "packet: expected a float64 tensor of %lld elements for %s, got %s",
                (long long)(rows * length), name, got(L, i, what));
  check_look(L, t);
  cj_tensor *packed = push_tensor(L);
  check_status(L, cj_tensor_pack(packed, t));
  return packed->data;
}

/* packet_along(plan, x0 [pixels], u [axes, pixels], t [B, axes], loss, clip, label) -> l [B],
 * slopes [B, axes], all float64: losses of a compiled model along a slice. */
static int l_along(lua_State *L) {
  lua_settop(L, 7);
  cj_along a = {.crew = check_pulls(L, 1), .loss = {.clip = check_number(L, 6, "packet", "clip")}};
  const cj_tensor *x = cj_plan_input(a.crew->plan, 0), *t = check_tensor(L, 4, "packet", "t");
  const int64_t pixels = cj_numel(x) / x->size[0], classes = cj_along_classes(&a);
  if (t->ndim != 2 || t->size[1] < 1 || t->size[1] > CJ_MOST_AXES)
    raise_error(L, "packet: expected points [B, axes] for t");
  const int64_t size[2] = {t->size[0], t->size[1]};
  a.axes = (int)size[1];
  check_call(L, "packet",
             cj_packet_kind_parse(&a.loss.kind, check_text(L, 5, "packet", "loss", NULL)));
  if (classes < 1) raise_error(L, "packet: expected logits [B, K] from the model");
  a.label = check_integer(L, 7, "packet", "label", 0, classes - 1);
  a.x0 = push_lines(L, 2, "x0", 1, pixels);
  a.u = push_lines(L, 3, "u", size[1], pixels);
  const double *at = push_lines(L, 4, "t", size[0], size[1]);
  double *l = push_new(L, CJ_F64, 1, size)->data, *slope = push_new(L, CJ_F64, 2, size)->data;
  cj_status status;
  RETRY(L, status, cj_along_look(&a, size[0], at, l, slope));
  check_call(L, "packet", status);
  return 2;
}

static const luaL_Reg functions[] = {{"packet_quadrature", l_quadrature},
                                     {"packet_losses", l_losses},
                                     {"packet_along", l_along},
                                     {NULL, NULL}};

void open_quadrature(lua_State *L) {
  set_functions(L, functions);
}
