/* tracing.c -- calls a Lua function once to write down what it does, and says what a plan could not
 * do again. */
#include "lua/tracing.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char metatable_key = 0; /* registry key */

enum { P, TRAINING, KEY }; /* numbers of dropout */

void check_look(lua_State *L, const cj_tensor *t) {
  if (!cj_tracing()) return;
  cj_trace_look(t);
  raise_error(L, "cannot be compiled: %s", cj_trace_refused());
}

void refuse_trace(lua_State *L, const char *format, ...) {
  if (!cj_tracing()) return;
  char text[160];
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  cj_trace_refuse("%s", text);
  raise_error(L, "cannot be compiled: %s", cj_trace_refused());
}

void drop_tracing(tracing *t) {
  cj_trace_drop(&t->trace);
  for (int i = 0; i < CJ_MOST_INPUTS; i++) cj_tensor_drop(&t->in_own[i]);
  for (int i = 0; i < CJ_MOST_RESULTS; i++) cj_tensor_drop(&t->out_own[i]);
}

static int l_gc(lua_State *L) {
  drop_tracing(lua_touserdata(L, 1));
  return 0;
}

tracing *push_tracing(lua_State *L) {
  tracing *t = lua_newuserdata(L, sizeof *t);
  memset(t, 0, sizeof *t);
  lua_pushlightuserdata(L, (void *)&metatable_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, l_gc);
    lua_setfield(L, -2, "__gc");
    lua_pushlightuserdata(L, (void *)&metatable_key);
    lua_pushvalue(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
  }
  lua_setmetatable(L, -2);
  return t;
}

/* The inputs as the function will see them: new views, contiguous, leaves where gradients of them
 * are wanted; pushed. */
static void push_inputs(lua_State *L, tracing *t, int list, cj_slopes of) {
  const int n = (int)lua_objlen(L, list);
  if (n < 1 || n > CJ_MOST_INPUTS)
    raise_error(L, "compile: expected 1 to %d tensors as example, got %d", CJ_MOST_INPUTS, n);
  luaL_checkstack(L, n + 8, "compile");
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, list, i + 1);
    const cj_tensor *given = check_tensor(L, -1, "compile", "example");
    cj_tensor *own = push_tensor(L);
    check_status(L, cj_tensor_pack(own, given));
    lua_remove(L, -2);
    if (of == CJ_SLOPES_INPUTS && cj_dtype_float(own->dtype))
      check_status(L, cj_require_grad(own, true));
    cj_tensor_share(&t->in_own[i], own);
    t->in[i] = &t->in_own[i];
    t->inputs++;
  }
}

static void take_results(lua_State *L, tracing *t, int first) {
  char text[GOT_TEXT];
  for (int i = first; i <= lua_gettop(L); i++) {
    const cj_tensor *y = test_tensor(L, i);
    if (!y || !y->storage || t->outputs == CJ_MOST_RESULTS) {
      raise_error(L, "compile: expected 1 to %d tensors from the function, got %s", CJ_MOST_RESULTS,
                  got(L, i, text));
    }
    cj_tensor_share(&t->out_own[t->outputs], y);
    t->out[t->outputs] = &t->out_own[t->outputs];
    t->outputs++;
  }
  if (t->outputs == 0) raise_error(L, "compile: expected a tensor from the function, got nothing");
}

/* --- what a plan could not do again -------------------------------------------------------------
 */

static void refuse(tracing *t, const char *format, const char *name) {
  if (!t->trace.refused[0]) snprintf(t->trace.refused, sizeof t->trace.refused, format, name);
}

/* The last call before `before` that wrote to the storage of x. */
static const cj_traced *maker(const tracing *t, int64_t before, const cj_tensor *x) {
  for (int64_t i = before - 1; i >= 0; i--)
    if (t->trace.calls[i]->y.storage == x->storage) return t->trace.calls[i];
  return NULL;
}

/* Gradients flow wherever data flow in a plan: nothing may be cut from the tape on the way. */
static void check_whole(tracing *t) {
  for (int64_t i = 0; i < t->trace.count; i++) {
    const cj_traced *c = t->trace.calls[i];
    bool taped = false;
    for (int k = 0; k < c->count; k++) {
      if (!c->in[k].storage || !cj_dtype_float(c->in[k].dtype)) continue;
      const cj_traced *m = maker(t, i, &c->in[k]);
      taped = taped || c->in[k].node;
      if (m && m->depends && m->y.node && !c->in[k].node)
        refuse(t, "the result of %s is detached", m->op->name);
    }
    if (c->depends && taped && c->op->backward && cj_dtype_float(c->y.dtype) && !c->y.node)
      refuse(t, "%s is not recorded (cj.no_grad)", c->op->name);
  }
  for (int k = 0; k < t->outputs; k++) {
    const cj_traced *m = maker(t, t->trace.count, t->out[k]);
    if (k == 0 && m && m->depends && m->y.node && !t->out[k]->node)
      refuse(t, "the result of %s is detached", m->op->name);
  }
}

/* Plans read constants where they are, row by row, unless the operator takes any strides. */
static void check_rows(tracing *t) {
  for (int64_t i = 0; i < t->trace.count; i++) {
    const cj_traced *c = t->trace.calls[i];
    if (!c->depends || (c->op->flags & CJ_STRIDED)) continue;
    for (int k = 0; k < c->count; k++) {
      const cj_tensor *x = &c->in[k];
      const cj_traced *m = x->storage && !cj_contiguous(x) ? maker(t, i, x) : NULL;
      if (x->storage && !cj_contiguous(x) && !(m && m->depends))
        refuse(t, "%s reads a constant that is not contiguous", c->op->name);
    }
  }
}

/* The keys of dropout are drawn anew for each run, so they must have come from the generator. */
static void check_keys(tracing *t, const uint64_t before[2], const uint64_t after[2]) {
  random_restore(before);
  for (int64_t i = 0; i < t->trace.count; i++) {
    const cj_traced *c = t->trace.calls[i];
    if (strcmp(c->op->name, "dropout") != 0 || c->num[TRAINING] == 0) continue;
    if (c->num[KEY] != random_next("dropout")) refuse(t, "%s has a key of its own", c->op->name);
  }
  uint64_t now[2];
  random_save(now);
  if (now[1] != after[1]) refuse(t, "it draws %s", "random numbers");
  random_restore(before);
}

void trace_call(lua_State *L, tracing *t, int f, int list, cj_slopes of) {
  uint64_t before[2], after[2];
  const int base = lua_gettop(L);
  lua_pushvalue(L, f);
  push_inputs(L, t, list, of);
  t->trace.dry = true;
  t->trace.inputs = t->inputs;
  t->trace.in = t->in;
  check_call(L, "compile", cj_trace_start(&t->trace));
  random_save(before);
  const bool was = cj_grad_enable(of != CJ_SLOPES_NONE);
  const int failed = lua_pcall(L, t->inputs, LUA_MULTRET, 0);
  cj_trace_stop();
  cj_grad_enable(was);
  random_save(after);
  random_restore(before);
  if (failed && !t->trace.refused[0]) lua_error(L);
  if (t->trace.status != CJ_OK) check_call(L, "compile", t->trace.status);
  if (!failed) {
    take_results(L, t, base + 1);
    if (of != CJ_SLOPES_NONE) check_whole(t);
    check_rows(t);
    check_keys(t, before, after);
    if (of != CJ_SLOPES_PARAMETERS && after[1] != before[1])
      refuse(t, "it draws %s", "random numbers");
  }
  lua_settop(L, base);
}

/* --- is it the same again? ----------------------------------------------------------------------
 */

static uint64_t mix(uint64_t h, const void *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) h = (h ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3;
  return h;
}

/* A tensor that the function made of numbers in Lua. */
static bool made_of_numbers(const tracing *t, int64_t call, const cj_tensor *x, int count,
                            const cj_tensor *const *known) {
  enum { SMALL = 64 };
  if (x->node || cj_numel(x) > SMALL || !cj_contiguous(x) || maker(t, call, x)) return false;
  for (int k = 0; k < t->inputs; k++)
    if (t->in[k]->storage == x->storage) return false;
  for (int k = 0; k < count; k++)
    if (known[k]->storage == x->storage) return false;
  return true;
}

uint64_t trace_signature(const tracing *t, int count, const cj_tensor *const *known) {
  uint64_t h = 0xcbf29ce484222325;
  for (int64_t i = 0; i < t->trace.count; i++) {
    const cj_traced *c = t->trace.calls[i];
    h = mix(h, &c->op, sizeof c->op);
    const int numbers = strcmp(c->op->name, "dropout") == 0 ? KEY : c->numbers;
    h = mix(h, c->num, (size_t)numbers * sizeof *c->num);
    for (int k = 0; k < c->count; k++) {
      const cj_tensor *x = &c->in[k];
      const bool there = x->storage != NULL;
      h = mix(h, &there, sizeof there);
      if (!there) continue;
      h = mix(h, x->size, (size_t)x->ndim * sizeof *x->size);
      h = mix(h, &x->dtype, sizeof x->dtype);
      if (made_of_numbers(t, i, x, count, known))
        h = mix(h, x->data, (size_t)cj_numel(x) * cj_dtype_bytes(x->dtype));
    }
  }
  return h;
}
