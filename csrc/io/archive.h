/* archive.h -- tensors with names, and texts with names: what a file of several arrays holds. */
#ifndef CJ_ARCHIVE_H
#define CJ_ARCHIVE_H

#include "core/tensor.h"
#include "io/bytes.h"

/* A text that may hold zeros; borrowed. */
typedef struct cj_string {
  const char *text;
  size_t size;
} cj_string;

/* <0, 0, >0: by bytes, shorter first where one begins the other. */
int cj_string_compare(const cj_string *a, const cj_string *b);

typedef struct cj_named {
  cj_string name;
  cj_tensor tensor;
} cj_named;

typedef struct cj_pair {
  cj_string key, value;
} cj_pair;

/* A zero-filled one is empty and may always be dropped. */
typedef struct cj_archive {
  cj_bytes texts;   /* the names and texts live in it */
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

/* Gives everything back and leaves it empty. */
void cj_archive_drop(cj_archive *a);

/* Fails with `code` when two of `count` structs of `each` bytes, which begin with a cj_string, have
 * the same one; `where` begins the message. */
cj_status cj_names_differ(const void *items, size_t count, size_t each, cj_status code,
                          const char *where);

#endif
