/* winograd_weight.c -- the weight gradient by minimal filtering.
 *
 * The batch is taken in chunks of tiles. The tiles of a chunk are transformed in pieces; then every
 * point is a piece: it adds its products over all tiles of the chunk to its own sums. So there is
 * one set of sums, every element is added to in the order of the tiles, and no result depends on
 * the number of threads. */
#include <string.h>

#include "core/threads.h"
#include "kernels/winograd_parts.h"

enum {
  CHUNK_BYTES = 1 << 20, /* of V and W, so that much of them stays in the second-level caches */
  CHUNK_LEAST = 64,
  CHUNK_MOST = 512,
  PIECE_TILES = 16
};

typedef struct weight_run {
  cj_winograd a;
  const cj_picture *x, *gy;
  int64_t tiles, first, count; /* of the batch; of the chunk */
  real *v, *w, *sums, *bias;   /* bias: sums of gy, [piece][channels of y] */
  double *bias_sums;           /* of the pieces so far */
} weight_run;

static int64_t min64(int64_t a, int64_t b) {
  return a < b ? a : b;
}

static int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/* Tiles of a chunk, at most. */
static int64_t most_tiles(const cj_winograd *a) {
  const int64_t tile = a->points * a->points * (a->from + a->to) * BLOCK * (int64_t)sizeof(real);
  const int64_t room = CHUNK_BYTES / tile;
  return room < CHUNK_LEAST ? CHUNK_LEAST : min64(room, CHUNK_MOST);
}

static int64_t pieces_of(const cj_winograd *a) {
  return divide_up(a->chunk, PIECE_TILES);
}

/* Enough for fewer images too, whose chunks may be larger. */
size_t CJ_KERNEL(winograd_weight_scratch)(const cj_conv *s) {
  cj_winograd a;
  if (!CJ_KERNEL(winograd_sizes)(s, &a)) return 0;
  const int64_t tiles = winograd_tiles(s, &a);
  winograd_set_chunk(&a, tiles ? min64(tiles, most_tiles(&a)) : 1, a.to);
  const int64_t elements = a.points * a.points * (a.v_point + a.m_point) +
                           CJ_KERNEL(winograd_packed)(s) + pieces_of(&a) * a.to * BLOCK;
  return (size_t)elements * sizeof(real) + (size_t)(a.to * BLOCK) * sizeof(double);
}

static void transform_piece(void *context, int64_t piece) {
  const weight_run *r = context;
  const cj_winograd *a = &r->a;
  const int64_t from = piece * PIECE_TILES, count = min64(PIECE_TILES, r->count - from);
  real *bias = r->bias + piece * a->to * BLOCK;
  memset(bias, 0, (size_t)(a->to * BLOCK) * sizeof *bias);
  CJ_KERNEL(winograd_in)(a, r->x, r->first + from, count, r->v + from * BLOCK);
  CJ_KERNEL(winograd_back)(a, r->gy, r->first + from, count, r->w + from * BLOCK, bias);
}

static void point_piece(void *context, int64_t piece) {
  const weight_run *r = context;
  const cj_winograd *a = &r->a;
  const int64_t points = a->points * a->points, next = r->first + r->count;
  const int64_t more = min64(r->count, r->tiles - next);
  const int64_t calls = CJ_KERNEL(winograd_outer_calls)(a, r->count);
  cj_fetch fetch[2] = {{.p = r->x, .first = next, .count = more},
                       {.p = r->gy, .first = next, .count = more}};
  fetch_part(&fetch[0], a->from, piece, points, calls);
  fetch_part(&fetch[1], a->to, piece, points, calls);
  CJ_KERNEL(winograd_outer)(a, piece, r->count, r->v, r->w, r->first > 0, r->sums, fetch);
}

static void add_bias(const weight_run *r) {
  const int64_t channels = r->a.to * BLOCK;
  for (int64_t piece = 0; piece * PIECE_TILES < r->count; piece++)
    for (int64_t c = 0; c < channels; c++) r->bias_sums[c] += (double)r->bias[piece * channels + c];
}

void CJ_KERNEL(winograd_weight)(const cj_conv *s, const cj_picture *x, const cj_picture *gy,
                                real *gw, real *gb, void *scratch) {
  weight_run r = {.x = x, .gy = gy, .v = scratch};
  if (!CJ_KERNEL(winograd_sizes)(s, &r.a)) return;
  const int64_t points = r.a.points * r.a.points, tiles = winograd_tiles(s, &r.a);
  winograd_set_chunk(&r.a, winograd_even_chunk(tiles, most_tiles(&r.a)), r.a.to);
  r.tiles = tiles;
  r.w = r.v + points * r.a.v_point;
  r.sums = r.w + points * r.a.m_point;
  r.bias = r.sums + CJ_KERNEL(winograd_packed)(s);
  r.bias_sums = (double *)(void *)(r.bias + pieces_of(&r.a) * r.a.to * BLOCK);
  memset(r.bias_sums, 0, (size_t)(r.a.to * BLOCK) * sizeof *r.bias_sums);
  for (; r.first < tiles; r.first += r.a.chunk) {
    r.count = min64(r.a.chunk, tiles - r.first);
    cj_parallel(divide_up(r.count, PIECE_TILES), transform_piece, &r);
    if (gw) cj_parallel(points, point_piece, &r);
    add_bias(&r);
  }
  if (gw && tiles) CJ_KERNEL(winograd_unpack)(s, &r.a, r.sums, gw);
  for (int64_t c = 0; gb && c < s->c_out; c++) gb[c] += (real)r.bias_sums[c];
}
