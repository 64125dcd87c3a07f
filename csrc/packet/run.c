/* run.c -- draws points, asks the model, and adds what it says to the moments of every label. */
#include "packet/run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "attacks/plan_oracle.h"
#include "core/memory.h"
#include "core/threads.h"
#include "packet/directions.h"
#include "packet/element.h"

enum { EAGER_ROWS = 128, TEXT = 480 };

/* --- sums --------------------------------------------------------------------------------------
 */

/* Is the slope of log nu wanted? A pilot does without. */
static bool scored(const cj_packet *p) {
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
  const bool curved = scored(p);
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

/* --- one group of samples ----------------------------------------------------------------------
 */

/* Memory for at most `room` samples of one batch. */
typedef struct group {
  const cj_packet *p;
  cj_oracle *o;
  cj_packet_sums *sums;
  int batch;
  size_t bytes;        /* of an element */
  int64_t room, rows;  /* samples */
  int64_t first;       /* the number of the first; the others follow CJ_BATCHES apart */
  int64_t with_faces;  /* the first of them, whose faces are asked for */
  cj_tensor x;         /* [room, ...] */
  char *score, *field; /* [room, n], or NULL */
  char *few[3];        /* x, g and score at the chosen pixels, [room, faces] */
  double *l, *v, *slopes, *scratch;
  double *along;      /* s.x of the tilt */
  int64_t classes;    /* of slopes */
  double *low, *high; /* [labels, room, faces] */
} group;

static cj_status group_tensor(const group *g, cj_tensor *t, int64_t rows) {
  int64_t size[CJ_MAX_DIMS];
  memcpy(size + 1, g->p->size, (size_t)(CJ_MAX_DIMS - 1) * sizeof *size);
  size[0] = rows;
  return cj_tensor_new(t, g->p->reference.dtype, g->p->ndim + 1, size);
}

static void group_close(group *g) {
  void *blocks[] = {g->score, g->field,  g->few[0],  g->few[1], g->few[2], g->l,
                    g->v,     g->slopes, g->scratch, g->low,    g->high,   g->along};
  for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) cj_free(blocks[i]);
  cj_tensor_drop(&g->x);
}

static cj_status group_open(group *g) {
  const cj_packet *p = g->p;
  const size_t n = (size_t)p->reference.n, rows = (size_t)g->room, f = (size_t)p->face_count;
  const size_t labels = (size_t)p->label_count;
  g->bytes = cj_dtype_bytes(p->reference.dtype);
  CJ_TRY(group_tensor(g, &g->x, g->room));
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

static char *pixel_row(const group *g, int64_t row) {
  return (char *)g->x.data + (size_t)(row * g->p->reference.n) * g->bytes;
}

/* Sample `number` and its weight into a row; gives the centre it was drawn around. */
static int64_t draw_weighted(group *g, int64_t number, int64_t row) {
  const cj_reference *ref = &g->p->reference;
  const cj_tilt *tilt = g->p->tilt;
  const int64_t near = cj_tilt_draw(tilt, ref, number, pixel_row(g, row));
  g->along[row] = tilt ? cj_tilt_along(tilt, ref, pixel_row(g, row)) : 0;
  g->v[row] = tilt ? cj_tilt_weight(tilt, g->along[row]) : 1;
  return near;
}

/* Adds sample `number` to the group. */
static void group_draw(group *g, int64_t number) {
  const cj_reference *ref = &g->p->reference;
  const int64_t row = g->rows++;
  const int64_t near = draw_weighted(g, number, row);
  if (row == 0) g->first = number;
  if (scored(g->p))
    cj_reference_score(ref, pixel_row(g, row), near, g->score + (size_t)(row * ref->n) * g->bytes,
                       g->scratch);
  if (g->p->face_count && number < g->p->face_samples) g->with_faces++;
}

cj_status cj_packet_check_logits(const cj_packet *p, const cj_logits *z) {
  for (int64_t j = 0; j < p->label_count; j++)
    if (p->labels[j] < 0 || p->labels[j] >= z->classes)
      return cj_fail(CJ_EARG, "expected labels in 0..%lld, got %lld", (long long)(z->classes - 1),
                     (long long)p->labels[j]);
  for (int64_t k = 0; k < z->rows * z->classes; k++)
    if (!isfinite(z->z[k])) return cj_fail(CJ_EARG, "expected finite logits, got NaN or infinity");
  return CJ_OK;
}

/* --- faces -------------------------------------------------------------------------------------
 */

/* Variant k of all: sample k / (2 faces), pixel by pixel at its lower and then its upper face. */
static void make_variant(const group *g, int64_t k, char *out) {
  const int64_t faces = g->p->face_count, row = k / (2 * faces), side = k % 2;
  memcpy(out, pixel_row(g, row), (size_t)g->p->reference.n * g->bytes);
  put_element(g->p->reference.dtype, out, g->p->face_pixels[k / 2 % faces],
              side ? g->p->reference.high : g->p->reference.low);
}

/* nu / q of the other pixels of variant k, since the face has a place of its own. */
static double variant_weight(const group *g, int64_t k) {
  const cj_reference *r = &g->p->reference;
  const int64_t faces = g->p->face_count, row = k / (2 * faces),
                i = g->p->face_pixels[k / 2 % faces];
  if (!g->p->tilt) return g->v[row];
  return cj_tilt_weight_without(g->p->tilt, r, g->along[row], i,
                                get_element(r->dtype, pixel_row(g, row), i));
}

static void keep_variant(const group *g, int64_t k, const cj_logits *z, int64_t at) {
  const double v = variant_weight(g, k);
  for (int64_t j = 0; j < g->p->label_count; j++) {
    const double l =
        cj_packet_value(&g->p->loss, z->classes, z->z + at * z->classes, g->p->labels[j], NULL);
    double *side = k % 2 ? g->high : g->low;
    side[j * g->room * g->p->face_count + k / 2] = v * l * l;
  }
}

/* v l^2 at the faces of the chosen pixels. */
static cj_status ask_faces(group *g) {
  const int64_t all = g->with_faces * 2 * g->p->face_count;
  for (int64_t k = 0; k < all; k += g->room) {
    const int64_t rows = all - k < g->room ? all - k : g->room;
    cj_tensor x = {0};
    cj_logits z = {0};
    CJ_TRY(group_tensor(g, &x, rows));
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
static const void *choose(const group *g, const void *from, char *to) {
  for (int64_t row = 0; row < g->with_faces; row++)
    for (int64_t k = 0; k < g->p->face_count; k++)
      memcpy(to + (size_t)(row * g->p->face_count + k) * g->bytes,
             (const char *)from +
                 (size_t)(row * g->p->reference.n + g->p->face_pixels[k]) * g->bytes,
             g->bytes);
  return to;
}

static void add_faces(const group *g, int64_t j, const cj_evidence *e, double *centre) {
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

/* --- all pixels --------------------------------------------------------------------------------
 */

cj_status cj_packet_check_gradient(const cj_tensor *g) {
  const int64_t n = cj_numel(g);
  double worst = 0; /* NaN and infinity survive a sum of zeros */
  for (int64_t i = 0; i < n; i++)
    worst += 0 * (g->dtype == CJ_F32 ? (double)((float *)g->data)[i] : ((double *)g->data)[i]);
  return worst == 0 ? CJ_OK : cj_fail(CJ_EARG, "expected finite gradients, got NaN or infinity");
}

/* How steep the loss is at the samples: g^2 is only as good a mean as these are even. */
static void add_slopes(const group *g, int64_t j, const cj_tensor *slope) {
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
static cj_status add_label(group *g, int64_t j, const cj_logits *z) {
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
                   .score = scored(p) ? g->score : NULL,
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
    if (g->with_faces) add_faces(g, j, &e, g->scratch);
  }
  cj_tensor_drop(&slope);
  return status;
}

/* Asks about the group's samples and empties it. */
static cj_status group_flush(group *g) {
  cj_tensor x = g->x;
  cj_logits z = {0};
  if (g->rows == 0) return CJ_OK;
  if (cj_stop_requested()) return cj_fail(CJ_ESTOP, "interrupted");
  if (g->with_faces) CJ_TRY(ask_faces(g));
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

/* The samples of one batch among `first` .. `end` - 1. */
static cj_status run_batch(group *g, int64_t first, int64_t end) {
  const int64_t skip = (g->batch - first % CJ_BATCHES + CJ_BATCHES) % CJ_BATCHES;
  for (int64_t number = first + skip; number < end; number += CJ_BATCHES) {
    group_draw(g, number);
    if (g->rows == g->room) CJ_TRY(group_flush(g));
  }
  return group_flush(g);
}

static int64_t last_of(const cj_packet *p, const cj_packet_sums *s, int64_t count) {
  return s->done + count < p->samples ? s->done + count : p->samples;
}

cj_status cj_packet_run(const cj_packet *p, cj_oracle *o, int64_t count, cj_packet_sums *s) {
  const int64_t end = last_of(p, s, count), before[2] = {o->forwards, o->backwards};
  group g = {.p = p, .o = o, .sums = s, .room = EAGER_ROWS};
  cj_status status = group_open(&g);
  for (g.batch = 0; status == CJ_OK && g.batch < CJ_BATCHES; g.batch++)
    status = run_batch(&g, s->done, end);
  group_close(&g);
  s->forwards += o->forwards - before[0];
  s->backwards += o->backwards - before[1];
  if (status == CJ_OK) s->done = end;
  return status;
}

/* --- on all threads ----------------------------------------------------------------------------
 */

typedef struct campaign {
  const cj_packet *p;
  cj_packet_sums *sums;
  cj_crew *crew;
  int64_t end, passes[CJ_BATCHES][2];
  cj_status status[CJ_BATCHES];
  char text[CJ_BATCHES][TEXT];
} campaign;

static void run_task(void *context, int64_t batch) {
  campaign *c = context;
  int slot;
  cj_frame *frame = cj_crew_take(c->crew, &slot);
  cj_frame_oracle self;
  cj_oracle o = cj_frame_oracle_open(&self, c->crew->plan, frame);
  group g = {.p = c->p,
             .o = &o,
             .sums = c->sums,
             .batch = (int)batch,
             .room = cj_plan_rows(c->crew->plan)};
  c->status[batch] = group_open(&g);
  if (c->status[batch] == CJ_OK) c->status[batch] = run_batch(&g, c->sums->done, c->end);
  if (c->status[batch] != CJ_OK) snprintf(c->text[batch], TEXT, "%s", cj_errmsg());
  group_close(&g);
  c->passes[batch][0] = o.forwards;
  c->passes[batch][1] = o.backwards;
  cj_crew_give(c->crew, slot);
}

cj_status cj_packet_run_planned(const cj_packet *p, cj_crew *crew, int64_t count,
                                cj_packet_sums *s) {
  campaign c = {.p = p, .sums = s, .crew = crew, .end = last_of(p, s, count)};
  CJ_TRY(cj_crew_ready(crew, CJ_BATCHES));
  cj_parallel(CJ_BATCHES, run_task, &c);
  if (cj_stop_requested()) return cj_fail(CJ_ESTOP, "interrupted");
  for (int b = 0; b < CJ_BATCHES; b++) {
    if (c.status[b] != CJ_OK) return cj_fail(c.status[b], "%s", c.text[b]);
    s->forwards += c.passes[b][0];
    s->backwards += c.passes[b][1];
  }
  s->done = c.end;
  return CJ_OK;
}
