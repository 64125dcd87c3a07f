/* io.c -- files for Lua, and the batches of data sets. What goes wrong outside (missing, damaged,
 * unwritable files) is given back as nil and a message; wrong calls raise. */
#include "lua/binding.h"

#include <string.h>

#include "core/random.h"
#include "io/augment.h"
#include "io/cifar.h"
#include "io/file.h"
#include "io/idx.h"
#include "io/npy.h"
#include "io/npz.h"
#include "io/png.h"
#include "io/safetensors.h"

static const char *check_path(lua_State *L, int i, const char *fn) {
  size_t length;
  const char *path = check_text(L, i, fn, "path", &length);
  if (length == 0 || strlen(path) != length)
    raise_error(L, "%s: expected a file name without zero bytes for path", fn);
  return path;
}

/* CJ_OK: the `count` values on top of the stack are the results; CJ_EIO: nil and the message. */
static int results(lua_State *L, cj_status status, int count) {
  if (status != CJ_EIO) {
    check_status(L, status);
    return count;
  }
  lua_pushnil(L);
  lua_pushstring(L, cj_errmsg());
  return 2;
}

static int done(lua_State *L, cj_status status) {
  lua_pushboolean(L, 1);
  return results(L, status, 1);
}

static int read_result(lua_State *L, cj_status status, const cj_tensor *t) {
  if (status == CJ_OK) tell_gc(L, t->storage->bytes);
  return results(L, status, 1);
}

/* read_idx(path, ndim or nil) -> uint8 tensor */
static int l_read_idx(lua_State *L) {
  const char *path = check_path(L, 1, "read_idx");
  const int ndim =
      lua_isnoneornil(L, 2) ? 0 : (int)check_integer(L, 2, "read_idx", "ndim", 1, CJ_MAX_DIMS);
  cj_status status;
  cj_tensor *t = push_tensor(L);
  RETRY(L, status, cj_idx_read(t, path, ndim));
  return read_result(L, status, t);
}

/* read_cifar(path) -> uint8 [N, 3, 32, 32], int64 [N] */
static int l_read_cifar(lua_State *L) {
  const char *path = check_path(L, 1, "read_cifar");
  cj_status status;
  cj_tensor *images = push_tensor(L), *labels = push_tensor(L);
  RETRY(L, status, cj_cifar_read(images, labels, path));
  if (status == CJ_OK) tell_gc(L, images->storage->bytes);
  return results(L, status, 2);
}

/* read_png(path) -> uint8 [C, H, W] */
static int l_read_png(lua_State *L) {
  const char *path = check_path(L, 1, "read_png");
  cj_status status;
  cj_tensor *t = push_tensor(L);
  RETRY(L, status, cj_png_read(t, path));
  return read_result(L, status, t);
}

/* read_npy(path) -> tensor */
static int l_read_npy(lua_State *L) {
  const char *path = check_path(L, 1, "read_npy");
  cj_status status;
  cj_tensor *t = push_tensor(L);
  RETRY(L, status, cj_npy_read(t, path));
  return read_result(L, status, t);
}

typedef cj_status (*write_function)(const char *path, const cj_tensor *t);

/* write_...(path, tensor) -> true */
static int write_tensor(lua_State *L, const char *fn, write_function f) {
  const char *path = check_path(L, 1, fn);
  const cj_tensor *t = check_tensor(L, 2, fn, "tensor");
  check_look(L, t);
  cj_status status;
  RETRY(L, status, f(path, t));
  return done(L, status);
}

static int l_write_idx(lua_State *L) {
  return write_tensor(L, "write_idx", cj_idx_write);
}

static int l_write_png(lua_State *L) {
  return write_tensor(L, "write_png", cj_png_write);
}

/* encode_png(tensor) -> uint8 [N] */
static int l_encode_png(lua_State *L) {
  const cj_tensor *t = check_tensor(L, 1, "encode_png", "tensor");
  check_look(L, t);
  cj_status status;
  cj_tensor *bytes = push_tensor(L);
  RETRY(L, status, cj_png_encode(bytes, t));
  return read_result(L, status, bytes);
}

static int l_write_npy(lua_State *L) {
  return write_tensor(L, "write_npy", cj_npy_write);
}

/* --- safetensors ----------------------------------------------------------------------------- */

static const char archive_key = 0; /* registry key of the metatable */

static int l_archive_gc(lua_State *L) {
  cj_archive_drop(lua_touserdata(L, 1));
  return 0;
}

static cj_archive *push_archive(lua_State *L) {
  cj_archive *a = lua_newuserdata(L, sizeof *a);
  memset(a, 0, sizeof *a);
  lua_pushlightuserdata(L, (void *)&archive_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  lua_setmetatable(L, -2);
  return a;
}

static void open_archive(lua_State *L) {
  lua_pushlightuserdata(L, (void *)&archive_key);
  lua_newtable(L);
  lua_pushcfunction(L, l_archive_gc);
  lua_setfield(L, -2, "__gc");
  lua_rawset(L, LUA_REGISTRYINDEX);
}

/* Hands the tensors over to Lua: a list of names and a list of tensors. */
static void push_tensors(lua_State *L, cj_archive *a) {
  const int count = (int)cj_archive_count(a);
  size_t bytes = 0;
  lua_createtable(L, count, 0);
  lua_createtable(L, count, 0);
  for (int i = 0; i < count; i++) {
    cj_named *named = &cj_archive_tensors(a)[i];
    lua_pushlstring(L, named->name.text, named->name.size);
    lua_rawseti(L, -3, i + 1);
    cj_tensor *t = push_tensor(L);
    *t = named->tensor;
    memset(&named->tensor, 0, sizeof named->tensor);
    bytes += t->storage->bytes;
    lua_rawseti(L, -2, i + 1);
  }
  tell_gc(L, bytes);
}

static void push_metadata(lua_State *L, const cj_archive *a) {
  lua_newtable(L);
  for (size_t i = 0; i < cj_archive_pair_count(a); i++) {
    const cj_pair *pair = &cj_archive_pairs(a)[i];
    lua_pushlstring(L, pair->key.text, pair->key.size);
    lua_pushlstring(L, pair->value.text, pair->value.size);
    lua_rawset(L, -3);
  }
}

/* read_safetensors(path) -> names, tensors, metadata */
static int l_read_safetensors(lua_State *L) {
  const char *path = check_path(L, 1, "load_tensors");
  cj_status status;
  cj_archive *a = push_archive(L);
  RETRY(L, status, cj_safetensors_read(a, path));
  if (status != CJ_OK) return results(L, status, 0);
  push_tensors(L, a);
  push_metadata(L, a);
  cj_archive_drop(a);
  return 3;
}

/* read_npz(path) -> names, tensors */
static int l_read_npz(lua_State *L) {
  const char *path = check_path(L, 1, "read_npz");
  cj_status status;
  cj_archive *a = push_archive(L);
  RETRY(L, status, cj_npz_read(a, path));
  if (status != CJ_OK) return results(L, status, 0);
  push_tensors(L, a);
  cj_archive_drop(a);
  return 2;
}

/* The string at place i of the list at stack index `list`; it stays alive as long as the list. */
static cj_string string_of(lua_State *L, const char *fn, int list, int i, const char *what) {
  char text[GOT_TEXT];
  cj_string s = {NULL, 0};
  lua_rawgeti(L, list, i);
  if (lua_type(L, -1) != LUA_TSTRING)
    raise_error(L, "%s: expected a string for %s, got %s", fn, what, got(L, -1, text));
  s.text = lua_tolstring(L, -1, &s.size);
  lua_pop(L, 1);
  return s;
}

/* Tensors of the list are borrowed: the list keeps them. */
static cj_named *check_named(lua_State *L, const char *fn, int names, int tensors, size_t count) {
  cj_named *named = lua_newuserdata(L, (count + 1) * sizeof *named);
  for (size_t i = 0; i < count; i++) {
    named[i].name = string_of(L, fn, names, (int)i + 1, "a tensor's name");
    lua_rawgeti(L, tensors, (int)i + 1);
    named[i].tensor = *check_tensor(L, -1, fn, named[i].name.text);
    check_look(L, &named[i].tensor);
    lua_pop(L, 1);
  }
  return named;
}

/* write_safetensors(path, names, tensors, keys, texts) -> true */
static int l_write_safetensors(lua_State *L) {
  const char *path = check_path(L, 1, "save_tensors");
  for (int i = 2; i <= 5; i++) luaL_checktype(L, i, LUA_TTABLE);
  lua_settop(L, 5);
  const size_t count = lua_objlen(L, 2), pairs = lua_objlen(L, 4);
  const cj_named *named = check_named(L, "save_tensors", 2, 3, count);
  cj_pair *pair = lua_newuserdata(L, (pairs + 1) * sizeof *pair);
  for (size_t i = 0; i < pairs; i++) {
    pair[i].key = string_of(L, "save_tensors", 4, (int)i + 1, "a metadata key");
    pair[i].value = string_of(L, "save_tensors", 5, (int)i + 1, "a metadata text");
  }
  cj_status status;
  RETRY(L, status, cj_safetensors_write(path, named, count, pair, pairs));
  return done(L, status);
}

/* write_npz(path, names, tensors) -> true */
static int l_write_npz(lua_State *L) {
  const char *path = check_path(L, 1, "write_npz");
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checktype(L, 3, LUA_TTABLE);
  const size_t count = lua_objlen(L, 2);
  const cj_named *named = check_named(L, "write_npz", 2, 3, count);
  cj_status status;
  RETRY(L, status, cj_npz_write(path, named, count));
  return done(L, status);
}

/* --- plain files ----------------------------------------------------------------------------- */

/* write_file(path, bytes) -> true: written under a temporary name, synced, renamed */
static int l_write_file(lua_State *L) {
  const char *path = check_path(L, 1, "write_file");
  cj_piece piece;
  piece.bytes = check_text(L, 2, "write_file", "bytes", &piece.size);
  cj_status status;
  RETRY(L, status, cj_file_write(path, &piece, 1));
  return done(L, status);
}

/* make_folder(path) -> true, with those above it */
static int l_make_folder(lua_State *L) {
  const char *path = check_path(L, 1, "make_folder");
  cj_status status;
  RETRY(L, status, cj_folder_make(path));
  return done(L, status);
}

/* --- batches --------------------------------------------------------------------------------- */

/* Pushes 0-based indices: those of the int64 tensor at i (1-based), or the count at i + 1 from the
 * number at i on. */
static const cj_tensor *push_indices(lua_State *L, int i) {
  if (lua_type(L, i) == LUA_TNUMBER) {
    const int64_t from = check_integer(L, i, "batch", "from", 1, INT64_C(1) << 53);
    const int64_t count = check_size(L, i + 1, "batch", "count");
    cj_tensor *t = push_new(L, CJ_I64, 1, &count);
    for (int64_t k = 0; k < count; k++) ((int64_t *)t->data)[k] = from - 1 + k;
    return t;
  }
  char text[GOT_TEXT];
  const cj_tensor *given = check_tensor(L, i, "batch", "indices");
  if (given->dtype != CJ_I64 || given->ndim != 1)
    raise_error(L, "batch: expected an int64 tensor [B] for indices, got %s", got(L, i, text));
  cj_tensor *t = push_new(L, CJ_I64, 1, given->size);
  for (int64_t k = 0; k < given->size[0]; k++)
    ((int64_t *)t->data)[k] = ((const int64_t *)given->data)[k * given->stride[0]] - 1;
  return t;
}

/* batch(images, labels, indices | from, count) -> float32 [B, C, H, W], int64 [B] */
static int l_batch(lua_State *L) {
  const cj_tensor *images = check_tensor(L, 1, "batch", "images");
  check_look(L, images);
  const cj_tensor *labels = check_tensor(L, 2, "batch", "labels");
  const cj_tensor *indices = push_indices(L, 3);
  cj_status status;
  cj_tensor *x = push_tensor(L), *y = push_tensor(L);
  RETRY(L, status, cj_images_gather(x, images, indices));
  check_status(L, status);
  RETRY(L, status, cj_labels_gather(y, labels, indices));
  check_status(L, status);
  tell_gc(L, x->storage->bytes);
  return 2;
}

/* order(n, seed or nil, epoch) -> int64 [n]: 1..n, in the epoch's order when there is a seed */
static int l_order(lua_State *L) {
  const int64_t n = check_size(L, 1, "batches", "the size of the set");
  const bool plain = lua_isnoneornil(L, 2);
  const int64_t seed = plain ? 0 : check_integer(L, 2, "batches", "shuffle", 0, INT64_C(1) << 53);
  const int64_t epoch = check_integer(L, 3, "batches", "epoch", 0, (1 << 24) - 1);
  const cj_stream s = cj_stream_open((uint64_t)seed, "shuffle", (uint64_t)epoch);
  cj_tensor *t = push_new(L, CJ_I64, 1, &n);
  int64_t *p = t->data;
  for (int64_t i = 0; i < n; i++) p[i] = i;
  if (!plain) check_status(L, cj_random_permutation(t, &s));
  for (int64_t i = 0; i < n; i++) p[i]++;
  return 1;
}

static double check_part(lua_State *L, const char *name, double low, double high) {
  lua_getfield(L, 2, name);
  const double value = lua_isnil(L, -1) ? 0 : check_number(L, -1, "augment", name);
  if (!(value >= low && value <= high))
    raise_error(L, "augment: expected a number from %.14g to %.14g for %s, got %.14g", low, high,
                name, value);
  lua_pop(L, 1);
  return value;
}

/* moves(indices, { shift, zoom, rotation, crop, flip }, height, width, seed, epoch)
 * -> float32 [B, 2, 3] for affine_sample */
static int l_moves(lua_State *L) {
  luaL_checktype(L, 2, LUA_TTABLE);
  const cj_moves moves = {check_part(L, "shift", 0, 1), check_part(L, "zoom", 0, 0.9),
                          check_part(L, "rotation", 0, 180), check_part(L, "crop", 0, 1024),
                          check_part(L, "flip", 0, 1)};
  const int64_t height = check_size(L, 3, "augment", "height");
  const int64_t width = check_size(L, 4, "augment", "width");
  const int64_t seed = check_integer(L, 5, "augment", "seed", 0, INT64_C(1) << 53);
  const int64_t epoch = check_integer(L, 6, "augment", "epoch", 0, (1 << 24) - 1);
  const cj_tensor *indices = push_indices(L, 1);
  cj_status status;
  cj_tensor *t = push_tensor(L);
  RETRY(L, status,
        cj_moves_draw(t, indices, &moves, height, width, (uint64_t)seed, (uint64_t)epoch));
  check_status(L, status);
  return 1;
}

static const luaL_Reg functions[] = {{"read_idx", l_read_idx},
                                     {"write_idx", l_write_idx},
                                     {"read_cifar", l_read_cifar},
                                     {"read_png", l_read_png},
                                     {"write_png", l_write_png},
                                     {"encode_png", l_encode_png},
                                     {"read_npy", l_read_npy},
                                     {"write_npy", l_write_npy},
                                     {"read_npz", l_read_npz},
                                     {"write_npz", l_write_npz},
                                     {"read_safetensors", l_read_safetensors},
                                     {"write_safetensors", l_write_safetensors},
                                     {"batch", l_batch},
                                     {"order", l_order},
                                     {"moves", l_moves},
                                     {NULL, NULL}};
static const luaL_Reg file_functions[] = {
    {"write_file", l_write_file}, {"make_folder", l_make_folder}, {NULL, NULL}};

/* core.io holds the formats and batches, core itself the plain files. */
void open_io(lua_State *L) {
  open_archive(L);
  set_functions(L, file_functions);
  lua_newtable(L);
  set_functions(L, functions);
  lua_setfield(L, -2, "io");
}
