/* archive.c -- dropping, and finding names that repeat by sorting them. */
#include "io/archive.h"

#include <stdlib.h>
#include <string.h>

int cj_string_compare(const cj_string *a, const cj_string *b) {
  const size_t n = a->size < b->size ? a->size : b->size;
  const int order = memcmp(a->text, b->text, n);
  if (order != 0) return order;
  return (a->size > b->size) - (a->size < b->size);
}

void cj_archive_drop(cj_archive *a) {
  for (size_t i = 0; i < cj_archive_count(a); i++) cj_tensor_drop(&cj_archive_tensors(a)[i].tensor);
  cj_bytes_drop(&a->tensors);
  cj_bytes_drop(&a->pairs);
  cj_bytes_drop(&a->texts);
}

static int by_text(const void *a, const void *b) {
  return cj_string_compare(a, b);
}

cj_status cj_names_differ(const void *items, size_t count, size_t each, cj_status code,
                          const char *where) {
  cj_bytes sorted = {0};
  if (count < 2) return CJ_OK;
  CJ_TRY(cj_bytes_reserve(&sorted, count * sizeof(cj_string)));
  cj_string *names = (cj_string *)(void *)sorted.data;
  for (size_t i = 0; i < count; i++)
    memcpy(&names[i], (const char *)items + i * each, sizeof *names);
  qsort(names, count, sizeof *names, by_text);
  cj_status status = CJ_OK;
  for (size_t i = 1; i < count && status == CJ_OK; i++)
    if (cj_string_compare(&names[i - 1], &names[i]) == 0)
      status = cj_fail(code, "%s: name '%.80s': expected once, found twice", where, names[i].text);
  cj_bytes_drop(&sorted);
  return status;
}
