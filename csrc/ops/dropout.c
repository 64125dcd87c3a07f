/* dropout.c -- zeroes elements at random and scales the others by 1 / (1 - p) (Srivastava et al.,
 * JMLR 15, 2014); the identity in evaluation.
 *
 * x [B, ...]. Element i of sample b (its place in the batch) is dropped when word i % 4 of block
 * i / 4 of the Philox stream (key, "dropout", b) is below p 2^32: the mask depends on nothing
 * else. */
#include <math.h>
#include <string.h>

#include "core/random.h"
#include "core/threads.h"
#include "expect.h"
#include "kernels/simd.h"

enum { P, TRAINING, KEY, NUMBERS };
enum { BLOCKS = 16, CHUNK = 4 * BLOCKS, PIECE = 64 * CHUNK };

typedef struct dropout {
  int64_t batch, n; /* samples; elements of one */
  int64_t pieces;   /* per sample */
  uint64_t key;
  uint32_t threshold; /* p 2^32; for p = 1 one less, but then the scale is 0 */
  const real *x, *gy;
  real *y;
  uint8_t *kept; /* NULL when nobody will ask */
  real scale;
} dropout;

static dropout dropout_of(const cj_args *a, const cj_tensor *x) {
  const double p = a->num[P];
  dropout d = {.batch = x->ndim ? x->size[0] : 1,
               .key = (uint64_t)a->num[KEY],
               .threshold = (uint32_t)fmin(p * 4294967296.0, 4294967295.0),
               .scale = p < 1 ? (real)(1 / (1 - p)) : 0};
  d.n = d.batch ? cj_numel(x) / d.batch : 0;
  d.pieces = (d.n + PIECE - 1) / PIECE;
  return d;
}

static bool active(const cj_args *a) {
  return a->num[TRAINING] != 0 && a->num[P] > 0;
}

static cj_status dropout_infer(cj_args *a, cj_tensor *y) {
  int64_t ignored;
  if (!(a->num[P] >= 0 && a->num[P] <= 1))
    return cj_fail(CJ_EARG, "expected a probability from 0 to 1 for p, got %g", a->num[P]);
  CJ_TRY(cj_expect_int(a, TRAINING, "training", 0, 1, &ignored));
  CJ_TRY(cj_expect_int(a, KEY, "key", 0, INT64_C(1) << 53, &ignored));
  if (active(a)) CJ_TRY(cj_save(a, 0, CJ_U8, a->in[0]->ndim, a->in[0]->size));
  return cj_infer_same(a, y);
}

/* Ten rounds of cj_philox on one register of blocks; c: the four counter words, each in the lower
 * half of a 64-bit one. */
static inline __attribute__((always_inline)) void philox_rounds(words c[4], uint32_t k0,
                                                                uint32_t k1) {
  const words low = (words){0} + 0xFFFFFFFFu;
  const words m0 = (words){0} + 0xD2511F53u, m1 = (words){0} + 0xCD9E8D57u;
  for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
    const words a = words_mul(m0, c[0]), b = words_mul(m1, c[2]);
    c[0] = (b >> 32) ^ c[1] ^ (uint64_t)k0;
    c[2] = (a >> 32) ^ c[3] ^ (uint64_t)k1;
    c[1] = b & low;
    c[3] = a & low;
  }
}

/* BLOCKS blocks of the stream from `first` on, word by word. */
static void philox_many(const cj_stream *s, uint64_t first, uint32_t out[CHUNK]) {
  words order, front, back; /* 0, 1, 2 ...; the places of the first and second half of pairs */
  for (uint64_t j = 0; j < WORDS; j++) {
    order[j] = j;
    front[j] = j / 2 + j % 2 * WORDS;
    back[j] = WORDS / 2 + front[j];
  }
  for (uint64_t from = 0; from < BLOCKS; from += WORDS) {
    const words n = order + (first + from), low = (words){0} + 0xFFFFFFFFu;
    words c[4] = {n & low, n >> 32, (words){0} + (uint32_t)s->index, (words){0} + (s->index >> 32)};
    philox_rounds(c, s->key[0], s->key[1]);
    const words one = c[0] | c[1] << 32, two = c[2] | c[3] << 32;
    const words pairs[2] = {__builtin_shuffle(one, two, front), __builtin_shuffle(one, two, back)};
    memcpy(out + 4 * from, pairs, sizeof pairs);
  }
}

static void mask_chunk(const uint32_t *restrict word, uint32_t threshold, real scale, int64_t count,
                       const real *restrict x, real *restrict y, uint8_t *restrict kept) {
  for (int64_t j = 0; j < count; j++) {
    const real v = x[j] * scale;
    y[j] = word[j] >= threshold ? v : 0;
  }
  for (int64_t j = 0; j < count && kept; j++) kept[j] = word[j] >= threshold;
}

static void dropout_piece(void *context, int64_t piece) {
  const dropout *d = context;
  const int64_t sample = piece / d->pieces, from = piece % d->pieces * PIECE;
  const cj_stream s = cj_stream_open(d->key, "dropout", (uint64_t)sample);
  for (int64_t i = from; i < least(d->n, from + PIECE); i += CHUNK) {
    uint32_t word[CHUNK];
    philox_many(&s, (uint64_t)i / 4, word);
    const int64_t at = sample * d->n + i, count = least(CHUNK, d->n - i);
    mask_chunk(word, d->threshold, d->scale, count, d->x + at, d->y + at,
               d->kept ? d->kept + at : NULL);
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
  const real scale = d->scale;
  for (int64_t i = piece * PIECE; i < least(d->batch * d->n, (piece + 1) * PIECE); i++) {
    const real g = d->gy[i] * scale;
    d->y[i] += d->kept[i] ? g : 0;
  }
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
