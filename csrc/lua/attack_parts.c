/* attack_parts.c -- parts of attacks called from Lua: losses, projections, directions, and rows of
 * tensors. For tests, and for what is composed of attacks. */
#include <math.h>
#include <string.h>

#include "attacks/attack.h"
#include "attacks/loss.h"
#include "lua/binding.h"

/* attack_loss(kind, z, y, target or nil) -> value, { slope ... }: of one sample; z a list of K
 * logits, y and target labels from 0. */
static int l_loss(lua_State *L) {
  cj_loss kind;
  check_status(L, cj_loss_parse(&kind, check_text(L, 1, "attack_loss", "kind", NULL)));
  luaL_checktype(L, 2, LUA_TTABLE);
  const int64_t classes = (int64_t)lua_objlen(L, 2);
  if (classes < 2) raise_error(L, "attack_loss: expected at least 2 logits");
  const int64_t y = check_integer(L, 3, "attack_loss", "y", 0, classes - 1);
  const int64_t target =
      lua_isnoneornil(L, 4) ? -1 : check_integer(L, 4, "attack_loss", "target", 0, classes - 1);
  double *z = lua_newuserdata(L, (size_t)(2 * classes) * sizeof(double)), *slope = z + classes;
  for (int64_t k = 0; k < classes; k++) {
    lua_rawgeti(L, 2, (int)k + 1);
    z[k] = check_number(L, -1, "attack_loss", "a logit");
    lua_pop(L, 1);
  }
  lua_pushnumber(L, cj_loss_value(kind, classes, z, y, target, slope));
  lua_createtable(L, (int)classes, 0);
  for (int64_t k = 0; k < classes; k++) {
    lua_pushnumber(L, slope[k]);
    lua_rawseti(L, -2, (int)k + 1);
  }
  return 2;
}

/* attack_project(norm, x0, v, eps, low, high) -> the projection of x0 + v, for one sample (tensors
 * of any equal shape and float type). */
static int l_project(lua_State *L) {
  char text[GOT_TEXT];
  const char *norm = check_text(L, 1, "attack_project", "norm", NULL);
  const cj_tensor *x0 = check_tensor(L, 2, "attack_project", "x0");
  check_look(L, x0);
  const cj_tensor *v = check_tensor(L, 3, "attack_project", "v");
  const cj_ball ball = {check_number(L, 4, "attack_project", "eps"),
                        check_number(L, 5, "attack_project", "low"),
                        check_number(L, 6, "attack_project", "high")};
  const cj_projection *p = cj_projection_find(norm, x0->dtype);
  if (!p) raise_error(L, "attack_project: no projection \"%s\" for %s", norm, got(L, 2, text));
  if (v->dtype != x0->dtype || !cj_same_shape(v, x0))
    raise_error(L, "attack_project: expected v like x0, got %s", got(L, 3, text));
  cj_tensor *from = push_tensor(L), *step = push_tensor(L);
  check_status(L, cj_tensor_pack(from, x0));
  check_status(L, cj_tensor_pack(step, v));
  const int64_t n = cj_numel(x0);
  void *scratch = lua_newuserdata(L, (size_t)n * p->scratch + 64);
  cj_tensor *out = push_new(L, x0->dtype, x0->ndim, x0->size);
  p->move(&ball, n, 1, step->data, from->data, from->data, out->data, scratch);
  return 1;
}

/* attack_starts(norm, x0, eps, low, high, seed, sample, first, count) -> [count, sizes of x0]: the
 * random starts number first, first + 1 ... of an attack on the sample x0 of that number. */
static int l_starts(lua_State *L) {
  char text[GOT_TEXT];
  const int64_t limit = INT64_C(1) << 53;
  const char *norm = check_text(L, 1, "attack_starts", "norm", NULL);
  const cj_tensor *x0 = check_tensor(L, 2, "attack_starts", "x0");
  check_look(L, x0);
  const cj_ball ball = {check_number(L, 3, "attack_starts", "eps"),
                        check_number(L, 4, "attack_starts", "low"),
                        check_number(L, 5, "attack_starts", "high")};
  cj_start_key key = {(uint64_t)check_integer(L, 6, "attack_starts", "seed", 0, limit),
                      (uint64_t)check_integer(L, 7, "attack_starts", "sample", 0, limit), 0};
  const int64_t first = check_integer(L, 8, "attack_starts", "first", 0, 1 << 23);
  const int64_t count = check_integer(L, 9, "attack_starts", "count", 0, 1 << 23);
  const cj_projection *p = cj_projection_find(norm, x0->dtype);
  if (!p || x0->ndim == CJ_MAX_DIMS || !isfinite(ball.eps))
    raise_error(L, "attack_starts: no \"%s\" ball of radius %f for %s", norm, ball.eps,
                got(L, 2, text));
  cj_tensor *from = push_tensor(L);
  check_status(L, cj_tensor_pack(from, x0));
  const int64_t n = cj_numel(x0);
  void *scratch = lua_newuserdata(L, (size_t)n * p->scratch + 64);
  int64_t size[CJ_MAX_DIMS] = {count};
  memcpy(size + 1, x0->size, (size_t)x0->ndim * sizeof *size);
  cj_tensor *out = push_new(L, x0->dtype, x0->ndim + 1, size);
  const size_t bytes = (size_t)n * cj_dtype_bytes(x0->dtype);
  for (int64_t k = 0; k < count; k++) {
    key.restart = (uint64_t)(first + k);
    p->start(&ball, &key, n, from->data, (char *)out->data + (size_t)k * bytes, scratch);
  }
  return 1;
}

/* attack_rows(t, places) -> the slices of t's first dimension at the places (int64 [M], from 1), in
 * memory of their own. */
static int l_rows(lua_State *L) {
  char text[GOT_TEXT];
  const cj_tensor *t = check_tensor(L, 1, "attack_rows", "t");
  check_look(L, t);
  const int64_t *places = NULL;
  const cj_tensor *list = check_tensor(L, 2, "attack_rows", "places");
  if (t->ndim < 1)
    raise_error(L, "attack_rows: expected a tensor [N, ...], got %s", got(L, 1, text));
  if (list->ndim < 1) raise_error(L, "attack_rows: expected a list, got %s", got(L, 2, text));
  places = push_list(L, 2, "attack_rows", "places", CJ_I64, list->size[0]);
  cj_tensor *packed = push_tensor(L);
  check_status(L, cj_tensor_pack(packed, t));
  int64_t size[CJ_MAX_DIMS];
  memcpy(size, t->size, sizeof size);
  size[0] = list->size[0];
  cj_tensor *y = push_new(L, t->dtype, t->ndim, size);
  const size_t bytes =
      t->size[0] ? (size_t)(cj_numel(t) / t->size[0]) * cj_dtype_bytes(t->dtype) : 0;
  for (int64_t k = 0; k < size[0]; k++) {
    if (places[k] < 1 || places[k] > t->size[0])
      raise_error(L, "attack_rows: expected places in 1..%lld, got %lld", (long long)t->size[0],
                  (long long)places[k]);
    memcpy((char *)y->data + (size_t)k * bytes,
           (const char *)packed->data + (size_t)(places[k] - 1) * bytes, bytes);
  }
  return 1;
}

/* attack_direct(name, g) -> the direction of each row of g [B, ...]; without numbers and memory. */
static int l_direct(lua_State *L) {
  const char *name = check_text(L, 1, "attack_direct", "name", NULL);
  const cj_tensor *g = check_tensor(L, 2, "attack_direct", "g");
  check_look(L, g);
  const cj_direction *d = cj_direction_find(name, g->dtype);
  if (!d || d->states || g->ndim < 1 || g->size[0] < 1)
    raise_error(L, "attack_direct: no direction \"%s\" of a batch of gradients alone", name);
  cj_tensor *packed = push_tensor(L);
  check_status(L, cj_tensor_pack(packed, g));
  cj_tensor *y = push_new(L, g->dtype, g->ndim, g->size);
  const int64_t n = cj_numel(g) / g->size[0];
  const size_t bytes = (size_t)n * cj_dtype_bytes(g->dtype);
  for (int64_t k = 0; k < g->size[0]; k++)
    d->apply(n, (char *)packed->data + (size_t)k * bytes, NULL,
             (char *)y->data + (size_t)k * bytes);
  return 1;
}

/* attack_directions() -> the names of the directions the core knows. */
static int l_directions(lua_State *L) {
  const char *name;
  lua_newtable(L);
  for (int i = 0; (name = cj_direction_name(i)); i++) {
    lua_pushstring(L, name);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static const luaL_Reg functions[] = {{"attack_loss", l_loss},
                                     {"attack_project", l_project},
                                     {"attack_rows", l_rows},
                                     {"attack_direct", l_direct},
                                     {"attack_directions", l_directions},
                                     {"attack_starts", l_starts},
                                     {NULL, NULL}};

void open_attack_parts(lua_State *L) {
  set_functions(L, functions);
}
