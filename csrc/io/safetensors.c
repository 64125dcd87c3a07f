/* safetensors.c -- an 8-byte little-endian length n, n bytes of JSON, then the data:
 *
 *   {"__metadata__": {"key": "text", ...},
 *    "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...}
 *
 * Offsets count from the end of the header. Source: https://github.com/huggingface/safetensors */
#include "io/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "io/scan.h"

enum { MOST_HEADER = 100000000 }; /* the reference implementation's limit */

static const struct {
  const char *name;
  cj_dtype dtype;
} dtypes[] = {{"F32", CJ_F32}, {"F64", CJ_F64}, {"I64", CJ_I64}, {"U8", CJ_U8}};

/* One entry of the header before its data is read. */
typedef struct entry {
  cj_string name;
  cj_dtype dtype;
  int ndim;
  int64_t size[CJ_MAX_DIMS];
  int64_t begin, end;
  size_t order; /* place in the header */
} entry;

typedef struct parser {
  cj_scan scan;
  cj_bytes entries; /* of entry */
  cj_archive *out;
  bool metadata_seen;
} parser;

enum { SEEN_DTYPE = 1, SEEN_SHAPE = 2, SEEN_OFFSETS = 4, SEEN_ALL = 7 };

static bool same(const cj_string *s, const char *text) {
  return s->size == strlen(text) && memcmp(s->text, text, s->size) == 0;
}

/* --- the header ------------------------------------------------------------------------------ */

static cj_status parse_dtype(cj_scan *s, entry *e) {
  cj_string word;
  CJ_TRY(cj_scan_string(s, &word));
  for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
    if (same(&word, dtypes[i].name)) {
      e->dtype = dtypes[i].dtype;
      return CJ_OK;
    }
  return cj_fail(CJ_EIO, "%s: dtype of '%.80s': expected F32, F64, I64 or U8, found '%.20s'",
                 s->name, e->name.text, word.text);
}

static cj_status parse_shape(cj_scan *s, entry *e) {
  bool more = true;
  e->ndim = 0;
  CJ_TRY(cj_scan_need(s, '['));
  if (cj_scan_take(s, ']')) return CJ_OK;
  while (more) {
    if (e->ndim == CJ_MAX_DIMS)
      return cj_fail(CJ_EIO, "%s: shape of '%.80s': expected at most %d sizes, found more", s->name,
                     e->name.text, CJ_MAX_DIMS);
    CJ_TRY(cj_scan_whole(s, &e->size[e->ndim++]));
    CJ_TRY(cj_scan_next(s, ']', &more));
  }
  return CJ_OK;
}

static cj_status parse_offsets(cj_scan *s, entry *e) {
  CJ_TRY(cj_scan_need(s, '['));
  CJ_TRY(cj_scan_whole(s, &e->begin));
  CJ_TRY(cj_scan_need(s, ','));
  CJ_TRY(cj_scan_whole(s, &e->end));
  return cj_scan_need(s, ']');
}

static cj_status parse_field(cj_scan *s, entry *e, unsigned *seen) {
  cj_string key;
  CJ_TRY(cj_scan_string(s, &key));
  const unsigned bit = same(&key, "dtype")          ? SEEN_DTYPE
                       : same(&key, "shape")        ? SEEN_SHAPE
                       : same(&key, "data_offsets") ? SEEN_OFFSETS
                                                    : 0;
  if (bit == 0 || (*seen & bit))
    return cj_fail(CJ_EIO,
                   "%s: entry '%.80s': expected dtype, shape and data_offsets once each, "
                   "found '%.40s'",
                   s->name, e->name.text, key.text);
  *seen |= bit;
  CJ_TRY(cj_scan_need(s, ':'));
  return bit == SEEN_DTYPE   ? parse_dtype(s, e)
         : bit == SEEN_SHAPE ? parse_shape(s, e)
                             : parse_offsets(s, e);
}

/* The sizes must ask for exactly the bytes between the offsets. */
static cj_status check_entry(const cj_scan *s, const entry *e) {
  const int64_t most = INT64_MAX / 16;
  int64_t bytes = (int64_t)cj_dtype_bytes(e->dtype);
  bool empty = false;
  for (int d = 0; d < e->ndim; d++) {
    empty = empty || e->size[d] == 0;
    if (e->size[d] > 0 && bytes > most / e->size[d])
      return cj_fail(CJ_EIO,
                     "%s: shape of '%.80s': expected a product below 2^59 bytes, found more",
                     s->name, e->name.text);
    if (e->size[d] > 0) bytes *= e->size[d];
  }
  if (empty) bytes = 0;
  if (e->begin <= e->end && e->end - e->begin == bytes) return CJ_OK;
  return cj_fail(CJ_EIO, "%s: data_offsets of '%.80s': expected %lld bytes, found %lld to %lld",
                 s->name, e->name.text, (long long)bytes, (long long)e->begin, (long long)e->end);
}

static cj_status parse_entry(parser *p, const cj_string *name) {
  cj_scan *s = &p->scan;
  entry e = {.name = *name, .order = p->entries.size / sizeof(entry)};
  unsigned seen = 0;
  bool more = true;
  CJ_TRY(cj_scan_need(s, '{'));
  while (more) {
    CJ_TRY(parse_field(s, &e, &seen));
    CJ_TRY(cj_scan_next(s, '}', &more));
  }
  if (seen != SEEN_ALL)
    return cj_fail(CJ_EIO,
                   "%s: entry '%.80s': expected dtype, shape and data_offsets, found not all",
                   s->name, name->text);
  CJ_TRY(check_entry(s, &e));
  return cj_bytes_add(&p->entries, &e, sizeof e);
}

static cj_status parse_metadata(parser *p) {
  cj_scan *s = &p->scan;
  bool more = true;
  if (p->metadata_seen)
    return cj_fail(CJ_EIO, "%s: __metadata__: expected once, found twice", s->name);
  p->metadata_seen = true;
  CJ_TRY(cj_scan_need(s, '{'));
  if (cj_scan_take(s, '}')) return CJ_OK;
  while (more) {
    cj_pair pair;
    CJ_TRY(cj_scan_string(s, &pair.key));
    CJ_TRY(cj_scan_need(s, ':'));
    CJ_TRY(cj_scan_string(s, &pair.value));
    CJ_TRY(cj_bytes_add(&p->out->pairs, &pair, sizeof pair));
    CJ_TRY(cj_scan_next(s, '}', &more));
  }
  return CJ_OK;
}

static cj_status parse_header(parser *p) {
  cj_scan *s = &p->scan;
  bool more = true;
  CJ_TRY(cj_scan_need(s, '{'));
  if (cj_scan_take(s, '}')) return cj_scan_end(s);
  while (more) {
    cj_string name;
    CJ_TRY(cj_scan_string(s, &name));
    CJ_TRY(cj_scan_need(s, ':'));
    CJ_TRY(same(&name, "__metadata__") ? parse_metadata(p) : parse_entry(p, &name));
    CJ_TRY(cj_scan_next(s, '}', &more));
  }
  return cj_scan_end(s);
}

/* --- checks across entries ------------------------------------------------------------------- */

static int by_offset(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return (x->end > y->end) - (x->end < y->end);
}

/* Sorts the entries by offset; each must begin where the one before ends. */
static cj_status check_layout(const cj_reader *r, entry *entries, size_t count) {
  int64_t at = 0;
  if (count > 1) qsort(entries, count, sizeof *entries, by_offset);
  for (size_t i = 0; i < count; i++) {
    const entry *e = &entries[i];
    if (e->begin != at)
      return cj_fail(CJ_EIO,
                     "%s: data_offsets of '%.80s': expected a beginning at %lld, found %lld",
                     r->name, e->name.text, (long long)at, (long long)e->begin);
    at = e->end;
  }
  const uint64_t rest = r->most - r->at;
  if ((uint64_t)at != rest)
    return cj_fail(CJ_EIO, "%s: data: expected %lld bytes, found %llu", r->name, (long long)at,
                   (unsigned long long)rest);
  return CJ_OK;
}

/* --- reading --------------------------------------------------------------------------------- */

static cj_status read_header(parser *p, cj_reader *r) {
  uint8_t b[8];
  uint64_t length = 0;
  CJ_TRY(cj_reader_exact(r, b, sizeof b, "header length"));
  for (int i = 7; i >= 0; i--) length = length << 8 | b[i];
  if (length < 2 || length > MOST_HEADER)
    return cj_fail(CJ_EIO, "%s: header length: expected 2 to %d, found %llu", r->name, MOST_HEADER,
                   (unsigned long long)length);
  CJ_TRY(cj_reader_expect(r, length, "header"));
  CJ_TRY(cj_bytes_reserve(&p->out->texts, (size_t)length));
  CJ_TRY(cj_reader_exact(r, p->out->texts.data, (size_t)length, "header"));
  p->out->texts.size = (size_t)length;
  p->scan = (cj_scan){r->name, (char *)p->out->texts.data, (size_t)length, 0};
  return parse_header(p);
}

/* The data comes in the order of offsets, the archive keeps that of the header. */
static cj_status read_data(parser *p, cj_reader *r) {
  const size_t count = p->entries.size / sizeof(entry);
  entry *entries = (entry *)(void *)p->entries.data;
  cj_archive *out = p->out;
  CJ_TRY(cj_names_differ(entries, count, sizeof(entry), CJ_EIO, r->name));
  CJ_TRY(cj_names_differ(out->pairs.data, cj_archive_pair_count(out), sizeof(cj_pair), CJ_EIO,
                         r->name));
  CJ_TRY(check_layout(r, entries, count));
  if (count == 0) return cj_reader_end(r);
  CJ_TRY(cj_bytes_reserve(&out->tensors, count * sizeof(cj_named)));
  memset(out->tensors.data, 0, count * sizeof(cj_named));
  out->tensors.size = count * sizeof(cj_named);
  for (size_t i = 0; i < count; i++) {
    const entry *e = &entries[i];
    cj_named *to = &cj_archive_tensors(out)[e->order];
    to->name = e->name;
    CJ_TRY(cj_reader_tensor(r, &to->tensor, e->dtype, e->ndim, e->size));
  }
  return cj_reader_end(r);
}

cj_status cj_safetensors_parse(cj_archive *out, cj_reader *r) {
  parser p = {.out = out};
  cj_status status = read_header(&p, r);
  if (status == CJ_OK) status = read_data(&p, r);
  cj_bytes_drop(&p.entries);
  if (status != CJ_OK) cj_archive_drop(out);
  return status;
}

cj_status cj_safetensors_read(cj_archive *out, const char *path) {
  cj_reader r;
  CJ_TRY(cj_reader_open(&r, path, CJ_PLAIN));
  const cj_status status = cj_safetensors_parse(out, &r);
  cj_reader_close(&r);
  return status;
}

/* --- writing --------------------------------------------------------------------------------- */

typedef struct writer {
  const cj_named *tensors;
  size_t count;
  cj_tensor *packed; /* contiguous forms, one per tensor */
  uint64_t *begin;   /* offsets, one per tensor */
  cj_piece *pieces;  /* the header, then the data in file order */
  size_t piece_count;
  cj_bytes memory; /* holds the three arrays */
  cj_bytes header;
} writer;

static uint64_t bytes_of(const cj_tensor *t) {
  return (uint64_t)cj_numel(t) * cj_dtype_bytes(t->dtype);
}

static cj_status prepare(writer *w) {
  const size_t each = sizeof *w->packed + sizeof *w->begin + sizeof *w->pieces;
  CJ_TRY(cj_bytes_reserve(&w->memory, (w->count + 1) * each));
  memset(w->memory.data, 0, (w->count + 1) * each);
  w->packed = (cj_tensor *)(void *)w->memory.data;
  w->begin = (uint64_t *)(void *)(w->packed + w->count + 1);
  w->pieces = (cj_piece *)(void *)(w->begin + w->count + 1);
  for (size_t i = 0; i < w->count; i++)
    CJ_TRY(cj_tensor_pack(&w->packed[i], &w->tensors[i].tensor));
  return CJ_OK;
}

/* Wide elements first, else in the given order: so each tensor is aligned without gaps. */
static void lay_out(writer *w) {
  uint64_t at = 0;
  w->piece_count = 1;
  for (size_t width = 8; width > 0; width /= 2)
    for (size_t i = 0; i < w->count; i++) {
      const cj_tensor *t = &w->packed[i];
      if (cj_dtype_bytes(t->dtype) != width) continue;
      w->begin[i] = at;
      at += bytes_of(t);
      w->pieces[w->piece_count++] = (cj_piece){t->data, (size_t)bytes_of(t)};
    }
}

static cj_status add_metadata(cj_bytes *b, const cj_pair *pairs, size_t count) {
  CJ_TRY(cj_bytes_text(b, "\"__metadata__\":{"));
  for (size_t i = 0; i < count; i++) {
    if (i > 0) CJ_TRY(cj_bytes_text(b, ","));
    CJ_TRY(cj_string_quote(b, &pairs[i].key, "a metadata key"));
    CJ_TRY(cj_bytes_text(b, ":"));
    CJ_TRY(cj_string_quote(b, &pairs[i].value, "a metadata text"));
  }
  return cj_bytes_text(b, "}");
}

static const char *dtype_text(cj_dtype t) {
  for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
    if (dtypes[i].dtype == t) return dtypes[i].name;
  return "";
}

static cj_status add_entry(writer *w, size_t i) {
  cj_bytes *b = &w->header;
  const cj_tensor *t = &w->packed[i];
  CJ_TRY(cj_string_quote(b, &w->tensors[i].name, "a tensor's name"));
  CJ_TRY(cj_bytes_format(b, ":{\"dtype\":\"%s\",\"shape\":[", dtype_text(t->dtype)));
  for (int d = 0; d < t->ndim; d++)
    CJ_TRY(cj_bytes_format(b, d == 0 ? "%lld" : ",%lld", (long long)t->size[d]));
  return cj_bytes_format(b, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)w->begin[i],
                         (unsigned long long)(w->begin[i] + bytes_of(t)));
}

static cj_status build_header(writer *w, const cj_pair *pairs, size_t pair_count) {
  cj_bytes *b = &w->header;
  CJ_TRY(cj_bytes_text(b, "........{")); /* the length comes last */
  if (pair_count > 0) CJ_TRY(add_metadata(b, pairs, pair_count));
  for (size_t i = 0; i < w->count; i++) {
    if (i > 0 || pair_count > 0) CJ_TRY(cj_bytes_text(b, ","));
    CJ_TRY(add_entry(w, i));
  }
  CJ_TRY(cj_bytes_text(b, "}"));
  while (b->size % 8 != 0) CJ_TRY(cj_bytes_text(b, " "));
  const uint64_t length = b->size - 8;
  if (length > MOST_HEADER)
    return cj_fail(CJ_EARG, "expected names and texts of at most %d bytes, got %llu", MOST_HEADER,
                   (unsigned long long)length);
  for (int i = 0; i < 8; i++) b->data[i] = (uint8_t)(length >> 8 * i);
  w->pieces[0] = (cj_piece){b->data, b->size};
  return CJ_OK;
}

static cj_status check_arguments(const cj_named *tensors, size_t count, const cj_pair *pairs,
                                 size_t pair_count) {
  for (size_t i = 0; i < count; i++)
    if (same(&tensors[i].name, "__metadata__"))
      return cj_fail(CJ_EARG, "expected any tensor name but __metadata__, which has a meaning");
  CJ_TRY(cj_names_differ(tensors, count, sizeof *tensors, CJ_EARG, "tensors"));
  return cj_names_differ(pairs, pair_count, sizeof *pairs, CJ_EARG, "metadata");
}

cj_status cj_safetensors_write(const char *path, const cj_named *tensors, size_t count,
                               const cj_pair *pairs, size_t pair_count) {
  CJ_TRY(check_arguments(tensors, count, pairs, pair_count));
  writer w = {.tensors = tensors, .count = count};
  cj_status status = prepare(&w);
  if (status == CJ_OK) {
    lay_out(&w);
    status = build_header(&w, pairs, pair_count);
  }
  if (status == CJ_OK) status = cj_file_write(path, w.pieces, (int)w.piece_count);
  for (size_t i = 0; w.packed && i < count; i++) cj_tensor_drop(&w.packed[i]);
  cj_bytes_drop(&w.memory);
  cj_bytes_drop(&w.header);
  return status;
}
