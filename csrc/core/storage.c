/* storage.c -- counted references to one block. */
#include "core/storage.h"

#include "core/memory.h"

cj_status cj_storage_new(cj_storage **out, size_t bytes) {
  cj_storage *s = cj_alloc(sizeof *s);
  void *data = s ? cj_alloc(bytes) : NULL;
  if (!data) {
    cj_free(s);
    return cj_fail(CJ_EMEM, "out of memory: %zu bytes were asked for", bytes);
  }
  atomic_init(&s->refs, 1);
  s->version = 0;
  s->bytes = bytes;
  s->data = data;
  *out = s;
  return CJ_OK;
}

cj_storage *cj_storage_keep(cj_storage *s) {
  if (s) atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
  return s;
}

void cj_storage_drop(cj_storage *s) {
  if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) return;
  cj_free(s->data);
  cj_free(s);
}
