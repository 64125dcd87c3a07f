/* matrix.c -- sums of products of all pairs of directions. */
#include "packet/matrix.h"

#include <string.h>

#include "core/memory.h"
#include "core/status.h"
#include "packet/matrix_sums.h"

double cj_matrix_bytes(int64_t k, int64_t n, bool surface) {
  return 8.0 * CJ_BATCHES * (double)matrix_layout(k, n, surface).all;
}

cj_status cj_matrix_open(cj_matrix *m, int64_t k, int64_t n, bool surface) {
  *m = (cj_matrix){.k = k, .n = n, .surface = surface};
  const size_t bytes = (size_t)matrix_layout(k, n, surface).all * sizeof(double);
  for (int b = 0; b < CJ_BATCHES; b++) {
    m->sums[b] = cj_alloc_zeroed(bytes);
    if (m->sums[b]) continue;
    cj_matrix_drop(m);
    return cj_fail(CJ_EMEM, "no memory for the matrices of %lld directions", (long long)k);
  }
  return CJ_OK;
}

void cj_matrix_drop(cj_matrix *m) {
  for (int b = 0; b < CJ_BATCHES; b++) cj_free(m->sums[b]);
  *m = (cj_matrix){0};
}

/* sum[i] += c a[i] */
static void add(int64_t n, double c, const double *restrict a, double *restrict sum) {
  for (int64_t i = 0; i < n; i++) sum[i] += c * a[i];
}

/* sum += c a b', of which only the lower triangle is kept when `lower` is set. An element is summed
 * sample after sample, so cuts change no bit. */
static void add_outer(int64_t k, bool lower, double c, const double *a, const double *b,
                      double *sum) {
  for (int64_t i = 0; i < k; i++) {
    add(lower ? i + 1 : k, c * a[i], b, sum);
    sum += lower ? i + 1 : k;
  }
}

void cj_matrix_add(cj_matrix *m, int batch, const cj_matrix_rows *r) {
  const matrix_places at = matrix_layout(m->k, m->n, m->surface);
  double *sums = m->sums[batch];
  const int64_t k = m->k;
  for (int64_t row = 0; row < r->rows; row++) {
    const double v = r->v[row], l = r->l[row];
    const double *z = r->z + row * k, *d = r->d + row * k;
    sums[0] += v * l * l;
    add(k, v * l * l, z, sums + at.z);
    add(k, v * l, d, sums + at.d);
    add_outer(k, true, v * l * l, z, z, sums + at.zz);
    add_outer(k, true, v, d, d, sums + at.dd);
    add_outer(k, false, v * l, d, z, sums + at.dz);
    if (!m->surface) continue;
    add(k, 1, r->s + row * k, sums + at.s);
    add_outer(k, false, 1, r->s + row * k, z, sums + at.sz);
    add(m->n, 1, r->e + row * m->n, sums + at.e);
  }
}
