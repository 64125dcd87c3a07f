/* chain_field.c -- asks a field at the places of chains. */
#include "packet/chain_field.h"

#include <float.h>
#include <math.h>

#include "core/memory.h"
#include "packet/element.h"

void cj_chain_field_drop(cj_chain_field *f) {
  cj_free(f->g);
  cj_free(f->values);
  *f = (cj_chain_field){0};
}

static cj_status make_room(cj_chain_field *f, const cj_packet *p, int64_t chains) {
  const size_t bytes = (size_t)(chains * p->reference.n) * cj_dtype_bytes(p->reference.dtype);
  if (!f->g) f->g = cj_alloc(bytes);
  if (!f->values) f->values = cj_alloc(bytes);
  return f->g && f->values ? CJ_OK : cj_fail(CJ_EMEM, "no memory for a field");
}

/* Products of l that are smaller lose digits; gradients may be some 1e7 times smaller than l. */
static cj_status check_losses(const cj_packet *p, const cj_places *at, int64_t chains) {
  const double least = (p->reference.dtype == CJ_F32 ? (double)FLT_MIN : DBL_MIN) * 1e7;
  for (int64_t c = 0; c < chains; c++)
    if (at->l[c] != 0 && fabs(at->l[c]) < least)
      return cj_fail(CJ_EARG, "expected losses above %g for a field of %s, got %g", least,
                     cj_dtype_name(p->reference.dtype), at->l[c]);
  return CJ_OK;
}

/* out = from times (or divided by) l, row by row. */
static void scale(const cj_packet *p, const cj_places *at, int64_t chains, bool divide,
                  const void *from, void *out) {
  const cj_dtype dtype = p->reference.dtype;
  const int64_t n = p->reference.n;
  for (int64_t c = 0; c < chains; c++) {
    const double l = at->l[c], by = divide ? 1 / l : l;
    for (int64_t k = c * n; k < (c + 1) * n; k++)
      put_element(dtype, out, k, l != 0 ? by * get_element(dtype, from, k) : 0);
  }
}

cj_status cj_chain_field_ask(cj_chain_field *f, const cj_packet *p, const cj_places *at,
                             int64_t chains) {
  CJ_TRY(make_room(f, p, chains));
  CJ_TRY(check_losses(p, at, chains));
  scale(p, at, chains, false, at->h, f->g);
  CJ_TRY(p->field(p->field_self, p->labels[0], chains, at->x.data, at->l, f->g, f->values));
  scale(p, at, chains, true, f->values, f->values);
  return CJ_OK;
}
