/* Sizes, sharing, copying between types and through strides, and the failing allocations of it all.
 */
#include <math.h>
#include <string.h>

#include "check.h"
#include "core/memory.h"
#include "core/tensor.h"

static void test_describe(void) {
  cj_tensor t = {0};
  char text[CJ_SHAPE_TEXT];
  CHECK(cj_tensor_describe(&t, CJ_F32, 3, (int64_t[]){2, 3, 4}) == CJ_OK);
  CHECK(cj_numel(&t) == 24 && t.stride[0] == 12 && t.stride[1] == 4 && t.stride[2] == 1);
  CHECK(strcmp(cj_shape_text(text, &t), "[2, 3, 4]") == 0);
  CHECK(cj_tensor_describe(&t, CJ_F32, 0, NULL) == CJ_OK && cj_numel(&t) == 1);
  CHECK(cj_tensor_describe(&t, CJ_F32, 2, (int64_t[]){3, -1}) == CJ_ESHAPE);
  CHECK(cj_tensor_describe(&t, CJ_F32, 9, NULL) == CJ_ESHAPE);
  CHECK(cj_tensor_describe(&t, CJ_F32, 3, (int64_t[]){1LL << 30, 1LL << 30, 1LL << 30}) ==
        CJ_ESHAPE);
}

static void test_contiguity(void) {
  cj_tensor t = {0};
  CHECK(cj_tensor_describe(&t, CJ_F32, 2, (int64_t[]){3, 1}) == CJ_OK);
  t.stride[1] = 77; /* the stride of a dimension of size 1 does not matter */
  CHECK(cj_contiguous(&t));
  t.stride[0] = 2;
  CHECK(!cj_contiguous(&t));
}

static void test_transposed_copy(void) {
  cj_tensor a = {0}, b = {0}, view;
  CHECK(cj_tensor_new(&a, CJ_F32, 2, (int64_t[]){2, 3}) == CJ_OK);
  for (int i = 0; i < 6; i++) ((float *)a.data)[i] = (float)i;
  view = a;
  view.size[0] = 3;
  view.size[1] = 2;
  view.stride[0] = 1;
  view.stride[1] = 3;
  CHECK(cj_tensor_pack(&b, &view) == CJ_OK);
  const float expected[] = {0, 3, 1, 4, 2, 5};
  CHECK(memcmp(b.data, expected, sizeof expected) == 0);
  cj_tensor_drop(&a);
  cj_tensor_drop(&b);
}

static void test_conversions(void) {
  cj_tensor f = {0}, i = {0}, u = {0};
  const int64_t n = 7;
  CHECK(cj_tensor_new(&f, CJ_F64, 1, &n) == CJ_OK);
  CHECK(cj_tensor_new(&i, CJ_I64, 1, &n) == CJ_OK);
  CHECK(cj_tensor_new(&u, CJ_U8, 1, &n) == CJ_OK);
  const double values[] = {NAN, INFINITY, -INFINITY, 1.9, -1.9, 300, 255};
  memcpy(f.data, values, sizeof values);
  CHECK(cj_tensor_copy(&i, &f) == CJ_OK && cj_tensor_copy(&u, &f) == CJ_OK);
  const int64_t whole[] = {0, INT64_MAX, INT64_MIN, 1, -1, 300, 255};
  const uint8_t bytes[] = {0, 255, 0, 1, 0, 255, 255};
  CHECK(memcmp(i.data, whole, sizeof whole) == 0);
  CHECK(memcmp(u.data, bytes, sizeof bytes) == 0);
  const int64_t fewer = 6;
  cj_tensor g = {0};
  CHECK(cj_tensor_new(&g, CJ_F64, 1, &fewer) == CJ_OK);
  CHECK(cj_tensor_copy(&g, &f) == CJ_ESHAPE);
  cj_tensor_drop(&f);
  cj_tensor_drop(&i);
  cj_tensor_drop(&u);
  cj_tensor_drop(&g);
}

static void test_fill_and_elements(void) {
  cj_tensor t = {0};
  CHECK(cj_tensor_new(&t, CJ_U8, 2, (int64_t[]){3, 5}) == CJ_OK);
  cj_tensor_fill(&t, 7);
  cj_tensor_set(&t, (int64_t[]){2, 4}, 9);
  CHECK(cj_tensor_get(&t, (int64_t[]){2, 4}) == 9 && cj_tensor_get(&t, (int64_t[]){2, 3}) == 7);
  cj_tensor_drop(&t);
  cj_tensor_drop(&t); /* empty: allowed */
}

static void test_memory_comes_back(void) {
  const size_t before = cj_memory_used();
  for (int64_t fail = 0; fail < 4; fail++) {
    cj_tensor t = {0};
    cj_memory_fail_after(fail);
    const cj_status status = cj_tensor_zeros(&t, CJ_F64, 2, (int64_t[]){100, 100});
    cj_memory_fail_after(-1);
    CHECK(status == (fail < 2 ? CJ_EMEM : CJ_OK));
    cj_tensor_drop(&t);
    CHECK(cj_memory_used() == before);
  }
}

static void test_blocks_are_recycled(void) {
  cj_memory_trim();
  void *a = cj_alloc(100000);
  memset(a, 1, 100000);
  cj_free(a);
  void *b = cj_alloc(99000); /* the same rung */
#ifndef CJ_SANITIZE
  CHECK(a == b);
#endif
  CHECK(((uintptr_t)b & (CJ_ALIGN - 1)) == 0);
  cj_free(b);
  CHECK(cj_alloc(SIZE_MAX / 2) == NULL);
}

int main(void) {
  test_describe();
  test_contiguity();
  test_transposed_copy();
  test_conversions();
  test_fill_and_elements();
  test_memory_comes_back();
  test_blocks_are_recycled();
  CHECK_DONE();
}
