/* Traces: what is written down, what a dry one leaves undone, and what makes it refuse. */
#include <string.h>

#include "autograd/tape.h"
#include "autograd/trace.h"
#include "check.h"
#include "core/memory.h"

static cj_tensor numbers(double value) {
  cj_tensor t = {0};
  const int64_t size[2] = {3, 2};
  CHECK(cj_tensor_new(&t, CJ_F32, 2, size) == CJ_OK);
  cj_tensor_fill(&t, value);
  return t;
}

static double first(const cj_tensor *t) {
  const int64_t at[CJ_MAX_DIMS] = {0};
  return cj_tensor_get(t, at);
}

static void call(cj_tensor *y, const char *name, const cj_tensor *a, const cj_tensor *b) {
  const cj_tensor *in[2] = {a, b};
  CHECK(cj_apply_named(y, name, b ? 2 : 1, in, 0, NULL) == CJ_OK);
}

/* u = w^2, y = x + u, and w doubled in place. */
static void trace_some(bool dry, cj_trace *t, cj_tensor *x, cj_tensor *w, cj_tensor *u,
                       cj_tensor *y) {
  const cj_tensor *inputs[1] = {x}, *both[2] = {w, w};
  t->dry = dry;
  t->inputs = 1;
  t->in = inputs;
  CHECK(cj_trace_start(t) == CJ_OK);
  cj_trace other = {0};
  CHECK(cj_trace_start(&other) == CJ_EARG);
  call(u, "square", w, NULL);
  call(y, "add", x, u);
  CHECK(cj_apply_into(cj_op_find("add", CJ_F32), 2, both, 0, NULL) == CJ_OK);
  CHECK(cj_trace_depends(y) && !cj_trace_depends(u) && cj_trace_depends(x));
  cj_trace_stop();
  t->in = NULL;
  t->inputs = 0;
}

static void test_calls(bool dry) {
  cj_tensor x = numbers(1), w = numbers(3), u = {0}, y = {0};
  const uint32_t version = w.storage->version;
  cj_trace t = {0};
  trace_some(dry, &t, &x, &w, &u, &y);
  CHECK(t.count == 3 && !t.refused[0] && t.status == CJ_OK);
  CHECK(!t.calls[0]->depends && t.calls[1]->depends && t.calls[2]->into);
  CHECK(strcmp(t.calls[1]->op->name, "add") == 0 && cj_same_view(&t.calls[1]->in[1], &u));
  CHECK(first(&u) == 9); /* does not depend on the input: always computed */
  CHECK(first(&w) == (dry ? 3 : 6));
  CHECK(w.storage->version == version + (dry ? 0 : 1));
  if (!dry) CHECK(first(&y) == 10);
  cj_trace_drop(&t);
  cj_tensor_drop(&x);
  cj_tensor_drop(&w);
  cj_tensor_drop(&u);
  cj_tensor_drop(&y);
}

static void test_refusals(void) {
  cj_tensor x = numbers(1), y = {0};
  cj_trace t = {0};
  CHECK(!cj_tracing() && !cj_trace_refused());
  cj_trace_look(&x); /* nothing records: no effect */
  cj_trace_refuse("nothing");
  CHECK(cj_trace_start(&t) == CJ_OK && cj_tracing());
  call(&y, "square", &x, NULL);
  cj_trace_look(&y);
  cj_trace_refuse("only the %s reason counts", "first");
  CHECK(cj_trace_refused() && strstr(cj_trace_refused(), "elements of the result of square"));
  cj_trace_drop(&t); /* stops it, too */
  CHECK(!cj_tracing());
  cj_tensor_drop(&x);
  cj_tensor_drop(&y);
}

static void test_no_memory(void) {
  for (int64_t n = 0; n < 12; n++) {
    cj_tensor x = numbers(1), y = {0};
    const cj_tensor *in[1] = {&x};
    cj_trace t = {0};
    CHECK(cj_trace_start(&t) == CJ_OK);
    cj_memory_fail_after(n);
    const cj_status status = cj_apply_named(&y, "square", 1, in, 0, NULL);
    cj_memory_fail_after(-1);
    cj_trace_stop();
    CHECK(status == CJ_OK ? t.status == CJ_EMEM || t.count == 1 : status == CJ_EMEM);
    cj_trace_drop(&t);
    cj_tensor_drop(&x);
    cj_tensor_drop(&y);
  }
}

int main(void) {
  if (cj_ops_open() != CJ_OK) return 1;
  const size_t before = cj_memory_used();
  test_calls(false);
  test_calls(true);
  test_refusals();
  test_no_memory();
  CHECK(cj_memory_used() == before);
  CHECK_DONE();
}
