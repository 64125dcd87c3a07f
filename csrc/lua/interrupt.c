/* interrupt.c -- Ctrl-C stops kernels and Lua loops, and becomes an ordinary error "interrupted".
 *
 * While armed, SIGINT asks the core to stop (kernels skip the pieces not yet begun, the binding
 * then raises) and sets a hook that raises at the next Lua instruction. Loops that LuaJIT compiled
 * do not look at hooks: its profiler, started in the mode "l" before they are compiled, makes them
 * leave compiled code every 100 ms. Signals may reach worker threads; those pass them on to the
 * thread that armed, because nobody else may touch the Lua state.
 *
 * Work that must stop only where its state is whole holds interrupts: the first Ctrl-C is then only
 * pending, for the work to ask about; a second one raises at once. */
#include "lua/binding.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "core/threads.h"

static lua_State *volatile armed; /* whose hooks to set; NULL: not armed */
static const char armed_key = 0;  /* registry key: keeps that state, which may be a coroutine */
static pthread_t owner;
static volatile sig_atomic_t held, pending; /* held: the first Ctrl-C only becomes pending */
static int shielded;                        /* cleaning up: the hook raises afterwards */
static struct sigaction old_int;
#ifdef CJ_LUAJIT
static struct sigaction jit_prof;
#endif

int interrupt_raise(lua_State *L) {
  cj_stop_clear();
  lua_sethook(L, NULL, 0, 0);
  raise_error(L, "interrupted");
}

static void hook(lua_State *L, lua_Debug *ar) {
  (void)ar;
  if (!shielded) interrupt_raise(L);
}

static void on_interrupt(int number) {
  if (!pthread_equal(pthread_self(), owner)) {
    pthread_kill(owner, number);
    return;
  }
  if (held && !pending) {
    pending = 1;
    return;
  }
  cj_stop_request();
  if (armed) lua_sethook(armed, hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
}

static struct sigaction action(void (*handler)(int)) {
  struct sigaction a;
  memset(&a, 0, sizeof a);
  a.sa_handler = handler;
  sigemptyset(&a.sa_mask);
  a.sa_flags = SA_RESTART;
  return a;
}

#ifdef CJ_LUAJIT
static void on_tick(void *data, lua_State *L, int samples, int state) {
  (void)data, (void)L, (void)samples, (void)state;
}

static void on_profile(int number) {
  if (!pthread_equal(pthread_self(), owner))
    pthread_kill(owner, number);
  else if (jit_prof.sa_handler && jit_prof.sa_handler != SIG_IGN)
    jit_prof.sa_handler(number);
}

static void start_ticks(lua_State *L) {
  const struct sigaction ours = action(on_profile);
  luaJIT_profile_start(L, "li100", on_tick, NULL);
  sigaction(SIGPROF, &ours, &jit_prof);
}

static void stop_ticks(lua_State *L) {
  sigaction(SIGPROF, &jit_prof, NULL);
  luaJIT_profile_stop(L);
}
#else
static void start_ticks(lua_State *L) {
  (void)L;
}

static void stop_ticks(lua_State *L) {
  (void)L;
}
#endif

static void keep_armed(lua_State *L, bool keep) {
  lua_pushlightuserdata(L, (void *)&armed_key);
  if (keep)
    lua_pushthread(L);
  else
    lua_pushnil(L);
  lua_rawset(L, LUA_REGISTRYINDEX);
}

static void disarm(lua_State *L) {
  stop_ticks(L);
  sigaction(SIGINT, &old_int, NULL);
  armed = NULL;
  keep_armed(L, false);
  lua_sethook(L, NULL, 0, 0);
  cj_stop_clear();
}

static void arm(lua_State *L) {
  const struct sigaction ours = action(on_interrupt);
  keep_armed(L, true);
  owner = pthread_self();
  armed = L;
  cj_stop_clear();
  start_ticks(L);
  sigaction(SIGINT, &ours, &old_int);
}

/* interrupt_arm(on) -> was it armed? Arm before the code that is to be stopped is compiled. */
static int l_arm(lua_State *L) {
  const bool on = opt_boolean(L, 1, "interrupt_arm", "on", true), was = armed != NULL;
  if (on && !was) arm(L);
  if (!on && was) disarm(L);
  lua_pushboolean(L, was);
  return 1;
}

/* Interrupts are held from here on, or no longer; gives what was. What is pending is forgotten
 * unless they stay held. */
static bool hold(bool on) {
  const bool was = held != 0;
  held = on;
  if (!on || !was) pending = 0;
  return was;
}

/* interrupt_call(held, handler or nil, f, ...): as xpcall, armed, and with interrupts held if asked
 * for. All in C, so that no Ctrl-C can come between the call and the setting back; for the same
 * reason nothing can yield across it. A Ctrl-C that f did not ask about is "interrupted". */
static int l_call(lua_State *L) {
  const bool holds = opt_boolean(L, 1, "interrupt_call", "held", false), was_armed = armed != NULL;
  const int handler = lua_isnoneornil(L, 2) ? 0 : 2;
  luaL_checkany(L, 3);
  if (!was_armed) arm(L);
  const bool was_held = holds && hold(true);
  bool ok = lua_pcall(L, lua_gettop(L) - 3, LUA_MULTRET, handler) == 0;
  const bool unasked = ok && holds && !was_held && pending;
  if (holds) hold(was_held);
  if (!was_armed) disarm(L);
  if (unasked) {
    lua_settop(L, 2);
    lua_pushliteral(L, "interrupted");
    ok = false;
  }
  lua_pushboolean(L, ok);
  lua_replace(L, 2);
  return lua_gettop(L) - 1;
}

/* finally(f, leave): calls f(), then leave(), whatever f did; gives what f gives. A Ctrl-C during
 * leave waits for its end. Nothing can yield across it. */
static int l_finally(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  lua_pushvalue(L, 1);
  const int failed = lua_pcall(L, 0, LUA_MULTRET, 0);
  lua_pushvalue(L, 2);
  shielded++;
  const int left = lua_pcall(L, 0, 0, 0);
  shielded--;
  if (left) lua_error(L);
  if (failed) lua_error(L);
  return lua_gettop(L) - 2;
}

static volatile sig_atomic_t noted;
static bool noting;
static struct sigaction before_note;

static void on_note(int number) {
  (void)number;
  noted = 1;
}

/* interrupt_note(on): while nothing is armed, SIGINT ends a pending read instead of the process,
 * and is remembered. For a prompt that waits for a line. */
static int l_note(lua_State *L) {
  const bool on = opt_boolean(L, 1, "interrupt_note", "on", true);
  struct sigaction ours = action(on_note);
  ours.sa_flags = 0; /* no restart: the read returns */
  if (on && !noting) sigaction(SIGINT, &ours, &before_note);
  if (!on && noting) sigaction(SIGINT, &before_note, NULL);
  noting = on;
  noted = 0;
  return 0;
}

/* interrupt_taken() -> did SIGINT come since the last call? */
static int l_taken(lua_State *L) {
  lua_pushboolean(L, noted);
  noted = 0;
  return 1;
}

/* interrupt_hold(on) -> were they held? */
static int l_hold(lua_State *L) {
  lua_pushboolean(L, hold(opt_boolean(L, 1, "interrupt_hold", "on", true)));
  return 1;
}

/* interrupt_pending(forget) -> has a Ctrl-C come since they were held? */
static int l_pending(lua_State *L) {
  const bool forget = opt_boolean(L, 1, "interrupt_pending", "forget", false);
  lua_pushboolean(L, pending != 0);
  if (forget) pending = 0;
  return 1;
}

/* interrupt_signal(): sends SIGINT to this process, for tests. */
static int l_signal(lua_State *L) {
  (void)L;
  kill(getpid(), SIGINT);
  return 0;
}

static const luaL_Reg functions[] = {
    {"finally", l_finally},           {"interrupt_arm", l_arm},       {"interrupt_call", l_call},
    {"interrupt_note", l_note},       {"interrupt_taken", l_taken},   {"interrupt_hold", l_hold},
    {"interrupt_pending", l_pending}, {"interrupt_signal", l_signal}, {NULL, NULL}};

void open_interrupt(lua_State *L) {
  set_functions(L, functions);
}
