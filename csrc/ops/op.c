/* op.c -- the tables of operators and the checks that shape rules share. */
#include "ops/op.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#include "core/cpu.h"
#include "ops/tables.h"

static const cj_op *const *const *tables; /* [element type], each a NULL-ended list of tables */

cj_status cj_ops_open(void) {
  cj_isa isa;
  CJ_TRY(cj_isa_choose(&isa));
  openblas_set_num_threads(1); /* our own threads work above it */
  tables = cj_ops_tables[isa];
  return CJ_OK;
}

const cj_op *cj_op_find(const char *name, cj_dtype t) {
  for (const cj_op *const *table = tables[t]; *table; table++)
    for (const cj_op *op = *table; op->name; op++)
      if (strcmp(op->name, name) == 0) return op;
  return NULL;
}

static bool named_before(const char *name, int t) {
  for (int before = 0; before < t; before++)
    if (cj_op_find(name, (cj_dtype)before)) return true;
  return false;
}

/* Most operators exist for float32; then come those that exist for other types only. */
const char *cj_op_name(int i) {
  for (int t = 0; t < CJ_DTYPES; t++)
    for (const cj_op *const *table = tables[t]; *table; table++)
      for (const cj_op *op = *table; op->name; op++)
        if (!named_before(op->name, t) && i-- == 0) return op->name;
  return NULL;
}

cj_status cj_save(cj_args *a, int slot, cj_dtype dtype, int ndim, const int64_t *size) {
  CJ_TRY(cj_tensor_describe(&a->saved[slot], dtype, ndim, size));
  return a->recording ? cj_tensor_allocate(&a->saved[slot]) : CJ_OK;
}

cj_status cj_infer_same(cj_args *a, cj_tensor *y) {
  return cj_tensor_describe(y, a->in[0]->dtype, a->in[0]->ndim, a->in[0]->size);
}

static int64_t size_from_end(const cj_tensor *t, int d) {
  return d < t->ndim ? t->size[t->ndim - 1 - d] : 1;
}

cj_status cj_infer_broadcast(cj_args *a, cj_tensor *y) {
  const cj_tensor *p = a->in[0], *q = a->in[1];
  if (p->dtype != q->dtype)
    return cj_fail(CJ_EDTYPE, "expected tensors of one type, got %s and %s; convert one with :to",
                   cj_dtype_name(p->dtype), cj_dtype_name(q->dtype));
  int64_t size[CJ_MAX_DIMS];
  const int ndim = p->ndim > q->ndim ? p->ndim : q->ndim;
  for (int d = 0; d < ndim; d++) {
    const int64_t m = size_from_end(p, d), n = size_from_end(q, d);
    if (m != n && m != 1 && n != 1) {
      char left[CJ_SHAPE_TEXT], right[CJ_SHAPE_TEXT];
      return cj_fail(CJ_ESHAPE, "sizes %s and %s do not broadcast", cj_shape_text(left, p),
                     cj_shape_text(right, q));
    }
    size[ndim - 1 - d] = m == 1 ? n : m;
  }
  return cj_tensor_describe(y, p->dtype, ndim, size);
}

cj_status cj_expect_ndim(const cj_tensor *t, const char *what, int ndim) {
  char text[CJ_SHAPE_TEXT];
  if (t->ndim == ndim) return CJ_OK;
  return cj_fail(CJ_ESHAPE, "expected %d dimensions for %s, got sizes %s", ndim, what,
                 cj_shape_text(text, t));
}

cj_status cj_expect_dtype(const cj_tensor *t, const char *what, cj_dtype dtype) {
  if (t->dtype == dtype) return CJ_OK;
  return cj_fail(CJ_EDTYPE, "expected %s for %s, got %s", cj_dtype_name(dtype), what,
                 cj_dtype_name(t->dtype));
}

cj_status cj_expect_int(const cj_args *a, int i, const char *what, int64_t low, int64_t high,
                        int64_t *out) {
  const double v = a->num[i];
  if (!(v >= (double)low && v <= (double)high) || v != floor(v))
    return cj_fail(CJ_EARG, "expected a whole number from %lld to %lld for %s, got %g",
                   (long long)low, (long long)high, what, v);
  *out = (int64_t)v;
  return CJ_OK;
}
