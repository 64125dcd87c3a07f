/* png.h -- pictures: 8-bit grey or RGB. */
#ifndef CJ_IO_PNG_H
#define CJ_IO_PNG_H

#include "core/tensor.h"
#include "io/reader.h"

/* Reads an 8-bit grey or RGB picture without transparency into out (empty before): uint8 [C, H, W]
 * with C = 1 or 3. Anything else, and damage, gives CJ_EIO and leaves out empty. */
cj_status cj_png_read(cj_tensor *out, const char *path);

/* The same from an open reader, which stays the caller's. */
cj_status cj_png_parse(cj_tensor *out, cj_reader *r);

/* Writes [H, W], [1, H, W] or [3, H, W]; uint8 as it is, floats times 255, rounded, clamped to
 * 0..255 (NaN: 0). The same picture gives the same bytes. */
cj_status cj_png_write(const char *path, const cj_tensor *t);

/* The bytes of the file that cj_png_write would write, uint8 [N], into out (empty before). */
cj_status cj_png_encode(cj_tensor *out, const cj_tensor *t);

#endif
