/* npz.h -- several NumPy arrays in one ZIP file. */
#ifndef CJ_NPZ_H
#define CJ_NPZ_H

#include "io/archive.h"
#include "io/reader.h"

/* Reads the members of a .npz file (stored or deflated; names end in .npy, which is cut off) into
 * an empty archive, in the order of its directory. Sums and sizes are checked. Encrypted files, and
 * ZIP64, are not read. CJ_EIO leaves it empty. */
cj_status cj_npz_read(cj_archive *out, const char *path);

/* The same from an open reader, which stays the caller's. */
cj_status cj_npz_parse(cj_archive *out, cj_reader *r);

/* Writes tensors in the given order, stored, without dates: the same input gives the same bytes.
 * CJ_EARG for names that repeat, are empty or too long, and for 4 GiB or more. */
cj_status cj_npz_write(const char *path, const cj_named *tensors, size_t count);

#endif
