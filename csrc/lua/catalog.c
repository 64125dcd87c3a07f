/* catalog.c -- tells Lua which operators the core has, and what they take. */
#include "lua/binding.h"

/* operator_info(name): { tensors, numbers, view, mutates, differentiable, types = {...} }, or nil.
 */
static int l_info(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  const cj_op *op = NULL;
  int types = 0;
  lua_newtable(L);
  lua_newtable(L);
  for (int t = 0; t < CJ_DTYPES; t++) {
    const cj_op *here = cj_op_find(name, (cj_dtype)t);
    if (!here) continue;
    if (!op) op = here;
    lua_pushstring(L, cj_dtype_name((cj_dtype)t));
    lua_rawseti(L, -2, ++types);
  }
  if (!op) return 0;
  lua_setfield(L, -2, "types");
  lua_pushinteger(L, op->tensors);
  lua_setfield(L, -2, "tensors");
  lua_pushinteger(L, op->numbers);
  lua_setfield(L, -2, "numbers");
  lua_pushboolean(L, (op->flags & CJ_VIEW) != 0);
  lua_setfield(L, -2, "view");
  lua_pushboolean(L, (op->flags & CJ_MUTATES) != 0);
  lua_setfield(L, -2, "mutates");
  lua_pushboolean(L, op->backward != NULL);
  lua_setfield(L, -2, "differentiable");
  return 1;
}

/* operators(): the names of all operators, in the order of their files. */
static int l_operators(lua_State *L) {
  lua_newtable(L);
  const char *name;
  for (int i = 0; (name = cj_op_name(i)); i++) {
    lua_pushstring(L, name);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static const luaL_Reg functions[] = {
    {"operator_info", l_info}, {"operators", l_operators}, {NULL, NULL}};

void open_catalog(lua_State *L) {
  set_functions(L, functions);
}
