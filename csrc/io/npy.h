/* npy.h -- NumPy's array files. */
#ifndef CJ_NPY_H
#define CJ_NPY_H

#include "core/tensor.h"
#include "io/bytes.h"
#include "io/reader.h"

/* Reads a .npy file of '<f4', '<f8', '<i8', '|u1' or '|b1' into out (empty; booleans become uint8).
 * An array in Fortran order becomes a transposed view. CJ_EIO leaves out empty. */
cj_status cj_npy_read(cj_tensor *out, const char *path);

/* The same from an open reader, which stays the caller's. */
cj_status cj_npy_parse(cj_tensor *out, cj_reader *r);

/* Writes format version 1.0, C order. */
cj_status cj_npy_write(const char *path, const cj_tensor *t);

/* Adds the header of a .npy file for t to b: 64 bytes or a multiple of it. */
cj_status cj_npy_header(cj_bytes *b, const cj_tensor *t);

#endif
