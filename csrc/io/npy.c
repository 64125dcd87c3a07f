/* npy.c -- "\x93NUMPY", version, header length, a Python dictionary with exactly the keys descr,
 * fortran_order and shape, then the elements.
 *
 * Source: numpy.lib.format. Only what the format allows is accepted, not all of Python. */
#include "io/npy.h"

#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "io/file.h"

enum { MOST_HEADER = 1 << 20 };

static const uint8_t magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

typedef struct header {
  cj_dtype dtype;
  bool fortran;
  int ndim;
  int64_t size[CJ_MAX_DIMS];
  unsigned seen; /* one bit per key */
} header;

enum { SEEN_DESCR = 1, SEEN_ORDER = 2, SEEN_SHAPE = 4 };

/* A cursor in the zero-terminated text of the dictionary. */
typedef struct cursor {
  const char *at, *text;
  const char *name; /* of the file */
} cursor;

static cj_status unexpected(const cursor *c, const char *expected) {
  if (*c->at == '\0')
    return cj_fail(CJ_EIO, "%s: header: expected %s, found its end", c->name, expected);
  return cj_fail(CJ_EIO, "%s: header, byte %zu: expected %s, found 0x%02x", c->name,
                 (size_t)(c->at - c->text) + 1, expected, (unsigned char)*c->at);
}

static void skip_blanks(cursor *c) {
  while (*c->at == ' ' || *c->at == '\n' || *c->at == '\t') c->at++;
}

static bool take(cursor *c, const char *text) {
  skip_blanks(c);
  const size_t length = strlen(text);
  if (strncmp(c->at, text, length) != 0) return false;
  c->at += length;
  return true;
}

/* A quoted word without escapes. */
static cj_status parse_word(cursor *c, char *word, size_t room) {
  skip_blanks(c);
  const char quote = *c->at;
  if (quote != '\'' && quote != '"') return unexpected(c, "a quoted word");
  const char *end = strchr(c->at + 1, quote);
  if (!end || (size_t)(end - c->at) > room) return unexpected(c, "a short quoted word");
  const size_t length = (size_t)(end - c->at) - 1;
  memcpy(word, c->at + 1, length);
  word[length] = '\0';
  c->at = end + 1;
  return CJ_OK;
}

static cj_status parse_descr(cursor *c, header *h) {
  static const struct {
    const char *text;
    cj_dtype dtype;
  } known[] = {{"<f4", CJ_F32}, {"<f8", CJ_F64}, {"<i8", CJ_I64},
               {"|u1", CJ_U8},  {"<u1", CJ_U8},  {"|b1", CJ_U8}};
  char word[16];
  CJ_TRY(parse_word(c, word, sizeof word));
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(word, known[i].text) == 0) {
      h->dtype = known[i].dtype;
      return CJ_OK;
    }
  return cj_fail(CJ_EIO, "%s: descr: expected '<f4', '<f8', '<i8', '|u1' or '|b1', found '%s'",
                 c->name, word);
}

static cj_status parse_order(cursor *c, header *h) {
  h->fortran = take(c, "True");
  return h->fortran || take(c, "False") ? CJ_OK : unexpected(c, "True or False");
}

static cj_status parse_size(cursor *c, int64_t *size) {
  skip_blanks(c);
  if (*c->at < '0' || *c->at > '9') return unexpected(c, "a size");
  *size = 0;
  for (; *c->at >= '0' && *c->at <= '9'; c->at++) {
    if (*size > (INT64_MAX - 9) / 10) return unexpected(c, "a size below 2^63");
    *size = *size * 10 + (*c->at - '0');
  }
  return CJ_OK;
}

static cj_status parse_shape(cursor *c, header *h) {
  if (!take(c, "(")) return unexpected(c, "a tuple of sizes");
  h->ndim = 0;
  while (!take(c, ")")) {
    if (h->ndim == CJ_MAX_DIMS)
      return cj_fail(CJ_EIO, "%s: shape: expected at most %d dimensions, found more", c->name,
                     CJ_MAX_DIMS);
    CJ_TRY(parse_size(c, &h->size[h->ndim++]));
    if (take(c, ",")) continue;
    if (h->ndim == 1) return unexpected(c, "a comma"); /* (5) is a number in Python, not a tuple */
    if (!take(c, ")")) return unexpected(c, "a comma or a closing bracket");
    break;
  }
  return CJ_OK;
}

static cj_status parse_entry(cursor *c, header *h) {
  char key[16];
  CJ_TRY(parse_word(c, key, sizeof key));
  if (!take(c, ":")) return unexpected(c, "a colon");
  const unsigned bit = strcmp(key, "descr") == 0           ? SEEN_DESCR
                       : strcmp(key, "fortran_order") == 0 ? SEEN_ORDER
                       : strcmp(key, "shape") == 0         ? SEEN_SHAPE
                                                           : 0;
  if (bit == 0 || (h->seen & bit))
    return cj_fail(CJ_EIO,
                   "%s: header: expected descr, fortran_order and shape once each, "
                   "found '%s'",
                   c->name, key);
  h->seen |= bit;
  return bit == SEEN_DESCR   ? parse_descr(c, h)
         : bit == SEEN_ORDER ? parse_order(c, h)
                             : parse_shape(c, h);
}

static cj_status parse_dictionary(cursor *c, header *h) {
  if (!take(c, "{")) return unexpected(c, "a dictionary");
  while (!take(c, "}")) {
    CJ_TRY(parse_entry(c, h));
    if (take(c, ",")) continue;
    if (!take(c, "}")) return unexpected(c, "a comma or a closing brace");
    break;
  }
  skip_blanks(c);
  if (*c->at != '\0') return unexpected(c, "the end");
  if (h->seen != (SEEN_DESCR | SEEN_ORDER | SEEN_SHAPE))
    return cj_fail(CJ_EIO, "%s: header: expected descr, fortran_order and shape, found not all",
                   c->name);
  return CJ_OK;
}

static cj_status parse_length(cj_reader *r, size_t *length) {
  uint8_t b[8];
  CJ_TRY(cj_reader_exact(r, b, 8, "magic and version"));
  if (memcmp(b, magic, sizeof magic) != 0)
    return cj_fail(CJ_EIO, "%s: magic: expected \\x93NUMPY, found something else", r->name);
  if (b[6] < 1 || b[6] > 3 || b[7] != 0)
    return cj_fail(CJ_EIO, "%s: version: expected 1.0, 2.0 or 3.0, found %d.%d", r->name, b[6],
                   b[7]);
  uint8_t n[4] = {0};
  CJ_TRY(cj_reader_exact(r, n, b[6] == 1 ? 2 : 4, "header length"));
  *length = (size_t)n[0] | (size_t)n[1] << 8 | (size_t)n[2] << 16 | (size_t)n[3] << 24;
  if (*length > MOST_HEADER)
    return cj_fail(CJ_EIO, "%s: header length: expected at most %d, found %zu", r->name,
                   MOST_HEADER, *length);
  return CJ_OK;
}

static cj_status parse_header(cj_reader *r, header *h) {
  size_t length = 0;
  CJ_TRY(parse_length(r, &length));
  char *text = cj_alloc(length + 1);
  if (!text) return cj_fail(CJ_EMEM, "%s: no memory for the header", r->name);
  cj_status status = cj_reader_exact(r, text, length, "header");
  text[length] = '\0';
  cursor c = {text, text, r->name};
  if (status == CJ_OK) status = parse_dictionary(&c, h);
  if (status == CJ_OK && strlen(text) != length) status = unexpected(&c, "no zero bytes");
  cj_free(text);
  return status;
}

/* Fortran order: the sizes are read backwards and the strides turned round afterwards. */
static void reverse(int64_t *values, int count) {
  for (int i = 0; i < count / 2; i++) {
    const int64_t swap = values[i];
    values[i] = values[count - 1 - i];
    values[count - 1 - i] = swap;
  }
}

cj_status cj_npy_parse(cj_tensor *out, cj_reader *r) {
  header h;
  memset(&h, 0, sizeof h);
  CJ_TRY(parse_header(r, &h));
  if (h.fortran) reverse(h.size, h.ndim);
  CJ_TRY(cj_reader_tensor(r, out, h.dtype, h.ndim, h.size));
  const cj_status status = cj_reader_end(r);
  if (status != CJ_OK) {
    cj_tensor_drop(out);
  } else if (h.fortran) {
    reverse(out->size, out->ndim);
    reverse(out->stride, out->ndim);
  }
  return status;
}

cj_status cj_npy_read(cj_tensor *out, const char *path) {
  cj_reader r;
  CJ_TRY(cj_reader_open(&r, path, CJ_PLAIN));
  const cj_status status = cj_npy_parse(out, &r);
  cj_reader_close(&r);
  return status;
}

/* --- writing --------------------------------------------------------------------------------- */

static const char *descr_of(cj_dtype t) {
  static const char *const names[CJ_DTYPES] = {
      [CJ_F32] = "<f4", [CJ_F64] = "<f8", [CJ_I64] = "<i8", [CJ_U8] = "|u1"};
  return names[t];
}

cj_status cj_npy_header(cj_bytes *b, const cj_tensor *t) {
  char text[320]; /* 8 sizes of at most 19 digits, and the words */
  int n = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                   descr_of(t->dtype));
  for (int d = 0; d < t->ndim; d++)
    n += snprintf(text + n, sizeof text - (size_t)n, d == 0 ? "%lld," : " %lld,",
                  (long long)t->size[d]);
  if (t->ndim > 1) n--; /* only a tuple of one ends with a comma */
  n += snprintf(text + n, sizeof text - (size_t)n, "), }");
  const int total = (10 + n + 1 + 63) / 64 * 64; /* elements start on a 64-byte boundary */
  while (10 + n + 1 < total) text[n++] = ' ';
  text[n++] = '\n';
  CJ_TRY(cj_bytes_add(b, magic, sizeof magic));
  CJ_TRY(cj_bytes_add(b, (const uint8_t[]){1, 0, (uint8_t)n, (uint8_t)(n >> 8)}, 4));
  return cj_bytes_add(b, text, (size_t)n);
}

cj_status cj_npy_write(const char *path, const cj_tensor *t) {
  cj_tensor packed = {0};
  cj_bytes head = {0};
  CJ_TRY(cj_tensor_pack(&packed, t));
  cj_status status = cj_npy_header(&head, &packed);
  if (status == CJ_OK) {
    const size_t bytes = (size_t)cj_numel(&packed) * cj_dtype_bytes(packed.dtype);
    const cj_piece pieces[] = {{head.data, head.size}, {packed.data, bytes}};
    status = cj_file_write(path, pieces, 2);
  }
  cj_bytes_drop(&head);
  cj_tensor_drop(&packed);
  return status;
}
