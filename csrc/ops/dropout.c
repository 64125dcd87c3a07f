/* dropout.c -- zeroes elements at random and scales the others by 1 / (1 - p) (Srivastava et al.,
 * JMLR 15, 2014); the identity in evaluation.
 *
 * x [B, ...]. Element i of sample b (its place in the batch) is dropped when word i % 4 of block
 * i / 4 of the Philox stream (key, "dropout", b) is below p 2^32: the mask depends on nothing
 * else. */
#include <math.h>

#include "core/random.h"
#include "core/threads.h"
#include "expect.h"

enum { P, TRAINING, KEY, NUMBERS };
enum { BLOCKS = 16, CHUNK = 4 * BLOCKS, PIECE = 64 * CHUNK };

typedef struct dropout {
  int64_t batch, n; /* samples; elements of one */
  int64_t pieces;   /* per sample */
  uint64_t key;
  uint64_t threshold; /* p 2^32 */
  const real *x, *gy;
  real *y;
  uint8_t *kept; /* NULL when nobody will ask */
  real scale;
} dropout;

static dropout dropout_of(const cj_args *a, const cj_tensor *x) {
  const double p = a->num[P];
  dropout d = {.batch = x->ndim ? x->size[0] : 1,
               .key = (uint64_t)a->num[KEY],
               .threshold = (uint64_t)floor(p * 4294967296.0),
               .scale = p < 1 ? (real)(1 / (1 - p)) : 0};
  d.n = d.batch ? cj_numel(x) / d.batch : 0;
  d.pieces = (d.n + PIECE - 1) / PIECE;
  return d;
}

static bool active(const cj_args *a) {
  return a->num[TRAINING] != 0 && a->num[P] > 0;
}

static cj_status dropout_infer(cj_args *a, cj_tensor *y) {
  int64_t whole;
  if (!(a->num[P] >= 0 && a->num[P] <= 1))
    return cj_fail(CJ_EARG, "expected a probability from 0 to 1 for p, got %g", a->num[P]);
  CJ_TRY(cj_expect_int(a, TRAINING, "training", 0, 1, &whole));
  CJ_TRY(cj_expect_int(a, KEY, "key", 0, INT64_C(1) << 53, &whole));
  if (active(a)) CJ_TRY(cj_save(a, 0, CJ_U8, a->in[0]->ndim, a->in[0]->size));
  return cj_infer_same(a, y);
}

/* BLOCKS blocks from `first` on, word by word in out[4 * BLOCKS]: cj_philox on many counters at
 * once, so that the compiler can use vectors. */
static void philox_many(const cj_stream *s, uint64_t first, uint32_t out[CHUNK]) {
  uint32_t c0[BLOCKS], c1[BLOCKS], c2[BLOCKS], c3[BLOCKS], k0 = s->key[0], k1 = s->key[1];
  for (uint64_t j = 0; j < BLOCKS; j++) {
    c0[j] = (uint32_t)(first + j);
    c1[j] = (uint32_t)((first + j) >> 32);
    c2[j] = (uint32_t)s->index;
    c3[j] = (uint32_t)(s->index >> 32);
  }
  for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
    for (int j = 0; j < BLOCKS; j++) {
      const uint64_t a = (uint64_t)0xD2511F53u * c0[j], b = (uint64_t)0xCD9E8D57u * c2[j];
      c0[j] = (uint32_t)(b >> 32) ^ c1[j] ^ k0;
      c2[j] = (uint32_t)(a >> 32) ^ c3[j] ^ k1;
      c1[j] = (uint32_t)b;
      c3[j] = (uint32_t)a;
    }
  for (int j = 0; j < BLOCKS; j++) {
    out[4 * j] = c0[j];
    out[4 * j + 1] = c1[j];
    out[4 * j + 2] = c2[j];
    out[4 * j + 3] = c3[j];
  }
}

static void dropout_piece(void *context, int64_t piece) {
  const dropout *d = context;
  const int64_t sample = piece / d->pieces, from = piece % d->pieces * PIECE;
  const cj_stream s = cj_stream_open(d->key, "dropout", (uint64_t)sample);
  for (int64_t i = from; i < least(d->n, from + PIECE); i += CHUNK) {
    uint32_t word[CHUNK];
    philox_many(&s, (uint64_t)i / 4, word);
    const int64_t at = sample * d->n + i, count = least(CHUNK, d->n - i);
    for (int64_t j = 0; j < count; j++)
      d->y[at + j] = word[j] >= d->threshold ? d->x[at + j] * d->scale : 0;
    for (int64_t j = 0; j < count && d->kept; j++) d->kept[at + j] = word[j] >= d->threshold;
  }
}

static void dropout_forward(const cj_args *a, cj_tensor *y) {
  if (!active(a)) {
    cj_tensor_copy(y, a->in[0]);
    return;
  }
  dropout d = dropout_of(a, y);
  d.x = a->in[0]->data;
  d.y = y->data;
  d.kept = a->recording ? a->saved[0].data : NULL;
  cj_parallel(d.batch * d.pieces, dropout_piece, &d);
}

static void dropout_piece_backward(void *context, int64_t piece) {
  const dropout *d = context;
  for (int64_t i = piece * PIECE; i < least(d->batch * d->n, (piece + 1) * PIECE); i++)
    d->y[i] += d->kept[i] ? d->gy[i] * d->scale : 0;
}

static void plain_piece_backward(void *context, int64_t piece) {
  const dropout *d = context;
  for (int64_t i = piece * PIECE; i < least(d->batch * d->n, (piece + 1) * PIECE); i++)
    d->y[i] += d->gy[i];
}

static void dropout_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                             cj_tensor *const *gx) {
  dropout d = dropout_of(a, y);
  d.gy = gy->data;
  d.y = gx[0]->data;
  if (active(a)) d.kept = a->saved[0].data;
  cj_parallel((d.batch * d.n + PIECE - 1) / PIECE,
              active(a) ? dropout_piece_backward : plain_piece_backward, &d);
}

CJ_OPS(dropout) = {
    {"dropout", 1, NUMBERS, dropout_infer, dropout_forward, dropout_backward, CJ_DROPS_INPUTS,
     NULL},
    {0},
};
