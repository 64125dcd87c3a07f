/* Plans against the tape they were compiled from: results, gradients, rows, refusals. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/tape.h"
#include "check.h"
#include "core/memory.h"
#include "core/random.h"
#include "core/threads.h"
#include "plan/plan.h"

enum { MOST = 128 };

/* --- a function under test ---------------------------------------------------------------------
 */

/* Tensors of one run: parameters are made at the first, results dropped after each. */
typedef struct world {
  cj_dtype dtype;
  cj_tensor parameters[MOST], results[256];
  int parameter_count, next, result_count;
  bool train;
} world;

static cj_tensor random_tensor(cj_dtype dtype, int ndim, const int64_t *size, const char *purpose,
                               uint64_t number, double sd) {
  cj_tensor t = {0};
  CHECK(cj_tensor_new(&t, dtype, ndim, size) == CJ_OK);
  const cj_stream s = cj_stream_open(7, purpose, number);
  CHECK(cj_random_normal(&t, &s, 0, sd) == CJ_OK);
  return t;
}

static const cj_tensor *parameter(world *w, int ndim, const int64_t *size, double mean, double sd) {
  if (w->next == w->parameter_count) {
    cj_tensor *t = &w->parameters[w->parameter_count++];
    *t = random_tensor(w->dtype, ndim, size, "parameter", (uint64_t)w->next, sd);
    if (mean != 0)
      for (int64_t i = 0; i < cj_numel(t); i++) {
        if (w->dtype == CJ_F32)
          ((float *)t->data)[i] = (float)fabs((double)((float *)t->data)[i] + mean);
        else
          ((double *)t->data)[i] = fabs(((double *)t->data)[i] + mean);
      }
    if (w->train) CHECK(cj_require_grad(t, true) == CJ_OK);
  }
  return &w->parameters[w->next++];
}

static const cj_tensor *buffer(world *w, int64_t n, double mean) {
  const bool train = w->train;
  w->train = false;
  const cj_tensor *t = parameter(w, 1, &n, mean, 0.1);
  w->train = train;
  return t;
}

static const cj_tensor *apply(world *w, const char *name, int count, const cj_tensor *const *in,
                              int numbers, const double *num) {
  cj_tensor *y = &w->results[w->result_count++];
  const cj_status status = cj_apply_named(y, name, count, in, numbers, num);
  if (status != CJ_OK) {
    printf("%s\n", cj_errmsg());
    exit(1);
  }
  return y;
}

#define IN(...)                                                                                    \
  (int)(sizeof((const cj_tensor *[]){__VA_ARGS__}) / sizeof(void *)), (const cj_tensor *[]) {      \
    __VA_ARGS__                                                                                    \
  }
#define NUM(...)                                                                                   \
  (int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), (double[]) {                            \
    __VA_ARGS__                                                                                    \
  }

static const cj_tensor *conv(world *w, const cj_tensor *x, int64_t out, int64_t k, int stride,
                             int pad, bool bias) {
  const int64_t size[] = {out, x->size[1], k, k};
  const cj_tensor *weight = parameter(w, 4, size, 0, 1 / sqrt((double)(x->size[1] * k * k)));
  const cj_tensor *b = bias ? parameter(w, 1, &out, 0, 0.1) : NULL;
  return apply(w, "conv2d", IN(x, weight, b), NUM(stride, stride, pad, pad, 1, 1, 1));
}

static const cj_tensor *turned(world *w, const cj_tensor *x, int64_t out, int64_t k, int stride,
                               int pad) {
  const int64_t size[] = {x->size[1], out, k, k};
  const cj_tensor *weight = parameter(w, 4, size, 0, 1 / sqrt((double)(x->size[1] * k * k)));
  const cj_tensor *b = parameter(w, 1, &out, 0, 0.1);
  return apply(w, "conv_transpose2d", IN(x, weight, b),
               NUM(stride, stride, pad, pad, 0, 0, 1, 1, 1));
}

static const cj_tensor *norm(world *w, const cj_tensor *x) {
  const int64_t c = x->size[1];
  const cj_tensor *weight = parameter(w, 1, &c, 1, 0.2), *bias = parameter(w, 1, &c, 0, 0.2);
  const cj_tensor *mean = buffer(w, c, 0.05), *var = buffer(w, c, 1);
  return apply(w, "batch_norm", IN(x, weight, bias, mean, var), NUM(w->train, 0.1, 1e-5));
}

static const cj_tensor *relu(world *w, const cj_tensor *x) {
  return apply(w, "relu", IN(x), 0, NULL);
}

static const cj_tensor *pool(world *w, const cj_tensor *x, int k, int stride, int pad) {
  return apply(w, "max_pool2d", IN(x), NUM(k, k, stride, stride, pad, pad));
}

static const cj_tensor *linear(world *w, const cj_tensor *x, int64_t out) {
  const int64_t size[] = {out, x->size[1]};
  const cj_tensor *weight = parameter(w, 2, size, 0, 1 / sqrt((double)x->size[1]));
  return apply(w, "linear", IN(x, weight, parameter(w, 1, &out, 0, 0.1)), 0, NULL);
}

static const cj_tensor *flatten(world *w, const cj_tensor *x) {
  return apply(w, "reshape", IN(x), NUM((double)x->size[0], -1));
}

typedef const cj_tensor *(*function)(world *w, const cj_tensor *x);

static const cj_tensor *lenet(world *w, const cj_tensor *x) {
  x = pool(w, relu(w, conv(w, x, 6, 5, 1, 0, true)), 2, 2, 0);
  x = pool(w, relu(w, conv(w, x, 17, 3, 1, 1, true)), 2, 2, 0);
  x = relu(w, linear(w, flatten(w, x), 20));
  return linear(w, x, 10);
}

/* Two residual blocks, the second with stride, a shortcut of zeros, and one with a projection. */
static const cj_tensor *resnet(world *w, const cj_tensor *x) {
  x = relu(w, norm(w, conv(w, x, 16, 3, 1, 1, false)));
  const cj_tensor *y = relu(w, norm(w, conv(w, x, 16, 3, 1, 1, false)));
  y = norm(w, conv(w, y, 16, 3, 1, 1, false));
  x = relu(w, apply(w, "add", IN(y, x), 0, NULL));
  y = relu(w, norm(w, conv(w, x, 32, 3, 2, 1, false)));
  y = norm(w, conv(w, y, 32, 3, 1, 1, false));
  const cj_tensor *small = apply(w, "avg_pool2d", IN(x), NUM(1, 1, 2, 2, 0, 0));
  cj_tensor *zeros = &w->results[w->result_count++];
  const int64_t size[] = {x->size[0], 8, small->size[2], small->size[3]};
  CHECK(cj_tensor_zeros(zeros, w->dtype, 4, size) == CJ_OK);
  const cj_tensor *wide = apply(w, "cat", IN(zeros, small, zeros), NUM(1));
  x = relu(w, apply(w, "add", IN(y, wide), 0, NULL));
  y = norm(w, conv(w, relu(w, norm(w, conv(w, x, 48, 3, 2, 1, false))), 48, 3, 1, 1, false));
  x = relu(w, apply(w, "add", IN(y, norm(w, conv(w, x, 48, 1, 2, 0, false))), 0, NULL));
  x = apply(w, "adaptive_avg_pool2d", IN(x), NUM(1, 1));
  return linear(w, flatten(w, x), 10);
}

/* Branches of odd widths, joined; pooling that overlaps; a transposed convolution with a skip. */
static const cj_tensor *branches(world *w, const cj_tensor *x) {
  x = relu(w, norm(w, conv(w, x, 20, 3, 1, 1, true)));
  const cj_tensor *a = relu(w, conv(w, x, 8, 1, 1, 0, true));
  const cj_tensor *b = relu(w, conv(w, relu(w, conv(w, x, 6, 1, 1, 0, true)), 24, 5, 1, 2, true));
  const cj_tensor *c = conv(w, pool(w, x, 3, 1, 1), 5, 1, 1, 0, true);
  x = apply(w, "cat", IN(a, b, c, a), NUM(1));
  x = pool(w, x, 3, 2, 1);
  const cj_tensor *y =
      turned(w, apply(w, "leaky_relu", IN(conv(w, x, 12, 4, 2, 1, true)), NUM(0.2)), 12, 2, 2, 0);
  x = apply(w, "cat", IN(y, x), NUM(1));
  x = apply(w, "tanh", IN(conv(w, x, 3, 1, 1, 0, true)), 0, NULL);
  x = apply(w, "mul", IN(x, x), 0, NULL);
  return linear(w, flatten(w, apply(w, "narrow", IN(x), NUM(2, 1, 5))), 10);
}

/* Strides of 2 there and back, with channels enough for minimal filtering. */
static const cj_tensor *strides(world *w, const cj_tensor *x) {
  x = relu(w, norm(w, conv(w, x, 16, 3, 1, 1, false)));
  x = relu(w, norm(w, turned(w, x, 16, 4, 2, 1)));
  x = apply(w, "leaky_relu", IN(conv(w, x, 32, 4, 2, 1, true)), NUM(0.2));
  x = relu(w, norm(w, conv(w, x, 48, 4, 2, 1, false)));
  x = relu(w, turned(w, x, 20, 4, 2, 1));
  x = apply(w, "adaptive_avg_pool2d", IN(x), NUM(1, 1));
  return linear(w, flatten(w, x), 10);
}

/* What comes out is clipped, and nobody in the plan reads it. */
static const cj_tensor *features(world *w, const cj_tensor *x) {
  x = pool(w, relu(w, conv(w, x, 7, 3, 1, 1, true)), 2, 2, 0);
  return relu(w, linear(w, flatten(w, x), 10));
}

static void forget(world *w) {
  for (int i = 0; i < w->result_count; i++) cj_tensor_drop(&w->results[i]);
  w->result_count = w->next = 0;
}

static void end(world *w) {
  forget(w);
  for (int i = 0; i < w->parameter_count; i++) cj_tensor_drop(&w->parameters[i]);
}

static double at(const cj_tensor *t, int64_t i) {
  return t->dtype == CJ_F32 ? (double)((float *)t->data)[i] : ((double *)t->data)[i];
}

/* Largest difference of n elements, relative to the largest of b; a largest below 1e-2 counts as
 * that (the bias before a batch norm has a gradient of rounding errors alone). */
static double distance(const cj_tensor *a, const cj_tensor *b, int64_t n) {
  double worst = 0, most = 0;
  for (int64_t i = 0; i < n; i++) {
    worst = fmax(worst, fabs(at(a, i) - at(b, i)));
    most = fmax(most, fabs(at(b, i)));
    if (isnan(at(a, i))) return NAN;
  }
  return worst / fmax(most, 1e-2);
}

/* --- evaluation --------------------------------------------------------------------------------
 */

static cj_plan *compile(world *w, function f, const cj_tensor *x, const cj_plan_options *o) {
  cj_trace t = {0};
  cj_plan *p = NULL;
  CHECK(cj_trace_start(&t) == CJ_OK);
  const cj_tensor *y = f(w, x);
  cj_trace_stop();
  const cj_status status = cj_plan_compile(&p, &t, o, 1, &x, 1, &y);
  if (status != CJ_OK) printf("%s\n", cj_errmsg());
  cj_trace_drop(&t);
  forget(w);
  return p;
}

static void test_evaluation(const char *name, function f, cj_dtype dtype, int64_t channels,
                            bool exact) {
  world w = {.dtype = dtype};
  const double bound = dtype == CJ_F64 ? 1e-12 : exact ? 1e-5 : 1e-4;
  const int64_t rows = 5, size[] = {rows, channels, 20, 20}, wide[] = {rows, 10};
  cj_tensor x = random_tensor(dtype, 4, size, "x", 0, 1);
  cj_tensor gz = random_tensor(dtype, 2, wide, "gz", 0, 1), z = {0}, gx = {0}, want = {0};
  cj_plan *p = compile(&w, f, &x, &(cj_plan_options){.exact = exact, .pulls = true});
  CHECK(p);
  if (!p) return;
  CHECK(cj_require_grad(&x, true) == CJ_OK);
  const cj_tensor *y = f(&w, &x), *px = &x;
  CHECK(cj_grad(y, &gz, 1, &px, &want, false) == CJ_OK);
  CHECK(cj_tensor_new(&z, dtype, 2, wide) == CJ_OK && cj_tensor_new(&gx, dtype, 4, size) == CJ_OK);
  cj_frame *frame = NULL;
  CHECK(cj_plan_refresh(p, NULL) == CJ_OK && cj_frame_new(&frame, p) == CJ_OK);
  for (int64_t n = rows; frame && n > 0; n -= 2) { /* fewer rows, the same numbers */
    cj_tensor_fill(&z, NAN);
    cj_tensor_fill(&gx, NAN);
    CHECK(cj_frame_forward(frame, n, (const void *[]){x.data}, (void *[]){z.data}) == CJ_OK);
    cj_frame_pull(frame, (const void *[]){gz.data}, gx.data);
    if (n == 3) cj_frame_pull(frame, (const void *[]){gz.data}, gx.data); /* again */
    const double dz = distance(&z, y, n * 10), dx = distance(&gx, &want, n * cj_numel(&x) / rows);
    if (!(dz < bound && dx < bound))
      printf("%s, %s, %d rows: logits %g, gradient %g\n", name, cj_dtype_name(dtype), (int)n, dz,
             dx);
    CHECK(dz < bound && dx < bound);
  }
  cj_frame_drop(frame);
  cj_plan_drop(p);
  end(&w);
  cj_tensor_drop(&x);
  cj_tensor_drop(&gz);
  cj_tensor_drop(&z);
  cj_tensor_drop(&gx);
  cj_tensor_drop(&want);
}

/* --- training ----------------------------------------------------------------------------------
 */

static const cj_tensor *loss_of(world *w, function f, const cj_tensor *x, const cj_tensor *labels) {
  const cj_tensor *z = f(w, x);
  return apply(w, "cross_entropy", IN(z, labels), NUM(1));
}

static void copy_buffers(world *to, const world *from) {
  for (int i = 0; i < from->parameter_count; i++)
    CHECK(cj_tensor_copy(&to->parameters[i], &from->parameters[i]) == CJ_OK);
}

static void test_training(const char *name, function f, cj_dtype dtype, int64_t channels) {
  world w = {.dtype = dtype, .train = true}, other = {.dtype = dtype, .train = true};
  const double bound = dtype == CJ_F64 ? 1e-11 : 2e-4;
  const int64_t rows = 5, size[] = {rows, channels, 20, 20};
  cj_tensor x = random_tensor(dtype, 4, size, "x", 0, 1), labels = {0};
  CHECK(cj_tensor_zeros(&labels, CJ_I64, 1, &rows) == CJ_OK);
  for (int64_t i = 0; i < rows; i++) ((int64_t *)labels.data)[i] = i;
  cj_trace t = {0};
  cj_plan *p = NULL;
  cj_frame *frame = NULL;
  (void)loss_of(&other, f, &x, &labels); /* makes equal parameters */
  forget(&other);
  CHECK(cj_trace_start(&t) == CJ_OK);
  const cj_tensor *y = loss_of(&w, f, &x, &labels);
  cj_trace_stop();
  const cj_tensor *in[] = {&x, &labels};
  cj_status status = cj_plan_compile(&p, &t, &(cj_plan_options){.train = true}, 2, in, 1, &y);
  if (status != CJ_OK) printf("%s: %s\n", name, cj_errmsg());
  CHECK(status == CJ_OK);
  cj_trace_drop(&t);
  forget(&w);
  copy_buffers(&w, &other); /* the trace moved the running statistics */
  if (!p) return;
  y = loss_of(&other, f, &x, &labels);
  const double want = at(y, 0);
  CHECK(cj_backward(y, NULL, false) == CJ_OK);
  CHECK(cj_plan_refresh(p, NULL) == CJ_OK && cj_frame_new(&frame, p) == CJ_OK);
  cj_tensor got = {0};
  CHECK(cj_tensor_zeros(&got, dtype, 0, NULL) == CJ_OK);
  const void *inputs[] = {x.data, labels.data};
  CHECK(cj_frame_forward(frame, rows, inputs, (void *[]){got.data}) == CJ_OK);
  const double loss = at(&got, 0);
  CHECK(fabs(loss - want) < bound * fabs(want));
  CHECK(cj_frame_backward(frame, NULL) == CJ_OK);
  for (int i = 0; i < w.parameter_count; i++) {
    const cj_tensor *a = &w.parameters[i], *b = &other.parameters[i];
    const bool both = !a->node || (a->node->grad.storage && b->node->grad.storage);
    if (!both) printf("%s: parameter %d has no gradient\n", name, i);
    CHECK(both);
    if (!both) continue;
    const double moved = distance(a, b, cj_numel(a));
    const double d = a->node ? distance(&a->node->grad, &b->node->grad, cj_numel(a)) : 0;
    if (!(d < bound && moved < bound))
      printf("%s, %s: parameter %d of %d elements: gradient %g, value %g\n", name,
             cj_dtype_name(dtype), i, (int)cj_numel(a), d, moved);
    CHECK(d < bound && moved < bound);
  }
  ((int64_t *)labels.data)[2] = 10;
  CHECK(cj_frame_forward(frame, rows, inputs, (void *[]){NULL}) == CJ_EARG);
  cj_frame_drop(frame);
  cj_plan_drop(p);
  end(&w);
  end(&other);
  cj_tensor_drop(&got);
  cj_tensor_drop(&x);
  cj_tensor_drop(&labels);
}

/* --- refusals ----------------------------------------------------------------------------------
 */

static const cj_tensor *mixes(world *w, const cj_tensor *x) {
  return apply(w, "add", IN(x, apply(w, "mean", IN(x), NUM(0, 0))), 0, NULL);
}

static void test_refusal(void) {
  world w = {.dtype = CJ_F32};
  const int64_t size[] = {3, 10};
  cj_tensor x = random_tensor(CJ_F32, 2, size, "x", 0, 1);
  cj_trace t = {0};
  cj_plan *p = NULL;
  CHECK(cj_trace_start(&t) == CJ_OK && cj_trace_start(&t) == CJ_EARG);
  const cj_tensor *y = mixes(&w, &x), *in = &x;
  cj_trace_stop();
  CHECK(cj_plan_compile(&p, &t, &(cj_plan_options){0}, 1, &in, 1, &y) == CJ_EARG);
  CHECK(strstr(cj_errmsg(), "mean") || strstr(cj_errmsg(), "images"));
  cj_trace_drop(&t);
  end(&w);
  cj_tensor_drop(&x);
}

int main(void) {
  CHECK(cj_ops_open() == CJ_OK);
  const struct {
    const char *name;
    function f;
    int64_t channels;
  } cases[] = {{"lenet", lenet, 1},
               {"resnet", resnet, 3},
               {"branches", branches, 5},
               {"features", features, 2},
               {"strides", strides, 3}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int type = CJ_F32; type <= CJ_F64; type++) {
      test_evaluation(cases[i].name, cases[i].f, (cj_dtype)type, cases[i].channels, true);
      test_evaluation(cases[i].name, cases[i].f, (cj_dtype)type, cases[i].channels, false);
      test_training(cases[i].name, cases[i].f, (cj_dtype)type, cases[i].channels);
    }
  test_refusal();
  CHECK_DONE();
}
