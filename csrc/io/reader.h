/* reader.h -- the bytes of a file, plain or gzip-compressed, in order, every failure named.
 *
 * All parsers of csrc/io read through it. Messages begin with the file's name, then say which field
 * is wrong, what was expected and what was found. */
#ifndef CJ_READER_H
#define CJ_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include "core/tensor.h"

typedef struct cj_reader {
  const char *name; /* for messages; borrowed from the caller */
  uint64_t most;    /* no more than this many decoded bytes can come: a bound for allocations */
  uint64_t at;      /* decoded bytes given out so far */
  int fd;           /* -1: the input is in memory */
  bool gzip;
  bool between;        /* gzip: a member has ended and no other has begun */
  uint8_t *block;      /* owned input buffer; NULL when the input is in memory */
  const uint8_t *next; /* input not used yet */
  size_t left;
  z_stream z;
} cj_reader;

/* How the bytes of a file may be stored. */
typedef enum cj_coding { CJ_PLAIN, CJ_MAYBE_GZIP } cj_coding;

/* Opens a regular file. Its first bytes decide about gzip. CJ_EIO or CJ_EMEM leave r closed; path
 * must outlive r. Any thread, one reader each. */
cj_status cj_reader_open(cj_reader *r, const char *path, cj_coding coding);

/* The same over bytes in memory, which must outlive r. */
cj_status cj_reader_open_memory(cj_reader *r, const char *name, const void *bytes, size_t size,
                                cj_coding coding);

/* Up to `bytes` bytes into out; *got is less only at the end. */
cj_status cj_reader_some(cj_reader *r, void *out, size_t bytes, size_t *got);

/* Exactly `bytes` bytes into out, or CJ_EIO that names `field`. */
cj_status cj_reader_exact(cj_reader *r, void *out, size_t bytes, const char *field);

/* CJ_EIO unless all input is used; for gzip this also checks the final sum. */
cj_status cj_reader_end(cj_reader *r);

/* CJ_EIO when `bytes` more bytes cannot come, whatever the rest of the file holds: asked before
 * memory of that size is taken. */
cj_status cj_reader_expect(const cj_reader *r, uint64_t bytes, const char *field);

/* Makes a tensor of that type and sizes in out (empty) and fills it with the next bytes. Sizes
 * whose product is too large for the file give CJ_EIO before memory is taken; every failure leaves
 * out empty. Elements are little-endian, as this machine's. */
cj_status cj_reader_tensor(cj_reader *r, cj_tensor *out, cj_dtype dtype, int ndim,
                           const int64_t *size);

/* Closes and frees; a closed reader is allowed. */
void cj_reader_close(cj_reader *r);

#endif
