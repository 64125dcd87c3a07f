/* along.c -- losses along a slice, piece by piece: each thread makes its images, takes them
 * forward, turns logits into losses in double, and takes the slopes of these back. */
#include "packet/along.h"

#include "core/memory.h"
#include "core/threads.h"
#include "packet/element.h"

typedef struct walk {
  const cj_along *a;
  cj_dtype dtype;
  int64_t n, piece, pixels, classes;
  const double *t;
  double *l, *slope, *line; /* line: logits and slopes of a point, [n, 2 classes] */
  char *x, *gx, *z, *gz;    /* of all points, in the model's type */
} walk;

static int64_t row_length(const cj_tensor *t) {
  return cj_numel(t) / t->size[0];
}

static void place_image(const walk *w, int64_t row) {
  const double *t = w->t + row * w->a->axes;
  for (int64_t i = 0; i < w->pixels; i++) {
    double x = w->a->x0[i];
    for (int a = 0; a < w->a->axes; a++) x += t[a] * w->a->u[a * w->pixels + i];
    put_element(w->dtype, w->x, row * w->pixels + i, x);
  }
}

static void read_loss(const walk *w, int64_t row) {
  double *z = w->line + 2 * row * w->classes, *slope = z + w->classes;
  const int64_t at = row * w->classes;
  for (int64_t k = 0; k < w->classes; k++) z[k] = get_element(w->dtype, w->z, at + k);
  w->l[row] = cj_packet_value(&w->a->loss, w->classes, z, w->a->label, slope);
  for (int64_t k = 0; k < w->classes; k++) put_element(w->dtype, w->gz, at + k, slope[k]);
}

static void read_slopes(const walk *w, int64_t row) {
  for (int a = 0; a < w->a->axes; a++) {
    const double *u = w->a->u + a * w->pixels;
    double sum = 0;
    for (int64_t i = 0; i < w->pixels; i++)
      sum += u[i] * get_element(w->dtype, w->gx, row * w->pixels + i);
    w->slope[row * w->a->axes + a] = sum;
  }
}

static void look_piece(void *context, int64_t piece) {
  const walk *w = context;
  const int64_t from = piece * w->piece, left = w->n - from;
  const int64_t rows = left < w->piece ? left : w->piece;
  const size_t bytes = cj_dtype_bytes(w->dtype);
  const void *x = w->x + (size_t)(from * w->pixels) * bytes;
  const void *gz[CJ_MOST_OUTPUTS] = {w->gz + (size_t)(from * w->classes) * bytes};
  void *z[CJ_MOST_OUTPUTS] = {w->z + (size_t)(from * w->classes) * bytes};
  int slot;
  for (int64_t k = from; k < from + rows; k++) place_image(w, k);
  cj_frame *f = cj_crew_take(w->a->crew, &slot);
  cj_frame_forward(f, rows, &x, z);
  for (int64_t k = from; k < from + rows; k++) read_loss(w, k);
  cj_frame_pull(f, gz, w->gx + (size_t)(from * w->pixels) * bytes);
  cj_crew_give(w->a->crew, slot);
  for (int64_t k = from; k < from + rows; k++) read_slopes(w, k);
}

int64_t cj_along_classes(const cj_along *a) {
  const cj_tensor *z = cj_plan_output(a->crew->plan, 0);
  return z->ndim == 2 ? z->size[1] : 0;
}

cj_status cj_along_look(const cj_along *a, int64_t n, const double *t, double *l, double *slope) {
  const cj_tensor *x = cj_plan_input(a->crew->plan, 0);
  walk w = {.a = a, .dtype = x->dtype, .n = n, .pixels = row_length(x), .t = t, .l = l};
  w.classes = cj_along_classes(a);
  w.piece = cj_crew_piece(a->crew, n);
  w.slope = slope;
  if (n == 0) return CJ_OK;
  const int64_t pieces = (n + w.piece - 1) / w.piece;
  const size_t image = (size_t)(n * w.pixels) * cj_dtype_bytes(w.dtype);
  const size_t logits = (size_t)(n * w.classes) * cj_dtype_bytes(w.dtype);
  CJ_TRY(cj_crew_ready(a->crew, pieces));
  w.line = cj_alloc((size_t)(2 * n * w.classes) * sizeof *w.line);
  w.x = cj_alloc(2 * image + 2 * logits);
  if (w.line && w.x) {
    w.gx = w.x + image;
    w.z = w.gx + image;
    w.gz = w.z + logits;
    cj_parallel(pieces, look_piece, &w);
  }
  const bool done = w.line && w.x;
  cj_free(w.x);
  cj_free(w.line);
  if (!done) return cj_fail(CJ_EMEM, "no memory for %lld images", (long long)n);
  return cj_stop_requested() ? cj_fail(CJ_ESTOP, "interrupted") : CJ_OK;
}
