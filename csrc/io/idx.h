/* idx.h -- the IDX format of MNIST: big-endian sizes, then unsigned bytes. */
#ifndef CJ_IDX_H
#define CJ_IDX_H

#include "core/tensor.h"
#include "io/reader.h"

/* Reads a plain or gzip-compressed IDX file of unsigned bytes into out (empty, becomes a new uint8
 * tensor). ndim: the number of dimensions the file must have, or 0 for any of 1..CJ_MAX_DIMS. A
 * file that is short, long, damaged or that lies about its sizes gives CJ_EIO and leaves out empty.
 */
cj_status cj_idx_read(cj_tensor *out, const char *path, int ndim);

/* The same from an open reader, which stays the caller's. */
cj_status cj_idx_parse(cj_tensor *out, cj_reader *r, int ndim);

/* Writes a uint8 tensor of 1 dimension or more, gzip-compressed when path ends in ".gz". */
cj_status cj_idx_write(const char *path, const cj_tensor *t);

#endif
