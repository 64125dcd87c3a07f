/* test_io.c -- every parser against whole, cut, changed and starved inputs.
 *
 * Each format brings one small valid file and a function that parses bytes. The file must parse;
 * none of its beginnings may; changed bytes must not crash; an allocation that fails at any place
 * must be reported; and after all of it native memory is where it was. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "core/memory.h"
#include "core/random.h"
#include "io/bytes.h"
#include "io/cifar.h"
#include "io/file.h"
#include "io/idx.h"
#include "io/npy.h"
#include "io/npz.h"
#include "io/png.h"
#include "io/safetensors.h"

typedef cj_status (*parse)(cj_reader *r);

static cj_status parse_idx(cj_reader *r) {
  cj_tensor t = {0};
  const cj_status status = cj_idx_parse(&t, r, 0);
  if (status != CJ_OK) CHECK(t.storage == NULL);
  cj_tensor_drop(&t);
  return status;
}

static cj_status parse_cifar(cj_reader *r) {
  cj_tensor images = {0}, labels = {0};
  const cj_status status = cj_cifar_parse(&images, &labels, r);
  if (status != CJ_OK) CHECK(images.storage == NULL && labels.storage == NULL);
  cj_tensor_drop(&images);
  cj_tensor_drop(&labels);
  return status;
}

static cj_status parse_png(cj_reader *r) {
  cj_tensor t = {0};
  const cj_status status = cj_png_parse(&t, r);
  if (status != CJ_OK) CHECK(t.storage == NULL);
  cj_tensor_drop(&t);
  return status;
}

static cj_status parse_npy(cj_reader *r) {
  cj_tensor t = {0};
  const cj_status status = cj_npy_parse(&t, r);
  if (status != CJ_OK) CHECK(t.storage == NULL);
  cj_tensor_drop(&t);
  return status;
}

static cj_status parse_safetensors(cj_reader *r) {
  cj_archive a = {0};
  const cj_status status = cj_safetensors_parse(&a, r);
  if (status != CJ_OK) CHECK(a.tensors.data == NULL && a.texts.data == NULL);
  cj_archive_drop(&a);
  return status;
}

static cj_status parse_npz(cj_reader *r) {
  cj_archive a = {0};
  const cj_status status = cj_npz_parse(&a, r);
  if (status != CJ_OK) CHECK(a.tensors.data == NULL && a.texts.data == NULL);
  cj_archive_drop(&a);
  return status;
}

static cj_status try_bytes(parse f, const void *bytes, size_t size) {
  cj_reader r;
  /* A copy of its own size, so that the sanitizers see a step past the end. */
  uint8_t *copy = malloc(size + (size == 0));
  if (size > 0) memcpy(copy, bytes, size);
  cj_status status = cj_reader_open_memory(&r, "test", copy, size, CJ_MAYBE_GZIP);
  if (status == CJ_OK) {
    status = f(&r);
    cj_reader_close(&r);
  }
  free(copy);
  return status;
}

static void check_prefixes(parse f, const cj_bytes *b) {
  for (size_t n = 0; n < b->size; n++) {
    CHECK(try_bytes(f, b->data, n) == CJ_EIO);
    if (check_failures) return;
  }
}

static void check_changes(parse f, const cj_bytes *b) {
  const cj_stream s = cj_stream_open(1, "test", 0);
  uint8_t *copy = malloc(b->size);
  for (uint64_t i = 0; i < 3000; i++) {
    memcpy(copy, b->data, b->size);
    const uint64_t changes = 1 + cj_stream_below(&s, 8 * i, 3);
    for (uint64_t k = 1; k <= changes; k++) {
      const uint64_t at = cj_stream_below(&s, 8 * i + 2 * k, b->size);
      copy[at] = (uint8_t)cj_stream_below(&s, 8 * i + 2 * k + 1, 256);
    }
    const cj_status status = try_bytes(f, copy, b->size);
    CHECK(status == CJ_OK || status == CJ_EIO);
  }
  free(copy);
}

static void check_starved(parse f, const cj_bytes *b) {
  const size_t before = cj_memory_used();
  for (int64_t n = 0; n < 1000; n++) {
    cj_memory_fail_after(n);
    const cj_status status = try_bytes(f, b->data, b->size);
    cj_memory_fail_after(-1);
    CHECK(status == CJ_OK || status == CJ_EMEM);
    CHECK(cj_memory_used() == before);
    if (status == CJ_OK) return;
  }
  CHECK(!"still no success");
}

static void check_format(parse f, const cj_bytes *b) {
  const size_t before = cj_memory_used();
  CHECK(try_bytes(f, b->data, b->size) == CJ_OK);
  check_prefixes(f, b);
  check_changes(f, b);
  check_starved(f, b);
  CHECK(cj_memory_used() == before);
}

/* The same, gzip-compressed. */
static void check_packed(parse f, const cj_bytes *b) {
  cj_bytes packed = {0};
  CHECK(cj_bytes_gzip(&packed, b->data, b->size) == CJ_OK);
  check_format(f, &packed);
  const size_t once = packed.size;
  CHECK(cj_bytes_add(&packed, "x", 1) == CJ_OK);
  CHECK(try_bytes(f, packed.data, packed.size) == CJ_EIO);
  packed.size = once;
  cj_bytes_drop(&packed);
}

static char folder[] = "/tmp/conjugate-test-XXXXXX";

static const char *path_of(const char *name) {
  static char path[200];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

/* The bytes of a file, which is then removed. */
static cj_bytes swallow(const char *name) {
  cj_bytes b = {0};
  cj_reader r;
  CHECK(cj_reader_open(&r, path_of(name), CJ_PLAIN) == CJ_OK);
  CHECK(cj_bytes_read(&b, &r, 1 << 20) == CJ_OK);
  cj_reader_close(&r);
  CHECK(unlink(path_of(name)) == 0);
  return b;
}

static cj_tensor counted(cj_dtype dtype, int ndim, const int64_t *size) {
  cj_tensor t = {0};
  CHECK(cj_tensor_new(&t, dtype, ndim, size) == CJ_OK);
  for (size_t i = 0; i < (size_t)cj_numel(&t) * cj_dtype_bytes(dtype); i++)
    ((uint8_t *)t.data)[i] = (uint8_t)(i % 60);
  return t;
}

static void test_idx(void) {
  cj_tensor t = counted(CJ_U8, 3, (int64_t[]){2, 3, 4});
  CHECK(cj_idx_write(path_of("a.idx"), &t) == CJ_OK);
  cj_bytes b = swallow("a.idx");
  CHECK(b.size == 4 + 3 * 4 + 24);
  check_format(parse_idx, &b);
  check_packed(parse_idx, &b);
  cj_bytes_drop(&b);
  cj_tensor_drop(&t);
}

static void test_cifar(void) {
  cj_tensor t = counted(CJ_U8, 1, (int64_t[]){2 * CJ_CIFAR_RECORD});
  ((uint8_t *)t.data)[0] = 9;
  ((uint8_t *)t.data)[CJ_CIFAR_RECORD] = 0;
  uint8_t *bytes = t.data;
  CHECK(try_bytes(parse_cifar, bytes, 2 * CJ_CIFAR_RECORD) == CJ_OK);
  CHECK(try_bytes(parse_cifar, bytes, CJ_CIFAR_RECORD) == CJ_OK);
  CHECK(try_bytes(parse_cifar, bytes, CJ_CIFAR_RECORD + 1) == CJ_EIO);
  CHECK(try_bytes(parse_cifar, bytes, CJ_CIFAR_RECORD - 1) == CJ_EIO);
  CHECK(try_bytes(parse_cifar, bytes, 0) == CJ_EIO);
  bytes[CJ_CIFAR_RECORD] = 10;
  CHECK(try_bytes(parse_cifar, bytes, 2 * CJ_CIFAR_RECORD) == CJ_EIO);
  CHECK(strcmp(cj_errmsg(), "test: label of record 2: expected 0 to 9, found 10") == 0);
  cj_bytes one = {bytes, CJ_CIFAR_RECORD, CJ_CIFAR_RECORD};
  check_starved(parse_cifar, &one);
  check_packed(parse_cifar, &one);
  cj_tensor_drop(&t);
}

static void test_png(void) {
  for (int64_t channels = 1; channels <= 3; channels += 2) {
    cj_tensor t = counted(CJ_U8, 3, (int64_t[]){channels, 5, 7});
    CHECK(cj_png_write(path_of("a.png"), &t) == CJ_OK);
    cj_bytes b = swallow("a.png");
    check_format(parse_png, &b);
    cj_tensor encoded = {0};
    CHECK(cj_png_encode(&encoded, &t) == CJ_OK);
    CHECK(cj_numel(&encoded) == (int64_t)b.size && memcmp(encoded.data, b.data, b.size) == 0);
    cj_tensor_drop(&encoded);
    cj_bytes_drop(&b);
    cj_tensor_drop(&t);
  }
}

static void test_npy(void) {
  cj_tensor t = counted(CJ_F64, 2, (int64_t[]){3, 4});
  CHECK(cj_npy_write(path_of("a.npy"), &t) == CJ_OK);
  cj_bytes b = swallow("a.npy");
  CHECK(b.size % 32 == 0);
  check_format(parse_npy, &b);
  cj_bytes_drop(&b);
  cj_tensor_drop(&t);
}

static void test_safetensors(void) {
  cj_named named[3] = {{{"byte \"s\"", 8}, counted(CJ_U8, 1, (int64_t[]){3})},
                       {{"weight", 6}, counted(CJ_F32, 2, (int64_t[]){2, 3})},
                       {{"none", 4}, counted(CJ_I64, 2, (int64_t[]){0, 3})}};
  const cj_pair pair = {{"k\n", 2}, {"\xc3\xa9", 2}};
  CHECK(cj_safetensors_write(path_of("a"), named, 3, &pair, 1) == CJ_OK);
  cj_bytes b = swallow("a");
  CHECK(b.size % 8 == 3); /* header and floats are multiples of 8, then three bytes */
  check_format(parse_safetensors, &b);
  cj_bytes_drop(&b);
  named[2].name = named[0].name;
  CHECK(cj_safetensors_write(path_of("a"), named, 3, &pair, 1) == CJ_EARG);
  CHECK(access(path_of("a"), F_OK) != 0);
  for (int i = 0; i < 3; i++) cj_tensor_drop(&named[i].tensor);
}

static void test_npz(void) {
  cj_named named[2] = {{{"a", 1}, counted(CJ_U8, 1, (int64_t[]){3})},
                       {{"b/c", 3}, counted(CJ_F32, 2, (int64_t[]){2, 3})}};
  CHECK(cj_npz_write(path_of("a"), named, 2) == CJ_OK);
  cj_bytes b = swallow("a");
  check_format(parse_npz, &b);
  cj_bytes_drop(&b);
  CHECK(cj_npz_write(path_of("a"), named, 0) == CJ_OK);
  b = swallow("a");
  CHECK(b.size == 22 && try_bytes(parse_npz, b.data, b.size) == CJ_OK);
  cj_bytes_drop(&b);
  named[1].name = named[0].name;
  CHECK(cj_npz_write(path_of("a"), named, 2) == CJ_EARG);
  for (int i = 0; i < 2; i++) cj_tensor_drop(&named[i].tensor);
}

/* Writers report each failing allocation, and leave neither memory nor files behind. */
static void test_starved_writers(void) {
  cj_tensor t = counted(CJ_U8, 2, (int64_t[]){4, 5});
  const cj_named named = {{"t", 1}, t};
  const size_t before = cj_memory_used();
  int passed = 0;
  for (int64_t n = 0; n < 300 && passed < 7; n++) {
    cj_tensor encoded = {0};
    cj_memory_fail_after(n);
    const cj_status status[] = {cj_idx_write(path_of("a"), &t),
                                cj_idx_write(path_of("a.gz"), &t),
                                cj_png_write(path_of("a.png"), &t),
                                cj_npy_write(path_of("a.npy"), &t),
                                cj_safetensors_write(path_of("a.s"), &named, 1, NULL, 0),
                                cj_npz_write(path_of("a.npz"), &named, 1),
                                cj_png_encode(&encoded, &t)};
    cj_memory_fail_after(-1);
    cj_tensor_drop(&encoded);
    passed = 0;
    for (int i = 0; i < 7; i++) {
      CHECK(status[i] == CJ_OK || status[i] == CJ_EMEM);
      passed += status[i] == CJ_OK;
    }
    CHECK(cj_memory_used() == before);
  }
  CHECK(passed == 7);
  static const char *const names[] = {"a", "a.gz", "a.png", "a.npy", "a.s", "a.npz"};
  for (int i = 0; i < 6; i++) unlink(path_of(names[i]));
  cj_tensor_drop(&t);
}

static void test_files(void) {
  const cj_piece pieces[] = {{"ab", 2}, {"", 0}, {"c", 1}};
  CHECK(cj_folder_make(path_of("x/y/z")) == CJ_OK);
  CHECK(cj_folder_make(path_of("x/y/z/")) == CJ_OK);
  CHECK(cj_file_write(path_of("x/y/f"), pieces, 3) == CJ_OK);
  CHECK(cj_file_write(path_of("x/y/f"), pieces, 3) == CJ_OK);
  CHECK(cj_folder_make(path_of("x/y/f")) == CJ_EIO);
  CHECK(cj_file_write(path_of("x/none/f"), pieces, 3) == CJ_EIO);
  CHECK(cj_file_write(path_of("x/y/z"), pieces, 3) == CJ_EIO); /* a folder is in the way */
  cj_bytes b = swallow("x/y/f");
  CHECK(b.size == 3 && memcmp(b.data, "abc", 3) == 0);
  cj_bytes_drop(&b);
  cj_reader r;
  CHECK(cj_reader_open(&r, path_of("x"), CJ_PLAIN) == CJ_EIO);
  CHECK(cj_reader_open(&r, path_of("none"), CJ_PLAIN) == CJ_EIO);
  CHECK(mkfifo(path_of("pipe"), 0600) == 0);
  CHECK(cj_reader_open(&r, path_of("pipe"), CJ_PLAIN) == CJ_EIO);
  unlink(path_of("pipe"));
  /* Nothing temporary may be left: the folders are empty. */
  CHECK(rmdir(path_of("x/y/z")) == 0 && rmdir(path_of("x/y")) == 0 && rmdir(path_of("x")) == 0);
}

int main(void) {
  if (!mkdtemp(folder)) return 2;
  const int descriptor = dup(0);
  close(descriptor);
  test_idx();
  test_cifar();
  test_png();
  test_npy();
  test_safetensors();
  test_npz();
  test_starved_writers();
  test_files();
  CHECK(rmdir(folder) == 0);
  const int after = dup(0);
  CHECK(after == descriptor); /* no file was left open */
  close(after);
  CHECK_DONE();
}
