/* cifar.c -- records of 3,073 bytes: a label, then 1,024 red, green and blue bytes, row by row.
 *
 * Source: https://www.cs.toronto.edu/~kriz/cifar.html */
#include "io/cifar.h"

#include <string.h>

#include "io/bytes.h"

enum { PIXELS = CJ_CIFAR_RECORD - 1 };

static const size_t most_bytes = (size_t)1 << 31; /* 70 official batches */

static cj_status split(cj_tensor *images, cj_tensor *labels, const cj_bytes *b, const char *name) {
  for (size_t i = 0; i < b->size / CJ_CIFAR_RECORD; i++) {
    const uint8_t *record = b->data + i * CJ_CIFAR_RECORD;
    if (record[0] >= CJ_CIFAR_CLASSES)
      return cj_fail(CJ_EIO, "%s: label of record %zu: expected 0 to 9, found %d", name, i + 1,
                     record[0]);
    ((int64_t *)labels->data)[i] = record[0];
    memcpy((uint8_t *)images->data + i * PIXELS, record + 1, PIXELS);
  }
  return CJ_OK;
}

static cj_status make_tensors(cj_tensor *images, cj_tensor *labels, const cj_bytes *b,
                              const char *name) {
  if (b->size == 0 || b->size % CJ_CIFAR_RECORD != 0)
    return cj_fail(CJ_EIO, "%s: length: expected a multiple of %d bytes, found %zu", name,
                   CJ_CIFAR_RECORD, b->size);
  const int64_t n = (int64_t)(b->size / CJ_CIFAR_RECORD);
  CJ_TRY(cj_tensor_new(images, CJ_U8, 4, (int64_t[]){n, 3, CJ_CIFAR_SIDE, CJ_CIFAR_SIDE}));
  CJ_TRY(cj_tensor_new(labels, CJ_I64, 1, &n));
  return split(images, labels, b, name);
}

cj_status cj_cifar_parse(cj_tensor *images, cj_tensor *labels, cj_reader *r) {
  cj_bytes b = {0};
  cj_status status = cj_bytes_read(&b, r, most_bytes);
  if (status == CJ_OK) status = make_tensors(images, labels, &b, r->name);
  cj_bytes_drop(&b);
  if (status != CJ_OK) {
    cj_tensor_drop(images);
    cj_tensor_drop(labels);
  }
  return status;
}

cj_status cj_cifar_read(cj_tensor *images, cj_tensor *labels, const char *path) {
  cj_reader r;
  CJ_TRY(cj_reader_open(&r, path, CJ_MAYBE_GZIP));
  const cj_status status = cj_cifar_parse(images, labels, &r);
  cj_reader_close(&r);
  return status;
}
