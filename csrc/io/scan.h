/* scan.h -- the pieces of JSON that a safetensors header is made of, read strictly. */
#ifndef CJ_SCAN_H
#define CJ_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "io/archive.h"

/* A place in text, which the scanner may overwrite: strings are decoded where they stand. */
typedef struct cj_scan {
  const char *name; /* of the file, for messages */
  char *text;
  size_t size, at;
} cj_scan;

/* CJ_EIO that says what was expected at this byte. */
cj_status cj_scan_unexpected(const cj_scan *s, const char *expected);

/* Skips blanks; true, and one character further, when it is c. */
bool cj_scan_take(cj_scan *s, char c);

/* Takes c or fails. */
cj_status cj_scan_need(cj_scan *s, char c);

/* After an item of a list that ends with `close`: *more tells whether another follows. */
cj_status cj_scan_next(cj_scan *s, char close, bool *more);

/* A string in valid UTF-8, decoded inside the scanned text and zero-terminated there; a whole
 * number 0..2^63-1 without sign, point or exponent. */
cj_status cj_scan_string(cj_scan *s, cj_string *out);
cj_status cj_scan_whole(cj_scan *s, int64_t *out);

/* Fails unless only blanks are left. */
cj_status cj_scan_end(cj_scan *s);

/* Adds s to b as a JSON string with its quotes; CJ_EARG that names `what` when s is not UTF-8. */
cj_status cj_string_quote(cj_bytes *b, const cj_string *s, const char *what);

#endif
