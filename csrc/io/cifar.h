/* cifar.h -- the binary batches of CIFAR-10. */
#ifndef CJ_CIFAR_H
#define CJ_CIFAR_H

#include "core/tensor.h"
#include "io/reader.h"

enum { CJ_CIFAR_SIDE = 32, CJ_CIFAR_CLASSES = 10, CJ_CIFAR_RECORD = 1 + 3 * 32 * 32 };

/* Reads one plain or gzip-compressed batch: images (uint8 [N, 3, 32, 32]) and labels (int64 [N],
 * 0..9), both empty before. The number of records is the file's. CJ_EIO leaves both empty. */
cj_status cj_cifar_read(cj_tensor *images, cj_tensor *labels, const char *path);

/* The same from an open reader, which stays the caller's. */
cj_status cj_cifar_parse(cj_tensor *images, cj_tensor *labels, cj_reader *r);

#endif
