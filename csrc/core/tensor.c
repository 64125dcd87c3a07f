/* tensor.c -- making, sharing, reading and dropping tensors. Copies are in copy.c. */
#include "core/tensor.h"

#include <stdio.h>
#include <string.h>

#include "core/node.h"

static const struct {
  const char *name;
  size_t bytes;
} types[CJ_DTYPES] = {{"float32", 4}, {"float64", 8}, {"int64", 8}, {"uint8", 1}};

const char *cj_dtype_name(cj_dtype t) {
  return types[t].name;
}

size_t cj_dtype_bytes(cj_dtype t) {
  return types[t].bytes;
}

cj_status cj_dtype_parse(cj_dtype *out, const char *name) {
  for (int t = 0; t < CJ_DTYPES; t++)
    if (strcmp(types[t].name, name) == 0) {
      *out = (cj_dtype)t;
      return CJ_OK;
    }
  return cj_fail(CJ_EDTYPE, "expected float32, float64, int64 or uint8, got %.40s", name);
}

int64_t cj_numel(const cj_tensor *t) {
  int64_t n = 1;
  for (int d = 0; d < t->ndim; d++) n *= t->size[d];
  return n;
}

bool cj_contiguous(const cj_tensor *t) {
  int64_t expected = 1;
  for (int d = t->ndim - 1; d >= 0; d--) {
    if (t->size[d] == 0) return true;
    if (t->size[d] != 1 && t->stride[d] != expected) return false;
    expected *= t->size[d];
  }
  return true;
}

bool cj_repeats(const cj_tensor *t) {
  for (int d = 0; d < t->ndim; d++)
    if (t->size[d] > 1 && t->stride[d] == 0) return true;
  return false;
}

bool cj_same_shape(const cj_tensor *a, const cj_tensor *b) {
  return a->ndim == b->ndim && memcmp(a->size, b->size, (size_t)a->ndim * sizeof a->size[0]) == 0;
}

char *cj_shape_text(char text[CJ_SHAPE_TEXT], const cj_tensor *t) {
  size_t used = 0;
  text[used++] = '[';
  for (int d = 0; d < t->ndim; d++)
    used += (size_t)snprintf(text + used, CJ_SHAPE_TEXT - used, d ? ", %lld" : "%lld",
                             (long long)t->size[d]);
  snprintf(text + used, CJ_SHAPE_TEXT - used, "]");
  return text;
}

cj_status cj_tensor_describe(cj_tensor *t, cj_dtype dtype, int ndim, const int64_t *size) {
  if (ndim < 0 || ndim > CJ_MAX_DIMS)
    return cj_fail(CJ_ESHAPE, "expected at most %d dimensions, got %d", CJ_MAX_DIMS, ndim);
  const int64_t most = INT64_MAX / 16;
  int64_t stride = 1;
  for (int d = ndim - 1; d >= 0; d--) {
    if (size[d] < 0)
      return cj_fail(CJ_ESHAPE, "expected sizes of 0 or more, got %lld in dimension %d",
                     (long long)size[d], d + 1);
    t->size[d] = size[d];
    t->stride[d] = stride;
    if (size[d] > 1 && stride > most / size[d])
      return cj_fail(CJ_ESHAPE, "the sizes ask for more elements than memory can hold");
    if (size[d] > 0) stride *= size[d];
  }
  t->ndim = ndim;
  t->dtype = dtype;
  return CJ_OK;
}

cj_status cj_tensor_allocate(cj_tensor *t) {
  CJ_TRY(cj_storage_new(&t->storage, (size_t)cj_numel(t) * cj_dtype_bytes(t->dtype)));
  t->data = t->storage->data;
  return CJ_OK;
}

cj_status cj_tensor_new(cj_tensor *out, cj_dtype dtype, int ndim, const int64_t *size) {
  CJ_TRY(cj_tensor_describe(out, dtype, ndim, size));
  return cj_tensor_allocate(out);
}

cj_status cj_tensor_zeros(cj_tensor *out, cj_dtype dtype, int ndim, const int64_t *size) {
  CJ_TRY(cj_tensor_new(out, dtype, ndim, size));
  memset(out->data, 0, out->storage->bytes);
  return CJ_OK;
}

void cj_tensor_share(cj_tensor *out, const cj_tensor *t) {
  *out = *t;
  cj_storage_keep(out->storage);
  cj_node_keep(out->node);
}

void cj_tensor_detach(cj_tensor *out, const cj_tensor *t) {
  *out = *t;
  cj_storage_keep(out->storage);
  out->node = NULL;
}

static int64_t offset_of(const cj_tensor *t, const int64_t *index) {
  int64_t offset = 0;
  for (int d = 0; d < t->ndim; d++) offset += index[d] * t->stride[d];
  return offset;
}

double cj_tensor_get(const cj_tensor *t, const int64_t *index) {
  const int64_t i = offset_of(t, index);
  switch (t->dtype) {
  case CJ_F32:
    return (double)((const float *)t->data)[i];
  case CJ_F64:
    return ((const double *)t->data)[i];
  case CJ_I64:
    return (double)((const int64_t *)t->data)[i];
  default:
    return (double)((const uint8_t *)t->data)[i];
  }
}

void cj_tensor_set(cj_tensor *t, const int64_t *index, double value) {
  cj_tensor one = *t;
  one.ndim = 0;
  one.data = (char *)t->data + (size_t)offset_of(t, index) * cj_dtype_bytes(t->dtype);
  cj_tensor_fill(&one, value);
}

void cj_tensor_drop(cj_tensor *t) {
  cj_storage *storage = t->storage;
  struct cj_node *node = t->node;
  memset(t, 0, sizeof *t); /* first: dropping the node may come back to t */
  cj_storage_drop(storage);
  cj_node_drop(node);
}
