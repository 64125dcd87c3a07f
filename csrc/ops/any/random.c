/* random.c -- random elements. Element number i, in row-major order, is number i of the stream that
 * the key names: neither threads nor what stands beside it matter. */
#include "core/random.h"
#include "core/threads.h"
#include "ops/op.h"

enum { PIECE = 4096 };

/* num: probability of 1, key. */
static cj_status bernoulli_infer(cj_args *a, cj_tensor *y) {
  int64_t key;
  if (!(a->num[0] >= 0 && a->num[0] <= 1))
    return cj_fail(CJ_EARG, "expected a probability from 0 to 1, got %g", a->num[0]);
  CJ_TRY(cj_expect_int(a, 1, "the key", 0, INT64_C(1) << 53, &key));
  return cj_infer_same(a, y);
}

typedef struct draw {
  cj_stream stream;
  double p;
  real *y;
  int64_t total;
} draw;

static void draw_piece(void *context, int64_t piece) {
  const draw *d = context;
  const int64_t at = piece * PIECE, end = at + PIECE < d->total ? at + PIECE : d->total;
  for (int64_t i = at; i < end; i++) d->y[i] = cj_stream_uniform(&d->stream, (uint64_t)i) < d->p;
}

static void bernoulli_forward(const cj_args *a, cj_tensor *y) {
  draw d = {.p = a->num[0], .y = y->data, .total = cj_numel(y)};
  d.stream = cj_stream_open((uint64_t)a->num[1], "bernoulli", 0);
  cj_parallel((d.total + PIECE - 1) / PIECE, draw_piece, &d);
}

CJ_OPS(random) = {
    {"bernoulli", 1, 2, bernoulli_infer, bernoulli_forward, NULL, CJ_ELEMENTWISE, NULL},
    {0},
};
