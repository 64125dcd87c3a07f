/* nested.c -- tensors from nested tables and byte strings, and back. */
#include "lua/binding.h"

#include <math.h>
#include <string.h>

/* Sizes of the nested table at index i, judged by its first elements. */
static int measure(lua_State *L, int i, int64_t size[CJ_MAX_DIMS]) {
  int ndim = 0;
  lua_pushvalue(L, i);
  while (lua_istable(L, -1)) {
    if (ndim == CJ_MAX_DIMS)
      raise_error(L, "tensor: tables nest deeper than %d levels", CJ_MAX_DIMS);
    luaL_checkstack(L, 4, "tensor: tables nest too deeply");
    size[ndim++] = (int64_t)lua_objlen(L, -1);
    lua_rawgeti(L, -1, 1);
    if (size[ndim - 1] == 0) break;
  }
  lua_settop(L, i);
  return ndim;
}

static void store(const cj_tensor *t, int64_t at, double value) {
  switch (t->dtype) {
  case CJ_F32:
    ((float *)t->data)[at] = (float)value;
    break;
  case CJ_F64:
    ((double *)t->data)[at] = value;
    break;
  case CJ_I64:
    ((int64_t *)t->data)[at] = (int64_t)value;
    break;
  default:
    ((uint8_t *)t->data)[at] = (uint8_t)value;
    break;
  }
}

static double load(const cj_tensor *t, int64_t at) {
  switch (t->dtype) {
  case CJ_F32:
    return (double)((const float *)t->data)[at];
  case CJ_F64:
    return ((const double *)t->data)[at];
  case CJ_I64:
    return (double)((const int64_t *)t->data)[at];
  default:
    return (double)((const uint8_t *)t->data)[at];
  }
}

static double element(lua_State *L, int i, cj_dtype dtype) {
  char text[GOT_TEXT];
  if (lua_isboolean(L, i)) return lua_toboolean(L, i) ? 1 : 0;
  if (lua_type(L, i) != LUA_TNUMBER)
    raise_error(L, "tensor: expected a number for every element, got %s", got(L, i, text));
  check_element(L, "tensor", dtype, lua_tonumber(L, i));
  return lua_tonumber(L, i);
}

/* Fills the part of t from element `at` on with the value on top of the stack, level d. */
static int64_t fill_level(lua_State *L, cj_tensor *t, int d, int64_t at) {
  char text[GOT_TEXT];
  if (d == t->ndim) {
    store(t, at, element(L, lua_gettop(L), t->dtype));
    return at + 1;
  }
  if (!lua_istable(L, -1))
    raise_error(L, "tensor: expected a table of %lld values at depth %d, got %s",
                (long long)t->size[d], d + 1, got(L, lua_gettop(L), text));
  if ((int64_t)lua_objlen(L, -1) != t->size[d])
    raise_error(L, "tensor: tables of one level differ in length, %lld and %lld, at depth %d",
                (long long)t->size[d], (long long)lua_objlen(L, -1), d + 1);
  for (int64_t i = 1; i <= t->size[d]; i++) {
    lua_rawgeti(L, -1, (int)i);
    at = fill_level(L, t, d + 1, at);
    lua_pop(L, 1);
  }
  return at;
}

/* tensor(nested table or number, dtype): a tensor of its own memory. */
static int l_tensor(lua_State *L) {
  int64_t size[CJ_MAX_DIMS];
  char text[GOT_TEXT];
  lua_settop(L, 2);
  const cj_dtype dtype = opt_dtype(L, 2, "tensor");
  const int type = lua_type(L, 1);
  if (type != LUA_TTABLE && type != LUA_TNUMBER && type != LUA_TBOOLEAN)
    raise_error(L, "tensor: expected a number or nested tables of numbers, got %s",
                got(L, 1, text));
  lua_pushvalue(L, 1); /* measure and fill work on the top */
  const int ndim = measure(L, 3, size);
  cj_tensor *t = push_new(L, dtype, ndim, size);
  luaL_checkstack(L, CJ_MAX_DIMS + 4, "tensor");
  lua_pushvalue(L, 1);
  fill_level(L, t, 0, 0);
  lua_pop(L, 1);
  return 1;
}

static int64_t push_level(lua_State *L, const cj_tensor *t, int d, int64_t at) {
  if (d == t->ndim) {
    lua_pushnumber(L, load(t, at));
    return at + 1;
  }
  lua_createtable(L, (int)t->size[d], 0);
  for (int64_t i = 1; i <= t->size[d]; i++) {
    at = push_level(L, t, d + 1, at);
    lua_rawseti(L, -2, (int)i);
  }
  return at;
}

/* The contiguous form of the tensor at index i, pushed. */
static const cj_tensor *push_packed(lua_State *L, int i, const char *fn) {
  cj_status status;
  const cj_tensor *t = check_tensor(L, i, fn, "self");
  check_look(L, t);
  cj_tensor *packed = push_tensor(L);
  RETRY(L, status, cj_tensor_pack(packed, t));
  check_call(L, fn, status);
  return packed;
}

/* x:table(): nested tables of numbers; a number for a tensor without dimensions. */
static int l_table(lua_State *L) {
  const cj_tensor *t = push_packed(L, 1, "table");
  luaL_checkstack(L, CJ_MAX_DIMS + 4, "table");
  push_level(L, t, 0, 0);
  return 1;
}

/* x:bytes(): the elements as a string, row by row, in the machine's byte order. */
static int l_bytes(lua_State *L) {
  const cj_tensor *t = push_packed(L, 1, "bytes");
  lua_pushlstring(L, t->data, (size_t)cj_numel(t) * cj_dtype_bytes(t->dtype));
  return 1;
}

/* from_bytes(string, dtype, sizes) */
static int l_from_bytes(lua_State *L) {
  size_t length;
  int64_t size[CJ_MAX_DIMS];
  const char *bytes = check_text(L, 1, "from_bytes", "bytes", &length);
  const cj_dtype dtype = opt_dtype(L, 2, "from_bytes");
  const int ndim = check_sizes(L, 3, "from_bytes", size);
  cj_tensor shape = {0}; /* described only: owns nothing */
  check_call(L, "from_bytes", cj_tensor_describe(&shape, dtype, ndim, size));
  const size_t wanted = (size_t)cj_numel(&shape) * cj_dtype_bytes(dtype);
  if (length != wanted)
    raise_error(L, "from_bytes: expected %zu bytes for these sizes, got %zu", wanted, length);
  memcpy(push_result(L, "from_bytes", dtype, ndim, size)->data, bytes, length);
  return 1;
}

typedef struct digest {
  double min, max, nans, infinite;
} digest;

static void digest_element(digest *s, double v) {
  if (v != v) {
    s->nans++;
    return;
  }
  if (v < s->min) s->min = v;
  if (v > s->max) s->max = v;
  if (isinf(v)) s->infinite++;
}

/* x:summary() -> smallest, largest, number of NaNs, number of infinities; nil, nil, ... when no
 * element is a number. */
static int l_summary(lua_State *L) {
  const cj_tensor *t = push_packed(L, 1, "summary");
  const int64_t n = cj_numel(t);
  digest s = {.min = INFINITY, .max = -INFINITY};
  for (int64_t i = 0; i < n; i++) digest_element(&s, load(t, i));
  if ((double)n == s.nans) {
    lua_pushnil(L);
    lua_pushnil(L);
  } else {
    lua_pushnumber(L, s.min);
    lua_pushnumber(L, s.max);
  }
  lua_pushnumber(L, s.nans);
  lua_pushnumber(L, s.infinite);
  return 4;
}

/* arange(from, step, n, dtype): from + step * i, i = 0..n-1 */
static int l_arange(lua_State *L) {
  const double from = check_number(L, 1, "arange", "from"),
               step = check_number(L, 2, "arange", "step");
  const int64_t n = check_size(L, 3, "arange", "n");
  const cj_dtype dtype = opt_dtype(L, 4, "arange");
  if (n > 0) {
    check_element(L, "arange", dtype, from);
    check_element(L, "arange", dtype, from + step * (double)(n - 1));
    if (n > 1) check_element(L, "arange", dtype, from + step);
  }
  const cj_tensor *t = push_result(L, "arange", dtype, 1, &n);
  for (int64_t i = 0; i < n; i++) store(t, i, from + step * (double)i);
  return 1;
}

/* allclose(x, y, rtol, atol) -> |x - y| <= atol + rtol |y| everywhere (NaN equals NaN)?, and the
 * largest |x - y| */
static int l_allclose(lua_State *L) {
  const cj_tensor *x = check_tensor(L, 1, "allclose", "x"),
                  *y = check_tensor(L, 2, "allclose", "y");
  const double rtol = check_number(L, 3, "allclose", "rtol");
  const double atol = check_number(L, 4, "allclose", "atol");
  char a[CJ_SHAPE_TEXT], b[CJ_SHAPE_TEXT];
  if (!cj_same_shape(x, y))
    raise_error(L, "allclose: sizes differ, %s and %s", cj_shape_text(a, x), cj_shape_text(b, y));
  const cj_tensor *px = push_packed(L, 1, "allclose"), *py = push_packed(L, 2, "allclose");
  bool close = true;
  double worst = 0;
  for (int64_t i = 0, n = cj_numel(x); i < n; i++) {
    const double u = load(px, i), v = load(py, i);
    if (u == v || (u != u && v != v)) continue;
    const double d = fabs(u - v);
    close = close && d <= atol + rtol * fabs(v);
    if (!(d <= worst)) worst = d;
  }
  lua_pushboolean(L, close);
  lua_pushnumber(L, worst);
  return 2;
}

static const luaL_Reg methods[] = {
    {"table", l_table}, {"bytes", l_bytes}, {"summary", l_summary}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"tensor", l_tensor},
                                     {"from_bytes", l_from_bytes},
                                     {"arange", l_arange},
                                     {"allclose", l_allclose},
                                     {NULL, NULL}};

void open_nested(lua_State *L) {
  set_functions(L, functions);
  lua_getfield(L, -1, "methods");
  set_functions(L, methods);
  lua_pop(L, 1);
}
