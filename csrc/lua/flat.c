/* flat.c -- parameters in one storage, for the optimisers (lua/conjugate/optim/flat.lua). */
#include "autograd/flat.h"
#include "lua/binding.h"

/* The tensors of the list at index i, as a userdata on top of the stack; the list holds them. */
static cj_tensor **check_list(lua_State *L, int i, const char *fn, int *count) {
  luaL_checktype(L, i, LUA_TTABLE);
  *count = (int)lua_objlen(L, i);
  cj_tensor **list = lua_newuserdata(L, ((size_t)*count + 1) * sizeof *list);
  for (int k = 0; k < *count; k++) {
    lua_rawgeti(L, i, k + 1);
    list[k] = test_tensor(L, lua_gettop(L));
    if (!list[k]) raise_error(L, "%s: expected a list of tensors", fn);
    lua_pop(L, 1);
  }
  return list;
}

/* flat_move({ p, ... }) -> values, gradients, offsets: where each stands in them, counted from 0,
 * or false where it stayed. Nothing when all stayed. */
static int l_move(lua_State *L) {
  int count;
  cj_tensor **t = check_list(L, 1, "flat_move", &count);
  int64_t *offset = lua_newuserdata(L, ((size_t)count + 1) * sizeof *offset);
  cj_tensor *values = push_tensor(L), *grads = push_tensor(L);
  cj_flat f = {0};
  cj_status status;
  RETRY(L, status, cj_flat_move(&f, count, t, offset));
  *values = f.values;
  *grads = f.grads;
  check_call(L, "flat_move", status);
  if (!values->storage) return 0;
  tell_gc(L, 2 * values->storage->bytes);
  lua_createtable(L, count, 0);
  for (int k = 0; k < count; k++) {
    if (offset[k] >= 0)
      lua_pushnumber(L, (double)offset[k]);
    else
      lua_pushboolean(L, false);
    lua_rawseti(L, -2, k + 1);
  }
  return 3;
}

/* Adds first and last of a run to the list on top of the stack. */
static void add_run(lua_State *L, int first, int last) {
  const int n = (int)lua_objlen(L, -1);
  lua_pushinteger(L, first);
  lua_rawseti(L, -2, n + 1);
  lua_pushinteger(L, last);
  lua_rawseti(L, -2, n + 2);
}

/* flat_runs(values, gradients, { p, ... }, offsets) -> { first, last, first, last, ... }: the
 * longest runs of p that are in place with their gradients, p that were not moved left out. They
 * count as written to. */
static int l_runs(lua_State *L) {
  const cj_tensor *values = check_tensor(L, 1, "flat_runs", "values");
  const cj_tensor *grads = check_tensor(L, 2, "flat_runs", "gradients");
  luaL_checktype(L, 4, LUA_TTABLE);
  int count, first = 0, last = 0;
  cj_tensor **t = check_list(L, 3, "flat_runs", &count);
  lua_newtable(L);
  for (int k = 0; k < count; k++) {
    lua_rawgeti(L, 4, k + 1);
    const bool moved = lua_isnumber(L, -1);
    const int64_t offset = moved ? (int64_t)lua_tonumber(L, -1) : 0;
    lua_pop(L, 1);
    if (!moved) continue;
    if (cj_flat_here(values, grads, t[k], offset)) {
      t[k]->storage->version++;
      if (!first) first = k + 1;
      last = k + 1;
    } else if (first) {
      add_run(L, first, last);
      first = 0;
    }
  }
  if (first) add_run(L, first, last);
  return 1;
}

static const luaL_Reg functions[] = {{"flat_move", l_move}, {"flat_runs", l_runs}, {NULL, NULL}};

void open_flat(lua_State *L) {
  set_functions(L, functions);
}
