/* extreme.c -- the largest and smallest elements along dimensions, and where they are.
 *
 * NaN counts as more extreme than any number, so it is never lost. Of equal elements the first one
 * is taken; it alone gets the gradient. */
#include "ops/reduce.h"

enum {
  MAX_FIRST_DIM = 1, /* num: keepdim, dims */
  ARG_FIRST_DIM = 2  /* num: the number of the first place, keepdim, dims */
};

#if CJ_IS_FLOAT
#define IS_NAN(x) ((x) != (x))
#define IF_FLOAT(function) function
#else
#define IS_NAN(x) ((void)(x), 0)
#define IF_FLOAT(function) NULL
#endif

static void begin(fold_state *s, int64_t width) {
  for (int64_t i = 0; i < width; i++) s->at[i] = -1; /* nothing yet */
}

/* Does a value take the place of an earlier one? NaN does, and keeps it. */
#define TAKES_OVER(value, old, beats) (((value)beats(old)) | (IS_NAN(value) & !IS_NAN(old)))

/* A register of elements, and as many masks (all bits or none) of a comparison. */
enum { PARTS = 32 / (int)sizeof(real) };
typedef real parts
    __attribute__((vector_size(PARTS * sizeof(real)), aligned(sizeof(real)), may_alias));
#if defined(CJ_TYPE_u8)
typedef int8_t bits;
#elif defined(CJ_TYPE_f32)
typedef int32_t bits;
#else
typedef int64_t bits;
#endif
typedef bits masks __attribute__((vector_size(PARTS * sizeof(bits))));

/* The most extreme of n > 0 elements, several at a time, since the order does not matter for the
 * value. Once best is NaN it stays so: nothing but another NaN takes over from it. */
#define ROW_EXTREME(name, beats)                                                                   \
  static real name(const real *x, int64_t n) {                                                     \
    real best = x[0];                                                                              \
    int64_t i = 0;                                                                                 \
    if (n >= PARTS) {                                                                              \
      parts most = *(const parts *)x;                                                              \
      for (i = PARTS; i + PARTS <= n; i += PARTS) {                                                \
        const parts v = *(const parts *)(x + i);                                                   \
        const masks takes = (masks)(v beats most) | (masks)(v != v);                               \
        most = (parts)(((masks)v & takes) | ((masks)most & ~takes));                               \
      }                                                                                            \
      best = most[0];                                                                              \
      for (int k = 1; k < PARTS; k++)                                                              \
        best = (most[k] beats best) | IS_NAN(most[k]) ? most[k] : best;                            \
    }                                                                                              \
    for (; i < n; i++) best = (x[i] beats best) | IS_NAN(x[i]) ? x[i] : best;                      \
    return best;                                                                                   \
  }
ROW_EXTREME(row_max, >)
ROW_EXTREME(row_min, <)

/* Place of the first element equal to value, or of the first NaN. */
static int64_t first_of(const real *x, int64_t n, real value) {
  const bool nan = IS_NAN(value);
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) { /* blocks without it are passed over quickly */
    int found = 0;
    for (int k = 0; k < 64; k++) found |= nan ? IS_NAN(x[i + k]) : x[i + k] == value;
    if (found) break;
  }
  while (i < n - 1 && !(nan ? IS_NAN(x[i]) : x[i] == value)) i++;
  return i;
}

#define FOLD_EXTREME(row_name, columns_name, merge_name, row_extreme, beats)                       \
  static void row_name(fold_state *s, const real *x, int64_t n, int64_t at) {                      \
    const real value = row_extreme(x, n);                                                          \
    if (s->at[0] >= 0 && !TAKES_OVER((accum)value, s->value[0], beats)) return;                    \
    s->value[0] = (accum)value;                                                                    \
    s->at[0] = at + first_of(x, n, value);                                                         \
  }                                                                                                \
  static void columns_name(fold_state *s, const real *x, int64_t width, int64_t at) {              \
    for (int64_t i = 0; i < width; i++) {                                                          \
      const accum value = (accum)x[i];                                                             \
      const bool takes = (s->at[i] < 0) | TAKES_OVER(value, s->value[i], beats);                   \
      s->value[i] = takes ? value : s->value[i];                                                   \
      s->at[i] = takes ? at : s->at[i];                                                            \
    }                                                                                              \
  }                                                                                                \
  static void merge_name(fold_state *s, const fold_state *later, int64_t width) {                  \
    for (int64_t i = 0; i < width; i++) {                                                          \
      if (later->at[i] < 0 || !TAKES_OVER(later->value[i], s->value[i], beats)) continue;          \
      s->value[i] = later->value[i];                                                               \
      s->at[i] = later->at[i];                                                                     \
    }                                                                                              \
  }
FOLD_EXTREME(fold_max_row, fold_max_columns, fold_max_merge, row_max, >)
FOLD_EXTREME(fold_min_row, fold_min_columns, fold_min_merge, row_min, <)

static const fold_kind fold_max = {begin, fold_max_row, fold_max_columns, NULL, fold_max_merge};
static const fold_kind fold_min = {begin, fold_min_row, fold_min_columns, NULL, fold_min_merge};

static cj_status check_not_empty(const cj_args *a, int first) {
  const fold_plan plan = cj_folded_plan(a, first);
  char text[CJ_SHAPE_TEXT];
  if (plan.length > 0 || plan.results == 0) return CJ_OK;
  return cj_fail(CJ_ESHAPE, "expected at least one element to choose from, got sizes %s",
                 cj_shape_text(text, a->in[0]));
}

/* --- values ---------------------------------------------------------------------------------- */

typedef struct output {
  const fold_plan *plan;
  real *y;
  int64_t *at; /* where in x the element is; NULL: nobody asks */
} output;

static cj_status extreme_infer(cj_args *a, cj_tensor *y) {
  CJ_TRY(cj_infer_folded(a, y, CJ_REAL, MAX_FIRST_DIM));
  CJ_TRY(check_not_empty(a, MAX_FIRST_DIM));
  return CJ_IS_FLOAT ? cj_save(a, 0, CJ_I64, y->ndim, y->size) : CJ_OK;
}

static void store_value(const void *context, const fold_state *s, int64_t first, int64_t width) {
  const output *out = context;
  for (int64_t i = 0; i < width; i++) {
    out->y[first + i] = (real)s->value[i];
    if (out->at) out->at[first + i] = fold_locate(out->plan, first + i, s->at[i]);
  }
}

static void extreme_forward(const cj_args *a, cj_tensor *y, const fold_kind *kind) {
  const fold_plan plan = cj_folded_plan(a, MAX_FIRST_DIM);
  const fold_source source = {a->in[0]->data, NULL, NULL};
  const output out = {&plan, y->data, a->recording ? a->saved[0].data : NULL};
  fold_run(&plan, kind, source, store_value, &out);
}

static void max_forward(const cj_args *a, cj_tensor *y) {
  extreme_forward(a, y, &fold_max);
}
static void min_forward(const cj_args *a, cj_tensor *y) {
  extreme_forward(a, y, &fold_min);
}

#if CJ_IS_FLOAT
static void extreme_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                             cj_tensor *const *gx) {
  (void)y;
  if (!gx[0]) return;
  const int64_t *at = a->saved[0].data;
  const real *g = gy->data;
  real *out = gx[0]->data;
  const int64_t n = cj_numel(gy);
  for (int64_t i = 0; i < n; i++) out[at[i]] += g[i];
}
#endif

/* --- places ---------------------------------------------------------------------------------- */

typedef struct places {
  int64_t *y;
  int64_t origin;
} places;

static cj_status place_infer(cj_args *a, cj_tensor *y) {
  CJ_TRY(cj_infer_folded(a, y, CJ_I64, ARG_FIRST_DIM));
  return check_not_empty(a, ARG_FIRST_DIM);
}

static void store_place(const void *context, const fold_state *s, int64_t first, int64_t width) {
  const places *out = context;
  for (int64_t i = 0; i < width; i++) out->y[first + i] = s->at[i] + out->origin;
}

static void place_forward(const cj_args *a, cj_tensor *y, const fold_kind *kind) {
  const fold_plan plan = cj_folded_plan(a, ARG_FIRST_DIM);
  const fold_source source = {a->in[0]->data, NULL, NULL};
  const places out = {y->data, (int64_t)a->num[0]};
  fold_run(&plan, kind, source, store_place, &out);
}

static void argmax_forward(const cj_args *a, cj_tensor *y) {
  place_forward(a, y, &fold_max);
}
static void argmin_forward(const cj_args *a, cj_tensor *y) {
  place_forward(a, y, &fold_min);
}

CJ_OPS(extreme) = {
    {"max", 1, CJ_ANY, extreme_infer, max_forward, IF_FLOAT(extreme_backward), CJ_DROPS_INPUTS,
     NULL},
    {"min", 1, CJ_ANY, extreme_infer, min_forward, IF_FLOAT(extreme_backward), CJ_DROPS_INPUTS,
     NULL},
    {"argmax", 1, CJ_ANY, place_infer, argmax_forward, NULL, 0, NULL},
    {"argmin", 1, CJ_ANY, place_infer, argmin_forward, NULL, 0, NULL},
    {0},
};
