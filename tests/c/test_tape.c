/* The tape, on operators defined here: orders, accumulation, freeing, long chains, failing memory.
 */
#include <string.h>

#include "autograd/tape.h"
#include "check.h"
#include "core/memory.h"

/* y = num[0] * x + in[1] (the second input is optional), float64, same sizes. */
static cj_status scale_infer(cj_args *a, cj_tensor *y) {
  if (a->num[0] == 0) return cj_fail(CJ_EARG, "expected a factor other than 0");
  return cj_infer_same(a, y);
}

static void scale_forward(const cj_args *a, cj_tensor *y) {
  const double *x = a->in[0]->data, *z = a->in[1] ? a->in[1]->data : NULL;
  for (int64_t i = 0; i < cj_numel(y); i++)
    ((double *)y->data)[i] = a->num[0] * x[i] + (z ? z[i] : 0);
}

static void scale_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                           cj_tensor *const *gx) {
  for (int k = 0; k < 2; k++)
    for (int64_t i = 0; gx[k] && i < cj_numel(y); i++)
      ((double *)gx[k]->data)[i] += (k ? 1 : a->num[0]) * ((double *)gy->data)[i];
}

static const cj_op scale = {"scale",        2,   1, scale_infer, scale_forward, scale_backward,
                            CJ_OPTIONAL(1), NULL};

static cj_tensor number(double value, bool leaf) {
  cj_tensor t = {0};
  const int64_t one = 1;
  CHECK(cj_tensor_new(&t, CJ_F64, 1, &one) == CJ_OK);
  cj_tensor_fill(&t, value);
  if (leaf) CHECK(cj_require_grad(&t, true) == CJ_OK);
  return t;
}

static double value(const cj_tensor *t) {
  return t->storage ? *(double *)t->data : -1;
}

static cj_status apply(cj_tensor *y, const cj_tensor *x, const cj_tensor *z, double factor) {
  return cj_apply(y, &scale, 2, (const cj_tensor *[]){x, z}, 1, &factor);
}

/* y = 3x + 5x through two paths, with the same tensor used twice in the last call. */
static void test_paths_add_up(void) {
  cj_tensor x = number(2, true), u = {0}, y = {0};
  CHECK(apply(&u, &x, &x, 2) == CJ_OK); /* u = 3x */
  CHECK(apply(&y, &u, &x, 1) == CJ_OK); /* y = 4x */
  CHECK(value(&y) == 8);
  CHECK(cj_backward(&y, NULL, true) == CJ_OK);
  CHECK(value(&x.node->grad) == 4);
  CHECK(cj_backward(&y, NULL, false) == CJ_OK); /* leaves accumulate */
  CHECK(value(&x.node->grad) == 8);
  CHECK(cj_backward(&y, NULL, false) == CJ_EARG && strstr(cj_errmsg(), "keep = true"));
  cj_tensor_drop(&x);
  cj_tensor_drop(&u);
  cj_tensor_drop(&y);
}

static void test_grad_leaves_leaves_alone(void) {
  cj_tensor x = number(2, true), w = number(1, true), other = number(1, true), y = {0};
  cj_tensor gx[3] = {0};
  CHECK(apply(&y, &x, &w, 7) == CJ_OK);
  const cj_tensor *const wanted[] = {&x, &y, &other};
  CHECK(cj_grad(&y, NULL, 3, wanted, gx, false) == CJ_OK);
  CHECK(value(&gx[0]) == 7 && value(&gx[1]) == 1 && value(&gx[2]) == 0);
  CHECK(!x.node->grad.storage && !w.node->grad.storage);
  for (int i = 0; i < 3; i++) cj_tensor_drop(&gx[i]);
  cj_tensor_drop(&x);
  cj_tensor_drop(&w);
  cj_tensor_drop(&other);
  cj_tensor_drop(&y);
}

static void test_stale_input(void) {
  cj_tensor x = number(2, true), y = {0};
  CHECK(apply(&y, &x, NULL, 3) == CJ_OK);
  x.storage->version++;
  CHECK(cj_backward(&y, NULL, false) == CJ_EARG && strstr(cj_errmsg(), "changed in place"));
  cj_tensor_drop(&x);
  cj_tensor_drop(&y);
}

static void test_messages(void) {
  cj_tensor x = number(2, false), y = {0};
  CHECK(apply(&y, &x, NULL, 0) == CJ_EARG);
  CHECK(strcmp(cj_errmsg(), "scale: expected a factor other than 0") == 0);
  CHECK(apply(&y, NULL, NULL, 1) == CJ_EARG);
  CHECK(apply(&y, &x, NULL, 1) == CJ_OK && !y.node);
  CHECK(cj_backward(&y, NULL, false) == CJ_EARG);
  cj_tensor_drop(&x);
  cj_tensor_drop(&y);
}

static void test_in_place(void) {
  cj_tensor x = number(2, false), w = number(3, true);
  const double factor = 10;
  CHECK(cj_apply_into(&scale, 2, (const cj_tensor *[]){&x, &x}, 1, &factor) == CJ_OK);
  CHECK(value(&x) == 22);
  CHECK(cj_apply_into(&scale, 2, (const cj_tensor *[]){&w, NULL}, 1, &factor) == CJ_EARG);
  const bool on = cj_grad_enable(false);
  CHECK(cj_apply_into(&scale, 2, (const cj_tensor *[]){&w, NULL}, 1, &factor) == CJ_OK);
  cj_grad_enable(on);
  CHECK(value(&w) == 30);
  cj_tensor_drop(&x);
  cj_tensor_drop(&w);
}

static void test_long_chain(void) {
  cj_tensor x = number(1, true), y = {0};
  cj_tensor_share(&y, &x);
  for (int i = 0; i < 100000; i++) {
    cj_tensor next = {0};
    CHECK(apply(&next, &y, NULL, 1) == CJ_OK);
    cj_tensor_drop(&y);
    y = next;
  }
  CHECK(cj_backward(&y, NULL, true) == CJ_OK);
  CHECK(value(&x.node->grad) == 1);
  cj_tensor_drop(&y);
  cj_tensor_drop(&x);
}

/* Every allocation fails in turn; memory always comes back. */
static void test_failing_memory(void) {
  const size_t before = cj_memory_used();
  int failures = 0;
  for (int64_t fail = 0;; fail++) {
    cj_tensor x = number(2, true), y = {0};
    cj_memory_fail_after(fail);
    cj_status status = apply(&y, &x, &x, 2);
    if (status == CJ_OK) status = cj_backward(&y, NULL, false);
    cj_memory_fail_after(-1);
    CHECK(status == CJ_OK || status == CJ_EMEM);
    cj_tensor_drop(&x);
    cj_tensor_drop(&y);
    CHECK(cj_memory_used() == before);
    if (status == CJ_OK) break;
    failures++;
  }
  CHECK(failures >= 6);
}

int main(void) {
  test_paths_add_up();
  test_grad_leaves_leaves_alone();
  test_stale_input();
  test_messages();
  test_in_place();
  test_long_chain();
  test_failing_memory();
  CHECK_DONE();
}
