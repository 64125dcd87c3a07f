/* bytes.c -- growing by half, so that n additions copy O(n) bytes. */
#include "io/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"

cj_status cj_bytes_reserve(cj_bytes *b, size_t more) {
  if (more <= b->capacity - b->size) return CJ_OK;
  if (more > SIZE_MAX / 2 - b->size) return cj_fail(CJ_EMEM, "no memory for %zu bytes", more);
  size_t capacity = b->capacity + b->capacity / 2;
  if (capacity < b->size + more) capacity = b->size + more;
  if (capacity < 64) capacity = 64;
  uint8_t *data = cj_alloc(capacity);
  if (!data) return cj_fail(CJ_EMEM, "no memory for %zu bytes", capacity);
  if (b->size > 0) memcpy(data, b->data, b->size);
  cj_free(b->data);
  b->data = data;
  b->capacity = capacity;
  return CJ_OK;
}

cj_status cj_bytes_add(cj_bytes *b, const void *bytes, size_t size) {
  CJ_TRY(cj_bytes_reserve(b, size));
  if (size > 0) memcpy(b->data + b->size, bytes, size);
  b->size += size;
  return CJ_OK;
}

cj_status cj_bytes_text(cj_bytes *b, const char *text) {
  return cj_bytes_add(b, text, strlen(text));
}

cj_status cj_bytes_format(cj_bytes *b, const char *format, ...) {
  char text[512];
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof text, format, values);
  va_end(values);
  return cj_bytes_text(b, text);
}

void cj_bytes_drop(cj_bytes *b) {
  cj_free(b->data);
  memset(b, 0, sizeof *b);
}

cj_status cj_bytes_read(cj_bytes *b, cj_reader *r, size_t limit) {
  enum { STEP = 1 << 20 };
  const size_t start = b->size;
  for (;;) {
    size_t got = 0;
    /* A plain file's size is known: one block of that size, and a byte to see its end. */
    const uint64_t rest = r->most - (r->at < r->most ? r->at : r->most) + 1;
    CJ_TRY(cj_bytes_reserve(b, rest < STEP || (!r->gzip && rest < limit) ? (size_t)rest : STEP));
    const size_t room = b->capacity - b->size;
    CJ_TRY(cj_reader_some(r, b->data + b->size, room, &got));
    b->size += got;
    if (b->size - start > limit)
      return cj_fail(CJ_EIO, "%s: length: expected at most %zu bytes, found more", r->name, limit);
    if (got < room) return CJ_OK;
  }
}

static voidpf zlib_alloc(voidpf context, uInt items, uInt size) {
  (void)context;
  return cj_alloc((size_t)items * size);
}

static void zlib_free(voidpf context, voidpf block) {
  (void)context;
  cj_free(block);
}

/* Runs a prepared deflate stream over all bytes. */
static cj_status deflate_all(cj_bytes *b, z_stream *z, const uint8_t *bytes, size_t size) {
  enum { ROOM = 1 << 16, MOST = 1 << 30 };
  int code = Z_OK;
  z->next_in = (z_const Bytef *)(uintptr_t)bytes;
  while (code != Z_STREAM_END) {
    CJ_TRY(cj_bytes_reserve(b, ROOM));
    const uInt input = size > MOST ? MOST : (uInt)size;
    z->avail_in = input;
    z->next_out = b->data + b->size;
    z->avail_out = ROOM;
    code = deflate(z, size > MOST ? Z_NO_FLUSH : Z_FINISH);
    size -= input - z->avail_in;
    b->size += ROOM - z->avail_out;
    if (code == Z_STREAM_ERROR) return cj_fail(CJ_EIO, "compressing failed");
  }
  return CJ_OK;
}

cj_status cj_bytes_gzip(cj_bytes *b, const void *bytes, size_t size) {
  enum { LEVEL = 9, WINDOW = 31, MEMORY = 8 };
  z_stream z;
  memset(&z, 0, sizeof z);
  z.zalloc = zlib_alloc;
  z.zfree = zlib_free;
  if (deflateInit2(&z, LEVEL, Z_DEFLATED, WINDOW, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
    return cj_fail(CJ_EMEM, "no memory to compress");
  const cj_status status = deflate_all(b, &z, bytes, size);
  deflateEnd(&z);
  return status;
}
