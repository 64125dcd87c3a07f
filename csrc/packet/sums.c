/* sums.c -- what is measured of a packet, for each label: made and given back. */
#include "packet/run.h"

#include "core/memory.h"

bool cj_packet_scored(const cj_packet *p) {
  return !p->keep && !cj_reference_flat(&p->reference);
}

static cj_status open_label(cj_packet_sums *s, const cj_packet *p, int64_t j,
                            const cj_term_set *set) {
  CJ_TRY(cj_moments_open(&s->all[j], set, p->reference.n));
  for (int b = 0; b < CJ_BATCHES; b++) {
    CJ_TRY(cj_weights_open(&s->weights[j * CJ_BATCHES + b], p->samples));
    CJ_TRY(cj_weights_open(&s->slopes[j * CJ_BATCHES + b], p->samples));
  }
  if (s->parts)
    CJ_TRY(cj_moments_open(&s->parts[j], cj_term_set_find("parts", p->reference.dtype),
                           p->reference.n));
  if (!s->faces) return CJ_OK;
  return cj_moments_open(&s->faces[j], cj_term_set_find("faces", p->reference.dtype),
                         p->face_count);
}

cj_status cj_packet_sums_open(cj_packet_sums *s, const cj_packet *p, const cj_term_set *set) {
  const size_t labels = (size_t)p->label_count;
  cj_status status = CJ_OK;
  *s = (cj_packet_sums){0};
  s->all = cj_alloc_zeroed(labels * sizeof *s->all);
  s->weights = cj_alloc_zeroed(labels * CJ_BATCHES * sizeof *s->weights);
  s->slopes = cj_alloc_zeroed(labels * CJ_BATCHES * sizeof *s->slopes);
  const bool curved = cj_packet_scored(p);
  if (p->face_count) s->faces = cj_alloc_zeroed(labels * sizeof *s->faces);
  if (curved) s->parts = cj_alloc_zeroed(labels * sizeof *s->parts);
  if (p->keep) s->losses = cj_alloc_zeroed((size_t)p->samples * sizeof(double));
  if (!s->all || !s->weights || !s->slopes || (p->face_count && !s->faces) ||
      (curved && !s->parts) || (p->keep && !s->losses))
    status = cj_fail(CJ_EMEM, "no memory for the sums of %lld labels", (long long)p->label_count);
  for (int64_t j = 0; status == CJ_OK && j < p->label_count; j++) status = open_label(s, p, j, set);
  if (status != CJ_OK) cj_packet_sums_drop(s, p);
  return status;
}

void cj_packet_sums_drop(cj_packet_sums *s, const cj_packet *p) {
  for (int64_t j = 0; j < p->label_count; j++) {
    if (s->all) cj_moments_drop(&s->all[j]);
    if (s->faces) cj_moments_drop(&s->faces[j]);
    if (s->parts) cj_moments_drop(&s->parts[j]);
    for (int b = 0; s->weights && b < CJ_BATCHES; b++)
      cj_weights_drop(&s->weights[j * CJ_BATCHES + b]);
    for (int b = 0; s->slopes && b < CJ_BATCHES; b++)
      cj_weights_drop(&s->slopes[j * CJ_BATCHES + b]);
  }
  cj_free(s->all);
  cj_free(s->faces);
  cj_free(s->parts);
  cj_free(s->weights);
  cj_free(s->slopes);
  cj_free(s->losses);
  *s = (cj_packet_sums){0};
}
