/* direct.c -- convolution of pictures without columns, forward and backward to the input, in the
 * phases of direct_layer.h.
 *
 * The pixels of a phase, over all images, are one list, which is cut into tiles of some pixels by
 * one or two blocks of channels. All sums of a tile stay in registers from the first
 * input to the last; one broadcast input feeds the registers of all blocks. A sum is one chain
 * of multiply-adds over (source block, r, s, channel) in rising order, whatever its tile. */
#include "core/threads.h"
#include "kernels/direct_layer.h"
#include "kernels/finish.h"

/* Pixels of a tile of TILE_BLOCKS: 28 of 32 registers hold sums, or 12 of 16. */
#if defined(CJ_ISA_avx512)
#define CJ_TILE_PIXELS 14
#elif defined(CJ_ISA_avx2) && defined(CJ_TYPE_f32)
#define CJ_TILE_PIXELS 6
#elif defined(CJ_ISA_avx2) || defined(CJ_TYPE_f32)
#define CJ_TILE_PIXELS 3
#else
#define CJ_TILE_PIXELS 1
#endif
/* Up to TILE_PIXELS any number; up to MOST_PIXELS, at one block, multiples of four. */
enum { TILE_PIXELS = CJ_TILE_PIXELS, MOST_PIXELS = TILE_BLOCKS * TILE_PIXELS };

/* What all tiles of a phase have in common. */
typedef struct reach {
  int64_t channels, plane, row; /* of the source */
  int64_t taps_h, taps_w;
  int64_t ahead; /* from a pixel to what the next tile will probably read there */
} reach;

/* sums[pixel][register] of all taps; at[pixel] is what the first tap reads. */
CJ_INLINE void tile_body(const int pixels, const int vecs, const reach *g, const real *const *at,
                         const real *weights, real *sums) {
  vec sum[MOST_PIXELS][TILE_BLOCKS * PIXEL_VECS];
#pragma GCC unroll 28
  for (int i = 0; i < pixels; i++)
#pragma GCC unroll 8
    for (int j = 0; j < vecs; j++) sum[i][j] = (vec){0};
  for (int64_t first = 0, block = 0; first < g->channels; first += BLOCK, block += g->plane) {
    /* The taps of a row read neighbours, so with all 16 channels they are one long run. */
    const bool full = g->channels - first >= BLOCK;
    const int64_t runs = full ? 1 : g->taps_w;
    const int64_t depth = full ? g->taps_w * BLOCK : g->channels - first;
    for (int64_t r = 0; r < g->taps_h; r++) {
      if (r + 1 == g->taps_h)
#pragma GCC unroll 28
        for (int i = 0; i < pixels; i++) __builtin_prefetch(at[i] + block + r * g->row + g->ahead);
      for (int64_t s = 0; s < runs; s++) {
        const int64_t place = block + r * g->row + s * BLOCK;
        for (int64_t k = place; k < place + depth; k++, weights += vecs * LANES) {
          vec column[TILE_BLOCKS * PIXEL_VECS];
#pragma GCC unroll 8
          for (int j = 0; j < vecs; j++) column[j] = vec_load(weights + j * LANES);
#pragma GCC unroll 28
          for (int i = 0; i < pixels; i++) {
            const vec factor = vec_all(at[i][k]);
#pragma GCC unroll 8
            for (int j = 0; j < vecs; j++) sum[i][j] = vec_fma(factor, column[j], sum[i][j]);
          }
        }
      }
    }
  }
#pragma GCC unroll 28
  for (int i = 0; i < pixels; i++)
#pragma GCC unroll 8
    for (int j = 0; j < vecs; j++) vec_store(sums + (i * vecs + j) * LANES, sum[i][j]);
}

#define TILE(p, b)                                                                                 \
  case (p)*4 + (b):                                                                                \
    tile_body(p, (b)*PIXEL_VECS, g, at, weights, sums);                                            \
    return;
#if defined(CJ_ISA_avx512) && defined(CJ_TYPE_f32)
#define TILES(p) TILE(p, 1) TILE(p, 2)
#else
#define TILES(p) TILE(p, 1)
#endif

static void tile(int pixels, int blocks, const reach *g, const real *const *at, const real *weights,
                 real *sums) {
  switch (pixels * 4 + blocks) {
    /* clang-format off */
    TILES(1)
#if CJ_TILE_PIXELS >= 3
    TILES(2) TILES(3)
#endif
#if CJ_TILE_PIXELS >= 6
    TILES(4) TILES(5) TILES(6)
#endif
#if CJ_TILE_PIXELS >= 14
    TILES(7) TILES(8) TILES(9) TILES(10) TILES(11) TILES(12) TILES(13) TILES(14)
#endif
#if defined(CJ_ISA_avx512) && defined(CJ_TYPE_f32)
    TILE(16, 1) TILE(20, 1) TILE(24, 1) TILE(28, 1)
#endif
  default: return; /* no such tile */
    /* clang-format on */
  }
}

typedef struct run_job {
  const layer *l;
  const cj_picture *from, *to;
  const cj_finish *f;
  const real *packed;
  int64_t batch;
  int64_t parts;  /* of the pixels of each phase */
  int64_t shares; /* of the groups */
} run_job;

/* Pixels of a phase are numbered over images, rows and columns. */
typedef struct pixel {
  int64_t n, a, b;
} pixel;

static pixel pixel_of(const phase *p, int64_t number) {
  const int64_t row = number / p->w.count;
  return (pixel){row / p->h.count, row % p->h.count, number % p->w.count};
}

static pixel pixel_row(const phase *p, pixel q) {
  const bool last = q.a + 1 == p->h.count;
  return (pixel){q.n + last, last ? 0 : q.a + 1, 0};
}

/* A tile's pixels from `q` on, row by row: what they read. Returns the pixel behind them. */
static pixel tile_gather(const run_job *job, const phase *p, pixel q, int pixels, const real **at) {
  for (int done = 0;;) {
    const real *from = picture_at(job->from, q.n, 0, p->h.from + q.a * p->h.from_step,
                                  p->w.from + q.b * p->w.from_step);
    for (; done < pixels && q.b < p->w.count; q.b++, from += p->w.from_step * BLOCK)
      at[done++] = from;
    if (q.b == p->w.count) q = pixel_row(p, q);
    if (done == pixels) return q;
  }
}

/* Fetches the lines that the tile will write, as if its pixels were all in one row. (Inline because
 * GCC drops calls of functions that do nothing but fetch.) */
CJ_INLINE void tile_fetch(const run_job *job, const phase *p, pixel q, int pixels, int64_t block) {
  const real *to =
      picture_at(job->to, q.n, block, p->h.to + q.a * p->h.to_step, p->w.to + q.b * p->w.to_step);
  for (int i = 0; i < pixels; i++) __builtin_prefetch(to + i * p->w.to_step * BLOCK, 1);
}

/* Finishes `count` pixels of a line, `step` apart, whose sums are `width` apart. */
CJ_INLINE void finish_row(const cj_finish_line *l, int64_t j, int64_t step, int64_t count,
                          const real *sums, int64_t width) {
  for (int64_t i = 0; i < count; i++, j += step, sums += width) {
    vec value[PIXEL_VECS];
#pragma GCC unroll 8
    for (int k = 0; k < PIXEL_VECS; k++) value[k] = vec_load(sums + k * LANES);
    finish_pixel(l, j, value);
  }
}

/* The same, with loops of their own for what is frequent. */
static void finish_part(const cj_finish_line *l, int64_t j, int64_t step, int64_t count,
                        const real *sums, int64_t width) {
  const cj_finish_line plain = {.to = l->to, .bias = l->bias};
  const cj_finish_line masked = {.to = l->to, .bias = l->bias, .mask = l->mask, .slope = l->slope};
  const cj_finish_line clipped = {
      .to = l->to, .bias = l->bias, .clip = true, .signs = l->signs, .slope = l->slope};
  if (l->add || (l->mask && l->clip))
    finish_row(l, j, step, count, sums, width);
  else if (l->mask)
    finish_row(&masked, j, step, count, sums, width);
  else if (l->clip)
    finish_row(&clipped, j, step, count, sums, width);
  else
    finish_row(&plain, j, step, count, sums, width);
}

/* And where their sums go, for one block; sums of neighbours are `width` apart. */
static void tile_finish(const run_job *job, const phase *p, pixel q, int pixels, int64_t block,
                        const real *sums, int64_t width) {
  for (int64_t left = pixels; left > 0; q = pixel_row(p, q)) {
    const cj_finish_line line =
        finish_line(job->f, job->to, q.n, block, p->h.to + q.a * p->h.to_step);
    const int64_t count = least(left, p->w.count - q.b);
    finish_part(&line, p->w.to + q.b * p->w.to_step, p->w.to_step, count, sums, width);
    sums += count * width;
    left -= count;
  }
}

/* Pixels of the next tile when so many are left: tiles are of nearly equal size. */
static int tile_pixels(int64_t left, int64_t blocks) {
  const int64_t limit = blocks == 1 ? MOST_PIXELS : TILE_PIXELS;
  const int64_t tiles = (left + limit - 1) / limit;
  const int64_t pixels = (left + tiles - 1) / tiles;
  if (pixels <= TILE_PIXELS) return (int)pixels;
  const int64_t rounded = (pixels + 3) / 4 * 4;
  return rounded <= left ? (int)rounded : TILE_PIXELS;
}

/* One group of channels of pixels [first, end) of a phase. */
static void run_group(const run_job *job, const phase *p, int64_t group, int64_t first,
                      int64_t end) {
  const int64_t taps = p->h.taps * p->w.taps, block = group * TILE_BLOCKS;
  const int64_t blocks = least(TILE_BLOCKS, blocks_of(job->l->to) - block);
  const reach g = {taps > 0 ? job->l->from : 0,
                   picture_plane(job->from),
                   picture_row(job->from),
                   p->h.taps,
                   p->w.taps,
                   (blocks == 1 ? MOST_PIXELS : TILE_PIXELS) * p->w.from_step * BLOCK};
  const real *weights = job->packed + p->packed + block * BLOCK * taps * job->l->from;
  pixel q = pixel_of(p, first);
  for (int64_t left = end - first; left > 0;) {
    const int pixels = tile_pixels(left, blocks);
    const real *at[MOST_PIXELS];
    real sums[TILE_PIXELS * TILE_BLOCKS * BLOCK] __attribute__((aligned(CJ_VEC_BYTES)));
    const pixel next = tile_gather(job, p, q, pixels, at);
    for (int64_t b = 0; b < blocks; b++) tile_fetch(job, p, q, pixels, block + b);
    tile(pixels, (int)blocks, &g, at, weights, sums);
    for (int64_t b = 0; b < blocks; b++)
      tile_finish(job, p, q, pixels, block + b, sums + b * BLOCK, blocks * BLOCK);
    left -= pixels;
    q = next;
  }
}

/* Where a part of so many pixels begins; only the last one has an odd number of them. */
static int64_t part_begin(int64_t pixels, int64_t part, int64_t parts) {
  return part == parts ? pixels : pixels * part / parts / MOST_PIXELS * MOST_PIXELS;
}

/* A piece is a part of the pixels and a share of the groups. */
static void run_piece(void *context, int64_t piece) {
  const run_job *job = context;
  const int64_t share = piece % job->shares, part = piece / job->shares;
  const int64_t groups = group_count(job->l);
  phase p = {0};
  for (int64_t number = 0; number < phase_count(job->l); number++) {
    p = phase_next(job->l, p, number);
    const int64_t pixels = job->batch * p.h.count * p.w.count;
    const int64_t first = part_begin(pixels, part, job->parts);
    const int64_t end = part_begin(pixels, part + 1, job->parts);
    for (int64_t g = groups * share / job->shares; g < groups * (share + 1) / job->shares; g++)
      run_group(job, &p, g, first, end);
  }
}

/* The source of a part stays in the cache while all weights pass by, and weights pass by for so
 * many pixels that fetching them costs little. Few parts are cut further, for more threads. */
enum { PART_BYTES = 256 << 10, PART_LEAST = 8 * TILE_PIXELS, PART_MOST = 32 * TILE_PIXELS };
enum { PIECES = 8 };

static void layer_run(const layer *l, int64_t batch, const cj_picture *from, const real *packed,
                      const cj_finish *f, const cj_picture *to) {
  const int64_t bytes = picture_blocks(from) * picture_plane(from) * (int64_t)sizeof(real);
  const int64_t plane = to->height * to->width / phase_count(l) + 1;
  const int64_t fits = PART_BYTES * plane / bytes;
  const int64_t size = most(PART_LEAST, least(fits, PART_MOST));
  run_job job = {l, from, to, f, packed, batch, (batch * plane + size - 1) / size, 1};
  if (batch == 0) return;
  job.shares = most(1, least(PIECES / job.parts, group_count(l)));
  cj_parallel(job.parts * job.shares, run_piece, &job);
}

void CJ_KERNEL(direct_forward)(const cj_conv *s, const cj_picture *x, const real *packed,
                               const cj_finish *f, const cj_picture *y) {
  const layer l = layer_forward(s);
  layer_run(&l, s->batch, x, packed, f, y);
}

void CJ_KERNEL(direct_input)(const cj_conv *s, const cj_picture *gy, const real *packed,
                             const cj_finish *f, const cj_picture *gx) {
  const layer l = layer_back(s);
  layer_run(&l, s->batch, gy, packed, f, gx);
}
