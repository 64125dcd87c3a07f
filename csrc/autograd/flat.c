/* flat.c -- moving leaves into one storage. */
#include "autograd/flat.h"

#include <string.h>

#include "core/memory.h"

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

static void move(cj_tensor *t, cj_tensor *value, cj_tensor *home) {
  memcpy(value->data, t->data, bytes_of(t));
  value->storage->version = t->storage->version;
  cj_storage_drop(t->storage);
  t->storage = value->storage;
  t->data = value->data;
  cj_tensor_drop(&t->node->home);
  t->node->home = *home;
}

static bool given_before(cj_tensor *const *t, int i) {
  for (int k = 0; k < i; k++)
    if (t[k] == t[i]) return true;
  return false;
}

/* Gives those that can move their places; returns the elements of all. */
static int64_t choose(int count, cj_tensor *const *t, int64_t *offset) {
  int64_t total = 0;
  for (int i = 0; i < count; i++) {
    const bool moves = movable(t[i], t[0]->dtype) && !given_before(t, i);
    offset[i] = moves ? total : -1;
    if (moves) total += (cj_numel(t[i]) + UNIT - 1) / UNIT * UNIT;
  }
  return total;
}

/* All that may fail: part[2 i] and part[2 i + 1] become the places of t[i] and its gradient. */
static cj_status prepare(cj_flat *f, int count, cj_tensor *const *t, const int64_t *offset,
                         int64_t total, cj_tensor *part) {
  CJ_TRY(cj_tensor_zeros(&f->values, t[0]->dtype, 1, &total));
  CJ_TRY(cj_tensor_zeros(&f->grads, t[0]->dtype, 1, &total));
  for (int i = 0; i < count; i++) {
    if (offset[i] < 0) continue;
    CJ_TRY(part_of(&part[2 * i], &f->values, offset[i], t[i]));
    CJ_TRY(part_of(&part[2 * i + 1], &f->grads, offset[i], t[i]));
  }
  return CJ_OK;
}

static void undo(cj_flat *f, int count, cj_tensor *part) {
  for (int i = 0; i < 2 * count; i++) cj_tensor_drop(&part[i]);
  cj_tensor_drop(&f->values);
  cj_tensor_drop(&f->grads);
}

cj_status cj_flat_move(cj_flat *f, int count, cj_tensor *const *t, int64_t *offset) {
  const int64_t total = choose(count, t, offset);
  if (total == 0) return CJ_OK;
  cj_tensor *part = cj_alloc_zeroed(2 * (size_t)count * sizeof *part);
  if (!part) return cj_fail(CJ_EMEM, "out of memory: no room to move %d tensors", count);
  const cj_status status = prepare(f, count, t, offset, total, part);
  if (status != CJ_OK) undo(f, count, part);
  for (int i = 0; i < count && status == CJ_OK; i++)
    if (offset[i] >= 0) move(t[i], &part[2 * i], &part[2 * i + 1]);
  cj_free(part);
  return status;
}

bool cj_flat_here(const cj_tensor *values, const cj_tensor *grads, const cj_tensor *t,
                  int64_t offset) {
  if (!t->storage || t->storage->whole != values->storage || !t->node) return false;
  const cj_tensor *g = &t->node->grad;
  const size_t place = (size_t)offset * cj_dtype_bytes(t->dtype);
  return t->data == (char *)values->data + place && g->storage &&
         g->storage->whole == grads->storage && g->data == (char *)grads->data + place;
}
