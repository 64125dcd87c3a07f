/* attack_job.c -- an oracle made of a Lua model, directions and watchers in Lua. */
#include "lua/attack_job.h"

#include <string.h>

/* Places in the job's table. */
enum { MODEL = 1, DIRECTION, WATCH, GRAD, LEAF, LOGITS };

static const char job_key = 0; /* registry key of the metatable that gives jobs back */

void end_attack_job(lua_State *L, attack_job *j) {
  luaL_unref(L, LUA_REGISTRYINDEX, j->ref);
  j->ref = LUA_NOREF;
  cj_batch_oracle_drop(&j->frames);
}

static int l_job_gc(lua_State *L) {
  attack_job *j = lua_touserdata(L, 1);
  end_attack_job(L, j);
  return 0;
}

cj_status attack_job_call(attack_job *j, lua_CFunction f, const char *what) {
  const bool was = cj_grad_enabled();
  const int failed = lua_cpcall(j->L, f, j);
  cj_grad_enable(was);
  return failed ? keep_error(j->L, what) : CJ_OK;
}

attack_job *attack_job_enter(lua_State *L) {
  attack_job *j = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, j->ref);
  return j;
}

void attack_job_function(lua_State *L) {
  lua_rawgeti(L, 2, DIRECTION);
}

/* --- the oracle --------------------------------------------------------------------------------
 */

static int run_logits(lua_State *L) {
  attack_job *j = attack_job_enter(L);
  cj_grad_enable(j->flag);
  lua_rawgeti(L, 2, MODEL);
  cj_tensor *x = push_tensor(L);
  cj_tensor_detach(x, j->in);
  tell_gc(L, x->storage->bytes);
  if (j->flag) check_status(L, cj_require_grad(x, true));
  lua_pushvalue(L, -1);
  lua_rawseti(L, 2, LEAF);
  const uint32_t version = j->in->storage->version;
  lua_call(L, 1, 1);
  if (j->in->storage->version != version)
    raise_error(L, "%s: the model changed its input in place; let it work on x:clone()", j->name);
  const cj_tensor *z = check_tensor(L, -1, j->name, "the model's result");
  check_status(L, cj_tensor_pack(j->out, z));
  if (!j->flag) lua_pushnil(L);
  lua_rawseti(L, 2, LOGITS);
  return 0;
}

static cj_status oracle_logits(void *self, const cj_tensor *x, bool pulls, cj_tensor *z) {
  attack_job *j = self;
  j->in = x;
  j->out = z;
  j->flag = pulls;
  return attack_job_call(j, run_logits, "the model");
}

/* Leaves the gradient with the core alone: nothing else may look at it. */
static int run_pull(lua_State *L) {
  attack_job *j = attack_job_enter(L);
  lua_rawgeti(L, 2, LOGITS);
  lua_rawgeti(L, 2, LEAF);
  const cj_tensor *z = test_tensor(L, 3), *x = test_tensor(L, 4);
  if (!z->node) /* the logits do not depend on x */
    check_status(L, cj_tensor_zeros(j->out, x->dtype, x->ndim, x->size));
  else {
    lua_rawgeti(L, 2, GRAD);
    lua_pushvalue(L, 3);
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, 4);
    lua_rawseti(L, -2, 1);
    cj_tensor_detach(push_tensor(L), j->in);
    lua_pushboolean(L, j->flag);
    lua_call(L, 4, 1);
    lua_rawgeti(L, -1, 1);
    cj_tensor *gx = check_tensor(L, -1, "attack", "the gradient");
    cj_tensor_detach(j->out, gx);
    cj_tensor_drop(gx);
  }
  if (j->flag) return 0;
  lua_pushnil(L);
  lua_rawseti(L, 2, LOGITS);
  lua_pushnil(L);
  lua_rawseti(L, 2, LEAF);
  return 0;
}

static cj_status oracle_pull(void *self, const cj_tensor *gz, bool keep, cj_tensor *gx) {
  attack_job *j = self;
  j->in = gz;
  j->out = gx;
  j->flag = keep;
  return attack_job_call(j, run_pull, "the model's gradient");
}

/* --- directions and watchers -------------------------------------------------------------------
 */

/* Pushes the numbers of `list`, counted from 1. */
static void push_rows(lua_State *L, const int64_t *list, int64_t count) {
  cj_tensor *t = push_new(L, CJ_I64, 1, &count);
  for (int64_t k = 0; k < count; k++) ((int64_t *)t->data)[k] = list[k] + 1;
}

/* Pushes the list of places; nil when the samples are those of the call before. */
static void push_places(lua_State *L, const cj_stand *at, int64_t before) {
  bool same = at->step == 0 || at->rows == before;
  for (int64_t k = 0; same && at->step > 0 && k < at->rows; k++) same = at->from[k] == k;
  if (same)
    lua_pushnil(L);
  else
    push_rows(L, at->from, at->rows);
}

static void push_shared(lua_State *L, const cj_tensor *x) {
  cj_tensor *t = push_tensor(L);
  cj_tensor_share(t, x);
  tell_gc(L, t->storage->bytes);
}

/* direction(g, step, places, x, rows): step counts from 0; places as above; rows of the attacked
 * tensor. */
static int run_direct(lua_State *L) {
  attack_job *j = attack_job_enter(L);
  const cj_tensor *g = j->at->g;
  char want[CJ_SHAPE_TEXT], text[GOT_TEXT];
  lua_rawgeti(L, 2, DIRECTION);
  push_shared(L, g);
  lua_pushnumber(L, (double)j->at->step);
  push_places(L, j->at, j->rows);
  push_shared(L, j->at->x);
  push_rows(L, j->at->sample, j->at->rows);
  j->rows = j->at->rows;
  lua_call(L, 5, 1);
  const cj_tensor *d = test_tensor(L, -1);
  if (!d || !d->storage || d->dtype != g->dtype || !cj_same_shape(d, g))
    raise_error(L, "%s: expected a %s tensor %s, like the gradient, for the direction, got %s",
                j->name, cj_dtype_name(g->dtype), cj_shape_text(want, g), got(L, -1, text));
  check_status(L, cj_tensor_pack(j->out, d));
  return 0;
}

cj_status attack_job_direct(void *self, const cj_stand *at, cj_tensor *d) {
  attack_job *j = self;
  j->at = at;
  j->out = d;
  return attack_job_call(j, run_direct, "the direction");
}

/* watch(step, x, rows): rows int64 [B], counted from 1, of the attacked tensor. */
static int run_watch(lua_State *L) {
  attack_job *j = attack_job_enter(L);
  lua_rawgeti(L, 2, WATCH);
  lua_pushnumber(L, (double)j->step);
  cj_tensor *x = push_tensor(L);
  cj_tensor_detach(x, j->in);
  tell_gc(L, x->storage->bytes);
  push_rows(L, j->list, j->count);
  lua_call(L, 3, 0);
  return 0;
}

cj_status attack_job_watch(void *self, int64_t step, int64_t rows, const int64_t *sample,
                           const cj_tensor *x) {
  attack_job *j = self;
  j->in = x;
  j->step = step;
  j->count = rows;
  j->list = sample;
  return attack_job_call(j, run_watch, "the watcher");
}

cj_oracle attack_job_oracle(attack_job *j) {
  return (cj_oracle){j, oracle_logits, oracle_pull, 0, 0};
}

/* --- the job -----------------------------------------------------------------------------------
 */

attack_job *push_attack_job(lua_State *L, const attack_places *at) {
  attack_job *j = lua_newuserdata(L, sizeof *j);
  memset(j, 0, sizeof *j);
  j->L = L;
  j->ref = LUA_NOREF;
  lua_pushlightuserdata(L, (void *)&job_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  lua_setmetatable(L, -2);
  lua_createtable(L, 6, 0);
  lua_pushvalue(L, at->model);
  lua_rawseti(L, -2, MODEL);
  lua_pushvalue(L, at->direction);
  lua_rawseti(L, -2, DIRECTION);
  lua_pushvalue(L, at->watch);
  lua_rawseti(L, -2, WATCH);
  lua_pushvalue(L, at->grad);
  lua_rawseti(L, -2, GRAD);
  j->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return j;
}

void open_attack_jobs(lua_State *L) {
  lua_pushlightuserdata(L, (void *)&job_key);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, l_job_gc);
  lua_setfield(L, -2, "__gc");
  lua_rawset(L, LUA_REGISTRYINDEX);
}
