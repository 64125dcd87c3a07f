/* idx.c -- header: 0, 0, element type (8: unsigned byte), number of dimensions, then each size as a
 * big-endian 32-bit number; then the elements, last dimension fastest.
 *
 * Source: http://yann.lecun.com/exdb/mnist/ */
#include "io/idx.h"

#include <string.h>

#include "io/bytes.h"
#include "io/file.h"

enum { UNSIGNED_BYTE = 8 };

static cj_status parse_magic(cj_reader *r, int expected, int *ndim) {
  uint8_t magic[4];
  CJ_TRY(cj_reader_exact(r, magic, sizeof magic, "magic number"));
  if (magic[0] != 0 || magic[1] != 0)
    return cj_fail(CJ_EIO, "%s: magic number: expected two zero bytes, found 0x%02x 0x%02x",
                   r->name, magic[0], magic[1]);
  if (magic[2] != UNSIGNED_BYTE)
    return cj_fail(CJ_EIO, "%s: element type: expected 0x08 (unsigned byte), found 0x%02x", r->name,
                   magic[2]);
  *ndim = magic[3];
  if (expected > 0 && *ndim != expected)
    return cj_fail(CJ_EIO, "%s: number of dimensions: expected %d, found %d", r->name, expected,
                   *ndim);
  if (*ndim < 1 || *ndim > CJ_MAX_DIMS)
    return cj_fail(CJ_EIO, "%s: number of dimensions: expected 1 to %d, found %d", r->name,
                   CJ_MAX_DIMS, *ndim);
  return CJ_OK;
}

static cj_status parse_sizes(cj_reader *r, int ndim, int64_t *size) {
  for (int d = 0; d < ndim; d++) {
    uint8_t b[4];
    CJ_TRY(cj_reader_exact(r, b, sizeof b, "sizes"));
    size[d] = (int64_t)((uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]);
    if (size[d] == 0)
      return cj_fail(CJ_EIO, "%s: size %d: expected at least 1, found 0", r->name, d + 1);
  }
  return CJ_OK;
}

cj_status cj_idx_parse(cj_tensor *out, cj_reader *r, int ndim) {
  int64_t size[CJ_MAX_DIMS];
  CJ_TRY(parse_magic(r, ndim, &ndim));
  CJ_TRY(parse_sizes(r, ndim, size));
  CJ_TRY(cj_reader_tensor(r, out, CJ_U8, ndim, size));
  const cj_status status = cj_reader_end(r);
  if (status != CJ_OK) cj_tensor_drop(out);
  return status;
}

cj_status cj_idx_read(cj_tensor *out, const char *path, int ndim) {
  cj_reader r;
  CJ_TRY(cj_reader_open(&r, path, CJ_MAYBE_GZIP));
  const cj_status status = cj_idx_parse(out, &r, ndim);
  cj_reader_close(&r);
  return status;
}

static cj_status check_writable(const cj_tensor *t) {
  if (t->dtype != CJ_U8)
    return cj_fail(CJ_EDTYPE, "write_idx: expected a uint8 tensor, got %s",
                   cj_dtype_name(t->dtype));
  if (t->ndim < 1) return cj_fail(CJ_ESHAPE, "write_idx: expected 1 dimension or more, got 0");
  for (int d = 0; d < t->ndim; d++)
    if (t->size[d] < 1 || t->size[d] > UINT32_MAX)
      return cj_fail(CJ_ESHAPE, "write_idx: expected sizes of 1 to 4294967295, got %lld",
                     (long long)t->size[d]);
  return CJ_OK;
}

static size_t build_header(uint8_t *header, const cj_tensor *t) {
  size_t n = 0;
  header[n++] = 0;
  header[n++] = 0;
  header[n++] = UNSIGNED_BYTE;
  header[n++] = (uint8_t)t->ndim;
  for (int d = 0; d < t->ndim; d++)
    for (int shift = 24; shift >= 0; shift -= 8) header[n++] = (uint8_t)(t->size[d] >> shift);
  return n;
}

static cj_status write_packed(const char *path, const cj_tensor *packed) {
  uint8_t header[4 + 4 * CJ_MAX_DIMS];
  const size_t header_size = build_header(header, packed), length = strlen(path);
  const size_t data_size = (size_t)cj_numel(packed);
  if (length < 3 || strcmp(path + length - 3, ".gz") != 0) {
    const cj_piece pieces[] = {{header, header_size}, {packed->data, data_size}};
    return cj_file_write(path, pieces, 2);
  }
  cj_bytes plain = {0}, packed_bytes = {0};
  cj_status status = cj_bytes_add(&plain, header, header_size);
  if (status == CJ_OK) status = cj_bytes_add(&plain, packed->data, data_size);
  if (status == CJ_OK) status = cj_bytes_gzip(&packed_bytes, plain.data, plain.size);
  if (status == CJ_OK)
    status = cj_file_write(path, &(cj_piece){packed_bytes.data, packed_bytes.size}, 1);
  cj_bytes_drop(&plain);
  cj_bytes_drop(&packed_bytes);
  return status;
}

cj_status cj_idx_write(const char *path, const cj_tensor *t) {
  cj_tensor packed = {0};
  CJ_TRY(check_writable(t));
  CJ_TRY(cj_tensor_pack(&packed, t));
  const cj_status status = write_packed(path, &packed);
  cj_tensor_drop(&packed);
  return status;
}
