/* faces.c -- the samples of a group again, with one pixel after the other at its two faces. */
#include <string.h>

#include "packet/directions.h"
#include "packet/group.h"

/* Variant k of all: sample k / (2 faces), pixel by pixel at its lower and then its upper face. */
static void make_variant(const cj_group *g, int64_t k, char *out) {
  const int64_t faces = g->p->face_count, row = k / (2 * faces), side = k % 2;
  memcpy(out, cj_group_row(g, row), (size_t)g->p->reference.n * g->bytes);
  put_element(g->p->reference.dtype, out, g->p->face_pixels[k / 2 % faces],
              side ? g->p->reference.high : g->p->reference.low);
}

/* nu / q of the other pixels of variant k, since the face has a place of its own. */
static double variant_weight(const cj_group *g, int64_t k) {
  const cj_reference *r = &g->p->reference;
  const int64_t faces = g->p->face_count, row = k / (2 * faces),
                i = g->p->face_pixels[k / 2 % faces];
  if (!g->p->tilt) return g->v[row];
  return cj_tilt_weight_without(g->p->tilt, r, g->along[row], i,
                                get_element(r->dtype, cj_group_row(g, row), i));
}

static void keep_variant(const cj_group *g, int64_t k, const cj_logits *z, int64_t at) {
  const double v = variant_weight(g, k);
  for (int64_t j = 0; j < g->p->label_count; j++) {
    const double l =
        cj_packet_value(&g->p->loss, z->classes, z->z + at * z->classes, g->p->labels[j], NULL);
    double *side = k % 2 ? g->high : g->low;
    side[j * g->room * g->p->face_count + k / 2] = v * l * l;
  }
}

/* v l^2 at the faces of the chosen pixels. */
cj_status cj_group_ask_faces(cj_group *g) {
  const int64_t all = g->with_faces * 2 * g->p->face_count;
  for (int64_t k = 0; k < all; k += g->room) {
    const int64_t rows = all - k < g->room ? all - k : g->room;
    cj_tensor x = {0};
    cj_logits z = {0};
    CJ_TRY(cj_group_tensor(g, &x, rows));
    for (int64_t i = 0; i < rows; i++)
      make_variant(g, k + i, (char *)x.data + (size_t)(i * g->p->reference.n) * g->bytes);
    cj_status status = cj_oracle_logits(g->o, &x, false, 0, &z);
    if (status == CJ_OK) status = cj_packet_check_logits(g->p, &z);
    for (int64_t i = 0; status == CJ_OK && i < rows; i++) keep_variant(g, k + i, &z, i);
    cj_logits_drop(&z);
    cj_tensor_drop(&x);
    CJ_TRY(status);
  }
  return CJ_OK;
}

/* The chosen pixels of the rows of `from`. */
static const void *choose(const cj_group *g, const void *from, char *to) {
  for (int64_t row = 0; row < g->with_faces; row++)
    for (int64_t k = 0; k < g->p->face_count; k++)
      memcpy(to + (size_t)(row * g->p->face_count + k) * g->bytes,
             (const char *)from +
                 (size_t)(row * g->p->reference.n + g->p->face_pixels[k]) * g->bytes,
             g->bytes);
  return to;
}

void cj_group_add_faces(const cj_group *g, int64_t j, const cj_evidence *e, double *centre) {
  const int64_t at = j * g->room * g->p->face_count;
  cj_evidence few = {.rows = g->with_faces,
                     .n = g->p->face_count,
                     .l = e->l,
                     .v = e->v,
                     .x = choose(g, e->x, g->few[0]),
                     .g = choose(g, e->g, g->few[1]),
                     .score = e->score ? choose(g, e->score, g->few[2]) : NULL,
                     .centre = centre,
                     .low = g->low + at,
                     .high = g->high + at};
  for (int64_t k = 0; k < few.n; k++) centre[k] = e->centre[g->p->face_pixels[k]];
  cj_moments_add(&g->sums->faces[j], g->batch, &few);
  if (g->sums->directions) cj_directions_add(g->sums->directions, g->p, j, g->batch, &few);
}
