/* moments.h -- running sums of base terms, and what follows from them: means and covariances.
 *
 * Nothing is kept of a sample but its share of the sums, so memory does not grow with the samples.
 * Samples are dealt out to a fixed number of batches, each with sums of its own: batches may be
 * filled on different threads, and their spread gives a second standard error (jackknife). */
#ifndef CJ_PACKET_MOMENTS_H
#define CJ_PACKET_MOMENTS_H

#include "packet/dual.h"
#include "packet/terms.h"

enum { CJ_BATCHES = 32 };

typedef struct cj_moments {
  const cj_term_set *set;
  int64_t n;                  /* pixels */
  double *sums[CJ_BATCHES];   /* of each batch */
  int64_t counts[CJ_BATCHES]; /* its samples */
} cj_moments;

/* Means b and covariances of the base terms of one pixel, over `count` samples. */
typedef struct cj_means {
  int terms;
  double count, mean[CJ_MOST_TERMS], cov[CJ_MOST_TERMS * CJ_MOST_TERMS];
} cj_means;

/* Empty sums of n pixels. CJ_EMEM. */
cj_status cj_moments_open(cj_moments *m, const cj_term_set *set, int64_t n);
void cj_moments_drop(cj_moments *m);

/* Adds samples to one batch. */
void cj_moments_add(cj_moments *m, int batch, const cj_evidence *e);

/* Of pixel i, over all samples. */
void cj_moments_means(const cj_moments *m, int64_t i, cj_means *out);

/* Means alone, without covariances: out[b] of all batches but b, out[CJ_BATCHES] of all. */
void cj_moments_left_out(const cj_moments *m, int64_t i, cj_means out[CJ_BATCHES + 1]);

/* Of pixel i, with covariances from the spread of the batches: for samples that are not independent
 * in a batch. Batches must be independent and of equal counts. */
void cj_moments_between(const cj_moments *m, int64_t i, cj_means *out);

#endif
