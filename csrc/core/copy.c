/* copy.c -- copying and filling through strides and between element types.
 *
 * A copy is a walk over the outer dimensions with one typed row loop inside; rows that lie one
 * after the other in both tensors are joined first. */
#include <math.h>
#include <string.h>

#include "core/tensor.h"

typedef void (*row_copy)(char *dst, int64_t dst_step, const char *src, int64_t src_step, int64_t n);

/* Float to integer saturates and turns NaN into 0, where a plain cast would be undefined. */
static int64_t to_i64(double v) {
  if (isnan(v)) return 0;
  if (v >= 9223372036854775808.0) return INT64_MAX;
  if (v <= -9223372036854775808.0) return INT64_MIN;
  return (int64_t)v;
}

static uint8_t to_u8(double v) {
  return (uint8_t)(isnan(v) || v <= 0 ? 0 : v >= 255 ? 255 : v);
}

#define SAME(v) (v)
#define TO_F32(v) ((float)(v))
#define TO_F64(v) ((double)(v))
#define I64_FROM_F(v) to_i64((double)(v))
#define U8_FROM_F(v) to_u8((double)(v))
#define TO_I64(v) ((int64_t)(v))
#define U8_FROM_I64(v) ((uint8_t)((v) < 0 ? 0 : (v) > 255 ? 255 : (v)))

/* The unit-step case is spelt out so that the compiler vectorises it. */
#define ROW(name, to, from, convert)                                                               \
  static void name(char *dst, int64_t dst_step, const char *src, int64_t src_step, int64_t n) {    \
    to *d = (to *)(void *)dst;                                                                     \
    const from *s = (const from *)(const void *)src;                                               \
    if (dst_step == 1 && src_step == 1)                                                            \
      for (int64_t i = 0; i < n; i++) d[i] = convert(s[i]);                                        \
    else                                                                                           \
      for (int64_t i = 0; i < n; i++) d[i * dst_step] = convert(s[i * src_step]);                  \
  }

ROW(f32_from_f32, float, float, SAME)
ROW(f32_from_f64, float, double, TO_F32)
ROW(f32_from_i64, float, int64_t, TO_F32)
ROW(f32_from_u8, float, uint8_t, TO_F32)
ROW(f64_from_f32, double, float, TO_F64)
ROW(f64_from_f64, double, double, SAME)
ROW(f64_from_i64, double, int64_t, TO_F64)
ROW(f64_from_u8, double, uint8_t, TO_F64)
ROW(i64_from_f32, int64_t, float, I64_FROM_F)
ROW(i64_from_f64, int64_t, double, I64_FROM_F)
ROW(i64_from_i64, int64_t, int64_t, SAME)
ROW(i64_from_u8, int64_t, uint8_t, TO_I64)
ROW(u8_from_f32, uint8_t, float, U8_FROM_F)
ROW(u8_from_f64, uint8_t, double, U8_FROM_F)
ROW(u8_from_i64, uint8_t, int64_t, U8_FROM_I64)
ROW(u8_from_u8, uint8_t, uint8_t, SAME)

static const row_copy rows[CJ_DTYPES][CJ_DTYPES] = {
    {f32_from_f32, f32_from_f64, f32_from_i64, f32_from_u8},
    {f64_from_f32, f64_from_f64, f64_from_i64, f64_from_u8},
    {i64_from_f32, i64_from_f64, i64_from_i64, i64_from_u8},
    {u8_from_f32, u8_from_f64, u8_from_i64, u8_from_u8},
};

/* Sizes and both strides, after joining dimensions that are contiguous in both tensors. */
typedef struct walk {
  int ndim;
  int64_t size[CJ_MAX_DIMS], dst[CJ_MAX_DIMS], src[CJ_MAX_DIMS];
} walk;

static walk plan_walk(const cj_tensor *dst, const cj_tensor *src) {
  walk w = {.ndim = 0};
  for (int d = 0; d < dst->ndim; d++) {
    if (dst->size[d] == 1) continue;
    const int last = w.ndim - 1;
    if (last >= 0 && w.dst[last] == dst->size[d] * dst->stride[d] &&
        w.src[last] == src->size[d] * src->stride[d]) {
      w.size[last] *= dst->size[d];
      w.dst[last] = dst->stride[d];
      w.src[last] = src->stride[d];
      continue;
    }
    w.size[w.ndim] = dst->size[d];
    w.dst[w.ndim] = dst->stride[d];
    w.src[w.ndim] = src->stride[d];
    w.ndim++;
  }
  if (w.ndim == 0) {
    w.ndim = 1;
    w.size[0] = w.dst[0] = w.src[0] = 1;
  }
  return w;
}

static void walk_copy(const walk *w, int d, row_copy row, char *dst, int64_t dst_bytes,
                      const char *src, int64_t src_bytes) {
  if (d == w->ndim - 1) {
    row(dst, w->dst[d], src, w->src[d], w->size[d]);
    return;
  }
  for (int64_t i = 0; i < w->size[d]; i++)
    walk_copy(w, d + 1, row, dst + i * w->dst[d] * dst_bytes, dst_bytes,
              src + i * w->src[d] * src_bytes, src_bytes);
}

cj_status cj_tensor_copy(cj_tensor *dst, const cj_tensor *src) {
  if (!cj_same_shape(dst, src)) {
    char to[CJ_SHAPE_TEXT], from[CJ_SHAPE_TEXT];
    return cj_fail(CJ_ESHAPE, "expected a source of sizes %s, got %s", cj_shape_text(to, dst),
                   cj_shape_text(from, src));
  }
  if (cj_numel(dst) == 0) return CJ_OK;
  const walk w = plan_walk(dst, src);
  walk_copy(&w, 0, rows[dst->dtype][src->dtype], dst->data, (int64_t)cj_dtype_bytes(dst->dtype),
            src->data, (int64_t)cj_dtype_bytes(src->dtype));
  return CJ_OK;
}

cj_status cj_tensor_pack(cj_tensor *out, const cj_tensor *t) {
  if (cj_contiguous(t)) {
    cj_tensor_detach(out, t);
    return CJ_OK;
  }
  CJ_TRY(cj_tensor_new(out, t->dtype, t->ndim, t->size));
  return cj_tensor_copy(out, t);
}

void cj_tensor_fill(cj_tensor *t, double value) {
  if (cj_numel(t) == 0) return;
  cj_tensor source = *t; /* one element seen everywhere: all strides zero */
  source.dtype = CJ_F64;
  source.data = &value;
  memset(source.stride, 0, sizeof source.stride);
  const walk w = plan_walk(t, &source);
  walk_copy(&w, 0, rows[t->dtype][CJ_F64], t->data, (int64_t)cj_dtype_bytes(t->dtype), source.data,
            0);
}
