/* pencil.c -- lines through points: ask the model at their nodes, integrate, add. */
#include "packet/pencil.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "core/threads.h"
#include "packet/element.h"
#include "packet/legendre.h"

enum { ROWS = 128, FACES = 2, PLAIN = 6, TERMS = PLAIN + FACES };

/* --- rules and sums ----------------------------------------------------------------------------
 */

void cj_pencils_drop(cj_pencils *s) {
  for (int64_t j = 0; j < s->labels; j++) {
    if (s->sums) cj_moments_drop(&s->sums[j]);
    if (s->changes) cj_moments_drop(&s->changes[j]);
  }
  void *blocks[] = {s->place, s->weight, s->sums, s->changes, s->lost};
  for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) cj_free(blocks[i]);
  *s = (cj_pencils){0};
}

/* Points at which the model is asked for slopes. */
static int64_t points_of(const cj_pencils *s, bool halved) {
  return (halved ? 3 : 1) * s->set.nodes;
}

/* The rule, and the rule on both halves. */
static void set_rules(cj_pencils *s, double low, double high) {
  const int64_t nodes = s->set.nodes;
  cj_legendre(nodes, s->place, s->weight);
  for (int64_t k = 0; k < 2 * nodes; k++) {
    s->place[nodes + k] = (s->place[k % nodes] + (k < nodes ? 0 : 1)) / 2;
    s->weight[nodes + k] = s->weight[k % nodes] / 2;
  }
  for (int64_t k = 0; k < points_of(s, true); k++) s->place[k] = low + (high - low) * s->place[k];
}

static cj_status open_all(cj_pencils *s, const cj_packet *p) {
  const cj_term_set *set = cj_term_set_find("pencils", CJ_F64);
  const size_t labels = (size_t)p->label_count, points = (size_t)points_of(s, true);
  s->place = cj_alloc(points * sizeof(double));
  s->weight = cj_alloc(points * sizeof(double));
  s->sums = cj_alloc_zeroed(labels * sizeof *s->sums);
  s->changes = cj_alloc_zeroed(labels * sizeof *s->changes);
  s->lost = cj_alloc_zeroed((size_t)s->set.count * sizeof(double));
  if (!s->place || !s->weight || !s->sums || !s->changes || !s->lost)
    return cj_fail(CJ_EMEM, "no memory for pencils");
  set_rules(s, p->reference.low, p->reference.high);
  for (int64_t j = 0; j < p->label_count; j++) {
    CJ_TRY(cj_moments_open(&s->sums[j], set, s->set.count));
    CJ_TRY(cj_moments_open(&s->changes[j], set, s->set.count));
  }
  return CJ_OK;
}

cj_status cj_pencils_open(cj_pencils *s, const cj_packet *p, const cj_pencil_settings *set) {
  *s = (cj_pencils){.set = *set, .labels = p->label_count};
  const cj_status status = open_all(s, p);
  if (status != CJ_OK) cj_pencils_drop(s);
  return status;
}

/* --- a bundle of pencils, asked about together -------------------------------------------------
 */

/* Through row `row` of the round along chosen pixel k; its points are `first` ... of the bundle. */
typedef struct pencil {
  int64_t row, k, first;
  bool halved;
} pencil;

typedef struct bundle {
  cj_pencils *s;
  const cj_packet *p;
  cj_oracle *o;
  const cj_pencil_round *round;
  const cj_term_set *plain;
  cj_tensor x, ends; /* [room, ...]: nodes; lower and upper face of each pencil */
  int64_t room, used, count, classes;
  pencil *pencils;        /* [room] */
  double *l, *d, *unit;   /* [room]: loss, its slope along the pencil, size of the logits' slopes */
  double *slopes;         /* [room, classes], once these are known */
  double *terms, *change; /* [labels, TERMS, pixels] of one row of the round */
} bundle;

static void bundle_close(bundle *b) {
  void *blocks[] = {b->pencils, b->l, b->d, b->unit, b->slopes, b->terms, b->change};
  for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) cj_free(blocks[i]);
  cj_tensor_drop(&b->x);
  cj_tensor_drop(&b->ends);
}

static cj_status bundle_open(bundle *b) {
  const size_t room = (size_t)b->room;
  const size_t terms = (size_t)(b->s->labels * TERMS * b->s->set.count);
  int64_t size[CJ_MAX_DIMS];
  memcpy(size + 1, b->p->size, (size_t)(CJ_MAX_DIMS - 1) * sizeof *size);
  size[0] = b->room;
  CJ_TRY(cj_tensor_new(&b->x, b->p->reference.dtype, b->p->ndim + 1, size));
  CJ_TRY(cj_tensor_new(&b->ends, b->p->reference.dtype, b->p->ndim + 1, size));
  b->pencils = cj_alloc(room * sizeof *b->pencils);
  b->l = cj_alloc(room * sizeof(double));
  b->d = cj_alloc(room * sizeof(double));
  b->unit = cj_alloc(room * sizeof(double));
  b->terms = cj_alloc(terms * sizeof(double));
  b->change = cj_alloc(terms * sizeof(double));
  if (b->pencils && b->l && b->d && b->unit && b->terms && b->change) return CJ_OK;
  return cj_fail(CJ_EMEM, "no memory for pencils");
}

/* Row `to` of points: that of the round, but for one pixel. */
static void put_point(const bundle *b, const pencil *at, double pixel, cj_tensor *points,
                      int64_t to) {
  const cj_reference *r = &b->p->reference;
  const size_t bytes = (size_t)r->n * cj_dtype_bytes(r->dtype);
  char *x = (char *)points->data + (size_t)to * bytes;
  memcpy(x, (const char *)b->round->x + (size_t)at->row * bytes, bytes);
  put_element(r->dtype, x, b->s->set.pixels[at->k], pixel);
}

/* The points of a pencil into the bundle. */
static void bundle_take(bundle *b, int64_t row, int64_t k, bool halved) {
  const pencil at = {row, k, b->used, halved};
  const int64_t points = points_of(b->s, halved);
  put_point(b, &at, b->p->reference.low, &b->ends, FACES * b->count);
  put_point(b, &at, b->p->reference.high, &b->ends, FACES * b->count + 1);
  for (int64_t i = 0; i < points; i++) put_point(b, &at, b->s->place[i], &b->x, b->used++);
  b->pencils[b->count++] = at;
}

/* --- integrals ---------------------------------------------------------------------------------
 */

/* The terms of a pencil by the rule of its points from..from + count - 1: these are samples of one
 * pixel, with the weights of the rule. */
static void integrate(const bundle *b, const pencil *at, int64_t from, int64_t count,
                      const double face[FACES], double terms[TERMS]) {
  double sums[CJ_TERM_LANES * (PLAIN + PLAIN * (PLAIN + 1) / 2)] = {0};
  const cj_evidence nodes = {.rows = count,
                             .n = 1,
                             .l = b->l + at->first + from,
                             .v = b->s->weight + from,
                             .x = b->s->place + from,
                             .g = b->d + at->first + from,
                             .centre = b->p->centre + b->s->set.pixels[at->k]};
  b->plain->add(&nodes, sums);
  for (int k = 0; k < PLAIN; k++) terms[k] = sums[k * CJ_TERM_LANES];
  for (int k = 0; k < FACES; k++) terms[PLAIN + k] = face[k] * face[k];
}

/* Expectations under rho along the pencil, times the weight of its point. */
static void normalise(double terms[TERMS], double v) {
  const double mean = terms[0];
  for (int k = 0; k < TERMS; k++) terms[k] = mean > 0 ? v * (terms[k] / mean) : 0;
}

/* Only ratios matter along a pencil of rho: with losses in units of the largest, no square
 * underflows. */
static void rescale(bundle *b, const pencil *at, double face[FACES]) {
  double most = fmax(fabs(face[0]), fabs(face[1]));
  const int64_t end = at->first + points_of(b->s, at->halved);
  for (int64_t i = at->first; i < end; i++) most = fmax(most, fabs(b->l[i]));
  for (int64_t i = at->first; i < end && most > 0; i++) {
    b->l[i] /= most;
    b->d[i] /= most;
  }
  for (int k = 0; k < FACES && most > 0; k++) face[k] /= most;
}

/* v of the pencil's point; of a defensive mixture that of all pixels but the pencil's own. */
static double weight(const bundle *b, const pencil *at) {
  const cj_reference *r = &b->p->reference;
  const char *x = (const char *)b->round->x + (size_t)(at->row * r->n) * cj_dtype_bytes(r->dtype);
  const int64_t pixel = b->s->set.pixels[at->k];
  if (b->round->v) return b->round->v[at->row];
  if (!b->p->tilt) return 1;
  return cj_tilt_weight_without(b->p->tilt, r, cj_tilt_along(b->p->tilt, r, x), pixel,
                                get_element(r->dtype, x, pixel));
}

/* The terms of a pencil of label j into those of its row; face: its losses at the faces. */
static void finish_pencil(bundle *b, int64_t j, const pencil *at, double face[FACES]) {
  const cj_pencils *s = b->s;
  const int64_t nodes = s->set.nodes, place = j * TERMS * s->set.count + at->k;
  const double v = weight(b, at);
  double whole[TERMS], halves[TERMS];
  if (s->set.of_rho) rescale(b, at, face);
  integrate(b, at, 0, nodes, face, whole);
  if (at->halved) integrate(b, at, nodes, 2 * nodes, face, halves);
  if (s->set.of_rho) {
    const bool lost = !(whole[0] > 0) || (at->halved && !(halves[0] > 0));
    if (lost && v > 0) s->lost[at->k]++;
    normalise(whole, v);
    if (at->halved) normalise(halves, v);
  }
  for (int k = 0; k < TERMS; k++) {
    const double scale = s->set.of_rho ? 1 : v;
    b->terms[place + k * s->set.count] = scale * whole[k];
    if (at->halved) b->change[place + k * s->set.count] = scale * (halves[k] - whole[k]);
  }
}

/* The terms of a row, once all its pencils are finished. */
static void add_row(bundle *b, int64_t j, const pencil *last) {
  cj_pencils *s = b->s;
  const int64_t place = j * TERMS * s->set.count;
  const int batch = (int)(last->row * CJ_BATCHES / b->round->rows);
  const cj_evidence e = {.rows = 1, .n = s->set.count, .given = b->terms + place};
  const cj_evidence change = {.rows = 1, .n = s->set.count, .given = b->change + place};
  cj_moments_add(&s->sums[j], batch, &e);
  if (last->halved) cj_moments_add(&s->changes[j], batch, &change);
}

/* --- asking the model --------------------------------------------------------------------------
 */

/* Losses of label j, and the slopes of the logits in units that no float type is too narrow for. */
static void read_losses(bundle *b, int64_t j, const cj_logits *z) {
  const int64_t classes = z->classes;
  for (int64_t row = 0; row < b->used; row++) {
    double *slope = b->slopes + row * classes, most = 0;
    b->l[row] = cj_packet_value(&b->p->loss, classes, z->z + row * classes, b->p->labels[j], slope);
    for (int64_t k = 0; k < classes; k++) most = fmax(most, fabs(slope[k]));
    for (int64_t k = 0; k < classes && most > 0; k++) slope[k] /= most;
    b->unit[row] = most;
  }
}

static void read_slopes(bundle *b, const cj_tensor *g) {
  for (int64_t q = 0; q < b->count; q++) {
    const pencil *at = &b->pencils[q];
    const int64_t pixel = b->s->set.pixels[at->k], end = at->first + points_of(b->s, at->halved);
    for (int64_t i = at->first; i < end; i++)
      b->d[i] = b->unit[i] * get_element(g->dtype, g->data, i * b->p->reference.n + pixel);
  }
}

static cj_status add_label(bundle *b, int64_t j, const cj_logits *ends, const cj_logits *z) {
  cj_tensor g = {0};
  read_losses(b, j, z);
  CJ_TRY(cj_oracle_pull(b->o, z, b->slopes, j + 1 < b->s->labels, &g));
  const cj_status status = cj_packet_check_gradient(&g);
  if (status == CJ_OK) read_slopes(b, &g);
  cj_tensor_drop(&g);
  CJ_TRY(status);
  for (int64_t q = 0; q < b->count; q++) {
    double face[FACES];
    for (int64_t k = 0; k < FACES; k++)
      face[k] = cj_packet_value(&b->p->loss, ends->classes,
                                ends->z + (FACES * q + k) * ends->classes, b->p->labels[j], NULL);
    finish_pencil(b, j, &b->pencils[q], face);
    if (b->pencils[q].k + 1 == b->s->set.count) add_row(b, j, &b->pencils[q]);
  }
  return CJ_OK;
}

static cj_status make_slopes(bundle *b, int64_t classes) {
  if (b->slopes) return CJ_OK;
  b->slopes = cj_alloc((size_t)(b->room * classes) * sizeof(double));
  if (!b->slopes) return cj_fail(CJ_EMEM, "no memory for slopes");
  b->classes = classes;
  return CJ_OK;
}

static cj_status ask(bundle *b, const cj_tensor *points, int64_t rows, bool pulls, cj_logits *z) {
  cj_tensor x = *points;
  x.size[0] = rows;
  CJ_TRY(cj_oracle_logits(b->o, &x, pulls, b->classes, z));
  CJ_TRY(cj_packet_check_logits(b->p, z));
  return make_slopes(b, z->classes);
}

/* Asks about the bundle's pencils and empties it. No slopes at faces: nobody needs them, and a loss
 * that vanishes there may have none. */
static cj_status bundle_flush(bundle *b) {
  cj_logits ends = {0}, z = {0};
  if (b->used == 0) return CJ_OK;
  if (cj_stop_requested()) return cj_fail(CJ_ESTOP, "interrupted");
  cj_status status = ask(b, &b->ends, FACES * b->count, false, &ends);
  if (status == CJ_OK) status = ask(b, &b->x, b->used, true, &z);
  for (int64_t j = 0; status == CJ_OK && j < b->s->labels; j++) status = add_label(b, j, &ends, &z);
  cj_logits_drop(&ends);
  cj_logits_drop(&z);
  b->used = b->count = 0;
  return status;
}

/* --- rounds ------------------------------------------------------------------------------------
 */

/* Is the pencil of this row looked at in halves, too? */
static bool checked(const bundle *b, int64_t row) {
  return b->s->done == 0 && row % (b->round->rows / CJ_BATCHES) == 0;
}

static cj_status run_round(bundle *b) {
  CJ_TRY(bundle_open(b));
  for (int64_t row = 0; row < b->round->rows; row++)
    for (int64_t k = 0; k < b->s->set.count; k++) {
      const bool halved = checked(b, row);
      if (b->used + points_of(b->s, halved) > b->room) CJ_TRY(bundle_flush(b));
      bundle_take(b, row, k, halved);
    }
  return bundle_flush(b);
}

cj_status cj_pencils_add(cj_pencils *s, const cj_packet *p, cj_oracle *o,
                         const cj_pencil_round *r) {
  const int64_t most = points_of(s, true);
  bundle b = {.s = s,
              .p = p,
              .o = o,
              .round = r,
              .plain = cj_term_set_find("plain", CJ_F64),
              .room = most > ROWS ? most : ROWS};
  const cj_status status = run_round(&b);
  bundle_close(&b);
  if (status != CJ_OK) return status;
  s->done++;
  s->samples += r->rows;
  return CJ_OK;
}

cj_status cj_pencils_run(cj_pencils *s, const cj_packet *p, cj_oracle *o, int64_t count) {
  const cj_reference *r = &p->reference;
  const size_t bytes = (size_t)r->n * cj_dtype_bytes(r->dtype);
  const int64_t end = s->done + count < s->set.rounds ? s->done + count : s->set.rounds;
  cj_status status = CJ_OK;
  char *x = cj_alloc(CJ_BATCHES * bytes);
  if (!x) return cj_fail(CJ_EMEM, "no memory for pencils");
  while (status == CJ_OK && s->done < end) {
    for (int64_t b = 0; b < CJ_BATCHES; b++)
      cj_tilt_draw(p->tilt, r, s->done * CJ_BATCHES + b, x + (size_t)b * bytes);
    status = cj_pencils_add(s, p, o, &(cj_pencil_round){CJ_BATCHES, x, NULL});
  }
  cj_free(x);
  return status;
}
