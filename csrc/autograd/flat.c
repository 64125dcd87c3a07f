/* flat.c -- moving leaves into one storage. */
#include "autograd/flat.h"

#include <string.h>

enum { UNIT = 16 /* elements: a multiple of 64 bytes for each float type */ };

static size_t bytes_of(const cj_tensor *t) {
  return (size_t)cj_numel(t) * cj_dtype_bytes(t->dtype);
}

/* Only t itself holds its storage: nobody will see that it moves. */
static bool movable(const cj_tensor *t, cj_dtype dtype) {
  return t->storage && t->dtype == dtype && t->node && cj_is_leaf(t) && cj_contiguous(t) &&
         cj_numel(t) > 0 && atomic_load(&t->storage->refs) == 1;
}

/* The part of `flat` that begins at offset, with the sizes of t. */
static cj_status part_of(cj_tensor *out, const cj_tensor *flat, int64_t offset,
                         const cj_tensor *t) {
  cj_tensor part = {0};
  CJ_TRY(cj_tensor_describe(&part, t->dtype, t->ndim, t->size));
  CJ_TRY(cj_storage_part(&part.storage, flat->storage, (size_t)offset * cj_dtype_bytes(t->dtype),
                         bytes_of(t)));
  part.data = part.storage->data;
  *out = part;
  return CJ_OK;
}

static cj_status move(const cj_flat *f, cj_tensor *t, int64_t offset) {
  cj_tensor value = {0}, home = {0};
  cj_status status = part_of(&value, &f->values, offset, t);
  if (status == CJ_OK) status = part_of(&home, &f->grads, offset, t);
  if (status != CJ_OK) {
    cj_tensor_drop(&value);
    return status;
  }
  memcpy(value.data, t->data, bytes_of(t));
  value.storage->version = t->storage->version;
  cj_storage_drop(t->storage);
  t->storage = value.storage;
  t->data = value.data;
  cj_tensor_drop(&t->node->home);
  t->node->home = home;
  return CJ_OK;
}

static void drop(cj_flat *f) {
  cj_tensor_drop(&f->values);
  cj_tensor_drop(&f->grads);
}

static cj_status make(cj_flat *f, cj_dtype dtype, int64_t total) {
  cj_status status = cj_tensor_zeros(&f->values, dtype, 1, &total);
  if (status == CJ_OK) status = cj_tensor_zeros(&f->grads, dtype, 1, &total);
  if (status != CJ_OK) drop(f);
  return status;
}

cj_status cj_flat_move(cj_flat *f, int count, cj_tensor *const *t, int64_t *offset) {
  int64_t total = 0;
  for (int i = 0; i < count; i++) {
    offset[i] = movable(t[i], t[0]->dtype) ? total : -1;
    if (offset[i] >= 0) total += (cj_numel(t[i]) + UNIT - 1) / UNIT * UNIT;
  }
  if (total == 0) return CJ_OK;
  CJ_TRY(make(f, t[0]->dtype, total));
  for (int i = 0; i < count; i++) {
    if (offset[i] < 0) continue;
    if (t[i]->storage->whole == f->values.storage) { /* given twice */
      offset[i] = -1;
      continue;
    }
    const cj_status status = move(f, t[i], offset[i]);
    if (status != CJ_OK) {
      drop(f);
      return status;
    }
  }
  return CJ_OK;
}

bool cj_flat_here(const cj_tensor *values, const cj_tensor *grads, const cj_tensor *t,
                  int64_t offset) {
  if (!t->storage || t->storage->whole != values->storage || !t->node) return false;
  const cj_tensor *g = &t->node->grad;
  const size_t place = (size_t)offset * cj_dtype_bytes(t->dtype);
  return t->data == (char *)values->data + place && g->storage &&
         g->storage->whole == grads->storage && g->data == (char *)grads->data + place;
}
