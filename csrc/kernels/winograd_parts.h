/* winograd_parts.h -- what the files of winograd.h share: sizes, and the steps of a chunk of tiles.
 *
 * A tile is outputs x outputs pixels of y, computed from points x points pixels of x, with points =
 * outputs + k - 1. In tiles, both ways of cutting and turning round share
 *
 *   y = A^T [ sum over channels of (G w G^T) . (B^T x B) ] A
 *
 * where the product in brackets is taken point by point: points^2 independent matrix products.
 * The polynomials behind it are evaluated at 0, +-p for each p of winograd_lines.h, and infinity.
 *
 * With stride 2, rows and columns are split by their remainders: phase (a, b) of x has the pixels
 * (2i + a, 2j + b) as seen from the corner of the first window, and meets the taps (2r + a, 2s +
 * b). The layer is the sum over four phases of convolutions with stride 1 and k = 2, which is one
 * of four times as many channels. In its input gradient, phases of gx are four convolutions of gy
 * with stride 1 that have nothing else in common. A kernel of 3 has phases of a single tap: their
 * weights are zeros at the point infinity, whose products are left out. */
#ifndef CJ_WINOGRAD_PARTS_H
#define CJ_WINOGRAD_PARTS_H

#include "kernels/finish.h"
#include "kernels/winograd.h"

enum {
  OUTPUTS = 4, /* rows and columns of y in a tile, with stride 1 */
  MAX_OUTPUTS = 7,
  MAX_POINTS = 8,
  MAX_PHASES = 4,
  GROUP = 2 /* blocks of y computed at a time */
};

typedef struct cj_winograd {
  int k, points, outputs;
  int x_step, y_step;       /* rows of the picture from one of a tile to the next */
  int64_t pad_h, pad_w;     /* the first tile has its corner in row -pad_h of x */
  int64_t first_h, first_w; /* and in this row of y */
  int64_t halves_h;         /* blocks of x with weights at the point infinity of a column: 2 for */
  int64_t halves_w;         /* all, 1 for the first half, 0 for none; and of a row */
  int64_t tiles_h, tiles_w; /* of one image */
  int64_t from, to;         /* blocks of x, of all phases, and of y */
  int64_t chunk;            /* tiles worked on at a time */
  int64_t v_point, m_point; /* elements of V and M from one point to the next */
} cj_winograd;

/* Sizes for s; false when there is no such algorithm. */
bool CJ_KERNEL(winograd_sizes)(const cj_conv *s, cj_winograd *a);
/* The same with strides, with tiles of any size: for the i-th choice; false behind the last. */
bool CJ_KERNEL(winograd_phases)(const cj_conv *s, int i, cj_winograd *a);
/* Sets what differs between the phases of y. */
void CJ_KERNEL(winograd_set_phase)(const cj_conv *s, int phase, cj_winograd *a);

/* Phases of y, which are computed one after the other. */
static inline int winograd_y_phases(const cj_winograd *a) {
  return a->y_step * a->y_step;
}

/* Phases of x, and which of them, as 2a + b, comes at `place`. At infinity of rows, the last column
 * of points, those with b = 0 come first, elsewhere those with a = 0. */
static inline int winograd_x_phases(const cj_winograd *a) {
  return a->x_step * a->x_step;
}
static inline int64_t winograd_other_place(int64_t place) {
  return place == 1 ? 2 : place == 2 ? 1 : place;
}

/* Taps of remainder r of k. */
static inline int64_t winograd_taps(int64_t k, int64_t r, int64_t step) {
  return (k - r + step - 1) / step;
}

static inline int64_t winograd_tiles(const cj_conv *s, const cj_winograd *a) {
  return s->batch * a->tiles_h * a->tiles_w;
}

/* Where a tile lies: image, row and column of tiles. */
typedef struct cj_place {
  int64_t n, i, j;
} cj_place;

static inline cj_place tile_place(const cj_winograd *a, int64_t tile) {
  const int64_t row = tile / a->tiles_w;
  return (cj_place){row / a->tiles_h, row % a->tiles_h, tile % a->tiles_w};
}

/* Chunks of nearly equal size, of at most `most` tiles. */
static inline int64_t winograd_even_chunk(int64_t tiles, int64_t most) {
  const int64_t chunks = (tiles + most - 1) / most;
  return chunks ? (tiles + chunks - 1) / chunks : 1;
}

/* m_blocks: blocks of y in M. Points are an odd number of pixels apart, so that they do not share a
 * few sets of the cache. */
static inline void winograd_set_chunk(cj_winograd *a, int64_t chunk, int64_t m_blocks) {
  a->chunk = chunk;
  a->v_point = (a->from * chunk | 1) * BLOCK;
  a->m_point = (m_blocks * chunk | 1) * BLOCK;
}

/* Groups of blocks of y, and the blocks of one. */
static inline int64_t winograd_groups(const cj_winograd *a) {
  return (a->to + GROUP - 1) / GROUP;
}
static inline int64_t winograd_group_blocks(const cj_winograd *a, int64_t group) {
  return a->to - group * GROUP < GROUP ? a->to - group * GROUP : GROUP;
}
/* Packed weights: [group][point][columns of one product][channel of x][column]. Elements from one
 * point to the next (an odd number of 16, so that points do not share a few sets of the cache), and
 * from one group to the next. */
static inline int64_t winograd_u_point(const cj_winograd *a, int64_t group_blocks) {
  return (a->from * BLOCK * group_blocks | 1) * BLOCK;
}
static inline int64_t winograd_u_group(const cj_winograd *a) {
  return a->points * a->points * winograd_u_point(a, GROUP);
}

/* Elements of the packed weights of one phase of y. */
static inline int64_t winograd_u_phase(const cj_winograd *a) {
  const int64_t last = winograd_groups(a) - 1;
  return last * winograd_u_group(a) +
         a->points * a->points * winograd_u_point(a, winograd_group_blocks(a, last));
}

/* Blocks of x whose weights at a point are not all zeros. */
static inline int64_t winograd_from_at(const cj_winograd *a, int64_t point) {
  const int64_t last = a->points - 1;
  const int64_t from = point / a->points == last ? a->from * a->halves_h / 2 : a->from;
  return point % a->points == last ? from * a->halves_w / 2 : from;
}

/* Columns of y that one product computes, at two registers a row where a group has as many. */
static inline int64_t winograd_columns(int64_t group_blocks) {
  return group_blocks * BLOCK < 2 * LANES ? group_blocks * BLOCK : 2 * LANES;
}

/* Pixels that the next step reads or writes, asked for while products are at work: those under
 * tiles [first, first + count) in blocks [block, ...), counted in rows of tiles. Batches are often
 * larger than all caches, and rows of tiles too short for the processor to see what comes next. */
typedef struct cj_fetch {
  const cj_picture *p;
  int64_t side; /* rows and columns under a tile */
  int64_t block, first, count;
  int64_t at, end, step; /* rows of tiles: done, to do, and at a time */
} cj_fetch;

/* Sets f to do its part of `parts` in `calls` calls. */
static inline void fetch_part(cj_fetch *f, int64_t blocks, int64_t part, int64_t parts,
                              int64_t calls) {
  const int64_t rows = f->count > 0 ? blocks * f->count * f->side : 0;
  f->at = rows * part / parts;
  f->end = rows * (part + 1) / parts;
  f->step = (f->end - f->at + calls - 1) / calls;
}

static inline void fetch_some(const cj_winograd *a, cj_fetch *f) {
  const int64_t end = f->end - f->at < f->step ? f->end : f->at + f->step;
  for (; f->at < end; f->at++) {
    const int64_t tile = f->at / f->side;
    const cj_place t = tile_place(a, f->first + tile % f->count);
    const int64_t i = t.i * f->side + f->at % f->side;
    const real *row = picture_at(f->p, t.n, f->block + tile / f->count, i, t.j * f->side);
    for (int64_t j = 0; j < f->side * BLOCK; j += 64 / (int64_t)sizeof(real))
      if (i < f->p->height) __builtin_prefetch(row + j);
  }
}

/* V [point][block of x][tile][16] of tiles [first, first + count), counted over all images. */
void CJ_KERNEL(winograd_in)(const cj_winograd *a, const cj_picture *x, int64_t first, int64_t count,
                            real *v);
/* One point of M [point][block of the group][tile][16], for one group of blocks. fetch: what to ask
 * for meanwhile, two pictures. */
void CJ_KERNEL(winograd_product)(const cj_winograd *a, int64_t group, int64_t point, int64_t count,
                                 const real *packed, const real *v, real *m, cj_fetch fetch[2]);
/* How often that asks. */
int64_t CJ_KERNEL(winograd_product_calls)(const cj_winograd *a, int64_t group, int64_t count);
/* y of one group of blocks. */
void CJ_KERNEL(winograd_out)(const cj_winograd *a, int64_t group, int64_t first, int64_t count,
                             const real *m, const cj_finish *f, const cj_picture *y);

/* The weight gradient is the transpose of all that: gw = G^T [sum over tiles of V . W] G with
 * W = A gy A^T, [point][block of y][tile][16]; points are a->m_point apart. Adds the sum of gy to
 * sums [blocks of y][16]. */
void CJ_KERNEL(winograd_back)(const cj_winograd *a, const cj_picture *gy, int64_t first,
                              int64_t count, real *w, real *sums);
/* The products of one point, over all tiles of a chunk, in the layout of packed weights: stored,
 * or added. */
void CJ_KERNEL(winograd_outer)(const cj_winograd *a, int64_t point, int64_t count, const real *v,
                               const real *w, bool add, real *sums, cj_fetch fetch[2]);
int64_t CJ_KERNEL(winograd_outer_calls)(const cj_winograd *a, int64_t count);
/* gw += G^T sums G. */
void CJ_KERNEL(winograd_unpack)(const cj_conv *s, const cj_winograd *a, const real *sums, real *gw);

#endif
