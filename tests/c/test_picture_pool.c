/* Pooling of pictures against plain loops in double: many odd shapes, memory poisoned around and
 * inside what is written, the same bytes for one and two threads and for an image alone. */
#include "each_isa.h"
#include "picture_canvas.h"

static int64_t pooled(int64_t size, int64_t k, int64_t stride, int64_t pad) {
  return (size + 2 * pad - k) / stride + 1;
}

static canvas pooled_canvas(const shape *s, int64_t ring) {
  return canvas_new(s->count, s->channels, pooled(s->height, s->w.kh, s->w.stride_h, s->w.pad_h),
                    pooled(s->width, s->w.kw, s->w.stride_w, s->w.pad_w), ring);
}

static int64_t winner_image(const canvas *y) {
  return picture_blocks(&y->p) * y->p.height * y->p.width * BLOCK;
}

static void run_max(const operation *o, int64_t from, int64_t count, const canvas *y) {
  const cj_picture x = from_image(o->x, from), to = from_image(y, from);
  CJ_KERNEL(picture_max_pool)
  (&o->w, count, &x, &to, o->winner ? o->winner + from * winner_image(y) : NULL);
}

static void run_max_back(const operation *o, int64_t from, int64_t count, const canvas *gx) {
  const cj_picture gy = from_image(o->gy, from), to = from_image(gx, from);
  cj_picture add;
  const cj_finish f = finish_from(o, gx, from, &add);
  CJ_KERNEL(picture_max_pool_back)
  (&o->w, count, &gy, o->winner + from * winner_image(o->gy), &f, &to);
}

/* The place in window (i, j) of the first largest value; a NaN is larger than all. */
static int best_place(const canvas *x, const cj_window *w, int64_t n, int64_t c, int64_t i,
                      int64_t j, real *best) {
  int place = -1;
  for (int64_t r = 0; r < w->kh; r++)
    for (int64_t s = 0; s < w->kw; s++) {
      const int64_t row = i * w->stride_h - w->pad_h + r, col = j * w->stride_w - w->pad_w + s;
      if (row < 0 || col < 0 || row >= x->p.height || col >= x->p.width) continue;
      const real v = *value(x, n, c, row, col);
      if (place >= 0 && !(v > *best || (v != v && *best == *best))) continue;
      *best = v;
      place = (int)(r * w->kw + s);
    }
  return place;
}

/* Few different values, so that many are equal; among them -0, infinities and, rarely, NaN. */
static void fill_with_ties(canvas *x) {
  static const double some[] = {0, -0.0, 1, 1, -1, 2, 2, 0.5, INFINITY, -INFINITY};
  EACH_PLACE(x, x->p.channels) {
    const uint64_t k = next_random() % 97;
    *value(x, n, c, i, j) = (real)(k == 96 ? NAN : k > 90 ? some[8 + k % 2] : some[k % 8]);
  }
}

static void check_max(const canvas *x, const canvas *y, const operation *o) {
  EACH_PLACE(y, y->p.channels) {
    real best = 0;
    const int place = best_place(x, &o->w, n, c, i, j, &best);
    const real got = *value(y, n, c, i, j);
    const int64_t pixel = (c / BLOCK * y->p.height + i) * y->p.width + j;
    CHECK(memcmp(&got, &best, sizeof got) == 0 || (got != got && best != best));
    CHECK(o->winner[n * winner_image(y) + pixel * BLOCK + c % BLOCK] == place);
  }
}

static void check_max_back(const canvas *gy, const canvas *gx, const operation *o) {
  double *sum = calloc((size_t)gx->size, sizeof(double));
  EACH_PLACE(gy, gy->p.channels) {
    const int64_t pixel = (c / BLOCK * gy->p.height + i) * gy->p.width + j;
    const int place = o->winner[n * winner_image(gy) + pixel * BLOCK + c % BLOCK];
    const int64_t row = i * o->w.stride_h - o->w.pad_h + place / o->w.kw;
    const int64_t col = j * o->w.stride_w - o->w.pad_w + place % o->w.kw;
    sum[value(gx, n, c, row, col) - gx->memory] += (double)*value(gy, n, c, i, j);
  }
  EACH_PLACE(gx, gx->p.channels)
  CHECK(finished(o->e, gx, sum[value(gx, n, c, i, j) - gx->memory], (double)(o->w.kh * o->w.kw), n,
                 c, i, j));
  free(sum);
}

static void test_max_pool(const shape *s, unsigned parts) {
  canvas x = canvas_random(s->count, s->channels, s->height, s->width, 2, 0);
  fill_with_ties(&x);
  canvas y = pooled_canvas(s, 1), without = pooled_canvas(s, 1);
  const size_t winners = (size_t)(s->count * winner_image(&y));
  uint8_t *winner = malloc(winners + 1);
  memset(winner, 0xEE, winners + 1);
  operation o = {.run = run_max, .x = &x, .w = s->w};
  run_all_ways(&o, &without);
  o.winner = winner;
  run_all_ways(&o, &y);
  check_frame(&y);
  check_max(&x, &y, &o);
  CHECK(same_bytes(&y, &without));
  CHECK(winner[winners] == 0xEE);

  canvas gy = canvas_random(s->count, s->channels, y.p.height, y.p.width, 1, 0);
  canvas gx = canvas_new(s->count, s->channels, s->height, s->width, 3);
  ending e = ending_new(parts, &gx);
  if (parts & 2) e.f.add = &e.add.p;
  o = (operation){.run = run_max_back, .gy = &gy, .w = s->w, .winner = winner, .e = &e};
  run_all_ways(&o, &gx);
  check_frame(&gx);
  check_max_back(&gy, &gx, &o);
  ending_free(&e);
  canvas_free(&gx);
  canvas_free(&gy);
  canvas_free(&without);
  canvas_free(&y);
  canvas_free(&x);
  free(winner);
}

static void run_avg(const operation *o, int64_t from, int64_t count, const canvas *y) {
  const cj_picture x = from_image(o->x, from), to = from_image(y, from);
  CJ_KERNEL(picture_avg_pool)(&o->w, o->inside, count, &x, &to);
}

static void run_avg_back(const operation *o, int64_t from, int64_t count, const canvas *gx) {
  const cj_picture gy = from_image(o->gy, from), to = from_image(gx, from);
  cj_picture add;
  const cj_finish f = finish_from(o, gx, from, &add);
  CJ_KERNEL(picture_avg_pool_back)(&o->w, o->inside, count, &gy, &f, &to);
}

/* Rows or columns of a window that lie inside. */
static int64_t inside_of(int64_t window, int64_t k, int64_t stride, int64_t pad, int64_t size) {
  int64_t inside = 0;
  for (int64_t r = 0; r < k; r++) {
    const int64_t at = window * stride - pad + r;
    inside += at >= 0 && at < size;
  }
  return inside;
}

static double window_divisor(const operation *o, const canvas *x, int64_t i, int64_t j) {
  const cj_window *w = &o->w;
  if (!o->inside) return (double)(w->kh * w->kw);
  return (double)(inside_of(i, w->kh, w->stride_h, w->pad_h, x->p.height) *
                  inside_of(j, w->kw, w->stride_w, w->pad_w, x->p.width));
}

static void check_avg(const canvas *x, const canvas *y, const operation *o) {
  const cj_window *w = &o->w;
  EACH_PLACE(y, y->p.channels) {
    double sum = 0;
    for (int64_t r = 0; r < w->kh; r++)
      for (int64_t s = 0; s < w->kw; s++) {
        const int64_t row = i * w->stride_h - w->pad_h + r, col = j * w->stride_w - w->pad_w + s;
        if (row < 0 || col < 0 || row >= x->p.height || col >= x->p.width) continue;
        sum += (double)*value(x, n, c, row, col);
      }
    CHECK(close_to((double)*value(y, n, c, i, j), sum / window_divisor(o, x, i, j), 1,
                   (double)(w->kh * w->kw)));
  }
}

static void check_avg_back(const canvas *gy, const canvas *gx, const operation *o) {
  const cj_window *w = &o->w;
  double *sum = calloc((size_t)gx->size, sizeof(double));
  EACH_PLACE(gy, gy->p.channels) {
    const double g = (double)*value(gy, n, c, i, j) / window_divisor(o, gx, i, j);
    for (int64_t r = 0; r < w->kh; r++)
      for (int64_t s = 0; s < w->kw; s++) {
        const int64_t row = i * w->stride_h - w->pad_h + r, col = j * w->stride_w - w->pad_w + s;
        if (row < 0 || col < 0 || row >= gx->p.height || col >= gx->p.width) continue;
        sum[value(gx, n, c, row, col) - gx->memory] += g;
      }
  }
  EACH_PLACE(gx, gx->p.channels)
  CHECK(finished(o->e, gx, sum[value(gx, n, c, i, j) - gx->memory], (double)(w->kh * w->kw), n, c,
                 i, j));
  free(sum);
}

static void test_avg_pool(const shape *s, bool inside, unsigned parts) {
  canvas x = canvas_random(s->count, s->channels, s->height, s->width, 0, 0);
  canvas y = pooled_canvas(s, 2);
  operation o = {.run = run_avg, .x = &x, .w = s->w, .inside = inside};
  run_all_ways(&o, &y);
  check_frame(&y);
  check_avg(&x, &y, &o);

  canvas gy = canvas_random(s->count, s->channels, y.p.height, y.p.width, 0, 0);
  canvas gx = canvas_new(s->count, s->channels, s->height, s->width, 1);
  ending e = ending_new(parts, &gx);
  if (parts & 2) e.f.add = &e.add.p;
  o = (operation){.run = run_avg_back, .gy = &gy, .w = s->w, .inside = inside, .e = &e};
  run_all_ways(&o, &gx);
  check_frame(&gx);
  check_avg_back(&gy, &gx, &o);
  ending_free(&e);
  canvas_free(&gx);
  canvas_free(&gy);
  canvas_free(&y);
  canvas_free(&x);
}

int CJ_KERNEL(test)(void) {
  for (unsigned k = 0; k < SHAPES; k++) {
    test_max_pool(&shapes[k], k % 8);
    test_max_pool(&shapes[k], k % 2 ? 0 : 24);
    test_avg_pool(&shapes[k], k % 2, (k + 3) % 8);
    test_avg_pool(&shapes[k], !(k % 2), 0);
  }
  CHECK_DONE();
}
