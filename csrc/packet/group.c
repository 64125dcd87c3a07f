/* group.c -- draws samples, asks the model, and adds what it says to the moments of every label. */
#include "packet/group.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "core/threads.h"
#include "packet/directions.h"

cj_status cj_group_tensor(const cj_group *g, cj_tensor *t, int64_t rows) {
  int64_t size[CJ_MAX_DIMS];
  memcpy(size + 1, g->p->size, (size_t)(CJ_MAX_DIMS - 1) * sizeof *size);
  size[0] = rows;
  return cj_tensor_new(t, g->p->reference.dtype, g->p->ndim + 1, size);
}

void cj_group_close(cj_group *g) {
  void *blocks[] = {g->score, g->field,  g->few[0],  g->few[1], g->few[2], g->l,
                    g->v,     g->slopes, g->scratch, g->low,    g->high,   g->along};
  for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) cj_free(blocks[i]);
  cj_tensor_drop(&g->x);
}

cj_status cj_group_open(cj_group *g) {
  const cj_packet *p = g->p;
  const size_t n = (size_t)p->reference.n, rows = (size_t)g->room, f = (size_t)p->face_count;
  const size_t labels = (size_t)p->label_count;
  g->bytes = cj_dtype_bytes(p->reference.dtype);
  CJ_TRY(cj_group_tensor(g, &g->x, g->room));
  g->score = cj_alloc(rows * n * g->bytes);
  g->field = cj_alloc(p->field ? rows * n * g->bytes : 0);
  for (int k = 0; k < 3; k++) g->few[k] = cj_alloc(rows * f * g->bytes);
  g->l = cj_alloc(rows * sizeof(double));
  g->v = cj_alloc(rows * sizeof(double));
  g->along = cj_alloc(rows * sizeof(double));
  g->scratch = cj_alloc((n + (size_t)p->reference.count) * sizeof(double));
  g->low = cj_alloc(labels * rows * f * sizeof(double));
  g->high = cj_alloc(labels * rows * f * sizeof(double));
  if (g->score && g->field && g->few[0] && g->few[1] && g->few[2] && g->l && g->v && g->along &&
      g->scratch && g->low && g->high)
    return CJ_OK;
  return cj_fail(CJ_EMEM, "no memory for %lld samples", (long long)g->room);
}

/* Sample `number` and its weight into a row; gives the centre it was drawn around. */
static int64_t draw_weighted(cj_group *g, int64_t number, int64_t row) {
  const cj_reference *ref = &g->p->reference;
  const cj_tilt *tilt = g->p->tilt;
  const int64_t near = cj_tilt_draw(tilt, ref, number, cj_group_row(g, row));
  g->along[row] = tilt ? cj_tilt_along(tilt, ref, cj_group_row(g, row)) : 0;
  g->v[row] = tilt ? cj_tilt_weight(tilt, g->along[row]) : 1;
  return near;
}

/* Adds sample `number` to the group. */
void cj_group_draw(cj_group *g, int64_t number) {
  const cj_reference *ref = &g->p->reference;
  const int64_t row = g->rows++;
  const int64_t near = draw_weighted(g, number, row);
  if (row == 0) g->first = number;
  if (cj_packet_scored(g->p))
    cj_reference_score(ref, cj_group_row(g, row), near,
                       g->score + (size_t)(row * ref->n) * g->bytes, g->scratch);
  if (g->p->face_count && number < g->p->face_samples) g->with_faces++;
}

/* --- what the model says ------------------------------------------------------------------------
 */

cj_status cj_packet_check_logits(const cj_packet *p, const cj_logits *z) {
  for (int64_t j = 0; j < p->label_count; j++)
    if (p->labels[j] < 0 || p->labels[j] >= z->classes)
      return cj_fail(CJ_EARG, "expected labels in 0..%lld, got %lld", (long long)(z->classes - 1),
                     (long long)p->labels[j]);
  for (int64_t k = 0; k < z->rows * z->classes; k++)
    if (!isfinite(z->z[k])) return cj_fail(CJ_EARG, "expected finite logits, got NaN or infinity");
  return CJ_OK;
}

cj_status cj_packet_check_gradient(const cj_tensor *g) {
  const int64_t n = cj_numel(g);
  double worst = 0; /* NaN and infinity survive a sum of zeros */
  for (int64_t i = 0; i < n; i++)
    worst += 0 * (g->dtype == CJ_F32 ? (double)((float *)g->data)[i] : ((double *)g->data)[i]);
  return worst == 0 ? CJ_OK : cj_fail(CJ_EARG, "expected finite gradients, got NaN or infinity");
}

/* How steep the loss is at the samples: g^2 is only as good a mean as these are even. */
static void add_slopes(const cj_group *g, int64_t j, const cj_tensor *slope) {
  const int64_t n = g->p->reference.n;
  for (int64_t row = 0; row < g->rows; row++) {
    double sum = 0;
    for (int64_t i = row * n; i < (row + 1) * n; i++) {
      const double d = get_element(slope->dtype, slope->data, i);
      sum += d * d;
    }
    cj_weights_add(&g->sums->slopes[j * CJ_BATCHES + g->batch], g->v[row] * sum);
  }
}

/* Label j of the samples whose logits are z. */
static cj_status add_label(cj_group *g, int64_t j, const cj_logits *z) {
  const cj_packet *p = g->p;
  cj_tensor slope = {0};
  for (int64_t row = 0; row < g->rows; row++) {
    g->l[row] = cj_packet_value(&p->loss, z->classes, z->z + row * z->classes, p->labels[j],
                                g->slopes + row * z->classes);
    cj_weights_add(&g->sums->weights[j * CJ_BATCHES + g->batch], g->v[row] * g->l[row] * g->l[row]);
    if (g->sums->losses && j == 0) g->sums->losses[g->first + row * CJ_BATCHES] = g->l[row];
  }
  CJ_TRY(cj_oracle_pull(g->o, z, g->slopes, j + 1 < p->label_count, &slope));
  cj_evidence e = {.rows = g->rows,
                   .n = p->reference.n,
                   .l = g->l,
                   .v = g->v,
                   .x = g->x.data,
                   .g = slope.data,
                   .score = cj_packet_scored(p) ? g->score : NULL,
                   .centre = p->centre};
  cj_status status = cj_packet_check_gradient(&slope);
  if (status == CJ_OK && p->field) {
    status = p->field(p->field_self, p->labels[j], g->rows, e.x, e.l, e.g, g->field);
    e.field = g->field;
  }
  if (status == CJ_OK) {
    add_slopes(g, j, &slope);
    cj_moments_add(&g->sums->all[j], g->batch, &e);
    if (e.score) cj_moments_add(&g->sums->parts[j], g->batch, &e);
    if (g->sums->directions) cj_directions_add(g->sums->directions, p, j, g->batch, &e);
    if (g->with_faces) cj_group_add_faces(g, j, &e, g->scratch);
  }
  cj_tensor_drop(&slope);
  return status;
}

/* Asks about the group's samples and empties it. */
cj_status cj_group_flush(cj_group *g) {
  cj_tensor x = g->x;
  cj_logits z = {0};
  if (g->rows == 0) return CJ_OK;
  if (cj_stop_requested()) return cj_fail(CJ_ESTOP, "interrupted");
  if (g->with_faces) CJ_TRY(cj_group_ask_faces(g));
  x.size[0] = g->rows;
  cj_status status = cj_oracle_logits(g->o, &x, true, g->classes, &z);
  if (status == CJ_OK) status = cj_packet_check_logits(g->p, &z);
  if (status == CJ_OK && !g->slopes) {
    g->slopes = cj_alloc((size_t)(g->room * z.classes) * sizeof(double));
    if (!g->slopes) status = cj_fail(CJ_EMEM, "no memory for slopes");
    g->classes = z.classes;
  }
  for (int64_t j = 0; status == CJ_OK && j < g->p->label_count; j++) status = add_label(g, j, &z);
  cj_logits_drop(&z);
  g->rows = g->with_faces = 0;
  return status;
}
