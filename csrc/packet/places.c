/* places.c -- memory for points of chains, and the charts between x and y. */
#include "packet/places.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "packet/element.h"

enum { STRIP = 64 };

void cj_places_drop(cj_places *at) {
  void *blocks[] = {at->y, at->slope, at->bend,   at->h,     at->score,
                    at->l, at->level, at->volume, at->steep, at->blunt};
  for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) cj_free(blocks[i]);
  cj_tensor_drop(&at->x);
}

cj_status cj_places_open(cj_places *at, const cj_packet *p, int64_t chains) {
  const size_t wide = (size_t)(chains * p->reference.n) * sizeof(double);
  const size_t each = (size_t)chains * sizeof(double);
  int64_t size[CJ_MAX_DIMS];
  memcpy(size + 1, p->size, (size_t)(CJ_MAX_DIMS - 1) * sizeof *size);
  size[0] = chains;
  CJ_TRY(cj_tensor_new(&at->x, p->reference.dtype, p->ndim + 1, size));
  at->y = cj_alloc_zeroed(wide);
  at->slope = cj_alloc_zeroed(wide);
  at->bend = cj_alloc_zeroed(wide);
  at->h = cj_alloc_zeroed(wide);
  at->score = cj_alloc_zeroed(wide);
  at->l = cj_alloc_zeroed(each);
  at->level = cj_alloc_zeroed(each);
  at->volume = cj_alloc_zeroed(each);
  at->steep = cj_alloc_zeroed(each);
  at->blunt = cj_alloc_zeroed(each);
  if (at->y && at->slope && at->bend && at->h && at->score && at->l && at->level && at->volume &&
      at->steep && at->blunt)
    return CJ_OK;
  return cj_fail(CJ_EMEM, "no memory for %lld chains", (long long)chains);
}

char *cj_place_row(const cj_packet *p, const void *values, int64_t c) {
  return (char *)values + (size_t)(c * p->reference.n) * cj_dtype_bytes(p->reference.dtype);
}

void cj_place_copy(const cj_packet *p, cj_places *to, const cj_places *from, int64_t c) {
  const size_t n = (size_t)p->reference.n, row = n * cj_dtype_bytes(p->reference.dtype);
  const size_t wide = n * sizeof(double), at = (size_t)c * n;
  memcpy(cj_place_row(p, to->x.data, c), cj_place_row(p, from->x.data, c), row);
  memcpy(cj_place_row(p, to->h, c), cj_place_row(p, from->h, c), row);
  memcpy(cj_place_row(p, to->score, c), cj_place_row(p, from->score, c), row);
  memcpy(to->y + at, from->y + at, wide);
  memcpy(to->slope + at, from->slope + at, wide);
  memcpy(to->bend + at, from->bend + at, wide);
  to->l[c] = from->l[c];
  to->level[c] = from->level[c];
  to->volume[c] = from->volume[c];
  to->steep[c] = from->steep[c];
  to->blunt[c] = from->blunt[c];
}

void cj_place_from_x(const cj_packet *p, cj_places *at, int64_t c) {
  const cj_reference *r = &p->reference;
  for (int64_t i = 0; i < r->n; i++) {
    const double x = get_element(r->dtype, cj_place_row(p, at->x.data, c), i);
    double *y = at->y + c * r->n + i;
    if (r->kind == CJ_REFERENCE_BOX) {
      const double u = fmin(fmax((x - r->low) / (r->high - r->low), 1e-12), 1 - 1e-12);
      *y = log(u) - log1p(-u);
    } else
      *y = (x - p->centre[i]) / r->tau;
  }
}

/* The box at y: x, dx/dy and its slope. The Jacobian small * large = exp(-|y|) large^2 is summed up
 * with one logarithm a STRIP: large is at least 1/2. */
static void logistic(const cj_packet *p, cj_places *at, int64_t c) {
  const cj_reference *r = &p->reference;
  const double across = r->high - r->low;
  double sum = 0;
  for (int64_t first = 0; first < r->n; first += STRIP) {
    double product = 1;
    for (int64_t i = first; i < first + STRIP && i < r->n; i++) {
      const int64_t k = c * r->n + i;
      const double y = at->y[k], e = exp(-fabs(y)), large = 1 / (1 + e), small = e * large;
      put_element(r->dtype, at->x.data, k, r->low + across * (y < 0 ? small : large));
      at->slope[k] = across * small * large;
      at->bend[k] = y < 0 ? large - small : small - large;
      product *= large;
      sum -= fabs(y);
    }
    sum += 2 * log(product);
  }
  at->level[c] = 0;
  at->volume[c] = sum;
}

void cj_place_to_x(const cj_packet *p, cj_places *at, int64_t c, int64_t near, double *scratch) {
  const cj_reference *r = &p->reference;
  if (r->kind == CJ_REFERENCE_BOX) {
    logistic(p, at, c);
    return;
  }
  for (int64_t i = 0; i < r->n; i++) {
    const int64_t k = c * r->n + i;
    put_element(r->dtype, at->x.data, k, p->centre[i] + r->tau * at->y[k]);
    at->slope[k] = r->tau;
  }
  at->level[c] = cj_reference_score(r, cj_place_row(p, at->x.data, c), near,
                                    cj_place_row(p, at->score, c), scratch);
  at->volume[c] = 0;
}
