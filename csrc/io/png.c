/* png.c -- libpng behind two functions.
 *
 * libpng reports errors with longjmp. The functions that call setjmp hold nothing that must be
 * freed and change no local after setjmp; what is owned lives in a struct of their caller. */
#include "io/png.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "io/bytes.h"
#include "io/file.h"

enum { MOST_SIDE = 1 << 20, RATIO = 1032 /* deflate's best */ };

typedef struct session {
  const char *name;
  png_structp png;
  png_infop info;
  cj_bytes bytes; /* the file; when reading, `at` of them are used */
  size_t at;
  uint8_t *pixels; /* [H, W, C] as PNG wants them */
  png_uint_32 width, height;
  int channels;
  cj_status status;
  bool described; /* status and message are already set */
  bool starved;   /* an allocation failed */
  jmp_buf leave;
} session;

_Noreturn static void on_error(png_structp png, png_const_charp text) {
  session *s = png_get_error_ptr(png);
  if (!s->described)
    s->status = cj_fail(s->starved ? CJ_EMEM : CJ_EIO, "%s: PNG data: %s", s->name, text);
  s->described = true;
  longjmp(s->leave, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

_Noreturn static void give_up(session *s, cj_status status) {
  s->status = status;
  s->described = true;
  longjmp(s->leave, 1);
}

static png_voidp png_alloc(png_structp png, png_alloc_size_t size) {
  session *s = png_get_mem_ptr(png);
  void *block = cj_alloc(size);
  if (!block) s->starved = true;
  return block;
}

static void png_release(png_structp png, png_voidp block) {
  (void)png;
  cj_free(block);
}

static void on_read(png_structp png, png_bytep out, size_t size) {
  session *s = png_get_io_ptr(png);
  if (size > s->bytes.size - s->at) png_error(png, "expected more bytes, found the end");
  memcpy(out, s->bytes.data + s->at, size);
  s->at += size;
}

static void on_write(png_structp png, png_bytep bytes, size_t size) {
  session *s = png_get_io_ptr(png);
  const cj_status status = cj_bytes_add(&s->bytes, bytes, size);
  if (status != CJ_OK) give_up(s, status);
}

static void on_flush(png_structp png) {
  (void)png;
}

/* --- reading --------------------------------------------------------------------------------- */

static void read_header(session *s) {
  png_read_info(s->png, s->info);
  s->width = png_get_image_width(s->png, s->info);
  s->height = png_get_image_height(s->png, s->info);
  const int depth = png_get_bit_depth(s->png, s->info);
  const int color = png_get_color_type(s->png, s->info);
  if (depth != 8)
    give_up(s, cj_fail(CJ_EIO, "%s: bit depth: expected 8, found %d", s->name, depth));
  if (color != PNG_COLOR_TYPE_GRAY && color != PNG_COLOR_TYPE_RGB)
    give_up(s, cj_fail(CJ_EIO, "%s: colour type: expected 0 (grey) or 2 (RGB), found %d", s->name,
                       color));
  if (png_get_valid(s->png, s->info, PNG_INFO_tRNS))
    give_up(s, cj_fail(CJ_EIO, "%s: transparency: expected none, found a tRNS chunk", s->name));
  s->channels = color == PNG_COLOR_TYPE_RGB ? 3 : 1;
  const uint64_t need = (uint64_t)s->width * s->height * (uint64_t)s->channels;
  if (need / RATIO > s->bytes.size)
    give_up(s, cj_fail(CJ_EIO, "%s: size: expected at most what %zu bytes can hold, found %u x %u",
                       s->name, s->bytes.size, s->width, s->height));
}

static void read_rows(session *s) {
  const size_t row = (size_t)s->width * (size_t)s->channels;
  const int passes = png_set_interlace_handling(s->png);
  png_read_update_info(s->png, s->info);
  s->pixels = cj_alloc(row * s->height);
  if (!s->pixels) give_up(s, cj_fail(CJ_EMEM, "%s: no memory for the picture", s->name));
  for (int pass = 0; pass < passes; pass++)
    for (png_uint_32 y = 0; y < s->height; y++) png_read_row(s->png, s->pixels + y * row, NULL);
  png_read_end(s->png, NULL);
  if (s->at < s->bytes.size)
    give_up(s, cj_fail(CJ_EIO, "%s: length: expected %zu bytes, found %zu", s->name, s->at,
                       s->bytes.size));
}

static void read_all(session *s) {
  if (setjmp(s->leave)) return;
  s->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, s, on_error, on_warning, s, png_alloc,
                                    png_release);
  if (!s->png) give_up(s, cj_fail(CJ_EMEM, "%s: no memory to read", s->name));
  s->info = png_create_info_struct(s->png);
  if (!s->info) give_up(s, cj_fail(CJ_EMEM, "%s: no memory to read", s->name));
  png_set_read_fn(s->png, s, on_read);
  png_set_user_limits(s->png, MOST_SIDE, MOST_SIDE);
  /* Chunks we do not use (text, profiles) are skipped, not unpacked. */
  png_set_keep_unknown_chunks(s->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_set_benign_errors(s->png, 0);
  read_header(s);
  read_rows(s);
}

/* [H, W, C] to [C, H, W]. */
static cj_status unpack(cj_tensor *out, const session *s) {
  const int64_t size[3] = {s->channels, s->height, s->width};
  CJ_TRY(cj_tensor_new(out, CJ_U8, 3, size));
  const size_t plane = (size_t)s->height * s->width, channels = (size_t)s->channels;
  uint8_t *y = out->data;
  for (size_t c = 0; c < channels; c++)
    for (size_t i = 0; i < plane; i++) y[c * plane + i] = s->pixels[i * channels + c];
  return CJ_OK;
}

cj_status cj_png_parse(cj_tensor *out, cj_reader *r) {
  session s;
  memset(&s, 0, sizeof s);
  s.name = r->name;
  s.status = cj_bytes_read(&s.bytes, r, (size_t)1 << 30);
  if (s.status == CJ_OK) {
    read_all(&s);
    if (s.status == CJ_OK) s.status = unpack(out, &s);
    png_destroy_read_struct(&s.png, &s.info, NULL);
  }
  cj_free(s.pixels);
  cj_bytes_drop(&s.bytes);
  return s.status;
}

cj_status cj_png_read(cj_tensor *out, const char *path) {
  cj_reader r;
  CJ_TRY(cj_reader_open(&r, path, CJ_PLAIN));
  const cj_status status = cj_png_parse(out, &r);
  cj_reader_close(&r);
  return status;
}

/* --- writing --------------------------------------------------------------------------------- */

static cj_status check_picture(const char *fn, const cj_tensor *t) {
  char shape[CJ_SHAPE_TEXT];
  const bool sizes = t->ndim == 2 || (t->ndim == 3 && (t->size[0] == 1 || t->size[0] == 3));
  if (!sizes)
    return cj_fail(CJ_ESHAPE, "%s: expected [H, W], [1, H, W] or [3, H, W], got %s", fn,
                   cj_shape_text(shape, t));
  if (t->dtype == CJ_I64)
    return cj_fail(CJ_EDTYPE, "%s: expected uint8 or floats in 0..1, got int64", fn);
  for (int d = t->ndim - 2; d < t->ndim; d++)
    if (t->size[d] < 1 || t->size[d] > MOST_SIDE)
      return cj_fail(CJ_ESHAPE, "%s: expected sides of 1 to %d pixels, got %s", fn, MOST_SIDE,
                     cj_shape_text(shape, t));
  return CJ_OK;
}

static uint8_t to_byte(double v) {
  if (!(v > 0)) return 0; /* NaN too */
  return v >= 1 ? 255 : (uint8_t)(v * 255 + 0.5);
}

static uint8_t pixel(const cj_tensor *t, size_t i) {
  if (t->dtype == CJ_U8) return ((const uint8_t *)t->data)[i];
  if (t->dtype == CJ_F32) return to_byte((double)((const float *)t->data)[i]);
  return to_byte(((const double *)t->data)[i]);
}

/* [C, H, W] of any type to bytes [H, W, C]. */
static cj_status pack(session *s, const cj_tensor *t) {
  s->channels = t->ndim == 3 ? (int)t->size[0] : 1;
  s->height = (png_uint_32)t->size[t->ndim - 2];
  s->width = (png_uint_32)t->size[t->ndim - 1];
  const size_t plane = (size_t)s->height * s->width, channels = (size_t)s->channels;
  s->pixels = cj_alloc(plane * channels);
  if (!s->pixels) return cj_fail(CJ_EMEM, "%s: no memory for the picture", s->name);
  for (size_t c = 0; c < channels; c++)
    for (size_t i = 0; i < plane; i++) s->pixels[i * channels + c] = pixel(t, c * plane + i);
  return CJ_OK;
}

static void write_all(session *s) {
  if (setjmp(s->leave)) return;
  s->png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, s, on_error, on_warning, s, png_alloc,
                                     png_release);
  if (!s->png) give_up(s, cj_fail(CJ_EMEM, "%s: no memory to write", s->name));
  s->info = png_create_info_struct(s->png);
  if (!s->info) give_up(s, cj_fail(CJ_EMEM, "%s: no memory to write", s->name));
  png_set_write_fn(s->png, s, on_write, on_flush);
  png_set_user_limits(s->png, MOST_SIDE, MOST_SIDE);
  png_set_IHDR(s->png, s->info, s->width, s->height, 8,
               s->channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_BASE, PNG_FILTER_TYPE_BASE);
  png_write_info(s->png, s->info);
  for (png_uint_32 y = 0; y < s->height; y++)
    png_write_row(s->png, s->pixels + (size_t)y * s->width * (size_t)s->channels);
  png_write_end(s->png, s->info);
}

/* The file's bytes in *out. fn, name: the call and the file, for messages. */
static cj_status encode(cj_bytes *out, const char *fn, const char *name, const cj_tensor *t) {
  session s;
  cj_tensor packed = {0};
  memset(&s, 0, sizeof s);
  s.name = name;
  CJ_TRY(check_picture(fn, t));
  CJ_TRY(cj_tensor_pack(&packed, t));
  s.status = pack(&s, &packed);
  if (s.status == CJ_OK) {
    write_all(&s);
    png_destroy_write_struct(&s.png, &s.info);
  }
  cj_free(s.pixels);
  cj_tensor_drop(&packed);
  *out = s.bytes;
  return s.status;
}

cj_status cj_png_write(const char *path, const cj_tensor *t) {
  cj_bytes bytes = {0};
  cj_status status = encode(&bytes, "write_png", path, t);
  if (status == CJ_OK) status = cj_file_write(path, &(cj_piece){bytes.data, bytes.size}, 1);
  cj_bytes_drop(&bytes);
  return status;
}

cj_status cj_png_encode(cj_tensor *out, const cj_tensor *t) {
  cj_bytes bytes = {0};
  cj_status status = encode(&bytes, "encode_png", "encode_png", t);
  const int64_t size = (int64_t)bytes.size;
  if (status == CJ_OK) status = cj_tensor_new(out, CJ_U8, 1, &size);
  if (status == CJ_OK) memcpy(out->data, bytes.data, bytes.size);
  cj_bytes_drop(&bytes);
  return status;
}
