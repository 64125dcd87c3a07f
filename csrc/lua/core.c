/* core.c -- the Lua module conjugate.core, and how errors leave it. */
#include "lua/binding.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/threads.h"

/* Folder of the package's own Lua files: error messages name the first line outside it. */
static char home[512];
static const char kept_error = 0; /* registry key: the error value of a callback */

static bool inside_package(const lua_Debug *ar) {
  return home[0] && ar->source[0] == '@' && strncmp(ar->source + 1, home, strlen(home)) == 0;
}

/* Pushes "file:line: " of the user's call; "" when there is none. */
static void push_where(lua_State *L) {
  lua_Debug ar;
  for (int level = 1; lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "Sl", &ar);
    if (ar.currentline > 0 && !inside_package(&ar)) {
      lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
      return;
    }
  }
  luaL_where(L, 1);
}

int raise_error(lua_State *L, const char *format, ...) {
  char text[1024];
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof text, format, values);
  va_end(values);
  push_where(L);
  lua_pushstring(L, text);
  lua_concat(L, 2);
  lua_error(L);
  __builtin_unreachable();
}

void check_status(lua_State *L, cj_status status) {
  if (cj_stop_requested() || status == CJ_ESTOP) interrupt_raise(L);
  if (status == CJ_OK) return;
  if (status == CJ_ECALL) {
    lua_pushlightuserdata(L, (void *)&kept_error);
    lua_rawget(L, LUA_REGISTRYINDEX);
    if (!lua_isnil(L, -1)) {
      lua_pushlightuserdata(L, (void *)&kept_error);
      lua_pushnil(L);
      lua_rawset(L, LUA_REGISTRYINDEX);
      lua_error(L);
    }
  }
  raise_error(L, "%s", cj_errmsg());
}

void check_call(lua_State *L, const char *fn, cj_status status) {
  const bool plain = status != CJ_OK && status != CJ_ESTOP && status != CJ_ECALL;
  if (plain && !cj_stop_requested()) raise_error(L, "%s: %s", fn, cj_errmsg());
  check_status(L, status);
}

cj_status keep_error(lua_State *L, const char *what) {
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "an error value";
  const cj_status status = cj_fail(CJ_ECALL, "%s: %s", what, text);
  lua_pushlightuserdata(L, (void *)&kept_error);
  lua_insert(L, -2);
  lua_rawset(L, LUA_REGISTRYINDEX);
  return status;
}

/* set_home(folder): Lua files below it are the package's own. */
static int l_set_home(lua_State *L) {
  const char *folder = check_text(L, 1, "set_home", "folder", NULL);
  snprintf(home, sizeof home, "%s", folder);
  return 0;
}

/* where() -> "file:line: " of the first caller outside the package. */
static int l_where(lua_State *L) {
  push_where(L);
  return 1;
}

static const luaL_Reg functions[] = {
    {"set_home", l_set_home},
    {"where", l_where},
    {NULL, NULL},
};

__attribute__((visibility("default"))) int luaopen_conjugate_core(lua_State *L);

/* May run several times in one process: everything that must be unique checks for itself. */
int luaopen_conjugate_core(lua_State *L) {
  const cj_status status = cj_ops_open();
  if (status != CJ_OK) return luaL_error(L, "conjugate.core: %s", cj_errmsg());
  lua_newtable(L);
  set_functions(L, functions);
  open_tensor(L);
  open_nested(L);
  open_ops(L);
  open_catalog(L);
  open_autograd(L);
  open_flat(L);
  open_random(L);
  open_system(L);
  open_interrupt(L);
  open_io(L);
  open_attacks(L);
  open_packet(L);
  open_packet_run(L);
  open_packet_results(L);
  open_packet_matrix(L);
  open_pencil(L);
  open_plan(L);
  open_quadrature(L);
  open_fourier(L);
  return 1;
}
