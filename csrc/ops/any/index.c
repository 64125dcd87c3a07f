/* index.c -- elements picked by an int64 tensor of indices, and the way back: adding to them.
 *
 * num[0] is the number of the first place (scripts count from 1). Every index is checked before
 * anything is read. Additions to one place happen in the order of the indices, in one thread. */
#include "ops/dims.h"
#include "ops/walk.h"

/* Are all indices in origin..origin+size-1? */
static cj_status check_range(const cj_tensor *index, int64_t origin, int64_t size) {
  const int64_t *p = index->data, n = cj_numel(index);
  for (int64_t i = 0; i < n; i++)
    if (p[i] < origin || p[i] >= origin + size)
      return cj_fail(CJ_EARG, "expected indices from %lld to %lld, got %lld", (long long)origin,
                     (long long)(origin + size - 1), (long long)p[i]);
  return CJ_OK;
}

/* num: origin, dim. */
static cj_status read_numbers(const cj_args *a, int64_t *origin, int *dim) {
  CJ_TRY(cj_expect_int(a, 0, "the first place", 0, 1, origin));
  CJ_TRY(cj_expect_dtype(a->in[1], "the index", CJ_I64));
  return cj_expect_dim(a, 1, dim);
}

/* --- whole slices ---------------------------------------------------------------------------- */

typedef struct slices {
  const int64_t *index;
  const real *from;
  real *to;
  int64_t origin, size, count, inner; /* of the dimension in x; of the index; elements per slice */
} slices;

static slices slices_of(const cj_args *a) {
  int dim = 0;
  slices s = {.index = a->in[1]->data, .count = a->in[1]->size[0], .inner = 1};
  if (read_numbers(a, &s.origin, &dim) != CJ_OK) return s; /* infer has checked */
  s.size = a->in[0]->size[dim];
  for (int d = dim + 1; d < a->in[0]->ndim; d++) s.inner *= a->in[0]->size[d];
  return s;
}

static cj_status index_select_infer(cj_args *a, cj_tensor *y) {
  int64_t origin, size[CJ_MAX_DIMS];
  int dim;
  CJ_TRY(read_numbers(a, &origin, &dim));
  CJ_TRY(cj_expect_ndim(a->in[1], "the index", 1));
  CJ_TRY(check_range(a->in[1], origin, a->in[0]->size[dim]));
  memcpy(size, a->in[0]->size, sizeof size);
  size[dim] = a->in[1]->size[0];
  return cj_tensor_describe(y, CJ_REAL, a->in[0]->ndim, size);
}

static void copy_slice(void *context, int64_t piece) {
  const slices *s = context;
  const int64_t row = piece / s->count, from = s->index[piece % s->count] - s->origin;
  memcpy(s->to + piece * s->inner, s->from + (row * s->size + from) * s->inner,
         (size_t)s->inner * sizeof(real));
}

static void index_select_forward(const cj_args *a, cj_tensor *y) {
  slices s = slices_of(a);
  s.from = a->in[0]->data;
  s.to = y->data;
  if (cj_numel(y) == 0) return;
  const int64_t pieces = cj_numel(y) / s.inner;
  if (s.inner >= 16384) {
    cj_parallel(pieces, copy_slice, &s);
  } else {
    for (int64_t i = 0; i < pieces; i++) copy_slice(&s, i);
  }
}

#if CJ_IS_FLOAT
static void add_slices(void *context, int64_t row) {
  const slices *s = context;
  for (int64_t i = 0; i < s->count; i++) {
    const real *from = s->from + (row * s->count + i) * s->inner;
    real *to = s->to + (row * s->size + s->index[i] - s->origin) * s->inner;
    for (int64_t k = 0; k < s->inner; k++) to[k] += from[k];
  }
}

static void index_select_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                                  cj_tensor *const *gx) {
  (void)y;
  if (!gx[0] || cj_numel(gy) == 0) return;
  slices s = slices_of(a);
  s.from = gy->data;
  s.to = gx[0]->data;
  cj_parallel(cj_numel(gy) / (s.count * s.inner), add_slices, &s);
}
#endif

/* --- single elements ------------------------------------------------------------------------- */

/* The index has as many dimensions as x and is not longer in the others: element by element it says
 * which place along dim is meant. */
typedef struct places {
  const int64_t *index;
  int64_t origin, stride; /* of the dimension */
  const real *from;
  real *to;
} places;

static cj_walk places_of(const cj_args *a, places *p) {
  const cj_tensor *x = a->in[0], *index = a->in[1];
  int64_t stride[1][CJ_MAX_DIMS] = {{0}}, step = 1;
  int dim = 0;
  if (read_numbers(a, &p->origin, &dim) != CJ_OK) return (cj_walk){0}; /* infer has checked */
  p->index = index->data;
  for (int d = x->ndim - 1; d >= 0; d--) {
    stride[0][d] = d == dim ? 0 : step;
    if (d == dim) p->stride = step;
    step *= x->size[d];
  }
  return cj_walk_strided(index, 1, stride);
}

static cj_status check_places(const cj_args *a) {
  const cj_tensor *x = a->in[0], *index = a->in[1];
  int64_t origin;
  int dim;
  CJ_TRY(read_numbers(a, &origin, &dim));
  bool fits = x->ndim == index->ndim;
  for (int d = 0; d < x->ndim && fits; d++) fits = d == dim || index->size[d] <= x->size[d];
  char sizes[CJ_SHAPE_TEXT], got[CJ_SHAPE_TEXT];
  if (!fits)
    return cj_fail(CJ_ESHAPE, "expected an index that fits in %s but for dimension %d, got %s",
                   cj_shape_text(sizes, x), dim + 1, cj_shape_text(got, index));
  return check_range(index, origin, x->size[dim]);
}

/* to[at] (+)= from[place] */
#define GATHER_RUN(name, store)                                                                    \
  static void name(const void *context, const cj_run *r) {                                         \
    const places *p = context;                                                                     \
    const real *from = p->from + r->offset[0];                                                     \
    for (int64_t i = 0; i < r->n; i++) {                                                           \
      const int64_t place = (p->index[r->at + i] - p->origin) * p->stride + i * r->step[0];        \
      p->to[r->at + i] store from[place];                                                          \
    }                                                                                              \
  }
GATHER_RUN(gather_run, =)
#if CJ_IS_FLOAT
GATHER_RUN(gather_add_run, +=)
#endif

/* to[place] += from[at] */
static void scatter_run(const void *context, const cj_run *r) {
  const places *p = context;
  real *to = p->to + r->offset[0];
  for (int64_t i = 0; i < r->n; i++) {
    real *sum = &to[(p->index[r->at + i] - p->origin) * p->stride + i * r->step[0]];
#if CJ_IS_FLOAT
    *sum += p->from[r->at + i];
#else
    *sum = (real)((uint64_t)*sum + (uint64_t)p->from[r->at + i]);
#endif
  }
}

static cj_status gather_infer(cj_args *a, cj_tensor *y) {
  CJ_TRY(check_places(a));
  return cj_tensor_describe(y, CJ_REAL, a->in[1]->ndim, a->in[1]->size);
}

static void gather_forward(const cj_args *a, cj_tensor *y) {
  places p = {.from = a->in[0]->data, .to = y->data};
  const cj_walk walk = places_of(a, &p);
  cj_walk_all(&walk, gather_run, &p);
}

/* Inputs: x, index, what to add (the sizes of the index). */
static cj_status scatter_add_infer(cj_args *a, cj_tensor *y) {
  char sizes[CJ_SHAPE_TEXT], got[CJ_SHAPE_TEXT];
  CJ_TRY(check_places(a));
  CJ_TRY(cj_expect_dtype(a->in[2], "the source", CJ_REAL));
  if (!cj_same_shape(a->in[1], a->in[2]))
    return cj_fail(CJ_ESHAPE, "expected a source of the index's sizes %s, got %s",
                   cj_shape_text(sizes, a->in[1]), cj_shape_text(got, a->in[2]));
  return cj_infer_same(a, y);
}

static void scatter_add_forward(const cj_args *a, cj_tensor *y) {
  places p = {.from = a->in[2]->data, .to = y->data};
  const cj_walk walk = places_of(a, &p);
  if (y->data != a->in[0]->data)
    memcpy(y->data, a->in[0]->data, (size_t)cj_numel(y) * sizeof(real));
  cj_walk_part(&walk, 0, walk.total, scatter_run, &p);
}

#if CJ_IS_FLOAT
static void gather_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                            cj_tensor *const *gx) {
  (void)y;
  if (!gx[0]) return;
  places p = {.from = gy->data, .to = gx[0]->data};
  const cj_walk walk = places_of(a, &p);
  cj_walk_part(&walk, 0, walk.total, scatter_run, &p);
}

static void scatter_add_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                                 cj_tensor *const *gx) {
  (void)y;
  const real *g = gy->data;
  const int64_t n = cj_numel(gy);
  if (gx[0]) {
    real *to = gx[0]->data;
    for (int64_t i = 0; i < n; i++) to[i] += g[i];
  }
  if (gx[2]) {
    places p = {.from = g, .to = gx[2]->data};
    const cj_walk walk = places_of(a, &p);
    cj_walk_all(&walk, gather_add_run, &p);
  }
}
#define IF_FLOAT(function) function
#else
#define IF_FLOAT(function) NULL
#endif

/* --- one hot --------------------------------------------------------------------------------- */

#if defined(CJ_TYPE_i64)
/* num: classes, element type. */
static cj_status one_hot_infer(cj_args *a, cj_tensor *y) {
  const cj_tensor *labels = a->in[0];
  int64_t classes, dtype, size[CJ_MAX_DIMS];
  CJ_TRY(cj_expect_int(a, 0, "the number of classes", 1, INT64_C(1) << 31, &classes));
  CJ_TRY(cj_expect_int(a, 1, "the element type", 0, CJ_DTYPES - 1, &dtype));
  if (labels->ndim == CJ_MAX_DIMS)
    return cj_fail(CJ_ESHAPE, "expected at most %d dimensions, got %d", CJ_MAX_DIMS - 1,
                   labels->ndim);
  const int64_t *p = labels->data, n = cj_numel(labels);
  for (int64_t i = 0; i < n; i++)
    if (p[i] < 0 || p[i] >= classes)
      return cj_fail(CJ_EARG, "expected labels from 0 to %lld, got %lld", (long long)classes - 1,
                     (long long)p[i]);
  memcpy(size, labels->size, sizeof size);
  size[labels->ndim] = classes;
  return cj_tensor_describe(y, (cj_dtype)dtype, labels->ndim + 1, size);
}

static void one_hot_forward(const cj_args *a, cj_tensor *y) {
  const int64_t *label = a->in[0]->data, classes = (int64_t)a->num[0], n = cj_numel(a->in[0]);
  memset(y->data, 0, (size_t)(n * classes) * cj_dtype_bytes(y->dtype));
  for (int64_t i = 0; i < n; i++) {
    const int64_t at = i * classes + label[i];
    if (y->dtype == CJ_F32)
      ((float *)y->data)[at] = 1;
    else if (y->dtype == CJ_F64)
      ((double *)y->data)[at] = 1;
    else if (y->dtype == CJ_I64)
      ((int64_t *)y->data)[at] = 1;
    else
      ((uint8_t *)y->data)[at] = 1;
  }
}
#endif

CJ_OPS(index) = {
    {"index_select", 2, 2, index_select_infer, index_select_forward,
     IF_FLOAT(index_select_backward), 0, NULL},
    {"gather", 2, 2, gather_infer, gather_forward, IF_FLOAT(gather_backward), 0, NULL},
    {"scatter_add", 3, 2, scatter_add_infer, scatter_add_forward, IF_FLOAT(scatter_add_backward), 0,
     NULL},
#if defined(CJ_TYPE_i64)
    {"one_hot", 1, 2, one_hot_infer, one_hot_forward, NULL, 0, NULL},
#endif
    {0},
};
