/* moments.c -- batches of sums, and means and covariances from them. */
#include "packet/moments.h"

#include <string.h>

#include "core/memory.h"
#include "core/status.h"

cj_status cj_moments_open(cj_moments *m, const cj_term_set *set, int64_t n) {
  *m = (cj_moments){.set = set, .n = n};
  for (int b = 0; b < CJ_BATCHES; b++) {
    m->sums[b] = cj_alloc_zeroed(cj_term_sums(set->terms, n) * sizeof(double));
    if (m->sums[b]) continue;
    cj_moments_drop(m);
    return cj_fail(CJ_EMEM, "no memory for the sums of %lld pixels", (long long)n);
  }
  return CJ_OK;
}

void cj_moments_drop(cj_moments *m) {
  for (int b = 0; b < CJ_BATCHES; b++) cj_free(m->sums[b]);
  *m = (cj_moments){0};
}

void cj_moments_add(cj_moments *m, int batch, const cj_evidence *e) {
  m->set->add(e, m->sums[batch]);
  m->counts[batch] += e->rows;
}

/* Where the sums of pixel i begin in a batch; they are CJ_TERM_LANES apart. */
static const double *pixel_sums(const cj_moments *m, int64_t i, int batch) {
  const int terms = m->set->terms, all = terms + terms * (terms + 1) / 2;
  return m->sums[batch] + i / CJ_TERM_LANES * all * CJ_TERM_LANES + i % CJ_TERM_LANES;
}

/* Adds up the first `wanted` sums of pixel i over all batches; gives the number of samples. */
static double add_up(const cj_moments *m, int64_t i, int wanted, double *sum) {
  double count = 0;
  memset(sum, 0, (size_t)wanted * sizeof *sum);
  for (int b = 0; b < CJ_BATCHES; b++) {
    const double *from = pixel_sums(m, i, b);
    count += (double)m->counts[b];
    for (int k = 0; k < wanted; k++) sum[k] += from[k * CJ_TERM_LANES];
  }
  return count;
}

void cj_moments_means(const cj_moments *m, int64_t i, cj_means *out) {
  const int terms = m->set->terms, all = terms + terms * (terms + 1) / 2;
  double sum[CJ_MOST_TERMS * (CJ_MOST_TERMS + 3) / 2];
  *out = (cj_means){.terms = terms, .count = add_up(m, i, all, sum)};
  if (out->count == 0) return;
  for (int k = 0; k < all; k++) sum[k] /= out->count;
  memcpy(out->mean, sum, (size_t)terms * sizeof(double));
  const double *product = sum + terms;
  for (int p = 0; p < terms; p++)
    for (int q = 0; q <= p; q++)
      out->cov[p * terms + q] = out->cov[q * terms + p] = *product++ - sum[p] * sum[q];
}

void cj_moments_left_out(const cj_moments *m, int64_t i, cj_means out[CJ_BATCHES + 1]) {
  const int terms = m->set->terms;
  double sum[CJ_MOST_TERMS];
  const double count = add_up(m, i, terms, sum);
  for (int b = 0; b <= CJ_BATCHES; b++) {
    const double *own = b < CJ_BATCHES ? pixel_sums(m, i, b) : NULL;
    out[b].terms = terms;
    out[b].count = count - (own ? (double)m->counts[b] : 0);
    for (int k = 0; k < terms; k++)
      out[b].mean[k] = (sum[k] - (own ? own[k * CJ_TERM_LANES] : 0)) / out[b].count;
  }
}

/* The covariance of the overall mean is that of the batches' means over their number; times the
 * count of samples, since standard errors divide by it. */
void cj_moments_between(const cj_moments *m, int64_t i, cj_means *out) {
  const int terms = m->set->terms;
  double off[CJ_MOST_TERMS];
  cj_moments_means(m, i, out);
  memset(out->cov, 0, sizeof out->cov);
  for (int b = 0; b < CJ_BATCHES && m->counts[b] > 0; b++) {
    const double *own = pixel_sums(m, i, b);
    for (int p = 0; p < terms; p++)
      off[p] = own[p * CJ_TERM_LANES] / (double)m->counts[b] - out->mean[p];
    for (int p = 0; p < terms; p++)
      for (int q = 0; q < terms; q++)
        out->cov[p * terms + q] +=
            off[p] * off[q] * out->count / (double)(CJ_BATCHES * (CJ_BATCHES - 1));
  }
}
