/* tensor.h -- a view of a storage: element type, sizes, strides, and the tape node that made it.
 *
 * A cj_tensor is a small struct, held by value, that owns one reference to its storage and one to
 * its node. A zero-filled one is empty and may always be dropped. Sizes and strides count elements;
 * dimension 0 is the outermost. Indices and dimensions are 0-based everywhere in C. */
#ifndef CJ_TENSOR_H
#define CJ_TENSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"
#include "core/storage.h"

enum { CJ_MAX_DIMS = 8 };

typedef enum cj_dtype { CJ_F32, CJ_F64, CJ_I64, CJ_U8, CJ_DTYPES } cj_dtype;

struct cj_node;

typedef struct cj_tensor {
  cj_storage *storage; /* NULL: empty struct */
  void *data;          /* first element */
  int64_t size[CJ_MAX_DIMS];
  int64_t stride[CJ_MAX_DIMS];
  int ndim;
  cj_dtype dtype;
  struct cj_node *node; /* NULL: no gradient is wanted; see autograd/tape.h */
} cj_tensor;

/* "float32", "float64", "int64" or "uint8". */
const char *cj_dtype_name(cj_dtype t);
/* Bytes of one element. */
size_t cj_dtype_bytes(cj_dtype t);
/* The type of that name in *out, or CJ_EDTYPE. */
cj_status cj_dtype_parse(cj_dtype *out, const char *name);
static inline bool cj_dtype_float(cj_dtype t) {
  return t == CJ_F32 || t == CJ_F64;
}

/* Number of elements; 1 for a scalar (ndim 0). */
int64_t cj_numel(const cj_tensor *t);
bool cj_contiguous(const cj_tensor *t);
/* Are several elements one in memory, as in an expanded view? */
bool cj_repeats(const cj_tensor *t);
bool cj_same_shape(const cj_tensor *a, const cj_tensor *b);

/* Writes sizes as "[2, 3]" into text, always terminated; returns text. */
enum { CJ_SHAPE_TEXT = 200 };
char *cj_shape_text(char text[CJ_SHAPE_TEXT], const cj_tensor *t);

/* Sets type and sizes of an empty tensor and row-major strides; allocates nothing.
 * CJ_ESHAPE for more than CJ_MAX_DIMS dimensions, a negative size or more bytes than fit. */
cj_status cj_tensor_describe(cj_tensor *t, cj_dtype dtype, int ndim, const int64_t *size);

/* Gives a described tensor memory of its own (undefined content). CJ_EMEM leaves it as it was. */
cj_status cj_tensor_allocate(cj_tensor *t);

/* Both in one: out must be empty. cj_tensor_zeros also clears the memory. */
cj_status cj_tensor_new(cj_tensor *out, cj_dtype dtype, int ndim, const int64_t *size);
cj_status cj_tensor_zeros(cj_tensor *out, cj_dtype dtype, int ndim, const int64_t *size);

/* A second view of the same elements, node included (cj_tensor_share) or without it, that is cut
 * from the tape (cj_tensor_detach). out must be empty. They cannot fail. */
void cj_tensor_share(cj_tensor *out, const cj_tensor *t);
void cj_tensor_detach(cj_tensor *out, const cj_tensor *t);

/* Copies src into dst, element by element, converting types (float to integer truncates toward
 * zero, saturating; NaN gives 0). Sizes must agree: CJ_ESHAPE. Overlap is allowed only when both
 * are the same view. Does not touch the tape. */
cj_status cj_tensor_copy(cj_tensor *dst, const cj_tensor *src);

/* A contiguous tensor with the elements of t: shared if t already is, else a copy. out must be
 * empty. Detached. */
cj_status cj_tensor_pack(cj_tensor *out, const cj_tensor *t);

/* Every element becomes value (converted to the type). */
void cj_tensor_fill(cj_tensor *t, double value);

/* Element at the 0-based indices, one per dimension, as a double; and its setter. Bounds are the
 * caller's duty. */
double cj_tensor_get(const cj_tensor *t, const int64_t *index);
void cj_tensor_set(cj_tensor *t, const int64_t *index, double value);

/* Gives storage and node back and leaves the struct empty. */
void cj_tensor_drop(cj_tensor *t);

#endif
