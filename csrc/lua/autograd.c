/* autograd.c -- gradients, and operators written in Lua.
 *
 * A custom call keeps its Lua backward function in the registry. It may be dropped at any moment,
 * also while the collector runs: the reference is then put on a list and given back to Lua by the
 * next custom_sweep. */
#include "lua/binding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the tape keeps of one custom call. */
typedef struct closure {
  struct closure *next; /* among the dropped */
  const void *world;    /* whose registry holds the function */
  int ref;
} closure;

static closure *dropped;   /* the tape is used by one thread at a time */
static lua_State *walking; /* the state that runs backward now */

static const void *world_of(lua_State *L) {
  return lua_topointer(L, LUA_REGISTRYINDEX);
}

void custom_sweep(lua_State *L) {
  if (!dropped) return;
  const void *world = world_of(L);
  closure *others = NULL;
  while (dropped) {
    closure *c = dropped;
    dropped = c->next;
    if (c->world == world) {
      luaL_unref(L, LUA_REGISTRYINDEX, c->ref);
      free(c);
    } else {
      c->next = others;
      others = c;
    }
  }
  dropped = others;
}

static void custom_release(void *self) {
  closure *c = self;
  c->next = dropped;
  dropped = c;
}

/* --- a custom operator's way back ------------------------------------------------------------- */

typedef struct walk {
  closure *self;
  const cj_tensor *gy;
  int count;
  cj_tensor *const *gx;
} walk;

/* Adds the tensor at stack index i to gx. */
static void add_gradient(lua_State *L, int i, cj_tensor *gx, int number) {
  char name[32], want[CJ_SHAPE_TEXT], have[CJ_SHAPE_TEXT];
  snprintf(name, sizeof name, "gradient %d", number);
  const cj_tensor *g = check_tensor(L, i, "backward", name);
  if (g->dtype != gx->dtype || !cj_same_shape(g, gx))
    raise_error(L, "backward: expected a %s tensor %s for %s, got a %s tensor %s",
                cj_dtype_name(gx->dtype), cj_shape_text(want, gx), name, cj_dtype_name(g->dtype),
                cj_shape_text(have, g));
  cj_tensor plain = {0};
  cj_tensor_detach(&plain, g);
  const cj_tensor *in[2] = {gx, &plain};
  const cj_status status = cj_apply_into(cj_op_find("add", gx->dtype), 2, in, 0, NULL);
  cj_tensor_drop(&plain);
  check_status(L, status);
}

/* Protected: calls the Lua function with gy and adds what it returns. */
static int run_custom(lua_State *L) {
  const walk *w = lua_touserdata(L, 1);
  lua_settop(L, 0);
  lua_rawgeti(L, LUA_REGISTRYINDEX, w->self->ref);
  cj_tensor_detach(push_tensor(L), w->gy);
  lua_call(L, 1, w->count);
  for (int k = 0; k < w->count; k++)
    if (w->gx[k] && !lua_isnil(L, k + 1)) add_gradient(L, k + 1, w->gx[k], k + 1);
  return 0;
}

static cj_status custom_backward(void *self, const cj_tensor *gy, int count, cj_tensor *const *gx) {
  walk w = {self, gy, count, gx};
  if (!walking || world_of(walking) != w.self->world)
    return cj_fail(CJ_ECALL, "backward: a custom operator can only run in the Lua state it is of");
  lua_State *L = walking;
  const bool was = cj_grad_enable(false);
  const int failed = lua_cpcall(L, run_custom, &w);
  cj_grad_enable(was);
  return failed ? keep_error(L, "backward of a custom operator") : CJ_OK;
}

static const cj_custom lua_custom = {"custom", custom_backward, custom_release};

/* record_custom(y, f, { inputs }): a tensor with y's elements, whose gradient f(gy) turns into the
 * inputs' gradients, one result each, nil for none. */
static int l_record(lua_State *L) {
  const cj_tensor *from = check_tensor(L, 1, "func", "the result of forward");
  luaL_checktype(L, 2, LUA_TFUNCTION);
  luaL_checktype(L, 3, LUA_TTABLE);
  const int n = (int)lua_objlen(L, 3);
  const cj_tensor **in = lua_newuserdata(L, ((size_t)n + 1) * sizeof *in);
  for (int k = 0; k < n; k++) {
    lua_rawgeti(L, 3, k + 1);
    in[k] = check_tensor(L, lua_gettop(L), "func", "an input");
    lua_pop(L, 1); /* the table holds it */
  }
  cj_tensor *y = push_tensor(L);
  cj_tensor_detach(y, from);
  closure *c = malloc(sizeof *c);
  if (!c) raise_error(L, "func: no memory");
  c->world = world_of(L);
  c->ref = LUA_NOREF; /* luaL_ref may raise: the list owns c meanwhile */
  custom_release(c);
  lua_pushvalue(L, 2);
  const int ref = luaL_ref(L, LUA_REGISTRYINDEX);
  dropped = c->next;
  c->ref = ref;
  check_status(L, cj_record_custom(y, &lua_custom, c, n, in));
  custom_sweep(L);
  return 1;
}

/* --- walking ---------------------------------------------------------------------------------- */

/* backward(y, gy or nil, keep) */
static int l_backward(lua_State *L) {
  const cj_tensor *y = check_tensor(L, 1, "backward", "self");
  const cj_tensor *gy = opt_tensor(L, 2, "backward", "gradient");
  const bool keep = opt_boolean(L, 3, "backward", "keep", false);
  refuse_trace(L, "it asks for gradients");
  lua_State *const before = walking;
  walking = L;
  const cj_status status = cj_backward(y, gy, keep);
  walking = before;
  custom_sweep(L);
  check_call(L, "backward", status);
  tell_gc(L, 0);
  return 0;
}

static void walk_grad(lua_State *L, const cj_tensor *y, const cj_tensor *gy, int n,
                      const cj_tensor **x, bool keep) {
  refuse_trace(L, "it asks for gradients");
  cj_tensor *gx = lua_newuserdata(L, ((size_t)n + 1) * sizeof *gx);
  memset(gx, 0, (size_t)n * sizeof *gx);
  const int base = lua_gettop(L);
  luaL_checkstack(L, n + 8, "grad");
  for (int k = 0; k < n; k++) push_tensor(L); /* owners before there is anything to own */
  lua_State *const before = walking;
  walking = L;
  const cj_status status = cj_grad(y, gy, n, x, gx, keep);
  walking = before;
  for (int k = 0; k < n; k++) *test_tensor(L, base + 1 + k) = gx[k];
  custom_sweep(L);
  check_call(L, "grad", status);
}

/* grad(y, { x, ... }, gy or nil, keep) -> a list of gradients */
static int l_grad(lua_State *L) {
  lua_settop(L, 4);
  const cj_tensor *y = check_tensor(L, 1, "grad", "output");
  luaL_checktype(L, 2, LUA_TTABLE);
  const cj_tensor *gy = opt_tensor(L, 3, "grad", "gradient");
  const bool keep = opt_boolean(L, 4, "grad", "keep", false);
  const int n = (int)lua_objlen(L, 2);
  const cj_tensor **x = lua_newuserdata(L, ((size_t)n + 1) * sizeof *x);
  for (int k = 0; k < n; k++) {
    lua_rawgeti(L, 2, k + 1);
    x[k] = check_tensor(L, lua_gettop(L), "grad", "an input");
    lua_pop(L, 1);
  }
  walk_grad(L, y, gy, n, x, keep);
  size_t bytes = 0;
  lua_createtable(L, n, 0);
  const int list = lua_gettop(L);
  for (int k = 0; k < n; k++) {
    bytes += test_tensor(L, list - n + k)->storage->bytes;
    lua_pushvalue(L, list - n + k);
    lua_rawseti(L, list, k + 1);
  }
  tell_gc(L, bytes);
  return 1;
}

/* grad_enabled([on]) -> whether calls were recorded before */
static int l_grad_enabled(lua_State *L) {
  const bool on = opt_boolean(L, 1, "grad_enabled", "on", cj_grad_enabled());
  lua_pushboolean(L, cj_grad_enable(on));
  return 1;
}

/* with_grad(on, f, ...): what f gives, with recording on or off while it runs. In C, so that
 * neither an error, nor a Ctrl-C, nor a yield can leave the switch as it was inside. */
static int l_with_grad(lua_State *L) {
  const bool on = opt_boolean(L, 1, "with_grad", "on", true);
  luaL_checkany(L, 2);
  const bool was = cj_grad_enable(on);
  const int failed = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0);
  cj_grad_enable(was);
  if (failed) lua_error(L);
  return lua_gettop(L) - 1;
}

static int l_require_grad(lua_State *L) {
  cj_tensor *t = check_tensor(L, 1, "requires_grad_", "self");
  check_call(L, "requires_grad_",
             cj_require_grad(t, opt_boolean(L, 2, "requires_grad_", "want", true)));
  lua_settop(L, 1);
  return 1;
}

static const luaL_Reg functions[] = {
    {"record_custom", l_record},      {"backward", l_backward},   {"grad", l_grad},
    {"grad_enabled", l_grad_enabled}, {"with_grad", l_with_grad}, {NULL, NULL}};
static const luaL_Reg methods[] = {
    {"backward", l_backward}, {"requires_grad_", l_require_grad}, {NULL, NULL}};

void open_autograd(lua_State *L) {
  set_functions(L, functions);
  lua_getfield(L, -1, "methods");
  set_functions(L, methods);
  lua_pop(L, 1);
}
