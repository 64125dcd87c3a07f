/* compat.h -- the Lua C API as this binding uses it: what LuaJIT and Lua 5.1 have in common, and
 * small stand-ins for the rest. */
#ifndef CJ_COMPAT_H
#define CJ_COMPAT_H

#include <lauxlib.h>
#include <lua.h>

#if defined(__has_include)
#if __has_include(<luajit.h>)
#include <luajit.h>
#define CJ_LUAJIT 1
#endif
#endif

/* Puts the functions of a NULL-ended list into the table on top of the stack. */
static inline void set_functions(lua_State *L, const luaL_Reg *list) {
  for (; list->name; list++) {
    lua_pushcfunction(L, list->func);
    lua_setfield(L, -2, list->name);
  }
}

/* A stack index that stays right when values are pushed. */
static inline int absolute(lua_State *L, int index) {
  return index > 0 || index <= LUA_REGISTRYINDEX ? index : lua_gettop(L) + index + 1;
}

#endif
