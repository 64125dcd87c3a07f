/* system.c -- memory, threads and the machine. */
#include "lua/binding.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/cpu.h"
#include "core/memory.h"
#include "core/threads.h"

/* Lua does not see native memory, so it is told, in batches: at least 8 MiB, or a quarter of what
 * is in use, so that big networks do not pay a collection per operator. */
enum { GC_BATCH = 8 << 20 };

static bool eager; /* CJ_EAGER_GC=1 in the environment: finds values that nothing holds */

void tell_gc(lua_State *L, size_t bytes) {
  static _Thread_local size_t untold;
  untold += bytes;
  if (eager) lua_gc(L, LUA_GCSTEP, 32);
  if (untold < GC_BATCH || untold < cj_memory_used() / 4) return;
  const size_t told = untold;
  untold = 0;
  lua_gc(L, LUA_GCSTEP, (int)(told >> 10));
}

static bool rehearsed; /* tests let allocations fail: collecting would help nothing */

void collect_all(lua_State *L) {
  if (rehearsed) return;
  lua_gc(L, LUA_GCCOLLECT, 0);
  custom_sweep(L);
  cj_memory_trim();
}

static int l_memory_used(lua_State *L) {
  lua_pushnumber(L, (double)cj_memory_used());
  return 1;
}

static int l_memory_peak(lua_State *L) {
  lua_pushnumber(L, (double)cj_memory_peak());
  return 1;
}

static int l_memory_trim(lua_State *L) {
  lua_pushnumber(L, (double)cj_memory_trim());
  return 1;
}

/* memory_fail_after(n, quick): test hook; a negative n ends the failing. quick: spares the
 * collection before the second try, which would take most of a test's time. */
static int l_fail_after(lua_State *L) {
  const int64_t n = check_integer(L, 1, "memory_fail_after", "n", -1, INT64_C(1) << 53);
  rehearsed = opt_boolean(L, 2, "memory_fail_after", "quick", false) && n >= 0;
  cj_memory_fail_after(n);
  return 0;
}

static int l_threads(lua_State *L) {
  if (!lua_isnoneornil(L, 1)) cj_set_threads((int)check_integer(L, 1, "threads", "count", 1, 256));
  lua_pushinteger(L, cj_threads());
  return 1;
}

static int l_isa(lua_State *L) {
  cj_isa isa;
  check_status(L, cj_isa_choose(&isa));
  lua_pushstring(L, cj_isa_name(isa));
  return 1;
}

/* clock() -> seconds since some moment, never going back */
static int l_clock(lua_State *L) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  lua_pushnumber(L, (double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
  return 1;
}

/* is_terminal(descriptor) */
static int l_is_terminal(lua_State *L) {
  lua_pushboolean(L, isatty((int)check_integer(L, 1, "is_terminal", "descriptor", 0, 1024)));
  return 1;
}

static const luaL_Reg functions[] = {{"memory_used", l_memory_used},
                                     {"memory_peak", l_memory_peak},
                                     {"memory_trim", l_memory_trim},
                                     {"memory_fail_after", l_fail_after},
                                     {"threads", l_threads},
                                     {"isa", l_isa},
                                     {"clock", l_clock},
                                     {"is_terminal", l_is_terminal},
                                     {NULL, NULL}};

static void make_eager(lua_State *L) {
  eager = true;
  lua_gc(L, LUA_GCSETPAUSE, 100); /* the next cycle begins at once */
}

void open_system(lua_State *L) {
  const char *wish = getenv("CJ_EAGER_GC");
  if (wish && strcmp(wish, "1") == 0) make_eager(L);
  set_functions(L, functions);
}
