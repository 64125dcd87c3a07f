/* reader.c -- plain and gzip input through one small interface.
 *
 * gzip: RFC 1952, any number of members one after the other; zlib checks each member's sum and
 * length. Nothing but a further member may follow a member. */
#include "io/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/memory.h"
#include "core/threads.h"

enum {
  BLOCK = 1 << 16,
  RATIO = 1032,    /* deflate never expands a byte to more than this many */
  SHOWN = 200,     /* characters of a path that a message shows */
  GZIP_WINDOW = 31 /* zlib: 15 bits of window, gzip wrapping */
};

static voidpf zlib_alloc(voidpf context, uInt items, uInt size) {
  (void)context;
  return cj_alloc((size_t)items * size);
}

static void zlib_free(voidpf context, voidpf block) {
  (void)context;
  cj_free(block);
}

/* The end of a long path tells more than its beginning. */
static const char *shown(const char *path) {
  const size_t length = strlen(path);
  return length > SHOWN ? path + length - SHOWN : path;
}

/* Reads up to bytes from the descriptor; *got = 0 at the end. */
static cj_status read_some(const cj_reader *r, void *out, size_t bytes, size_t *got) {
  if (cj_stop_requested()) return cj_fail(CJ_ESTOP, "interrupted");
  ssize_t n;
  do {
    n = read(r->fd, out, bytes);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return cj_fail(CJ_EIO, "%s: reading failed: %s", r->name, strerror(errno));
  *got = (size_t)n;
  return CJ_OK;
}

/* Makes input available when none is left; left stays 0 at the end. */
static cj_status fill(cj_reader *r) {
  if (r->left > 0 || r->fd < 0) return CJ_OK;
  r->next = r->block;
  return read_some(r, r->block, BLOCK, &r->left);
}

static cj_status begin(cj_reader *r, uint64_t stored, cj_coding coding) {
  CJ_TRY(fill(r));
  r->gzip = coding == CJ_MAYBE_GZIP && r->left >= 2 && r->next[0] == 0x1f && r->next[1] == 0x8b;
  r->most = r->gzip ? stored * RATIO : stored;
  if (!r->gzip) return CJ_OK;
  r->z.zalloc = zlib_alloc;
  r->z.zfree = zlib_free;
  if (inflateInit2(&r->z, GZIP_WINDOW) != Z_OK) {
    r->gzip = false; /* nothing to end */
    return cj_fail(CJ_EMEM, "%s: no memory to decompress", r->name);
  }
  return CJ_OK;
}

static cj_status open_file(cj_reader *r, const char *path, uint64_t *stored) {
  struct stat about;
  /* Without O_NONBLOCK, opening a pipe would wait for a writer for ever. */
  r->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (r->fd < 0) return cj_fail(CJ_EIO, "%s: cannot open: %s", r->name, strerror(errno));
  if (fstat(r->fd, &about) != 0)
    return cj_fail(CJ_EIO, "%s: cannot examine: %s", r->name, strerror(errno));
  if (!S_ISREG(about.st_mode))
    return cj_fail(CJ_EIO, "%s: expected a regular file, found a folder or device", r->name);
  *stored = (uint64_t)about.st_size;
  r->block = cj_alloc(BLOCK);
  if (!r->block) return cj_fail(CJ_EMEM, "%s: no memory to read", r->name);
  return CJ_OK;
}

cj_status cj_reader_open(cj_reader *r, const char *path, cj_coding coding) {
  uint64_t stored = 0;
  memset(r, 0, sizeof *r);
  r->name = shown(path);
  cj_status status = open_file(r, path, &stored);
  if (status == CJ_OK) status = begin(r, stored, coding);
  if (status != CJ_OK) cj_reader_close(r);
  return status;
}

cj_status cj_reader_open_memory(cj_reader *r, const char *name, const void *bytes, size_t size,
                                cj_coding coding) {
  memset(r, 0, sizeof *r);
  r->name = shown(name);
  r->fd = -1;
  r->next = bytes;
  r->left = size;
  const cj_status status = begin(r, size, coding);
  if (status != CJ_OK) cj_reader_close(r);
  return status;
}

static cj_status plain_some(cj_reader *r, uint8_t *out, size_t bytes, size_t *got) {
  *got = 0;
  while (*got < bytes) {
    size_t n = bytes - *got;
    if (r->left == 0 && r->fd >= 0 && n >= BLOCK) { /* large reads go straight to their place */
      CJ_TRY(read_some(r, out + *got, n, &n));
    } else {
      CJ_TRY(fill(r));
      if (n > r->left) n = r->left;
      if (n > 0) memcpy(out + *got, r->next, n);
      r->next += n;
      r->left -= n;
    }
    if (n == 0) break;
    *got += n;
  }
  return CJ_OK;
}

static cj_status damaged(const cj_reader *r) {
  return cj_fail(CJ_EIO, "%s: the gzip data is damaged: %s", r->name,
                 r->z.msg ? r->z.msg : "it does not decode");
}

/* One call of inflate: *made bytes arrive in out. */
static cj_status inflate_step(cj_reader *r, uint8_t *out, size_t bytes, size_t *made) {
  enum { MOST = 1 << 30 };
  const uInt input = r->left > MOST ? MOST : (uInt)r->left;
  const uInt room = bytes > MOST ? MOST : (uInt)bytes;
  r->z.next_in = (z_const Bytef *)(uintptr_t)r->next;
  r->z.avail_in = input;
  r->z.next_out = out;
  r->z.avail_out = room;
  const int code = inflate(&r->z, Z_NO_FLUSH);
  r->next += input - r->z.avail_in;
  r->left -= input - r->z.avail_in;
  *made = room - r->z.avail_out;
  if (code == Z_MEM_ERROR) return cj_fail(CJ_EMEM, "%s: no memory to decompress", r->name);
  if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) return damaged(r);
  r->between = code == Z_STREAM_END;
  return CJ_OK;
}

static cj_status gzip_some(cj_reader *r, uint8_t *out, size_t bytes, size_t *got) {
  *got = 0;
  while (*got < bytes) {
    size_t made = 0;
    CJ_TRY(fill(r));
    if (r->left == 0 && r->between) break;
    if (r->left == 0)
      return cj_fail(CJ_EIO, "%s: the gzip data stops short after %llu decoded bytes", r->name,
                     (unsigned long long)(r->at + *got));
    if (r->between && inflateReset(&r->z) != Z_OK) return damaged(r);
    CJ_TRY(inflate_step(r, out + *got, bytes - *got, &made));
    *got += made;
  }
  return CJ_OK;
}

cj_status cj_reader_some(cj_reader *r, void *out, size_t bytes, size_t *got) {
  CJ_TRY(r->gzip ? gzip_some(r, out, bytes, got) : plain_some(r, out, bytes, got));
  r->at += *got;
  return CJ_OK;
}

cj_status cj_reader_exact(cj_reader *r, void *out, size_t bytes, const char *field) {
  size_t got = 0;
  CJ_TRY(cj_reader_some(r, out, bytes, &got));
  if (got < bytes)
    return cj_fail(CJ_EIO, "%s: %s: expected %llu bytes, found %llu before the end of the file",
                   r->name, field, (unsigned long long)bytes, (unsigned long long)got);
  return CJ_OK;
}

cj_status cj_reader_end(cj_reader *r) {
  uint8_t extra;
  size_t got = 0;
  const uint64_t at = r->at;
  CJ_TRY(cj_reader_some(r, &extra, 1, &got));
  if (got > 0)
    return cj_fail(CJ_EIO, "%s: length: expected %llu bytes, found more", r->name,
                   (unsigned long long)at);
  return CJ_OK;
}

cj_status cj_reader_expect(const cj_reader *r, uint64_t bytes, const char *field) {
  if (bytes <= r->most && r->at <= r->most - bytes) return CJ_OK;
  return cj_fail(CJ_EIO, "%s: %s: expected %llu bytes, the file can hold at most %llu", r->name,
                 field, (unsigned long long)bytes, (unsigned long long)(r->most - r->at));
}

/* The bytes that ndim sizes ask for, zero sizes left out of the product, so that no order of sizes
 * hides an overflow. */
static cj_status count_bytes(const cj_reader *r, cj_dtype dtype, int ndim, const int64_t *size,
                             uint64_t *bytes) {
  bool empty = false;
  *bytes = cj_dtype_bytes(dtype);
  for (int d = 0; d < ndim; d++) {
    if (size[d] == 0) {
      empty = true;
      continue;
    }
    if (*bytes > (uint64_t)(INT64_MAX / 16) / (uint64_t)size[d])
      return cj_fail(CJ_EIO, "%s: sizes: expected a product below 2^59 bytes, found more", r->name);
    *bytes *= (uint64_t)size[d];
  }
  if (empty) *bytes = 0;
  return CJ_OK;
}

cj_status cj_reader_tensor(cj_reader *r, cj_tensor *out, cj_dtype dtype, int ndim,
                           const int64_t *size) {
  uint64_t bytes = 0;
  CJ_TRY(count_bytes(r, dtype, ndim, size, &bytes));
  CJ_TRY(cj_reader_expect(r, bytes, "elements"));
  CJ_TRY(cj_tensor_new(out, dtype, ndim, size));
  const cj_status status = cj_reader_exact(r, out->data, (size_t)bytes, "elements");
  if (status != CJ_OK) cj_tensor_drop(out);
  return status;
}

void cj_reader_close(cj_reader *r) {
  if (r->gzip) inflateEnd(&r->z);
  cj_free(r->block);
  if (r->fd >= 0) close(r->fd);
  memset(r, 0, sizeof *r);
  r->fd = -1;
}
