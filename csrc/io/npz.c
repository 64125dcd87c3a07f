/* npz.c -- the part of ZIP that NumPy uses: local header, name, data for each member; then the
 * directory; then its end. The directory is what counts: sizes in local headers are not read.
 *
 * Source: PKWARE APPNOTE 6.3, sections 4.3.7, 4.3.12, 4.3.16. All numbers are little-endian. */
#include "io/npz.h"

#include <string.h>

#include "core/memory.h"
#include "io/file.h"
#include "io/npy.h"

enum {
  LOCAL_SIZE = 30,
  ENTRY_SIZE = 46,
  END_SIZE = 22,
  MOST_COMMENT = 0xFFFF,
  STORED = 0,
  DEFLATED = 8,
  ENCRYPTED = 1,
  RATIO = 1032, /* deflate's best */
  RAW_WINDOW = -15
};
static const uint32_t local_mark = 0x04034b50, entry_mark = 0x02014b50, end_mark = 0x06054b50;

static uint32_t get16(const uint8_t *p) {
  return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t get32(const uint8_t *p) {
  return get16(p) | get16(p + 2) << 16;
}

/* --- reading --------------------------------------------------------------------------------- */

/* One line of the directory. */
typedef struct member {
  cj_string name; /* without .npy; in the archive's texts */
  uint32_t method, sum, stored, size, local;
} member;

typedef struct parser {
  const char *name; /* of the file */
  cj_bytes file;
  const uint8_t *directory;
  size_t directory_size, count;
  cj_archive *out;
} parser;

static cj_status find_end(parser *p) {
  const uint8_t *data = p->file.data;
  const size_t size = p->file.size;
  if (size < END_SIZE)
    return cj_fail(CJ_EIO, "%s: length: expected at least %d bytes, found %zu", p->name, END_SIZE,
                   size);
  for (size_t back = END_SIZE; back <= size && back <= END_SIZE + MOST_COMMENT; back++) {
    const uint8_t *end = data + size - back;
    if (get32(end) != end_mark || get16(end + 20) != back - END_SIZE) continue;
    const uint64_t at = get32(end + 16), length = get32(end + 12);
    p->count = get16(end + 10);
    if (get16(end + 4) != 0 || get16(end + 6) != 0 || get16(end + 8) != p->count)
      return cj_fail(CJ_EIO, "%s: end of directory: expected one disk, found more", p->name);
    if (at + length != size - back)
      return cj_fail(CJ_EIO, "%s: directory: expected to end at byte %zu, found %llu", p->name,
                     size - back, (unsigned long long)(at + length));
    p->directory = data + at;
    p->directory_size = (size_t)length;
    return CJ_OK;
  }
  return cj_fail(CJ_EIO, "%s: expected the end of a ZIP directory, found none", p->name);
}

static cj_status check_name(const parser *p, const uint8_t *name, size_t length) {
  const size_t ending = 4;
  if (length > ending && memcmp(name + length - ending, ".npy", ending) == 0 &&
      !memchr(name, 0, length))
    return CJ_OK;
  return cj_fail(CJ_EIO, "%s: member name: expected NAME.npy, found '%.*s'", p->name,
                 length > 80 ? 80 : (int)length, (const char *)name);
}

/* Reads the directory's line at *at and moves on. Names go where room was made for them before. */
static cj_status parse_member(parser *p, size_t *at, member *m) {
  const uint8_t *e = p->directory + *at;
  const size_t left = p->directory_size - *at;
  if (left < ENTRY_SIZE || get32(e) != entry_mark)
    return cj_fail(CJ_EIO, "%s: directory: expected %zu members, found fewer", p->name, p->count);
  const size_t length = get16(e + 28), all = ENTRY_SIZE + length + get16(e + 30) + get16(e + 32);
  if (all > left)
    return cj_fail(CJ_EIO, "%s: directory: expected %zu bytes, found %zu", p->name, all, left);
  CJ_TRY(check_name(p, e + ENTRY_SIZE, length));
  if (get16(e + 8) & ENCRYPTED)
    return cj_fail(CJ_EIO, "%s: flags: expected no encryption, found it", p->name);
  cj_bytes *texts = &p->out->texts;
  m->name = (cj_string){(char *)texts->data + texts->size, length - 4};
  CJ_TRY(cj_bytes_add(texts, e + ENTRY_SIZE, length - 4));
  CJ_TRY(cj_bytes_add(texts, "", 1));
  m->method = get16(e + 10);
  m->sum = get32(e + 16);
  m->stored = get32(e + 20);
  m->size = get32(e + 24);
  m->local = get32(e + 42);
  *at += all;
  return CJ_OK;
}

/* Where the member's bytes begin; they end before the directory. */
static cj_status find_data(const parser *p, const member *m, const uint8_t **data) {
  const uint64_t room = (uint64_t)(p->directory - p->file.data);
  const bool inside = (uint64_t)m->local + LOCAL_SIZE <= room;
  const uint8_t *local = p->file.data + (inside ? m->local : 0);
  if (!inside || get32(local) != local_mark)
    return cj_fail(CJ_EIO, "%s: member '%.80s': expected its header at byte %u, found none",
                   p->name, m->name.text, m->local);
  const uint64_t begin = (uint64_t)m->local + LOCAL_SIZE + get16(local + 26) + get16(local + 28);
  if (begin + m->stored > room)
    return cj_fail(CJ_EIO, "%s: member '%.80s': expected %u bytes, found %lld", p->name,
                   m->name.text, m->stored, (long long)room - (long long)begin);
  *data = p->file.data + begin;
  return CJ_OK;
}

static voidpf zlib_alloc(voidpf context, uInt items, uInt size) {
  (void)context;
  return cj_alloc((size_t)items * size);
}

static void zlib_free(voidpf context, voidpf block) {
  (void)context;
  cj_free(block);
}

/* Inflates m->stored bytes into exactly m->size bytes. */
static cj_status unpack(const parser *p, const member *m, const uint8_t *data, cj_bytes *out) {
  z_stream z;
  memset(&z, 0, sizeof z);
  z.zalloc = zlib_alloc;
  z.zfree = zlib_free;
  if (m->size / RATIO > m->stored)
    return cj_fail(CJ_EIO, "%s: member '%.80s': expected at most what %u bytes can hold, found %u",
                   p->name, m->name.text, m->stored, m->size);
  CJ_TRY(cj_bytes_reserve(out, (size_t)m->size + 1));
  if (inflateInit2(&z, RAW_WINDOW) != Z_OK)
    return cj_fail(CJ_EMEM, "%s: no memory to decompress", p->name);
  z.next_in = (z_const Bytef *)(uintptr_t)data;
  z.avail_in = m->stored;
  z.next_out = out->data;
  z.avail_out = m->size;
  const int code = inflate(&z, Z_FINISH);
  out->size = m->size - z.avail_out;
  const bool whole = code == Z_STREAM_END && out->size == m->size && z.avail_in == 0;
  inflateEnd(&z);
  if (code == Z_MEM_ERROR) return cj_fail(CJ_EMEM, "%s: no memory to decompress", p->name);
  if (whole) return CJ_OK;
  return cj_fail(CJ_EIO, "%s: member '%.80s': the compressed data is damaged", p->name,
                 m->name.text);
}

static cj_status parse_array(const parser *p, const member *m, const uint8_t *data,
                             cj_tensor *tensor) {
  cj_reader r;
  const uLong sum = crc32(crc32(0, NULL, 0), data, m->size);
  if (sum != m->sum)
    return cj_fail(CJ_EIO, "%s: member '%.80s': sum: expected %08x, found %08lx", p->name,
                   m->name.text, m->sum, sum);
  CJ_TRY(cj_reader_open_memory(&r, p->name, data, m->size, CJ_PLAIN));
  const cj_status status = cj_npy_parse(tensor, &r);
  cj_reader_close(&r);
  return status;
}

static cj_status read_member(const parser *p, const member *m, cj_tensor *tensor) {
  const uint8_t *data = NULL;
  cj_bytes plain = {0};
  CJ_TRY(find_data(p, m, &data));
  if (m->method == STORED && m->stored == m->size) return parse_array(p, m, data, tensor);
  if (m->method != DEFLATED)
    return cj_fail(CJ_EIO, "%s: member '%.80s': expected method 0 or 8, found %u (%u of %u bytes)",
                   p->name, m->name.text, m->method, m->stored, m->size);
  cj_status status = unpack(p, m, data, &plain);
  if (status == CJ_OK) status = parse_array(p, m, plain.data, tensor);
  cj_bytes_drop(&plain);
  return status;
}

static cj_status read_members(parser *p) {
  size_t at = 0;
  cj_archive *out = p->out;
  CJ_TRY(cj_bytes_reserve(&out->texts, p->directory_size + 1)); /* so that names never move */
  for (size_t i = 0; i < p->count; i++) {
    member m;
    cj_named named;
    memset(&named, 0, sizeof named);
    CJ_TRY(parse_member(p, &at, &m));
    named.name = m.name;
    CJ_TRY(cj_bytes_reserve(&out->tensors, sizeof named)); /* first: then nothing is lost */
    CJ_TRY(read_member(p, &m, &named.tensor));
    CJ_TRY(cj_bytes_add(&out->tensors, &named, sizeof named));
  }
  if (at != p->directory_size)
    return cj_fail(CJ_EIO, "%s: directory: expected %zu bytes, found %zu", p->name, at,
                   p->directory_size);
  return cj_names_differ(out->tensors.data, p->count, sizeof(cj_named), CJ_EIO, p->name);
}

cj_status cj_npz_parse(cj_archive *out, cj_reader *r) {
  parser p = {.name = r->name, .out = out};
  cj_status status = cj_bytes_read(&p.file, r, SIZE_MAX / 4);
  if (status == CJ_OK) status = find_end(&p);
  if (status == CJ_OK) status = read_members(&p);
  cj_bytes_drop(&p.file);
  if (status != CJ_OK) cj_archive_drop(out);
  return status;
}

cj_status cj_npz_read(cj_archive *out, const char *path) {
  cj_reader r;
  CJ_TRY(cj_reader_open(&r, path, CJ_PLAIN));
  const cj_status status = cj_npz_parse(out, &r);
  cj_reader_close(&r);
  return status;
}

/* --- writing --------------------------------------------------------------------------------- */

enum { VERSION = 20, UTF8_NAME = 0x800, FIRST_DAY = 0x21 /* 1 January 1980 */ };

/* What the directory repeats of a member. */
typedef struct written {
  uint32_t sum, size, local;
  size_t head, head_size; /* its local header, name and npy header within `heads` */
  cj_tensor packed;
} written;

typedef struct writer {
  const cj_named *tensors;
  size_t count;
  written *members;
  cj_piece *pieces;
  cj_bytes memory; /* holds the two arrays */
  cj_bytes heads, directory;
  uint64_t at;
} writer;

static cj_status put(cj_bytes *b, uint32_t value, int bytes) {
  uint8_t text[4];
  for (int i = 0; i < bytes; i++) text[i] = (uint8_t)(value >> 8 * i);
  return cj_bytes_add(b, text, (size_t)bytes);
}

/* The fields that both headers share, from the version to the length of the extra field. */
static cj_status put_shared(cj_bytes *b, const written *m, size_t name_size) {
  const uint32_t fields[] = {VERSION, UTF8_NAME, STORED, 0, FIRST_DAY};
  for (int i = 0; i < 5; i++) CJ_TRY(put(b, fields[i], 2));
  CJ_TRY(put(b, m->sum, 4));
  CJ_TRY(put(b, m->size, 4));
  CJ_TRY(put(b, m->size, 4));
  CJ_TRY(put(b, (uint32_t)name_size, 2));
  return put(b, 0, 2);
}

static cj_status put_name(cj_bytes *b, const cj_string *name) {
  CJ_TRY(cj_bytes_add(b, name->text, name->size));
  return cj_bytes_text(b, ".npy");
}

static size_t data_bytes(const cj_tensor *t) {
  return (size_t)cj_numel(t) * cj_dtype_bytes(t->dtype);
}

/* The array's head goes behind the member's in `heads`; sum and size need it first. */
static cj_status add_member(writer *w, size_t i) {
  written *m = &w->members[i];
  const cj_string *name = &w->tensors[i].name;
  cj_bytes npy = {0};
  cj_status status = cj_npy_header(&npy, &m->packed);
  const uint64_t size = npy.size + (uint64_t)data_bytes(&m->packed);
  if (status == CJ_OK && w->at + size + LOCAL_SIZE + name->size + 4 > UINT32_MAX)
    status = cj_fail(CJ_EARG, "write_npz: expected less than 4 GiB, got more; use safetensors");
  if (status == CJ_OK) {
    m->sum =
        (uint32_t)crc32_z(crc32_z(0, npy.data, npy.size), m->packed.data, data_bytes(&m->packed));
    m->size = (uint32_t)size;
    m->local = (uint32_t)w->at;
    m->head = w->heads.size;
    status = put(&w->heads, local_mark, 4);
    if (status == CJ_OK) status = put_shared(&w->heads, m, name->size + 4);
    if (status == CJ_OK) status = put_name(&w->heads, name);
    if (status == CJ_OK) status = cj_bytes_add(&w->heads, npy.data, npy.size);
    m->head_size = w->heads.size - m->head;
    w->at += m->head_size + data_bytes(&m->packed);
  }
  cj_bytes_drop(&npy);
  return status;
}

static cj_status add_line(writer *w, size_t i) {
  cj_bytes *b = &w->directory;
  const written *m = &w->members[i];
  CJ_TRY(put(b, entry_mark, 4));
  CJ_TRY(put(b, VERSION, 2));
  CJ_TRY(put_shared(b, m, w->tensors[i].name.size + 4));
  CJ_TRY(put(b, 0, 4)); /* comment, disk */
  CJ_TRY(put(b, 0, 2)); /* attributes */
  CJ_TRY(put(b, 0, 4));
  CJ_TRY(put(b, m->local, 4));
  return put_name(b, &w->tensors[i].name);
}

static cj_status add_end(writer *w) {
  cj_bytes *b = &w->directory;
  const uint32_t size = (uint32_t)b->size;
  if (w->at + b->size + END_SIZE > UINT32_MAX)
    return cj_fail(CJ_EARG, "write_npz: expected less than 4 GiB, got more; use safetensors");
  CJ_TRY(put(b, end_mark, 4));
  CJ_TRY(put(b, 0, 4));
  CJ_TRY(put(b, (uint32_t)w->count, 2));
  CJ_TRY(put(b, (uint32_t)w->count, 2));
  CJ_TRY(put(b, size, 4));
  CJ_TRY(put(b, (uint32_t)w->at, 4));
  return put(b, 0, 2);
}

static cj_status prepare(writer *w) {
  const size_t each = sizeof *w->members + 2 * sizeof *w->pieces;
  CJ_TRY(cj_bytes_reserve(&w->memory, (w->count + 1) * each));
  memset(w->memory.data, 0, (w->count + 1) * each);
  w->members = (written *)(void *)w->memory.data;
  w->pieces = (cj_piece *)(void *)(w->members + w->count + 1);
  for (size_t i = 0; i < w->count; i++) {
    CJ_TRY(cj_tensor_pack(&w->members[i].packed, &w->tensors[i].tensor));
    CJ_TRY(add_member(w, i));
    CJ_TRY(add_line(w, i));
  }
  return add_end(w);
}

static cj_status write_pieces(writer *w, const char *path) {
  for (size_t i = 0; i < w->count; i++) { /* now that `heads` moves no more */
    const written *m = &w->members[i];
    w->pieces[2 * i] = (cj_piece){w->heads.data + m->head, m->head_size};
    w->pieces[2 * i + 1] = (cj_piece){m->packed.data, data_bytes(&m->packed)};
  }
  w->pieces[2 * w->count] = (cj_piece){w->directory.data, w->directory.size};
  return cj_file_write(path, w->pieces, (int)(2 * w->count + 1));
}

static cj_status check_arguments(const cj_named *tensors, size_t count) {
  if (count > UINT16_MAX - 1)
    return cj_fail(CJ_EARG, "write_npz: expected at most %d tensors, got %zu", UINT16_MAX - 1,
                   count);
  for (size_t i = 0; i < count; i++)
    if (tensors[i].name.size == 0 || tensors[i].name.size > 1000 ||
        memchr(tensors[i].name.text, 0, tensors[i].name.size))
      return cj_fail(CJ_EARG,
                     "write_npz: expected names of 1 to 1000 bytes without zeros, got one "
                     "of %zu bytes",
                     tensors[i].name.size);
  return cj_names_differ(tensors, count, sizeof *tensors, CJ_EARG, "write_npz");
}

cj_status cj_npz_write(const char *path, const cj_named *tensors, size_t count) {
  CJ_TRY(check_arguments(tensors, count));
  writer w = {.tensors = tensors, .count = count};
  cj_status status = prepare(&w);
  if (status == CJ_OK) status = write_pieces(&w, path);
  for (size_t i = 0; w.members && i < count; i++) cj_tensor_drop(&w.members[i].packed);
  cj_bytes_drop(&w.memory);
  cj_bytes_drop(&w.heads);
  cj_bytes_drop(&w.directory);
  return status;
}
