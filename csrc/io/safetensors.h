/* safetensors.h -- named tensors in one file, with a table of texts about them. */
#ifndef CJ_SAFETENSORS_H
#define CJ_SAFETENSORS_H

#include "io/archive.h"
#include "io/reader.h"

/* Reads a file into an empty archive; types F32, F64, I64 and U8. Strict: names once each, sizes
 * that agree with the offsets, data without gap, overlap or rest. CJ_EIO leaves it empty. */
cj_status cj_safetensors_read(cj_archive *out, const char *path);

/* The same from an open reader, which stays the caller's. */
cj_status cj_safetensors_parse(cj_archive *out, cj_reader *r);

/* Writes tensors and texts in the given order; the same input gives the same bytes. Data begins at
 * a multiple of 8 and every tensor at a multiple of its element size. CJ_EARG for names that repeat
 * or are not UTF-8. */
cj_status cj_safetensors_write(const char *path, const cj_named *tensors, size_t count,
                               const cj_pair *pairs, size_t pair_count);

#endif
