/* random.h -- counter-based random numbers: Philox 4x32-10 (Salmon et al., SC 2011).
 *
 * A stream is named by (seed, purpose, index): the n-th number of a stream depends on nothing else,
 * so results do not depend on batch size, order or threads. */
#ifndef CJ_RANDOM_H
#define CJ_RANDOM_H

#include <stdint.h>

#include "core/tensor.h"

typedef struct cj_stream {
  uint32_t key[2]; /* from the seed and the purpose */
  uint64_t index;  /* upper half of the counter: the sample, the step ... */
} cj_stream;

/* One block: four 32-bit words for a 128-bit counter and a 64-bit key. */
void cj_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* purpose is a short constant text ("dropout", "shuffle", "init" ...). */
cj_stream cj_stream_open(uint64_t seed, const char *purpose, uint64_t index);

/* Block `n` of the stream. */
void cj_stream_block(const cj_stream *s, uint64_t n, uint32_t out[4]);

/* Number n of the stream: uniform in [0, 1) with 53 bits; standard normal (Box-Muller, pairs share
 * a block); uniform integer in 0..bound-1 without bias worth naming (64-bit multiply-shift). */
double cj_stream_uniform(const cj_stream *s, uint64_t n);
double cj_stream_normal(const cj_stream *s, uint64_t n);
uint64_t cj_stream_below(const cj_stream *s, uint64_t n, uint64_t bound);

/* out[i] = number first + i of the stream, i < count, as the functions above give them; for about
 * half their cost. */
void cj_stream_uniforms(const cj_stream *s, uint64_t first, int64_t count, double *out);
void cj_stream_normals(const cj_stream *s, uint64_t first, int64_t count, double *out);

/* Fill a tensor of any strides in row-major order with numbers 0.. of the stream; t float32 or
 * float64, else CJ_EDTYPE. uniform: in [low, high); normal: mean + sd * N(0,1). */
cj_status cj_random_uniform(cj_tensor *t, const cj_stream *s, double low, double high);
cj_status cj_random_normal(cj_tensor *t, const cj_stream *s, double mean, double sd);

/* A permutation of 0..n-1 in a contiguous int64 tensor [n] (Fisher-Yates on the stream). */
cj_status cj_random_permutation(cj_tensor *t, const cj_stream *s);

#endif
