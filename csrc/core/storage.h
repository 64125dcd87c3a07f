/* storage.h -- reference-counted blocks of native memory that tensors look into. */
#ifndef CJ_STORAGE_H
#define CJ_STORAGE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct cj_storage {
  atomic_int refs;
  uint32_t version; /* grows with every write in place, so that a tape can see stale inputs */
  size_t bytes;
  void *data;               /* 64-byte aligned */
  struct cj_storage *whole; /* the block that this one is a part of, or NULL */
} cj_storage;

/* A new block with one reference and undefined content, in *out. CJ_EMEM when there is none; *out
 * is then untouched. Any thread. */
cj_status cj_storage_new(cj_storage **out, size_t bytes);

/* Bytes [offset, offset + bytes) of whole as a block of its own, with its own version; offset is a
 * multiple of 64. It keeps a reference to whole. Otherwise as cj_storage_new. */
cj_status cj_storage_part(cj_storage **out, cj_storage *whole, size_t offset, size_t bytes);

/* One more reference to s, which is also returned; NULL gives NULL. */
cj_storage *cj_storage_keep(cj_storage *s);

/* Gives one reference back; the last one frees. NULL is allowed. */
void cj_storage_drop(cj_storage *s);

#endif
