/* random.c -- the global generator: a seed and a counter of calls.
 *
 * Every call that needs random numbers takes the next key; the key alone names its streams, so the
 * numbers do not depend on anything else. Seed and counter together are the whole state. */
#include "lua/binding.h"

#include <string.h>

#include "core/random.h"

static uint64_t seed = 0, counter = 0;

void random_save(uint64_t state[2]) {
  state[0] = seed;
  state[1] = counter;
}

void random_restore(const uint64_t state[2]) {
  seed = state[0];
  counter = state[1];
}

double random_next(const char *purpose) {
  uint32_t words[4];
  const cj_stream s = cj_stream_open(seed, purpose, counter++);
  cj_stream_block(&s, 0, words);
  const uint64_t both = (uint64_t)words[1] << 32 | words[0];
  return (double)(both >> 11);
}

/* random_seed(n): n whole, 0..2^53; the counter starts again. */
static int l_seed(lua_State *L) {
  refuse_trace(L, "it sets the generator of random numbers");
  seed = (uint64_t)check_integer(L, 1, "seed", "n", 0, INT64_C(1) << 53);
  counter = 0;
  return 0;
}

/* The next key for Lua; a trace can only repeat the keys of dropout. */
static double next_key(lua_State *L, const char *purpose) {
  if (strcmp(purpose, "dropout") != 0) refuse_trace(L, "it draws random numbers");
  return random_next(purpose);
}

/* random_next(purpose) -> key */
static int l_next(lua_State *L) {
  lua_pushnumber(L, next_key(L, check_text(L, 1, "random_next", "purpose", NULL)));
  return 1;
}

/* random_state() -> seed, counter; random_restore(seed, counter) */
static int l_state(lua_State *L) {
  refuse_trace(L, "it reads the generator of random numbers");
  lua_pushnumber(L, (double)seed);
  lua_pushnumber(L, (double)counter);
  return 2;
}

static int l_restore(lua_State *L) {
  const int64_t limit = INT64_C(1) << 53;
  const int64_t a = check_integer(L, 1, "restore", "seed", 0, limit);
  const int64_t b = check_integer(L, 2, "restore", "counter", 0, limit);
  refuse_trace(L, "it sets the generator of random numbers");
  seed = (uint64_t)a;
  counter = (uint64_t)b;
  return 0;
}

static cj_tensor *check_floats(lua_State *L, const char *fn) {
  cj_tensor *t = check_tensor(L, 1, fn, "self");
  refuse_trace(L, "it draws random numbers");
  if (!cj_dtype_float(t->dtype))
    raise_error(L, "%s: expected a float tensor for self, got %s", fn, cj_dtype_name(t->dtype));
  return t;
}

static cj_stream check_stream(lua_State *L, int i, const char *fn, const char *purpose) {
  if (lua_isnoneornil(L, i)) return cj_stream_open((uint64_t)next_key(L, purpose), purpose, 0);
  const int64_t key = check_integer(L, i, fn, "key", 0, INT64_C(1) << 53);
  return cj_stream_open((uint64_t)key, purpose, 0);
}

/* x:uniform_(low = 0, high = 1, key): fills with uniform numbers of [low, high). */
static int l_uniform(lua_State *L) {
  cj_tensor *t = check_floats(L, "uniform_");
  const double low = lua_isnoneornil(L, 2) ? 0 : check_number(L, 2, "uniform_", "low");
  const double high = lua_isnoneornil(L, 3) ? 1 : check_number(L, 3, "uniform_", "high");
  if (!(low <= high))
    raise_error(L, "uniform_: expected low <= high, got %.14g and %.14g", low, high);
  check_writable(L, t, "uniform_");
  const cj_stream s = check_stream(L, 4, "uniform_", "uniform");
  check_call(L, "uniform_", cj_random_uniform(t, &s, low, high));
  lua_settop(L, 1);
  return 1;
}

/* x:normal_(mean = 0, sd = 1, key) */
static int l_normal(lua_State *L) {
  cj_tensor *t = check_floats(L, "normal_");
  const double mean = lua_isnoneornil(L, 2) ? 0 : check_number(L, 2, "normal_", "mean");
  const double sd = lua_isnoneornil(L, 3) ? 1 : check_number(L, 3, "normal_", "sd");
  if (!(sd >= 0)) raise_error(L, "normal_: expected sd >= 0, got %.14g", sd);
  check_writable(L, t, "normal_");
  const cj_stream s = check_stream(L, 4, "normal_", "normal");
  check_call(L, "normal_", cj_random_normal(t, &s, mean, sd));
  lua_settop(L, 1);
  return 1;
}

/* random_permutation(n, key or nil) -> int64 tensor [n] of 0..n-1 */
static int l_permutation(lua_State *L) {
  const int64_t n = check_size(L, 1, "randperm", "n");
  const cj_stream s = check_stream(L, 2, "randperm", "permutation");
  cj_tensor *t = push_result(L, "randperm", CJ_I64, 1, &n);
  check_call(L, "randperm", cj_random_permutation(t, &s));
  return 1;
}

/* random_uniform(key, n) -> number n (from 0) of the key's stream, in [0, 1) */
static int l_number(lua_State *L) {
  const cj_stream s = check_stream(L, 1, "random_uniform", "number");
  const int64_t n = lua_isnoneornil(L, 2) ? 0 : check_size(L, 2, "random_uniform", "n");
  lua_pushnumber(L, cj_stream_uniform(&s, (uint64_t)n));
  return 1;
}

static const luaL_Reg functions[] = {{"random_seed", l_seed},
                                     {"random_next", l_next},
                                     {"random_state", l_state},
                                     {"random_restore", l_restore},
                                     {"random_uniform", l_number},
                                     {"random_permutation", l_permutation},
                                     {NULL, NULL}};
static const luaL_Reg methods[] = {{"uniform_", l_uniform}, {"normal_", l_normal}, {NULL, NULL}};

void open_random(lua_State *L) {
  set_functions(L, functions);
  lua_getfield(L, -1, "methods");
  set_functions(L, methods);
  lua_pop(L, 1);
}
