/* safetensors.h -- named tensors in one file, with a table of texts about them. */
#ifndef CJ_SAFETENSORS_H
#define CJ_SAFETENSORS_H

#include "core/tensor.h"
#include "io/reader.h"
#include "io/scan.h"

typedef struct cj_named {
  cj_string name;
  cj_tensor tensor;
} cj_named;

typedef struct cj_pair {
  cj_string key, value;
} cj_pair;

/* What a file holds, in the order of its header. A zero-filled one is empty and may always be
 * dropped. */
typedef struct cj_archive {
  cj_bytes header;  /* the names and texts live in it */
  cj_bytes tensors; /* of cj_named */
  cj_bytes pairs;   /* of cj_pair */
} cj_archive;

static inline size_t cj_archive_count(const cj_archive *a) {
  return a->tensors.size / sizeof(cj_named);
}
static inline cj_named *cj_archive_tensors(const cj_archive *a) {
  return (cj_named *)(void *)a->tensors.data;
}
static inline size_t cj_archive_pair_count(const cj_archive *a) {
  return a->pairs.size / sizeof(cj_pair);
}
static inline const cj_pair *cj_archive_pairs(const cj_archive *a) {
  return (const cj_pair *)(const void *)a->pairs.data;
}

/* Reads a file into an empty archive; types F32, F64, I64 and U8. Strict: names once each, sizes
 * that agree with the offsets, data without gap, overlap or rest. CJ_EIO leaves it empty. */
cj_status cj_safetensors_read(cj_archive *out, const char *path);

/* The same from an open reader, which stays the caller's. */
cj_status cj_safetensors_parse(cj_archive *out, cj_reader *r);

void cj_archive_drop(cj_archive *a);

/* Writes tensors and texts in the given order; the same input gives the same bytes. Data begins at
 * a multiple of 8 and every tensor at a multiple of its element size. CJ_EARG for names that repeat
 * or are not UTF-8. */
cj_status cj_safetensors_write(const char *path, const cj_named *tensors, size_t count,
                               const cj_pair *pairs, size_t pair_count);

#endif
