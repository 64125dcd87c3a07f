/* tensor.c -- tensors as userdata: life, fields, elements and creation.
 *
 * The userdata holds a cj_tensor behind a mark. A tensor without storage was released (or never
 * filled): check_tensor refuses it. */
#include "lua/binding.h"

#include <math.h>
#include <string.h>

typedef struct box {
  uint64_t mark; /* tells a tensor from other userdata of the same size, faster than metatables */
  cj_tensor t;
} box;

static const uint64_t MARK = UINT64_C(0x636f6e6a74656e73);
static const char metatable_key = 0, methods_key = 0; /* registry keys */

cj_tensor *test_tensor(lua_State *L, int i) {
  if (lua_type(L, i) != LUA_TUSERDATA || lua_objlen(L, i) != sizeof(box)) return NULL;
  box *b = lua_touserdata(L, i);
  return b->mark == MARK ? &b->t : NULL;
}

cj_tensor *check_tensor(lua_State *L, int i, const char *fn, const char *name) {
  char text[GOT_TEXT];
  cj_tensor *t = test_tensor(L, i);
  if (!t) raise_error(L, "%s: expected a tensor for %s, got %s", fn, name, got(L, i, text));
  if (!t->storage) raise_error(L, "%s: the tensor given for %s was released", fn, name);
  return t;
}

cj_tensor *opt_tensor(lua_State *L, int i, const char *fn, const char *name) {
  return lua_isnoneornil(L, i) ? NULL : check_tensor(L, i, fn, name);
}

const void *push_list(lua_State *L, int i, const char *fn, const char *name, cj_dtype dtype,
                      int64_t n) {
  char text[GOT_TEXT];
  const cj_tensor *t = opt_tensor(L, i, fn, name);
  if (!t) {
    lua_pushnil(L);
    return NULL;
  }
  if (t->dtype != dtype || t->ndim != 1 || t->size[0] != n)
    raise_error(L, "%s: expected a %s tensor [%lld] for %s, got %s", fn, cj_dtype_name(dtype),
                (long long)n, name, got(L, i, text));
  cj_tensor *packed = push_tensor(L);
  check_status(L, cj_tensor_pack(packed, t));
  return packed->data;
}

cj_tensor *push_tensor(lua_State *L) {
  box *b = lua_newuserdata(L, sizeof *b);
  memset(b, 0, sizeof *b);
  b->mark = MARK;
  lua_pushlightuserdata(L, (void *)&metatable_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  lua_setmetatable(L, -2);
  return &b->t;
}

cj_tensor *push_new(lua_State *L, cj_dtype dtype, int ndim, const int64_t *size) {
  return push_result(L, "tensor", dtype, ndim, size);
}

cj_tensor *push_result(lua_State *L, const char *fn, cj_dtype dtype, int ndim,
                       const int64_t *size) {
  cj_status status;
  cj_tensor *t = push_tensor(L);
  RETRY(L, status, cj_tensor_new(t, dtype, ndim, size));
  check_call(L, fn, status);
  tell_gc(L, t->storage->bytes);
  return t;
}

void check_element(lua_State *L, const char *fn, cj_dtype dtype, double value) {
  if (cj_dtype_float(dtype)) return;
  const bool byte = dtype == CJ_U8;
  const double low = byte ? 0 : -9223372036854775808.0, high = byte ? 255 : 9223372036854774784.0;
  if (!(value >= low && value <= high && value == floor(value)))
    raise_error(L, "%s: %.14g is no %s value; convert the tensor with :to(\"float32\") first", fn,
                value, cj_dtype_name(dtype));
}

cj_tensor *push_scalar(lua_State *L, const char *fn, cj_dtype dtype, double value) {
  check_element(L, fn, dtype, value);
  cj_tensor *t = push_result(L, fn, dtype, 0, NULL);
  cj_tensor_fill(t, value);
  return t;
}

static void check_off_tape(lua_State *L, const cj_tensor *t, const char *fn) {
  if (t->node && cj_grad_enabled())
    raise_error(L,
                "%s: the tensor wants a gradient and cannot be changed in place; "
                "use :detach() or cj.no_grad",
                fn);
}

void check_writable(lua_State *L, const cj_tensor *t, const char *fn) {
  check_off_tape(L, t, fn);
  refuse_trace(L, "%s changes a tensor in place", fn);
  t->storage->version++;
}

static int l_gc(lua_State *L) {
  cj_tensor *t = test_tensor(L, 1);
  if (t) cj_tensor_drop(t);
  custom_sweep(L);
  return 0;
}

/* --- fields ---------------------------------------------------------------------------------- */

static int push_shape(lua_State *L, const cj_tensor *t) {
  lua_createtable(L, t->ndim, 0);
  for (int d = 0; d < t->ndim; d++) {
    lua_pushnumber(L, (double)t->size[d]);
    lua_rawseti(L, -2, d + 1);
  }
  return 1;
}

static int push_grad(lua_State *L, const cj_tensor *t) {
  if (!t->node || !cj_is_leaf(t) || !t->node->grad.storage)
    lua_pushnil(L);
  else
    cj_tensor_share(push_tensor(L), &t->node->grad);
  return 1;
}

/* A field by name; raises for unknown names, so that a misspelt method is found where it stands. */
static int push_field(lua_State *L, const char *key) {
  const cj_tensor *t = check_tensor(L, 1, key, "self");
  if (strcmp(key, "shape") == 0) return push_shape(L, t);
  if (strcmp(key, "grad") == 0) return push_grad(L, t);
  if (strcmp(key, "dtype") == 0)
    lua_pushstring(L, cj_dtype_name(t->dtype));
  else if (strcmp(key, "requires_grad") == 0)
    lua_pushboolean(L, t->node != NULL);
  else if (strcmp(key, "is_leaf") == 0)
    lua_pushboolean(L, cj_is_leaf(t));
  else
    raise_error(L, "tensor: there is no field or method named \"%s\"", key);
  return 1;
}

static cj_status select_first(cj_tensor *y, const cj_tensor *x, int64_t index) {
  const double numbers[2] = {0, (double)index};
  return cj_apply_named(y, "select", 1, &x, 2, numbers);
}

/* x[i]: a number from a tensor of one dimension, else a view of one slice. */
static int push_item(lua_State *L) {
  const cj_tensor *x = check_tensor(L, 1, "index", "self");
  cj_status status;
  if (x->ndim == 0) raise_error(L, "index: a tensor without dimensions has no x[i]; use x:item()");
  const int64_t i = check_index(L, 2, "index", "x[i]", x->size[0]);
  if (x->ndim == 1 && !(x->node && cj_grad_enabled())) {
    check_look(L, x);
    lua_pushnumber(L, cj_tensor_get(x, &i));
    return 1;
  }
  cj_tensor *y = push_tensor(L);
  RETRY(L, status, select_first(y, x, i));
  check_status(L, status);
  return 1;
}

static int l_index(lua_State *L) {
  const int type = lua_type(L, 2);
  char text[GOT_TEXT];
  if (type == LUA_TNUMBER) return push_item(L);
  if (type != LUA_TSTRING)
    raise_error(L, "tensor: expected a name or a whole number as index, got %s", got(L, 2, text));
  lua_pushvalue(L, 2);
  lua_rawget(L, lua_upvalueindex(1));
  return lua_isnil(L, -1) ? push_field(L, lua_tostring(L, 2)) : 1;
}

/* --- writing --------------------------------------------------------------------------------- */

/* Copies from into t by the operator for it, so that a trace sees it. */
static void write_tensor(lua_State *L, cj_tensor *t, const cj_tensor *from, const char *fn) {
  cj_status status;
  cj_tensor *plain = push_tensor(L), *target = push_tensor(L);
  cj_tensor_detach(plain, from);
  cj_tensor_detach(target, t);
  const cj_tensor *in[2] = {target, plain};
  RETRY(L, status, cj_apply_into(cj_op_find("copy", t->dtype), 2, in, 0, NULL));
  if (status == CJ_ESHAPE) {
    char want[CJ_SHAPE_TEXT], have[CJ_SHAPE_TEXT];
    raise_error(L, "%s: expected a source of sizes %s, got %s", fn, cj_shape_text(want, t),
                cj_shape_text(have, from));
  }
  check_status(L, status);
}

/* Writes the number or tensor at stack index i into t. */
static void write_value(lua_State *L, cj_tensor *t, int i, const char *fn) {
  char text[GOT_TEXT];
  const cj_tensor *from = test_tensor(L, i);
  if (from) {
    from = check_tensor(L, i, fn, "value");
    check_off_tape(L, t, fn);
    if (cj_repeats(t))
      raise_error(L, "%s: a view that repeats elements (expand) cannot be written to", fn);
    write_tensor(L, t, from, fn);
  } else if (lua_type(L, i) == LUA_TNUMBER) {
    check_element(L, fn, t->dtype, lua_tonumber(L, i));
    check_writable(L, t, fn);
    cj_tensor_fill(t, lua_tonumber(L, i));
  } else
    raise_error(L, "%s: expected a number or a tensor for value, got %s", fn, got(L, i, text));
}

/* The slice number i of the first dimension, as a view on the stack's top. */
static cj_tensor *push_slice(lua_State *L, const cj_tensor *x, int64_t i) {
  cj_tensor *y = push_tensor(L);
  cj_tensor_detach(y, x);
  y->data = (char *)x->data + (size_t)(i * x->stride[0]) * cj_dtype_bytes(x->dtype);
  y->ndim = x->ndim - 1;
  for (int d = 0; d < y->ndim; d++) {
    y->size[d] = x->size[d + 1];
    y->stride[d] = x->stride[d + 1];
  }
  return y;
}

static void assign_item(lua_State *L) {
  const cj_tensor *x = check_tensor(L, 1, "index", "self");
  if (x->ndim == 0)
    raise_error(L, "index: a tensor without dimensions has no x[i]; use x:fill_(v)");
  const int64_t i = check_index(L, 2, "index", "x[i]", x->size[0]);
  if (x->node && cj_grad_enabled()) check_writable(L, x, "index");
  refuse_trace(L, "x[i] = value changes a tensor in place");
  write_value(L, push_slice(L, x, i), 3, "index");
}

/* The leaf gets a copy: it adds to its gradient as to plain memory of its own. */
static void assign_grad(lua_State *L, cj_tensor *t) {
  refuse_trace(L, "it assigns a gradient");
  cj_tensor *g = opt_tensor(L, 3, "grad", "value");
  if (!t->node || !cj_is_leaf(t))
    raise_error(L, "grad: only a tensor made with requires_grad holds a gradient");
  if (g && (!cj_same_shape(g, t) || g->dtype != t->dtype))
    raise_error(L, "grad: expected a gradient of the tensor's own sizes and type");
  cj_tensor *own = push_tensor(L); /* takes the old gradient in exchange: g may be a view of it */
  cj_status status = CJ_OK;
  if (g) RETRY(L, status, cj_tensor_new(own, g->dtype, g->ndim, g->size));
  if (g && status == CJ_OK) status = cj_tensor_copy(own, g);
  check_call(L, "grad", status);
  const cj_tensor old = t->node->grad;
  t->node->grad = *own;
  *own = old;
  cj_tensor_drop(own); /* now, not when collected: its place may serve the next gradient */
}

static int l_newindex(lua_State *L) {
  char text[GOT_TEXT];
  if (lua_type(L, 2) == LUA_TNUMBER) {
    assign_item(L);
    return 0;
  }
  cj_tensor *t = check_tensor(L, 1, "tensor", "self");
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : got(L, 2, text);
  if (strcmp(key, "grad") == 0)
    assign_grad(L, t);
  else if (strcmp(key, "requires_grad") == 0)
    check_call(L, key, cj_require_grad(t, opt_boolean(L, 3, key, "value", false)));
  else
    raise_error(L, "tensor: there is no field \"%s\" to assign; only grad, requires_grad and x[i]",
                key);
  return 0;
}

static int l_len(lua_State *L) {
  const cj_tensor *t = check_tensor(L, 1, "length", "self");
  if (t->ndim == 0) raise_error(L, "length: a tensor without dimensions has no length");
  lua_pushnumber(L, (double)t->size[0]);
  return 1;
}

/* --- methods --------------------------------------------------------------------------------- */

static int l_size(lua_State *L) {
  const cj_tensor *t = check_tensor(L, 1, "size", "self");
  if (lua_isnoneornil(L, 2)) return push_shape(L, t);
  lua_pushnumber(L, (double)t->size[check_index(L, 2, "size", "dim", t->ndim)]);
  return 1;
}

static int l_dim(lua_State *L) {
  lua_pushinteger(L, check_tensor(L, 1, "dim", "self")->ndim);
  return 1;
}

static int l_numel(lua_State *L) {
  lua_pushnumber(L, (double)cj_numel(check_tensor(L, 1, "numel", "self")));
  return 1;
}

static int l_is_contiguous(lua_State *L) {
  lua_pushboolean(L, cj_contiguous(check_tensor(L, 1, "is_contiguous", "self")));
  return 1;
}

static int l_item(lua_State *L) {
  const cj_tensor *t = check_tensor(L, 1, "item", "self");
  const int64_t zero[CJ_MAX_DIMS] = {0};
  char shape[CJ_SHAPE_TEXT];
  if (cj_numel(t) != 1)
    raise_error(L, "item: expected a tensor of one element, got sizes %s", cj_shape_text(shape, t));
  check_look(L, t);
  lua_pushnumber(L, cj_tensor_get(t, zero));
  return 1;
}

/* Reads t's indices from the stack, from index 2 on. */
static void check_indices(lua_State *L, const cj_tensor *t, const char *fn, int extra,
                          int64_t index[CJ_MAX_DIMS]) {
  static const char *const names[CJ_MAX_DIMS] = {"index 1", "index 2", "index 3", "index 4",
                                                 "index 5", "index 6", "index 7", "index 8"};
  if (lua_gettop(L) != 1 + t->ndim + extra)
    raise_error(L, "%s: expected %d indices, one per dimension, got %d", fn, t->ndim,
                lua_gettop(L) - 1 - extra);
  for (int d = 0; d < t->ndim; d++) {
    index[d] = check_index(L, 2 + d, fn, names[d], t->size[d]);
  }
}

static int l_get(lua_State *L) {
  int64_t index[CJ_MAX_DIMS];
  const cj_tensor *t = check_tensor(L, 1, "get", "self");
  check_indices(L, t, "get", 0, index);
  check_look(L, t);
  lua_pushnumber(L, cj_tensor_get(t, index));
  return 1;
}

static int l_set(lua_State *L) {
  int64_t index[CJ_MAX_DIMS];
  cj_tensor *t = check_tensor(L, 1, "set", "self");
  check_indices(L, t, "set", 1, index);
  const double value = check_number(L, -1, "set", "value");
  check_element(L, "set", t->dtype, value);
  check_writable(L, t, "set");
  cj_tensor_set(t, index, value);
  lua_settop(L, 1);
  return 1;
}

static int l_fill(lua_State *L) {
  cj_tensor *t = check_tensor(L, 1, "fill_", "self");
  const double value = check_number(L, 2, "fill_", "value");
  check_element(L, "fill_", t->dtype, value);
  check_writable(L, t, "fill_");
  cj_tensor_fill(t, value);
  lua_settop(L, 1);
  return 1;
}

static int l_zero(lua_State *L) {
  cj_tensor *t = check_tensor(L, 1, "zero_", "self");
  check_writable(L, t, "zero_");
  cj_tensor_fill(t, 0);
  lua_settop(L, 1);
  return 1;
}

static int l_copy(lua_State *L) {
  cj_tensor *t = check_tensor(L, 1, "copy_", "self");
  check_tensor(L, 2, "copy_", "source");
  write_value(L, t, 2, "copy_");
  lua_settop(L, 1);
  return 1;
}

static int l_detach(lua_State *L) {
  const cj_tensor *t = check_tensor(L, 1, "detach", "self");
  cj_tensor_detach(push_tensor(L), t);
  return 1;
}

/* release(): gives the memory back now; using the tensor afterwards raises. Twice is harmless. */
static int l_release(lua_State *L) {
  char text[GOT_TEXT];
  cj_tensor *t = test_tensor(L, 1);
  if (!t) raise_error(L, "release: expected a tensor for self, got %s", got(L, 1, text));
  cj_tensor_drop(t);
  custom_sweep(L);
  return 0;
}

/* --- creation -------------------------------------------------------------------------------- */

/* new(sizes, value or nil, dtype, caller's name): a tensor filled with value, or of undefined
 * content. */
static int l_new(lua_State *L) {
  int64_t size[CJ_MAX_DIMS];
  char text[GOT_TEXT];
  lua_settop(L, 4);
  const char *fn = lua_isnil(L, 4) ? "new" : check_text(L, 4, "new", "caller", NULL);
  if (!lua_istable(L, 1))
    raise_error(L, "%s: expected a list of sizes, got %s", fn, got(L, 1, text));
  const int ndim = check_sizes(L, 1, fn, size);
  const cj_dtype dtype = opt_dtype(L, 3, fn);
  const double value = lua_isnil(L, 2) ? 0 : check_number(L, 2, fn, "value");
  check_element(L, fn, dtype, value);
  cj_tensor *t = push_result(L, fn, dtype, ndim, size);
  if (!lua_isnil(L, 2)) cj_tensor_fill(t, value);
  return 1;
}

/* is_tensor(v) */
static int l_is_tensor(lua_State *L) {
  lua_pushboolean(L, test_tensor(L, 1) != NULL);
  return 1;
}

static int l_is_released(lua_State *L) {
  const cj_tensor *t = test_tensor(L, 1);
  lua_pushboolean(L, t && !t->storage);
  return 1;
}

/* describe(v): what v is, in the words of the error messages. */
static int l_describe(lua_State *L) {
  char text[GOT_TEXT];
  lua_pushstring(L, got(L, 1, text));
  return 1;
}

/* metamethods{ __add = f, ... }: adds to the metatable of tensors. */
static int l_metamethods(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_pushlightuserdata(L, (void *)&metatable_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  for (lua_pushnil(L); lua_next(L, 1);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, 2);
  }
  return 0;
}

static const luaL_Reg methods[] = {
    {"size", l_size},     {"dim", l_dim},         {"numel", l_numel},
    {"item", l_item},     {"get", l_get},         {"set", l_set},
    {"fill_", l_fill},    {"zero_", l_zero},      {"copy_", l_copy},
    {"detach", l_detach}, {"release", l_release}, {"is_contiguous", l_is_contiguous},
    {NULL, NULL},
};
static const luaL_Reg metamethods[] = {
    {"__gc", l_gc}, {"__newindex", l_newindex}, {"__len", l_len}, {NULL, NULL}};
static const luaL_Reg functions[] = {
    {"new", l_new},           {"is_tensor", l_is_tensor},     {"is_released", l_is_released},
    {"describe", l_describe}, {"metamethods", l_metamethods}, {NULL, NULL}};

/* Makes the metatable once per Lua state; tensors of an earlier opening keep it. */
static void make_metatable(lua_State *L) {
  lua_pushlightuserdata(L, (void *)&methods_key);
  lua_newtable(L);
  set_functions(L, methods);
  lua_pushlightuserdata(L, (void *)&metatable_key);
  lua_newtable(L);
  set_functions(L, metamethods);
  lua_pushvalue(L, -3);
  lua_pushcclosure(L, l_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pushliteral(L, "conjugate.tensor");
  lua_setfield(L, -2, "__metatable");
  lua_rawset(L, LUA_REGISTRYINDEX);
  lua_rawset(L, LUA_REGISTRYINDEX);
}

void open_tensor(lua_State *L) {
  lua_pushlightuserdata(L, (void *)&metatable_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  if (lua_isnil(L, -1)) make_metatable(L);
  lua_pop(L, 1);
  set_functions(L, functions);
  lua_pushlightuserdata(L, (void *)&methods_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  lua_setfield(L, -2, "methods");
}
