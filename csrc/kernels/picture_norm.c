/* picture_norm.c -- batch norm in training: moments of each channel, and the way back.
 *
 * Sums run over chunks of some 256 pixels, which stay in the L1 cache: within a chunk in `real`,
 * the moments around the chunk's own mean; from chunk to chunk in double (Chan, Golub and LeVeque,
 * "Updating formulae and a pairwise algorithm for computing sample variances", 1979). A piece of
 * parallel work is one block of a group of images; pieces are merged in their order. So memory is
 * read once for the moments, and x and gy twice on the way back. */
#include <math.h>

#include "kernels/picture_ops.h"
#include "kernels/picture_planes.h"

enum { CHUNK = 256 /* pixels */, PIECE = 1 << 16 /* elements */, CHAINS = 4 };

/* Sums over some pixels of the 16 channels of a block. */
typedef struct sums {
  double count;
  double sum[BLOCK];
  double other[BLOCK]; /* squares around the mean, or products */
} sums;

typedef struct norm {
  int64_t count, images, groups; /* images in all and per group */
  const cj_picture *x, *gy, *gx;
  const cj_norm_back *b;
  const cj_finish *f;
  sums *part;        /* [block][group] */
  real *even, *tilt; /* [blocks * BLOCK]: subtracted evenly, and in proportion to x - mean */
  double pixels;     /* of the batch */
} norm;

static norm norm_of(const cj_picture *x, int64_t count, void *scratch) {
  norm s = {.x = x, .count = count, .images = PIECE / (picture_plane(x) + 1) + 1};
  s.groups = (count + s.images - 1) / s.images;
  s.pixels = (double)(count * x->height * x->width);
  s.part = scratch;
  s.even = (real *)(s.part + picture_blocks(x) * s.groups);
  s.tilt = s.even + picture_blocks(x) * BLOCK;
  return s;
}

size_t CJ_KERNEL(picture_norm_scratch)(const cj_picture *x, int64_t count) {
  const norm s = norm_of(x, count, NULL);
  const size_t blocks = (size_t)picture_blocks(x);
  return blocks * (size_t)s.groups * sizeof(sums) + 2 * blocks * BLOCK * sizeof(real);
}

static void each_part(norm *s, cj_task task) {
  cj_parallel(picture_blocks(s->x) * s->groups, task, s);
}

/* Rows per chunk. */
static int64_t chunk_rows(const cj_picture *x) {
  const int64_t rows = CHUNK / (x->width + 1) + 1;
  return rows < x->height ? rows : x->height;
}

static int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

/* Sums run in several chains, so that one addition need not wait for the last; this adds them. */
CJ_INLINE pixel chains_fold(const pixel chain[CHAINS]) {
  pixel sum = chain[0];
#pragma GCC unroll 4
  for (int c = 1; c < CHAINS; c++)
#pragma GCC unroll 8
    for (int k = 0; k < PIXEL_VECS; k++) sum.v[k] += chain[c].v[k];
  return sum;
}

/* --- moments ---------------------------------------------------------------------------------- */

/* Sum over rows of `width` pixels. */
static pixel chunk_sum(const real *x, int64_t rows, int64_t row, int64_t width) {
  pixel sum[CHAINS] = {0};
  for (int64_t i = 0; i < rows; i++, x += row) {
    int64_t j = 0;
    for (; j + CHAINS <= width; j += CHAINS)
#pragma GCC unroll 4
      for (int c = 0; c < CHAINS; c++)
#pragma GCC unroll 8
        for (int k = 0; k < PIXEL_VECS; k++)
          sum[c].v[k] += vec_load(x + (j + c) * BLOCK + k * LANES);
    for (; j < width; j++)
#pragma GCC unroll 8
      for (int k = 0; k < PIXEL_VECS; k++) sum[0].v[k] += vec_load(x + j * BLOCK + k * LANES);
  }
  return chains_fold(sum);
}

CJ_INLINE void add_squares(const real *x, pixel pivot, pixel *sum, pixel *squares) {
#pragma GCC unroll 8
  for (int k = 0; k < PIXEL_VECS; k++) {
    const vec d = vec_load(x + k * LANES) - pivot.v[k];
    sum->v[k] += d;
    squares->v[k] = vec_fma(d, d, squares->v[k]);
  }
}

/* Sums of x - pivot and its square. */
static void chunk_squares(const real *x, int64_t rows, int64_t row, int64_t width, pixel pivot,
                          pixel *sum, pixel *squares) {
  pixel s[CHAINS] = {0}, q[CHAINS] = {0};
  for (int64_t i = 0; i < rows; i++, x += row) {
    int64_t j = 0;
    for (; j + CHAINS <= width; j += CHAINS)
#pragma GCC unroll 4
      for (int c = 0; c < CHAINS; c++) add_squares(x + (j + c) * BLOCK, pivot, &s[c], &q[c]);
    for (; j < width; j++) add_squares(x + j * BLOCK, pivot, &s[0], &q[0]);
  }
  *sum = chains_fold(s);
  *squares = chains_fold(q);
}

/* Joins b's sums and squares to a's, each around its own mean. */
static void join_moments(sums *a, const sums *b) {
  const double weight = a->count > 0 ? a->count * b->count / (a->count + b->count) : 0;
  const double na = a->count > 0 ? a->count : 1, nb = b->count;
  for (int c = 0; c < BLOCK; c++) {
    const double apart = b->sum[c] / nb - a->sum[c] / na;
    a->other[c] += b->other[c] + (weight > 0 ? apart * apart * weight : 0);
    a->sum[c] += b->sum[c];
  }
  a->count += nb;
}

/* The moments of one chunk. A mean that is infinite stays so, though x - mean is NaN then. */
static sums chunk_moments(const real *x, int64_t rows, int64_t row, int64_t width) {
  const double count = (double)(rows * width);
  sums m = {.count = count};
  pixel pivot = chunk_sum(x, rows, row, width), sum, squares;
#pragma GCC unroll 8
  for (int k = 0; k < PIXEL_VECS; k++) pivot.v[k] *= vec_all((real)(1 / count));
  chunk_squares(x, rows, row, width, pivot, &sum, &squares);
  real p[BLOCK], s[BLOCK], q[BLOCK];
  pixel_store(p, pivot);
  pixel_store(s, sum);
  pixel_store(q, squares);
  for (int c = 0; c < BLOCK; c++) {
    const double rest = (double)s[c];
    m.sum[c] = (double)p[c] * count + (rest == rest ? rest : 0);
    m.other[c] = (double)q[c] - rest * rest / count;
  }
  return m;
}

static void moments_part(void *context, int64_t piece) {
  const norm *s = context;
  const cj_picture *x = s->x;
  const int64_t block = piece / s->groups, group = piece % s->groups;
  const int64_t end = least(s->count, (group + 1) * s->images), rows = chunk_rows(x);
  sums all = {0};
  for (int64_t n = group * s->images; n < end; n++)
    for (int64_t i = 0; i < x->height; i += rows) {
      const sums m = chunk_moments(picture_at(x, n, block, i, 0), least(rows, x->height - i),
                                   picture_row(x), x->width);
      join_moments(&all, &m);
    }
  s->part[piece] = all;
}

void CJ_KERNEL(picture_moments)(int64_t count, const cj_picture *x, double eps, real *mean,
                                real *scale, double *var, void *scratch) {
  norm s = norm_of(x, count, scratch);
  each_part(&s, moments_part);
  for (int64_t block = 0; block < picture_blocks(x); block++) {
    sums all = {0};
    for (int64_t g = 0; g < s.groups; g++) join_moments(&all, &s.part[block * s.groups + g]);
    for (int64_t c = 0; c < BLOCK; c++) {
      const int64_t at = block * BLOCK + c;
      const bool padding = at >= x->channels;
      const double v = all.other[c] < 0 ? 0 : all.other[c] / s.pixels;
      var[at] = padding ? 0 : v;
      mean[at] = padding ? 0 : (real)(all.sum[c] / s.pixels);
      scale[at] = padding ? 0 : (real)(1 / sqrt(v + eps));
    }
  }
}

/* --- the way back ----------------------------------------------------------------------------- */

/* Pixel j of gy, behind its mask. */
CJ_INLINE pixel masked(const real *gy, const uint16_t *mask, real slope, int64_t j) {
  pixel g = pixel_load(gy + j * BLOCK);
  if (mask) {
#pragma GCC unroll 8
    for (int k = 0; k < PIXEL_VECS; k++)
      g.v[k] = bits_slope((unsigned)mask[j] >> (k * LANES), g.v[k], slope);
  }
  return g;
}

/* What one plane of gy is read with. */
typedef struct plane {
  const real *x, *gy;
  int64_t x_row, gy_row, width;
  const uint16_t *mask; /* or NULL */
  real slope;
} plane;

static plane plane_at(const norm *s, int64_t n, int64_t block, int64_t i) {
  const cj_picture *x = s->x;
  const int64_t bits = ((n * picture_blocks(x) + block) * x->height + i) * x->width;
  return (plane){.x = picture_at(x, n, block, i, 0),
                 .gy = picture_at(s->gy, n, block, i, 0),
                 .x_row = picture_row(x),
                 .gy_row = picture_row(s->gy),
                 .width = x->width,
                 .mask = s->b->mask ? s->b->mask + bits : NULL,
                 .slope = s->b->slope};
}

CJ_INLINE void add_products(const plane *p, int64_t j, pixel mean, pixel *sum, pixel *products) {
  const pixel g = masked(p->gy, p->mask, p->slope, j);
#pragma GCC unroll 8
  for (int k = 0; k < PIXEL_VECS; k++) {
    const vec d = vec_load(p->x + j * BLOCK + k * LANES) - mean.v[k];
    sum->v[k] += g.v[k];
    products->v[k] = vec_fma(g.v[k], d, products->v[k]);
  }
}

/* Adds sums of g and g (x - mean) over some rows. */
static void chunk_products(plane p, int64_t rows, pixel mean, sums *all) {
  pixel s[CHAINS] = {0}, q[CHAINS] = {0};
  for (int64_t i = 0; i < rows; i++) {
    int64_t j = 0;
    for (; j + CHAINS <= p.width; j += CHAINS)
#pragma GCC unroll 4
      for (int c = 0; c < CHAINS; c++) add_products(&p, j + c, mean, &s[c], &q[c]);
    for (; j < p.width; j++) add_products(&p, j, mean, &s[0], &q[0]);
    p.x += p.x_row;
    p.gy += p.gy_row;
    if (p.mask) p.mask += p.width;
  }
  real sum[BLOCK], products[BLOCK];
  pixel_store(sum, chains_fold(s));
  pixel_store(products, chains_fold(q));
  for (int c = 0; c < BLOCK; c++) {
    all->sum[c] += (double)sum[c];
    all->other[c] += (double)products[c];
  }
}

static void products_part(void *context, int64_t piece) {
  const norm *s = context;
  const cj_picture *x = s->x;
  const int64_t block = piece / s->groups, group = piece % s->groups;
  const int64_t end = least(s->count, (group + 1) * s->images), rows = chunk_rows(x);
  const pixel mean = pixel_load(s->b->mean + block * BLOCK);
  sums all = {0};
  for (int64_t n = group * s->images; n < end; n++)
    for (int64_t i = 0; i < x->height; i += rows)
      chunk_products(plane_at(s, n, block, i), least(rows, x->height - i), mean, &all);
  s->part[piece] = all;
}

/* Merges the parts of a block. */
static void merge_products(const norm *s, int64_t block) {
  const cj_norm_back *b = s->b;
  sums all = {0};
  for (int64_t g = 0; g < s->groups; g++)
    for (int c = 0; c < BLOCK; c++) {
      all.sum[c] += s->part[block * s->groups + g].sum[c];
      all.other[c] += s->part[block * s->groups + g].other[c];
    }
  for (int64_t c = 0; c < BLOCK; c++) {
    const int64_t at = block * BLOCK + c;
    const double products = all.other[c] * (double)b->scale[at];
    s->even[at] = (real)(all.sum[c] / s->pixels);
    s->tilt[at] = (real)(products / s->pixels) * b->scale[at];
    if (at >= s->x->channels) continue;
    if (b->gweight) b->gweight[at] += (real)products;
    if (b->gbias) b->gbias[at] += (real)all.sum[c];
  }
}

/* weight times scale of a block, 0 for padding. */
static pixel block_slope(const norm *s, int64_t block) {
  real slope[BLOCK];
  for (int64_t c = 0; c < BLOCK; c++) {
    const int64_t at = block * BLOCK + c;
    const real weight = s->b->weight && at < s->x->channels ? s->b->weight[at] : 1;
    slope[c] = at < s->x->channels ? weight * s->b->scale[at] : 0;
  }
  return pixel_load(slope);
}

static void back_plane(const void *context, int64_t n, int64_t block) {
  const norm *s = context;
  const pixel mean = pixel_load(s->b->mean + block * BLOCK), slope = block_slope(s, block);
  const pixel even = pixel_load(s->even + block * BLOCK);
  const pixel tilt = pixel_load(s->tilt + block * BLOCK);
  for (int64_t i = 0; i < s->x->height; i++) {
    const plane p = plane_at(s, n, block, i);
    const cj_finish_line line = finish_line(s->f, s->gx, n, block, i);
    for (int64_t j = 0; j < p.width; j++) {
      pixel g = masked(p.gy, p.mask, p.slope, j);
#pragma GCC unroll 8
      for (int k = 0; k < PIXEL_VECS; k++) {
        const vec d = mean.v[k] - vec_load(p.x + j * BLOCK + k * LANES);
        g.v[k] = vec_fma(d, tilt.v[k], g.v[k] - even.v[k]) * slope.v[k];
      }
      finish_pixel(&line, j, g.v);
    }
  }
}

void CJ_KERNEL(picture_norm_back)(int64_t count, const cj_norm_back *b, const cj_picture *x,
                                  const cj_picture *gy, const cj_finish *f, const cj_picture *gx,
                                  void *scratch) {
  norm s = norm_of(x, count, scratch);
  s.b = b;
  s.gy = gy;
  s.gx = gx;
  s.f = f;
  each_part(&s, products_part);
  for (int64_t block = 0; block < picture_blocks(x); block++) merge_products(&s, block);
  if (gx) each_plane(count, gx, back_plane, &s);
}
