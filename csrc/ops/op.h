/* op.h -- what an operator is, and what the files of operators see.
 *
 * Every file of csrc/ops is compiled once per instruction set (CJ_ISA) and element type (CJ_TYPE);
 * `real` is that type. Files in csrc/ops/any are compiled for all four types, the others for
 * float32 and float64. A file defines one table, CJ_OPS(file), and everything else in it is static.
 *
 * Life of a call (autograd/tape.c): pack inputs -> infer -> allocate y -> forward -> record. */
#ifndef CJ_OP_H
#define CJ_OP_H

#include <stddef.h>

#include "core/tensor.h"
#include "kernels/kernel.h"

enum { CJ_MAX_SAVED = 4, CJ_ANY = -1 };

typedef struct cj_args {
  int count; /* tensors passed; an optional one that is absent is NULL */
  const cj_tensor *const *in;
  int numbers; /* numbers passed */
  const double *num;
  bool recording;                /* a backward call may follow: fill what it reads in saved */
  cj_tensor saved[CJ_MAX_SAVED]; /* asked for in infer by cj_save, kept until the backward call */
  void *scratch; /* op->scratch(a) bytes, 64-byte aligned, only while forward or backward runs */
} cj_args;

enum {
  CJ_STRIDED = 1,       /* takes inputs of any strides; without it they arrive contiguous */
  CJ_VIEW = 2,          /* infer makes y a view of in[0]'s storage; nothing is allocated for y */
  CJ_MUTATES = 4,       /* with CJ_VIEW: forward writes into in[0] (optimiser steps) */
  CJ_ELEMENTWISE = 8,   /* y[i] depends on in[.][i] alone: y may be in[0]'s own memory */
  CJ_KEEPS_OUTPUT = 16, /* backward reads y; else y passed to backward has sizes but no data */
  CJ_DROPS_INPUTS = 32, /* backward reads no input data; the tape then keeps only their sizes */
  CJ_APART = 64,        /* slices of dimension 0 of in[0] never meet, if that is all that varies */
  CJ_ALONG = 128        /* the same unless num[0], a dimension, is 0 */
};
/* A flag: the last n inputs may be NULL. All others are there when infer is called. */
#define CJ_OPTIONAL(n) ((unsigned)(n) << 8)

typedef struct cj_op {
  const char *name;
  int tensors; /* inputs; a negative number -n: n or more; optional ones count too */
  int numbers; /* parameters; CJ_ANY for a list of any length. Booleans are 0 or 1 */
  /* Checks everything and sets y's type and sizes with cj_tensor_describe (y arrives with in[0]'s
   * type); the only step that may fail. in[0] is of this table's type; all other types are for
   * infer to check. Error texts do not repeat the operator's name: cj_apply puts it in front. */
  cj_status (*infer)(cj_args *a, cj_tensor *y);
  /* Fills y, which is contiguous (CJ_VIEW apart). May use cj_parallel. */
  void (*forward)(const cj_args *a, cj_tensor *y);
  /* Adds the gradients to gx[i], contiguous, same sizes as in[i]; gx[i] is NULL where none is
   * wanted. Never overwrites. gy is contiguous. NULL: not differentiable. */
  void (*backward)(const cj_args *a, const cj_tensor *y, const cj_tensor *gy, cj_tensor *const *gx);
  unsigned flags;
  /* Bytes of scratch that forward and backward use; NULL: none. */
  size_t (*scratch)(const cj_args *a);
} cj_op;

/* --- for the files of operators ------------------------------------------------------------- */

#define CJ_OPS(file)                                                                               \
  extern const cj_op CJ_JOIN4(cj_ops, file, CJ_ISA, CJ_TYPE)[];                                    \
  const cj_op CJ_JOIN4(cj_ops, file, CJ_ISA, CJ_TYPE)[]

/* Asks for saved[slot] with that type and sizes; forward finds it allocated when a->recording. */
cj_status cj_save(cj_args *a, int slot, cj_dtype dtype, int ndim, const int64_t *size);

/* Shape rules. same: y like in[0]. broadcast: y is in[0] and in[1] broadcast together (NumPy's
 * rule), same type required. */
cj_status cj_infer_same(cj_args *a, cj_tensor *y);
cj_status cj_infer_broadcast(cj_args *a, cj_tensor *y);

/* Checks used by infer; `what` names the argument in the message. */
cj_status cj_expect_ndim(const cj_tensor *t, const char *what, int ndim);
cj_status cj_expect_dtype(const cj_tensor *t, const char *what, cj_dtype dtype);
/* num[i] must be a whole number in low..high; in *out. */
cj_status cj_expect_int(const cj_args *a, int i, const char *what, int64_t low, int64_t high,
                        int64_t *out);

/* --- the tables ------------------------------------------------------------------------------ */

/* Operator `name` for elements of type t in the chosen instruction set, or NULL. */
const cj_op *cj_op_find(const char *name, cj_dtype t);
/* The i-th distinct name, in the order of the files, or NULL past the last. */
const char *cj_op_name(int i);
/* Chooses the tables: once at load. */
cj_status cj_ops_open(void);

#endif
