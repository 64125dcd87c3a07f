/* bytes.h -- a block of bytes that grows, for contents built before they are written. */
#ifndef CJ_BYTES_H
#define CJ_BYTES_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "io/reader.h"

/* Owns data. A zero-filled one is empty and may always be dropped. */
typedef struct cj_bytes {
  uint8_t *data;
  size_t size;
  size_t capacity;
} cj_bytes;

/* Room for `more` further bytes; CJ_EMEM leaves b as it was. */
cj_status cj_bytes_reserve(cj_bytes *b, size_t more);
/* Adds bytes at the end. */
cj_status cj_bytes_add(cj_bytes *b, const void *bytes, size_t size);
/* Adds a text without its final zero; the second, formatted text of at most 500 characters. */
cj_status cj_bytes_text(cj_bytes *b, const char *text);
cj_status cj_bytes_format(cj_bytes *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void cj_bytes_drop(cj_bytes *b);

/* Adds all that is left of r; CJ_EIO when that is more than `limit` bytes. */
cj_status cj_bytes_read(cj_bytes *b, cj_reader *r, size_t limit);

/* Adds `size` bytes compressed as one gzip member without name or date: the same bytes give the
 * same result. */
cj_status cj_bytes_gzip(cj_bytes *b, const void *bytes, size_t size);

#endif
