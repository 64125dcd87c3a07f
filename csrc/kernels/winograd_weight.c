/* winograd_weight.c -- the weight gradient by minimal filtering.
 *
 * The tiles of the batch are cut into parts, fewer where the sums are large. A part has its own
 * sums and is taken in chunks of tiles: the tiles of a chunk are transformed in pieces; then every
 * point is a piece, which adds its products over all tiles of the chunk. Several parts run side by
 * side; the pieces of a single one do. Every element is added to in the order of the tiles of its
 * part and the parts are added in order, so no result depends on the number of threads. */
#include <string.h>

#include "core/threads.h"
#include "kernels/winograd_parts.h"

enum {
  CHUNK_BYTES = 1 << 18, /* of V and W: the second-level cache holds the sums and pixels too */
  CHUNK_LEAST = 32,
  CHUNK_MOST = 512,
  PIECE_TILES = 16,
  PARTS = 8,              /* at most, and a power of two, so that they share out evenly */
  PARTS_BYTES = 10 << 20, /* of all sums together */
  PART_TILES = 128        /* in a part, at least */
};

typedef struct weight_run {
  cj_winograd a;
  const cj_picture *x, *gy;
  int64_t tiles, first, count; /* where the part ends; the chunk */
  real *v, *w, *sums, *bias;   /* bias: sums of gy, [piece][channels of y] */
  double *bias_sums;           /* of the pieces so far */
  bool weights;                /* are they wanted? */
  bool begun;                  /* the sums hold something: they are added to */
} weight_run;

/* Tiles of a chunk, at most. */
static int64_t most_tiles(const cj_winograd *a) {
  const int64_t tile = a->points * a->points * (a->from + a->to) * BLOCK * (int64_t)sizeof(real);
  const int64_t room = CHUNK_BYTES / tile;
  return room < CHUNK_LEAST ? CHUNK_LEAST : min64(room, CHUNK_MOST);
}

static int64_t pieces_of(const cj_winograd *a) {
  return divide_up(a->chunk, PIECE_TILES);
}

/* How the work is cut, and the elements of one part's memory. */
typedef struct cut {
  int64_t tiles, parts, part_tiles; /* of the batch; in a part, at most */
  int64_t sums, elements;
} cut;

static cut cut_of(const cj_conv *s, cj_winograd *a) {
  cut c = {.tiles = winograd_tiles(s, a), .parts = PARTS, .sums = CJ_KERNEL(winograd_packed)(s)};
  const int64_t bytes = c.sums * (int64_t)sizeof(real);
  while (c.parts > 1 && (c.parts * bytes > PARTS_BYTES || c.tiles < c.parts * PART_TILES))
    c.parts /= 2;
  c.part_tiles = divide_up(c.tiles, c.parts);
  winograd_set_chunk(a, winograd_even_chunk(c.part_tiles, most_tiles(a)), a->to);
  const int64_t points = a->points * a->points, bias = pieces_of(a) * a->to * BLOCK;
  /* The sums of the bias, in double, take the place of two elements each. */
  c.elements = points * (a->v_point + a->m_point) + c.sums + bias + 2 * a->to * BLOCK;
  c.elements = divide_up(c.elements, BLOCK) * BLOCK;
  return c;
}

/* Enough for fewer images too, whose chunks may be larger. */
size_t CJ_KERNEL(winograd_weight_scratch)(const cj_conv *s) {
  cj_winograd a;
  if (!CJ_KERNEL(winograd_sizes)(s, &a)) return 0;
  const cut c = cut_of(s, &a);
  cj_winograd most = a;
  winograd_set_chunk(&most, c.tiles ? min64(c.tiles, most_tiles(&a)) : 1, a.to);
  const int64_t points = a.points * a.points;
  const int64_t more = points * (most.v_point + most.m_point - a.v_point - a.m_point) +
                       (pieces_of(&most) - pieces_of(&a)) * a.to * BLOCK;
  return (size_t)(c.parts * (c.elements + divide_up(more, BLOCK) * BLOCK)) * sizeof(real);
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
  cj_fetch fetch[2] = {{.p = r->x, .side = a->outputs * a->x_step, .first = next, .count = more},
                       {.p = r->gy, .side = a->outputs, .first = next, .count = more}};
  fetch_part(&fetch[0], a->from / winograd_x_phases(a), piece, points, calls);
  fetch_part(&fetch[1], a->to, piece, points, calls);
  CJ_KERNEL(winograd_outer)(a, piece, r->count, r->v, r->w, r->begun, r->sums, fetch);
}

static void add_bias(const weight_run *r) {
  const int64_t channels = r->a.to * BLOCK;
  for (int64_t piece = 0; piece * PIECE_TILES < r->count; piece++)
    for (int64_t c = 0; c < channels; c++) r->bias_sums[c] += (double)r->bias[piece * channels + c];
}

static void run_chunks(weight_run *r) {
  const int64_t points = r->a.points * r->a.points;
  memset(r->bias_sums, 0, (size_t)(r->a.to * BLOCK) * sizeof *r->bias_sums);
  for (bool first = true; r->first < r->tiles; r->first += r->a.chunk, first = false) {
    r->count = min64(r->a.chunk, r->tiles - r->first);
    r->begun = !first;
    cj_parallel(divide_up(r->count, PIECE_TILES), transform_piece, r);
    if (r->weights) cj_parallel(points, point_piece, r);
    add_bias(r);
  }
}

/* All parts: what they share, and where their memory is. */
typedef struct parts {
  weight_run like;
  cut c;
  real *memory;
} parts;

static weight_run part_of(const parts *p, int64_t part) {
  const cj_winograd *a = &p->like.a;
  const int64_t points = a->points * a->points;
  weight_run r = p->like;
  r.bias_sums = (double *)(void *)(p->memory + part * p->c.elements);
  r.v = p->memory + part * p->c.elements + 2 * a->to * BLOCK;
  r.w = r.v + points * a->v_point;
  r.sums = r.w + points * a->m_point;
  r.bias = r.sums + p->c.sums;
  r.first = part * p->c.part_tiles;
  r.tiles = min64(p->c.tiles, r.first + p->c.part_tiles);
  return r;
}

static void run_part(void *context, int64_t part) {
  weight_run r = part_of(context, part);
  run_chunks(&r);
}

enum { ADD_ELEMENTS = 1 << 14 };

/* Sums of later parts go to those of the first. */
static void add_piece(void *context, int64_t piece) {
  const parts *p = context;
  const int64_t from = piece * ADD_ELEMENTS, end = min64(p->c.sums, from + ADD_ELEMENTS);
  real *to = part_of(p, 0).sums;
  for (int64_t part = 1; part < p->c.parts; part++) {
    const weight_run r = part_of(p, part);
    for (int64_t i = from; i < end && r.first < r.tiles; i++) to[i] += r.sums[i];
  }
}

void CJ_KERNEL(winograd_weight)(const cj_conv *s, const cj_picture *x, const cj_picture *gy,
                                real *gw, real *gb, void *scratch) {
  parts p = {.like = {.x = x, .gy = gy, .weights = gw != NULL}, .memory = scratch};
  if (!CJ_KERNEL(winograd_sizes)(s, &p.like.a)) return;
  p.c = cut_of(s, &p.like.a);
  if (p.c.parts > 1)
    cj_parallel(p.c.parts, run_part, &p);
  else
    run_part(&p, 0); /* whose pieces may use all threads */
  if (gw && p.c.parts > 1) cj_parallel(divide_up(p.c.sums, ADD_ELEMENTS), add_piece, &p);
  if (gw && p.c.tiles) CJ_KERNEL(winograd_unpack)(s, &p.like.a, part_of(&p, 0).sums, gw);
  for (int64_t c = 0; gb && c < s->c_out; c++) {
    double sum = 0;
    for (int64_t part = 0; part < p.c.parts; part++) sum += part_of(&p, part).bias_sums[c];
    gb[c] += (real)sum;
  }
}
