/* random.c -- Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers, SC 2011).
 *
 * Counter layout: words 0-1 count blocks within a stream, words 2-3 hold the stream's index. */
#include "core/random.h"

#include <math.h>

enum { ROUNDS = 10 };

void cj_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  uint32_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < ROUNDS; round++) {
    const uint64_t a = (uint64_t)0xD2511F53u * c0, b = (uint64_t)0xCD9E8D57u * c2;
    const uint32_t n0 = (uint32_t)(b >> 32) ^ c1 ^ k0, n2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)b;
    c3 = (uint32_t)a;
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/* FNV-1a over the purpose, folded into the seed: distinct purposes give unrelated keys. */
static uint64_t key_of(uint64_t seed, const char *purpose) {
  uint64_t h = 0xCBF29CE484222325u;
  for (const char *p = purpose; *p; p++) h = (h ^ (unsigned char)*p) * 0x100000001B3u;
  const uint32_t counter[4] = {(uint32_t)h, (uint32_t)(h >> 32), 0x636A6B79u, 0};
  const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  uint32_t out[4];
  cj_philox(counter, key, out);
  return (uint64_t)out[1] << 32 | out[0];
}

cj_stream cj_stream_open(uint64_t seed, const char *purpose, uint64_t index) {
  const uint64_t key = key_of(seed, purpose);
  return (cj_stream){{(uint32_t)key, (uint32_t)(key >> 32)}, index};
}

void cj_stream_block(const cj_stream *s, uint64_t n, uint32_t out[4]) {
  const uint32_t counter[4] = {(uint32_t)n, (uint32_t)(n >> 32), (uint32_t)s->index,
                               (uint32_t)(s->index >> 32)};
  cj_philox(counter, s->key, out);
}

/* 53 random bits: number n is half n % 2 of block n / 2. */
static uint64_t bits64(const cj_stream *s, uint64_t n) {
  uint32_t w[4];
  cj_stream_block(s, n / 2, w);
  const int half = (int)(n % 2) * 2;
  return (uint64_t)w[half + 1] << 32 | w[half];
}

static double unit(uint64_t bits) {
  return (double)(bits >> 11) * 0x1p-53;
}

double cj_stream_uniform(const cj_stream *s, uint64_t n) {
  return unit(bits64(s, n));
}

/* Box-Muller: block n/2 gives the pair; 1 - u is never zero. */
static void normal_pair(const cj_stream *s, uint64_t pair, double out[2]) {
  uint32_t w[4];
  cj_stream_block(s, pair, w);
  const double u = 1.0 - unit((uint64_t)w[1] << 32 | w[0]);
  const double angle = 6.283185307179586476925 * unit((uint64_t)w[3] << 32 | w[2]);
  const double radius = sqrt(-2.0 * log(u));
  out[0] = radius * cos(angle);
  out[1] = radius * sin(angle);
}

double cj_stream_normal(const cj_stream *s, uint64_t n) {
  double pair[2];
  normal_pair(s, n / 2, pair);
  return pair[n % 2];
}

static void uniform_pair(const cj_stream *s, uint64_t pair, double out[2]) {
  uint32_t w[4];
  cj_stream_block(s, pair, w);
  out[0] = unit((uint64_t)w[1] << 32 | w[0]);
  out[1] = unit((uint64_t)w[3] << 32 | w[2]);
}

/* Numbers first .. first + count - 1, both of a pair from one block. */
static void fill(void (*pair_of)(const cj_stream *, uint64_t, double[2]), const cj_stream *s,
                 uint64_t first, int64_t count, double *out) {
  double pair[2];
  for (int64_t i = 0; i < count;) {
    const uint64_t n = first + (uint64_t)i;
    pair_of(s, n / 2, pair);
    if (n % 2 == 0) out[i++] = pair[0];
    if (i < count) out[i++] = pair[1];
  }
}

void cj_stream_uniforms(const cj_stream *s, uint64_t first, int64_t count, double *out) {
  fill(uniform_pair, s, first, count, out);
}

void cj_stream_normals(const cj_stream *s, uint64_t first, int64_t count, double *out) {
  fill(normal_pair, s, first, count, out);
}

uint64_t cj_stream_below(const cj_stream *s, uint64_t n, uint64_t bound) {
  return (uint64_t)(((unsigned __int128)bits64(s, n) * bound) >> 64);
}

/* Writes number i of the row-major order through t's strides. */
static void put(cj_tensor *t, int64_t i, double value) {
  int64_t index[CJ_MAX_DIMS];
  for (int d = t->ndim - 1; d >= 0; d--) {
    index[d] = i % t->size[d];
    i /= t->size[d];
  }
  cj_tensor_set(t, index, value);
}

static cj_status check_float(const cj_tensor *t) {
  if (cj_dtype_float(t->dtype)) return CJ_OK;
  return cj_fail(CJ_EDTYPE, "expected a float tensor, got %s", cj_dtype_name(t->dtype));
}

static void store(cj_tensor *t, bool packed, int64_t i, double value) {
  if (!packed)
    put(t, i, value);
  else if (t->dtype == CJ_F32)
    ((float *)t->data)[i] = (float)value;
  else
    ((double *)t->data)[i] = value;
}

/* [low, high) must hold after rounding to float32 too. */
static double below(double value, double low, double high, cj_dtype dtype) {
  if (dtype != CJ_F32 || (float)value < (float)high || low >= high) return value;
  return (double)nextafterf((float)high, (float)low);
}

cj_status cj_random_uniform(cj_tensor *t, const cj_stream *s, double low, double high) {
  CJ_TRY(check_float(t));
  const bool packed = cj_contiguous(t);
  const int64_t n = cj_numel(t);
  for (int64_t i = 0; i < n; i++)
    store(t, packed, i,
          below(low + (high - low) * cj_stream_uniform(s, (uint64_t)i), low, high, t->dtype));
  return CJ_OK;
}

cj_status cj_random_normal(cj_tensor *t, const cj_stream *s, double mean, double sd) {
  CJ_TRY(check_float(t));
  const bool packed = cj_contiguous(t);
  const int64_t n = cj_numel(t);
  for (int64_t i = 0; i < n; i += 2) {
    double pair[2];
    normal_pair(s, (uint64_t)i / 2, pair);
    store(t, packed, i, mean + sd * pair[0]);
    if (i + 1 < n) store(t, packed, i + 1, mean + sd * pair[1]);
  }
  return CJ_OK;
}

cj_status cj_random_permutation(cj_tensor *t, const cj_stream *s) {
  if (t->dtype != CJ_I64 || t->ndim != 1 || !cj_contiguous(t))
    return cj_fail(CJ_EARG, "expected a contiguous int64 tensor of one dimension");
  int64_t *p = t->data;
  for (int64_t i = 0; i < t->size[0]; i++) p[i] = i;
  for (int64_t i = t->size[0] - 1; i > 0; i--) {
    const int64_t j = (int64_t)cj_stream_below(s, (uint64_t)i, (uint64_t)i + 1);
    const int64_t swap = p[i];
    p[i] = p[j];
    p[j] = swap;
  }
  return CJ_OK;
}
