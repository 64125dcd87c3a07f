/* ops.c -- calls operators from Lua.
 *
 * core.operator(name, arguments) gives a C closure that reads its arguments by their kinds and
 * calls the operator: no tables, no lookups by name on the way. lua/conjugate/ops/define.lua says
 * what the kinds mean. Tensors are passed to the core in the order of the arguments, numbers
 * likewise; the numbers of a list come after all others. */
#include "lua/binding.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME = 32, MAX_NUMBERS = 64, FEW_TENSORS = 16 };

/* The order of kind_names below. LISTS and later take tables. */
typedef enum kind {
  TENSOR,
  TENSOR_OPTIONAL,
  TENSORS,
  NUMBER,
  INTEGER,
  BOOLEAN,
  DIM,
  INDEX,
  DTYPE,
  CHOICE,
  PAIR,
  SIZES,
  DIMS,
  NUMBERS
} kind;
static const char *const kind_names[] = {"tensor",  "tensor?", "tensors", "number",  "integer",
                                         "boolean", "dim",     "index",   "dtype",   "choice",
                                         "pair",    "sizes",   "dims",    "numbers", NULL};

typedef struct argument {
  char name[NAME];
  kind kind;
  int defaults; /* how many of value: a PAIR has two, a list any number */
  bool optional;
  double value[4];
  char choices[96]; /* "none|mean|sum" */
} argument;

typedef struct signature {
  char name[NAME];
  const cj_op *op[CJ_DTYPES];
  bool into;
  int count;
  argument arg[];
} signature;

/* One call while its arguments are read. */
typedef struct call {
  lua_State *L;
  const signature *s;
  int tensors, numbers, listed;
  const cj_tensor **in;
  const cj_tensor *first; /* gives numbers in the place of tensors their type */
  double num[MAX_NUMBERS], list[MAX_NUMBERS];
} call;

/* --- reading arguments ------------------------------------------------------------------------ */

static void add_number(call *c, double value) {
  if (c->numbers == MAX_NUMBERS) raise_error(c->L, "%s: too many numbers", c->s->name);
  c->num[c->numbers++] = value;
}

static void add_listed(call *c, double value) {
  if (c->listed == MAX_NUMBERS)
    raise_error(c->L, "%s: expected at most %d values in a list", c->s->name, (int)MAX_NUMBERS);
  c->list[c->listed++] = value;
}

static double whole(call *c, int i, const argument *a) {
  const int64_t limit = INT64_C(1) << 53;
  return (double)check_integer(c->L, i, c->s->name, a->name, -limit, limit);
}

/* From 1-based to 0-based; negative ones count from the end and stay. */
static double position(call *c, int i, const argument *a) {
  const double value = whole(c, i, a);
  if (value == 0)
    raise_error(c->L, "%s: %s counts from 1 (or -1, from the end), got 0", c->s->name, a->name);
  return value > 0 ? value - 1 : value;
}

static double choice(call *c, int i, const argument *a) {
  char text[GOT_TEXT];
  size_t length = 0;
  const char *given = lua_type(c->L, i) == LUA_TSTRING ? lua_tolstring(c->L, i, &length) : "";
  int n = 0;
  for (const char *p = a->choices; length; n++) {
    const size_t here = strcspn(p, "|");
    if (here == length && memcmp(p, given, here) == 0) return n;
    if (!p[here]) break;
    p += here + 1;
  }
  raise_error(c->L, "%s: expected one of %s for %s, got %s", c->s->name, a->choices, a->name,
              got(c->L, i, text));
}

static double flag(call *c, int i, const argument *a) {
  return opt_boolean(c->L, i, c->s->name, a->name, false) ? 1 : 0;
}

static double list_item(call *c, int i, const argument *a) {
  if (a->kind == DIMS) return position(c, i, a);
  return a->kind == NUMBERS ? check_number(c->L, i, c->s->name, a->name) : whole(c, i, a);
}

/* A table, or, for the last argument, all that follow. Gives the number of stack slots read. */
static int read_list(call *c, int i, const argument *a, bool last) {
  lua_State *L = c->L;
  if (lua_istable(L, i)) {
    const int n = (int)lua_objlen(L, i);
    for (int k = 1; k <= n; k++) {
      lua_rawgeti(L, i, k);
      add_listed(c, list_item(c, lua_gettop(L), a));
      lua_pop(L, 1);
    }
    return 1;
  }
  const int n = last ? lua_gettop(L) - i + 1 : 1;
  for (int k = 0; k < n; k++) add_listed(c, list_item(c, i + k, a));
  return n;
}

/* One whole number for both, or a table of two. */
static void read_pair(call *c, int i, const argument *a) {
  lua_State *L = c->L;
  if (!lua_istable(L, i)) {
    const double value = whole(c, i, a);
    add_number(c, value);
    add_number(c, value);
    return;
  }
  if (lua_objlen(L, i) != 2)
    raise_error(L, "%s: expected a whole number or a list of two for %s, got a list of %d",
                c->s->name, a->name, (int)lua_objlen(L, i));
  for (int k = 1; k <= 2; k++) {
    lua_rawgeti(L, i, k);
    add_number(c, whole(c, lua_gettop(L), a));
    lua_pop(L, 1);
  }
}

/* A tensor, or a number, which becomes a tensor of the call's type in its stack slot. */
static void read_tensor(call *c, int i, const argument *a) {
  lua_State *L = c->L;
  if (lua_type(L, i) == LUA_TNUMBER && c->first) {
    push_scalar(L, c->s->name, c->first->dtype, lua_tonumber(L, i));
    lua_replace(L, i);
  }
  c->in[c->tensors++] = check_tensor(L, i, c->s->name, a->name);
}

/* The tensors of a list stay borrowed: the table holds them. */
static void read_tensors(call *c, int i, const argument *a) {
  lua_State *L = c->L;
  char text[GOT_TEXT];
  if (!lua_istable(L, i))
    raise_error(L, "%s: expected a list of tensors for %s, got %s", c->s->name, a->name,
                got(L, i, text));
  const int n = (int)lua_objlen(L, i);
  if (n == 0) raise_error(L, "%s: expected at least one tensor for %s", c->s->name, a->name);
  for (int k = 1; k <= n; k++) {
    char name[NAME + 16];
    snprintf(name, sizeof name, "%s[%d]", a->name, k);
    lua_rawgeti(L, i, k);
    c->in[c->tensors++] = check_tensor(L, lua_gettop(L), c->s->name, name);
    lua_pop(L, 1);
  }
}

static void read_default(call *c, const argument *a) {
  if (a->kind == TENSOR_OPTIONAL)
    c->in[c->tensors++] = NULL;
  else
    for (int k = 0; k < a->defaults; k++)
      if (a->kind >= SIZES)
        add_listed(c, a->value[k]);
      else
        add_number(c, a->value[k]);
}

static int read_argument(call *c, int i, const argument *a, bool last) {
  lua_State *L = c->L;
  if (lua_isnoneornil(L, i) && (a->optional || a->kind == TENSOR_OPTIONAL)) {
    read_default(c, a);
    return 1;
  }
  switch (a->kind) {
  case TENSOR:
  case TENSOR_OPTIONAL:
    read_tensor(c, i, a);
    break;
  case TENSORS:
    read_tensors(c, i, a);
    break;
  case NUMBER:
    add_number(c, check_number(L, i, c->s->name, a->name));
    break;
  case INTEGER:
    add_number(c, whole(c, i, a));
    break;
  case BOOLEAN:
    add_number(c, flag(c, i, a));
    break;
  case DIM:
  case INDEX:
    add_number(c, position(c, i, a));
    break;
  case DTYPE:
    add_number(c, opt_dtype(L, i, c->s->name));
    break;
  case CHOICE:
    add_number(c, choice(c, i, a));
    break;
  case PAIR:
    read_pair(c, i, a);
    break;
  default:
    return read_list(c, i, a, last);
  }
  return 1;
}

/* --- options by name -------------------------------------------------------------------------- */

static bool is_options(lua_State *L, int i) {
  if (!lua_istable(L, i) || lua_objlen(L, i) != 0) return false;
  lua_pushnil(L);
  if (!lua_next(L, i)) return false;
  const bool named = lua_type(L, -2) == LUA_TSTRING;
  lua_pop(L, 2);
  return named;
}

static void refuse_unknown(lua_State *L, const signature *s, int i, int from) {
  for (lua_pushnil(L); lua_next(L, i); lua_pop(L, 1)) {
    char text[GOT_TEXT];
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : got(L, -2, text);
    bool known = false;
    for (int k = from; k < s->count; k++) known = known || strcmp(key, s->arg[k].name) == 0;
    if (!known) raise_error(L, "%s: there is no option \"%s\"", s->name, key);
  }
}

/* f(x, { stride = 2 }): the last argument given may name those that are left. They are spread over
 * the stack. */
static void spread_options(lua_State *L, const signature *s) {
  const int top = lua_gettop(L);
  if (top == 0 || top > s->count || !is_options(L, top)) return;
  refuse_unknown(L, s, top, top - 1);
  luaL_checkstack(L, s->count + 8, s->name);
  for (int k = top - 1; k < s->count; k++) lua_getfield(L, top, s->arg[k].name);
  lua_remove(L, top);
}

/* --- calling ---------------------------------------------------------------------------------- */

/* Room for the tensors: on the C stack, or in a userdata if a list is long. */
static void make_room(call *c, const cj_tensor **few, int top) {
  size_t n = (size_t)c->s->count;
  for (int k = 0; k < c->s->count && k < top; k++)
    if (c->s->arg[k].kind == TENSORS && lua_istable(c->L, k + 1)) n += lua_objlen(c->L, k + 1);
  c->in = n <= FEW_TENSORS ? few : lua_newuserdata(c->L, n * sizeof *few);
  if (c->in != few) lua_insert(c->L, 1);
}

static void read_call(call *c, int base) {
  lua_State *L = c->L;
  const signature *s = c->s;
  const int top = lua_gettop(L);
  int i = base;
  for (int k = base; k <= top && !c->first; k++) {
    c->first = test_tensor(L, k);
    if (c->first && !c->first->storage) c->first = NULL;
  }
  for (int k = 0; k < s->count; k++) i += read_argument(c, i, &s->arg[k], k == s->count - 1);
  if (top >= i && !lua_isnil(L, i))
    raise_error(L, "%s: expected at most %d arguments, got %d", s->name, s->count, top - base + 1);
  for (int k = 0; k < c->listed; k++) add_number(c, c->list[k]);
}

static const cj_op *choose(call *c) {
  const signature *s = c->s;
  if (c->tensors == 0 || !c->in[0]) raise_error(c->L, "%s: expected a tensor", s->name);
  const cj_dtype t = c->in[0]->dtype;
  if (!s->op[t])
    raise_error(c->L, "%s: expected %s tensor, got %s", s->name,
                s->op[CJ_F32] ? "a float" : (s->op[CJ_I64] ? "an int64" : "a uint8"),
                cj_dtype_name(t));
  return s->op[t];
}

static int apply(call *c, const cj_op *op) {
  cj_status status;
  cj_tensor *y = push_tensor(c->L);
  RETRY(c->L, status, cj_apply(y, op, c->tensors, c->in, c->numbers, c->num));
  check_status(c->L, status);
  if (!(op->flags & CJ_VIEW)) tell_gc(c->L, y->storage->bytes);
  return 1;
}

static int apply_into(call *c, const cj_op *op, int base) {
  cj_status status;
  RETRY(c->L, status, cj_apply_into(op, c->tensors, c->in, c->numbers, c->num));
  check_status(c->L, status);
  lua_settop(c->L, base);
  return 1;
}

static int l_operator(lua_State *L) {
  const cj_tensor *few[FEW_TENSORS];
  call c;
  c.L = L;
  c.s = lua_touserdata(L, lua_upvalueindex(1));
  c.tensors = c.numbers = c.listed = 0;
  c.first = NULL;
  spread_options(L, c.s);
  make_room(&c, few, lua_gettop(L));
  const int base = c.in == few ? 1 : 2;
  read_call(&c, base);
  const cj_op *op = choose(&c);
  return c.s->into ? apply_into(&c, op, base) : apply(&c, op);
}

/* --- making operators ------------------------------------------------------------------------- */

static void copy_text(lua_State *L, char *out, size_t room, const char *text) {
  if (strlen(text) >= room) luaL_error(L, "operator: \"%s\" is too long", text);
  memcpy(out, text, strlen(text) + 1);
}

/* Field `key` of the table on top as a string, pushed; NULL for none. */
static const char *field_text(lua_State *L, const char *key) {
  lua_getfield(L, -1, key);
  return lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
}

/* The default in field "default" of the table on top, in the form the C side wants. */
static void read_defaults(lua_State *L, argument *a) {
  lua_getfield(L, -1, "default");
  const int n = lua_istable(L, -1) ? (int)lua_objlen(L, -1) : 0;
  a->optional = !lua_isnil(L, -1);
  if (n > 4) luaL_error(L, "operator: too many defaults for %s", a->name);
  if (lua_istable(L, -1)) {
    for (int k = 0; k < n; k++) {
      lua_rawgeti(L, -1, k + 1);
      a->value[k] = lua_tonumber(L, -1);
      lua_pop(L, 1);
    }
    a->defaults = n;
  } else if (a->optional) {
    a->value[0] = a->value[1] = lua_isboolean(L, -1) ? lua_toboolean(L, -1) : lua_tonumber(L, -1);
    a->defaults = a->kind == PAIR ? 2 : 1;
  }
  lua_pop(L, 1);
}

/* From the table on top: { name =, kind =, default = number, boolean or list, choices = "a|b" }. */
static void read_kind(lua_State *L, argument *a) {
  memset(a, 0, sizeof *a);
  const char *name = field_text(L, "name");
  if (!name) luaL_error(L, "operator: an argument has no name");
  copy_text(L, a->name, sizeof a->name, name);
  lua_pop(L, 1);
  const char *wanted = field_text(L, "kind");
  int k = 0;
  while (kind_names[k] && (!wanted || strcmp(kind_names[k], wanted) != 0)) k++;
  if (!kind_names[k])
    luaL_error(L, "operator: no such kind of argument: %s", wanted ? wanted : "?");
  a->kind = (kind)k;
  lua_pop(L, 1);
  const char *choices = field_text(L, "choices");
  if (choices) copy_text(L, a->choices, sizeof a->choices, choices);
  lua_pop(L, 1);
  read_defaults(L, a);
}

static bool find_operators(signature *s, const char *name) {
  bool found = false;
  for (int t = 0; t < CJ_DTYPES; t++) {
    s->op[t] = cj_op_find(name, (cj_dtype)t);
    found = found || s->op[t];
  }
  return found;
}

/* operator(name, { argument, ... }, into): the function that calls it; `into` stores the result in
 * the first tensor and returns that. */
static int l_define(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 3);
  const int count = (int)lua_objlen(L, 2);
  signature *s = lua_newuserdata(L, sizeof *s + (size_t)count * sizeof s->arg[0]);
  memset(s, 0, sizeof *s);
  s->into = lua_toboolean(L, 3);
  s->count = count;
  if (!find_operators(s, name))
    return luaL_error(L, "operator: the core has no operator \"%s\"", name);
  lua_pushfstring(L, s->into ? "%s_" : "%s", name);
  copy_text(L, s->name, sizeof s->name, lua_tostring(L, -1));
  lua_pop(L, 1);
  for (int k = 0; k < count; k++) {
    lua_rawgeti(L, 2, k + 1);
    read_kind(L, &s->arg[k]);
    lua_pop(L, 1);
  }
  lua_pushcclosure(L, l_operator, 1);
  return 1;
}

/* --- calling by name -------------------------------------------------------------------------- */

/* Reads the value at index i as it is: nil (no tensor), a tensor, a boolean, a number, or a list of
 * tensors and numbers. */
static void read_raw(call *c, int i) {
  lua_State *L = c->L;
  const char *name = c->s->name;
  char text[GOT_TEXT];
  if (lua_isnil(L, i) || test_tensor(L, i)) {
    if (c->tensors == FEW_TENSORS) raise_error(L, "%s: too many tensors", name);
    c->in[c->tensors++] = opt_tensor(L, i, name, "a tensor");
  } else if (lua_isboolean(L, i)) {
    add_number(c, lua_toboolean(L, i));
  } else if (lua_type(L, i) == LUA_TNUMBER) {
    add_number(c, lua_tonumber(L, i));
  } else {
    raise_error(L, "%s: expected tensors and numbers, got %s", name, got(L, i, text));
  }
}

static void read_raw_list(call *c, int i) {
  for (int k = 1; k <= (int)lua_objlen(c->L, i); k++) {
    lua_rawgeti(c->L, i, k);
    read_raw(c, lua_gettop(c->L));
    lua_pop(c->L, 1); /* the list holds it */
  }
}

/* apply(name, tensors or nil ..., numbers ...): raw form, 0-based, for tests and rare calls. */
static int apply_named(lua_State *L, bool into) {
  const cj_tensor *few[FEW_TENSORS];
  signature s;
  call c = {.L = L, .s = &s, .in = few};
  memset(&s, 0, sizeof s);
  const char *name = check_text(L, 1, "apply", "operator", NULL);
  if (!find_operators(&s, name)) raise_error(L, "apply: the core has no operator \"%s\"", name);
  snprintf(s.name, sizeof s.name, "%s", name);
  const int top = lua_gettop(L);
  for (int i = 2; i <= top; i++)
    if (lua_istable(L, i))
      read_raw_list(&c, i);
    else
      read_raw(&c, i);
  const cj_op *op = choose(&c);
  return into ? apply_into(&c, op, 2) : apply(&c, op);
}

static int l_apply(lua_State *L) {
  return apply_named(L, false);
}

static int l_apply_into(lua_State *L) {
  return apply_named(L, true);
}

static const luaL_Reg functions[] = {
    {"operator", l_define}, {"apply", l_apply}, {"apply_into", l_apply_into}, {NULL, NULL}};

void open_ops(lua_State *L) {
  set_functions(L, functions);
}
