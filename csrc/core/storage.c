/* storage.c -- counted references to one block. */
#include "core/storage.h"

#include "core/memory.h"

static cj_storage *block_of(cj_storage *s, void *data, size_t bytes, cj_storage *whole) {
  atomic_init(&s->refs, 1);
  s->version = 0;
  s->bytes = bytes;
  s->data = data;
  s->whole = whole;
  return s;
}

cj_status cj_storage_new(cj_storage **out, size_t bytes) {
  cj_storage *s = cj_alloc(sizeof *s);
  void *data = s ? cj_alloc(bytes) : NULL;
  if (!data) {
    cj_free(s);
    return cj_fail(CJ_EMEM, "out of memory: %zu bytes were asked for", bytes);
  }
  *out = block_of(s, data, bytes, NULL);
  return CJ_OK;
}

cj_status cj_storage_part(cj_storage **out, cj_storage *whole, size_t offset, size_t bytes) {
  cj_storage *s = cj_alloc(sizeof *s);
  if (!s) return cj_fail(CJ_EMEM, "out of memory: no room for a part of a storage");
  *out = block_of(s, (char *)whole->data + offset, bytes, cj_storage_keep(whole));
  return CJ_OK;
}

cj_storage *cj_storage_keep(cj_storage *s) {
  if (s) atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
  return s;
}

void cj_storage_drop(cj_storage *s) {
  if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) return;
  if (s->whole)
    cj_storage_drop(s->whole);
  else
    cj_free(s->data);
  cj_free(s);
}
