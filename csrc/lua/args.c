/* args.c -- reading arguments from Lua, and saying exactly what is wrong with them. */
#include "lua/binding.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *got(lua_State *L, int i, char text[GOT_TEXT]) {
  const cj_tensor *t = test_tensor(L, i);
  char shape[CJ_SHAPE_TEXT];
  if (t && t->storage)
    snprintf(text, GOT_TEXT, "%s %s tensor %s", t->dtype == CJ_I64 ? "an" : "a",
             cj_dtype_name(t->dtype), cj_shape_text(shape, t));
  else if (t)
    snprintf(text, GOT_TEXT, "a released tensor");
  else
    switch (lua_type(L, i)) {
    case LUA_TNONE:
      return "nothing";
    case LUA_TNIL:
      return "nil";
    case LUA_TBOOLEAN:
      return lua_toboolean(L, i) ? "true" : "false";
    case LUA_TNUMBER:
      if (isnan(lua_tonumber(L, i))) return "nan"; /* printf knows two of them */
      snprintf(text, GOT_TEXT, "%.14g", lua_tonumber(L, i));
      break;
    case LUA_TSTRING:
      snprintf(text, GOT_TEXT, "the text \"%.40s\"", lua_tostring(L, i));
      break;
    default:
      snprintf(text, GOT_TEXT, "a %s", luaL_typename(L, i));
    }
  return text;
}

double check_number(lua_State *L, int i, const char *fn, const char *name) {
  char text[GOT_TEXT];
  if (lua_type(L, i) != LUA_TNUMBER)
    raise_error(L, "%s: expected a number for %s, got %s", fn, name, got(L, i, text));
  return lua_tonumber(L, i);
}

int64_t check_integer(lua_State *L, int i, const char *fn, const char *name, int64_t low,
                      int64_t high) {
  char text[GOT_TEXT];
  const double value = lua_type(L, i) == LUA_TNUMBER ? lua_tonumber(L, i) : NAN;
  /* 2^53: beyond it doubles skip whole numbers. */
  if (!(fabs(value) <= 9007199254740992.0) || value != floor(value))
    raise_error(L, "%s: expected a whole number for %s, got %s", fn, name, got(L, i, text));
  if (value < (double)low || value > (double)high)
    raise_error(L, "%s: expected a whole number from %lld to %lld for %s, got %s", fn,
                (long long)low, (long long)high, name, got(L, i, text));
  return (int64_t)value;
}

int64_t check_size(lua_State *L, int i, const char *fn, const char *name) {
  char text[GOT_TEXT];
  const int64_t limit = INT64_C(1) << 53, value = check_integer(L, i, fn, name, -limit, limit);
  if (value < 0) raise_error(L, "%s: expected 0 or more for %s, got %s", fn, name, got(L, i, text));
  return value;
}

int64_t check_index(lua_State *L, int i, const char *fn, const char *name, int64_t n) {
  char text[GOT_TEXT];
  const int64_t limit = INT64_C(1) << 53, value = check_integer(L, i, fn, name, -limit, limit);
  const int64_t index = value < 0 ? value + n : value - 1;
  if (value == 0 || index < 0 || index >= n) {
    if (n == 0) raise_error(L, "%s: nothing to index for %s, the size is 0", fn, name);
    raise_error(L, "%s: expected 1..%lld (or from the end, -1..-%lld) for %s, got %s", fn,
                (long long)n, (long long)n, name, got(L, i, text));
  }
  return index;
}

bool opt_boolean(lua_State *L, int i, const char *fn, const char *name, bool otherwise) {
  char text[GOT_TEXT];
  if (lua_isnoneornil(L, i)) return otherwise;
  if (!lua_isboolean(L, i))
    raise_error(L, "%s: expected true or false for %s, got %s", fn, name, got(L, i, text));
  return lua_toboolean(L, i);
}

const char *check_text(lua_State *L, int i, const char *fn, const char *name, size_t *length) {
  char text[GOT_TEXT];
  if (lua_type(L, i) != LUA_TSTRING)
    raise_error(L, "%s: expected a string for %s, got %s", fn, name, got(L, i, text));
  return lua_tolstring(L, i, length);
}

cj_dtype opt_dtype(lua_State *L, int i, const char *fn) {
  char text[GOT_TEXT];
  cj_dtype dtype = CJ_F32;
  if (lua_isnoneornil(L, i)) return dtype;
  if (lua_type(L, i) != LUA_TSTRING || cj_dtype_parse(&dtype, lua_tostring(L, i)) != CJ_OK)
    raise_error(L,
                "%s: expected \"float32\", \"float64\", \"int64\" or \"uint8\" for dtype, got %s",
                fn, got(L, i, text));
  return dtype;
}

static int sizes_of_table(lua_State *L, int i, const char *fn, int64_t *size) {
  const size_t n = lua_objlen(L, i);
  if (n > CJ_MAX_DIMS)
    raise_error(L, "%s: expected at most %d sizes, got %d", fn, CJ_MAX_DIMS, (int)n);
  for (size_t d = 0; d < n; d++) {
    lua_rawgeti(L, i, (int)d + 1);
    size[d] = check_size(L, -1, fn, "a size");
    lua_pop(L, 1);
  }
  return (int)n;
}

int check_sizes(lua_State *L, int i, const char *fn, int64_t size[CJ_MAX_DIMS]) {
  char text[GOT_TEXT];
  if (lua_istable(L, i)) return sizes_of_table(L, i, fn, size);
  if (lua_type(L, i) != LUA_TNUMBER)
    raise_error(L, "%s: expected a list of sizes, got %s", fn, got(L, i, text));
  const int n = lua_gettop(L) - i + 1;
  if (n > CJ_MAX_DIMS) raise_error(L, "%s: expected at most %d sizes, got %d", fn, CJ_MAX_DIMS, n);
  for (int d = 0; d < n; d++) size[d] = check_size(L, i + d, fn, "a size");
  return n;
}

double field_number(lua_State *L, int i, const char *fn, const char *name) {
  lua_getfield(L, i, name);
  const double value = check_number(L, -1, fn, name);
  lua_pop(L, 1);
  return value;
}

int64_t field_integer(lua_State *L, int i, const char *fn, const char *name, int64_t low,
                      int64_t high) {
  lua_getfield(L, i, name);
  const int64_t value = check_integer(L, -1, fn, name, low, high);
  lua_pop(L, 1);
  return value;
}

void set_number(lua_State *L, const char *name, double value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}
