/* directions.c -- turns samples into the frame of directions and adds them up there. */
#include "packet/directions.h"

#include <string.h>

#include "core/memory.h"
#include "core/status.h"
#include "packet/element.h"

enum { ROWS = 8 }; /* samples that are turned together */

/* --- memory ------------------------------------------------------------------------------------
 */

static cj_status open_sums(cj_direction_sums *s, const cj_packet *p, const cj_directions *a,
                           bool surface) {
  const char *set = p->reference.kind == CJ_REFERENCE_WINDOW ? "window" : "plain";
  CJ_TRY(cj_moments_open(&s->each, cj_term_set_find(surface ? "surface" : set, CJ_F64), a->k));
  return a->joint ? cj_matrix_open(&s->joint, a->k, p->reference.n, surface) : CJ_OK;
}

static void drop_sums(cj_direction_sums *s, int64_t labels) {
  for (int64_t j = 0; s && j < labels; j++) {
    cj_moments_drop(&s[j].each);
    cj_matrix_drop(&s[j].joint);
  }
  cj_free(s);
}

void cj_directions_drop(cj_directions *a) {
  drop_sums(a->all, a->labels);
  drop_sums(a->faces, a->labels);
  cj_free(a->origin);
  for (int b = 0; b < CJ_BATCHES; b++) cj_free(a->room[b]);
  *a = (cj_directions){0};
}

/* Are the faces those of all pixels, in order? */
static bool whole_surface(const cj_packet *p) {
  bool whole = p->face_count == p->reference.n && p->face_samples > 0;
  for (int64_t i = 0; whole && i < p->face_count; i++) whole = p->face_pixels[i] == i;
  return whole;
}

static cj_status open_all(cj_directions *a, const cj_packet *p, bool surface) {
  const size_t labels = (size_t)p->label_count;
  const size_t room = (size_t)(ROWS * (p->reference.n + 4 * a->k));
  a->all = cj_alloc_zeroed(labels * sizeof *a->all);
  if (surface) a->faces = cj_alloc_zeroed(labels * sizeof *a->faces);
  a->origin = cj_alloc_zeroed((size_t)a->k * sizeof(double));
  bool enough = a->all && (a->faces || !surface) && a->origin;
  for (int b = 0; b < CJ_BATCHES; b++) {
    a->room[b] = cj_alloc(room * sizeof(double));
    enough = enough && a->room[b];
  }
  if (!enough) return cj_fail(CJ_EMEM, "no memory for %lld directions", (long long)a->k);
  for (int64_t j = 0; j < p->label_count; j++) {
    CJ_TRY(open_sums(&a->all[j], p, a, false));
    if (surface) CJ_TRY(open_sums(&a->faces[j], p, a, true));
  }
  return CJ_OK;
}

cj_status cj_directions_open(cj_directions *a, const cj_packet *p, int64_t k, const double *u,
                             bool joint) {
  const bool surface = whole_surface(p);
  *a = (cj_directions){.k = k, .labels = p->label_count, .u = u, .joint = joint};
  double bytes = cj_matrix_bytes(k, p->reference.n, false);
  if (surface) bytes += cj_matrix_bytes(k, p->reference.n, true);
  bytes *= (double)p->label_count;
  if (joint && bytes > CJ_MATRIX_MOST_BYTES) {
    *a = (cj_directions){0};
    return cj_fail(CJ_EARG,
                   "the matrix form of %lld directions for %lld labels takes %.0f MB, more than "
                   "%.0f: take fewer, or no faces, or matrix = false",
                   (long long)k, (long long)p->label_count, bytes / 1e6,
                   CJ_MATRIX_MOST_BYTES / 1e6);
  }
  const cj_status status = open_all(a, p, surface);
  if (status != CJ_OK) cj_directions_drop(a);
  return status;
}

/* --- turning -----------------------------------------------------------------------------------
 */

/* The dot product in CJ_TERM_LANES partial sums: the same bits on every machine. */
static double dot(int64_t n, const double *restrict x, const double *restrict y) {
  double lane[CJ_TERM_LANES] = {0}, sum = 0;
  int64_t i = 0;
  for (; i + CJ_TERM_LANES <= n; i += CJ_TERM_LANES)
    for (int k = 0; k < CJ_TERM_LANES; k++) lane[k] += x[i + k] * y[i + k];
  for (int k = 0; i < n; i++, k++) lane[k] += x[i] * y[i];
  for (int k = 0; k < CJ_TERM_LANES; k++) sum += lane[k];
  return sum;
}

/* out[row, direction] = u . from[row] */
static void turn(const cj_directions *a, int64_t n, int64_t rows, const double *from, double *out) {
  for (int64_t k = 0; k < a->k; k++)
    for (int64_t row = 0; row < rows; row++)
      out[row * a->k + k] = dot(n, a->u + k * n, from + row * n);
}

/* x - m of the rows. */
static void take_shift(cj_dtype t, const cj_evidence *e, double *out) {
  for (int64_t row = 0; row < e->rows; row++)
    for (int64_t i = 0; i < e->n; i++)
      out[row * e->n + i] = get_element(t, e->x, row * e->n + i) - e->centre[i];
}

/* dl/dx, and with the score D = dl/dx + l score / 2. */
static void take_slope(cj_dtype t, const cj_evidence *e, bool with_score, double *out) {
  for (int64_t row = 0; row < e->rows; row++)
    for (int64_t i = 0; i < e->n; i++) {
      const int64_t at = row * e->n + i;
      out[at] = get_element(t, e->g, at);
      if (with_score) out[at] += 0.5 * e->l[row] * get_element(t, e->score, at);
    }
}

/* (h - f) / (b - a) of the faces. */
static void take_jump(const cj_reference *r, const cj_evidence *e, double *out) {
  for (int64_t at = 0; at < e->rows * e->n; at++)
    out[at] = (e->high[at] - e->low[at]) / (r->high - r->low);
}

/* e of directions.h. */
static void take_edge(const cj_reference *r, const cj_evidence *e, double *out) {
  for (int64_t at = 0; at < e->rows * e->n; at++) {
    const double x = get_element(r->dtype, e->x, at);
    out[at] = ((r->high - x) * e->high[at] - (r->low - x) * e->low[at]) / (r->high - r->low);
  }
}

/* s z + sum_i u_i^2 e_i */
static void take_surface(const cj_directions *a, int64_t n, int64_t rows, const double *s,
                         const double *z, const double *edge, double *out) {
  for (int64_t row = 0; row < rows; row++)
    for (int64_t k = 0; k < a->k; k++) {
      const double *u = a->u + k * n;
      double sum = s[row * a->k + k] * z[row * a->k + k];
      for (int64_t i = 0; i < n; i++) sum += u[i] * u[i] * edge[row * n + i];
      out[row * a->k + k] = sum;
    }
}

/* --- adding ------------------------------------------------------------------------------------
 */

/* At most ROWS samples. */
static void add_rows(cj_directions *a, const cj_packet *p, int64_t label, int batch,
                     const cj_evidence *e) {
  const cj_dtype t = p->reference.dtype;
  const bool window = p->reference.kind == CJ_REFERENCE_WINDOW;
  const size_t width = (size_t)(ROWS * a->k);
  double *pixels = a->room[batch], *z = pixels + ROWS * e->n, *d = z + width, *s = d + width;
  double *surface = s + width;
  take_shift(t, e, pixels);
  turn(a, e->n, e->rows, pixels, z);
  take_slope(t, e, e->score && !window, pixels);
  turn(a, e->n, e->rows, pixels, d);
  cj_matrix_rows rows = {.rows = e->rows, .l = e->l, .v = e->v, .z = z, .d = d};
  cj_evidence turned = {
      .rows = e->rows, .n = a->k, .l = e->l, .v = e->v, .x = z, .g = d, .centre = a->origin};
  if (e->low) {
    take_jump(&p->reference, e, pixels);
    turn(a, e->n, e->rows, pixels, s);
    take_edge(&p->reference, e, pixels);
    take_surface(a, e->n, e->rows, s, z, pixels, surface);
    turned.low = rows.s = s;
    turned.high = surface;
    rows.e = pixels;
  }
  cj_direction_sums *sums = e->low ? &a->faces[label] : &a->all[label];
  cj_moments_add(&sums->each, batch, &turned);
  if (a->joint) cj_matrix_add(&sums->joint, batch, &rows);
}

/* Rows from `first` on of a block [rows, n]. */
static const double *from_row(const double *values, int64_t first, int64_t n) {
  return values ? values + first * n : NULL;
}

static const void *from_element(cj_dtype t, const void *values, int64_t first, int64_t n) {
  return values ? (const char *)values + (size_t)(first * n) * cj_dtype_bytes(t) : NULL;
}

void cj_directions_add(cj_directions *a, const cj_packet *p, int64_t label, int batch,
                       const cj_evidence *e) {
  const cj_dtype t = p->reference.dtype;
  if (e->low && !a->faces) return; /* faces of some pixels only */
  for (int64_t first = 0; first < e->rows; first += ROWS) {
    const cj_evidence some = {.rows = min64(e->rows - first, ROWS),
                              .n = e->n,
                              .l = e->l + first,
                              .v = e->v + first,
                              .x = from_element(t, e->x, first, e->n),
                              .g = from_element(t, e->g, first, e->n),
                              .score = from_element(t, e->score, first, e->n),
                              .centre = e->centre,
                              .low = from_row(e->low, first, e->n),
                              .high = from_row(e->high, first, e->n)};
    add_rows(a, p, label, batch, &some);
  }
}
