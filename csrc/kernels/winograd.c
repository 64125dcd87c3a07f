/* winograd.c -- which layers suit, sizes, and the way through chunks of tiles. */
#include "kernels/winograd.h"

#include <float.h>

#include "kernels/slots.h"
#include "kernels/winograd_parts.h"

static int64_t clamp(int64_t least, int64_t v, int64_t most) {
  return v < least ? least : v > most ? most : v;
}

enum {
  CHUNK_STEP = 14, /* tiles; panels of the product are full then */
  CHUNK_LEAST = 14,
  CHUNK_MOST = 56,
  CHUNK_BYTES = 400 << 10, /* of V and M: leaves room for weights in the second-level cache */
  FAR_BYTES = 8 << 20,     /* packed weights that are read from memory every time, */
  FAR_TILES = 32           /* so more tiles share them */
};

/* Costs in multiply-adds of a register of 16, measured with AVX-512. With other registers all grow
 * alike. */
enum {
  COST_4 = 250, /* of both maps of a tile of one block, with 4 x 4 points */
  COST_5 = 370,
  COST_6 = 500,
  COST_8 = 900,
  END_4 = 500, /* of the end of a weight gradient, per channel of x and block of y */
  END_5 = 640,
  END_6 = 800,
  END_8 = 1500,
  FAR_SPEED = 5, /* bytes of far weights per multiply-add */
  IMAGES = 8     /* done in one call, at least, for which the choice is made */
};

static double packed_bytes(const cj_winograd *a) {
  const int64_t all = winograd_y_phases(a) * a->points * a->points * a->from * a->to;
  return (double)(all * BLOCK * BLOCK) * sizeof(float);
}

/* Tiles that are done together. */
static int64_t most_tiles(const cj_winograd *a) {
  const int64_t tile = a->points * a->points * (a->from + GROUP) * BLOCK * (int64_t)sizeof(real);
  if (packed_bytes(a) >= FAR_BYTES) return FAR_TILES;
  return clamp(CHUNK_LEAST, CHUNK_BYTES / tile / CHUNK_STEP * CHUNK_STEP, CHUNK_MOST);
}

/* Multiply-adds of one image, and as many as the maps cost. */
static double cost_of_tiles(const cj_conv *s, const cj_winograd *a) {
  static const int costs[MAX_POINTS + 1] = {[4] = COST_4, [5] = COST_5, [6] = COST_6, [8] = COST_8};
  double cost = 0;
  for (int phase = 0; phase < winograd_y_phases(a); phase++) {
    cj_winograd b = *a;
    CJ_KERNEL(winograd_set_phase)(s, phase, &b);
    int64_t blocks = 0;
    for (int64_t point = 0; point < b.points * b.points; point++)
      blocks += winograd_from_at(&b, point);
    cost += (double)(blocks * b.to * BLOCK + costs[b.points] * (b.from + b.to) / 2);
  }
  return (double)(a->tiles_h * a->tiles_w) * cost;
}

/* With strides, tiles of the size that costs least. */
static bool cheapest_phases(const cj_conv *s, cj_winograd *a) {
  double least = DBL_MAX;
  cj_winograd b;
  for (int i = 0; CJ_KERNEL(winograd_phases)(s, i, &b); i++) {
    const double cost = cost_of_tiles(s, &b);
    if (cost < least) *a = b, least = cost;
  }
  return least < DBL_MAX;
}

static bool plain_sizes(const cj_conv *s, cj_winograd *a) {
  const bool square = s->kh == s->kw && (s->kh == 3 || s->kh == 5);
  const bool padded = s->pad_h >= 0 && s->pad_w >= 0 && s->pad_h < s->kh && s->pad_w < s->kw;
  if (!square || !padded || s->groups != 1 || s->stride_h != 1 || s->stride_w != 1 ||
      s->dil_h != 1 || s->dil_w != 1)
    return false;
  *a = (cj_winograd){.k = (int)s->kh,
                     .points = OUTPUTS + (int)s->kh - 1,
                     .outputs = OUTPUTS,
                     .x_step = 1,
                     .y_step = 1,
                     .pad_h = s->pad_h,
                     .pad_w = s->pad_w,
                     .halves_h = 2,
                     .halves_w = 2,
                     .tiles_h = divide_up(s->oh, OUTPUTS),
                     .tiles_w = divide_up(s->ow, OUTPUTS),
                     .from = divide_up(s->c_in, BLOCK),
                     .to = divide_up(s->c_out, BLOCK)};
  return true;
}

bool CJ_KERNEL(winograd_sizes)(const cj_conv *s, cj_winograd *a) {
  if (!plain_sizes(s, a) && !cheapest_phases(s, a)) return false;
  winograd_set_chunk(a, winograd_even_chunk(winograd_tiles(s, a), most_tiles(a)), GROUP);
  return true;
}

/* --- choice ---------------------------------------------------------------------------------- */

static double cost_directly(const cj_conv *s, const cj_winograd *a) {
  return (double)(s->oh * s->ow * s->kh * s->kw * s->c_in * a->to) / winograd_y_phases(a);
}

/* A quarter less at least. Pictures lower or narrower than half a tile are left alone, because most
 * of their tile is zeros that carry no part of the bound of the error. */
bool CJ_KERNEL(winograd_suits)(const cj_conv *s) {
  cj_winograd a;
  if (!CJ_KERNEL(winograd_sizes)(s, &a)) return false;
  const double bytes = packed_bytes(&a), far = bytes >= FAR_BYTES ? bytes / FAR_SPEED / IMAGES : 0;
  return 2 * s->h >= a.points * a.x_step && 2 * s->w >= a.points * a.x_step &&
         cost_of_tiles(s, &a) + far < 0.75 * cost_directly(s, &a);
}

/* Here the sums are turned into weights once for all images. */
bool CJ_KERNEL(winograd_weight_suits)(const cj_conv *s) {
  cj_winograd a;
  if (!CJ_KERNEL(winograd_suits)(s)) return false;
  CJ_KERNEL(winograd_sizes)(s, &a);
  const double bytes = packed_bytes(&a), far = bytes >= FAR_BYTES ? 2 * bytes / FAR_SPEED : 0;
  static const int ends[MAX_POINTS + 1] = {[4] = END_4, [5] = END_5, [6] = END_6, [8] = END_8};
  const double end = (double)(a.from * BLOCK * a.to * ends[a.points]);
  const double images = (double)s->batch;
  return images * cost_of_tiles(s, &a) + end + far < 0.75 * images * cost_directly(s, &a);
}

/* Largest errors seen in units of the last place, doubled; and the chain over the channels. */
double CJ_KERNEL(winograd_error)(const cj_conv *s) {
  const double unit = sizeof(real) == sizeof(float) ? FLT_EPSILON / 2.0 : DBL_EPSILON / 2;
  const double seen = s->stride_h != 1 ? 512 : s->kh == 3 ? 256 : 384;
  return unit * (seen + (double)s->c_in / 16);
}

/* --- sizes ----------------------------------------------------------------------------------- */

cj_conv CJ_KERNEL(winograd_turn)(const cj_conv *s) {
  cj_conv t = *s;
  t.c_in = s->c_out;
  t.c_out = s->c_in;
  t.h = s->oh;
  t.w = s->ow;
  t.oh = s->h;
  t.ow = s->w;
  t.pad_h = s->kh - 1 - s->pad_h;
  t.pad_w = s->kw - 1 - s->pad_w;
  t.stride_h = s->stride_h == 1 ? 1 : -s->stride_h;
  t.stride_w = s->stride_w == 1 ? 1 : -s->stride_w;
  return t;
}

int64_t CJ_KERNEL(winograd_ring)(const cj_conv *s) {
  (void)s;
  return 0;
}

int64_t CJ_KERNEL(winograd_packed)(const cj_conv *s) {
  cj_winograd a;
  if (!CJ_KERNEL(winograd_sizes)(s, &a)) return 0;
  return winograd_y_phases(&a) * winograd_u_phase(&a);
}

/* --- the forward pass ------------------------------------------------------------------------ */

typedef struct run {
  cj_winograd a[MAX_PHASES]; /* of y */
  int64_t tiles;             /* of all images, in one phase */
  bool far;                  /* the pictures are too large to stay in a cache */
  const cj_picture *x, *y;
  const cj_finish *f;
  const real *packed;
  cj_slots slots;
} run;

static int64_t v_elements(const cj_winograd *a) {
  return a->points * a->points * a->v_point;
}

static size_t slot_bytes(const cj_winograd *a) {
  const int64_t m_elements = a->points * a->points * a->m_point;
  return (size_t)(v_elements(a) + m_elements) * sizeof(real);
}

/* Enough for fewer images too, whose chunks may be larger. */
size_t CJ_KERNEL(winograd_scratch)(const cj_conv *s, int slots) {
  cj_winograd a;
  if (!CJ_KERNEL(winograd_sizes)(s, &a)) return 0;
  const int64_t tiles = winograd_tiles(s, &a), most = most_tiles(&a);
  winograd_set_chunk(&a, clamp(1, tiles, most), GROUP);
  return slot_bytes(&a) * (size_t)slots;
}

/* All points of one group of blocks, while y of these tiles and x of the next are fetched, by the
 * first and the last phase. */
static void run_products(const run *r, int phase, int64_t group, int64_t first, int64_t count,
                         const real *v, real *m) {
  const cj_winograd *a = &r->a[phase];
  const real *packed = r->packed + phase * winograd_u_phase(a);
  const int64_t points = a->points * a->points, next = first + count;
  const int64_t more = r->tiles - next < count ? r->tiles - next : count;
  const int64_t calls = CJ_KERNEL(winograd_product_calls)(a, group, count);
  cj_fetch fetch[2] = {
      {.p = r->y, .side = a->outputs * a->y_step, .block = group * GROUP, .first = first},
      {.p = r->x, .side = a->outputs * a->x_step, .first = next}};
  if (r->far && phase == 0) fetch[0].count = count;
  if (r->far && phase == winograd_y_phases(a) - 1) fetch[1].count = more;
  for (int64_t point = 0; point < points; point++) {
    fetch_part(&fetch[0], winograd_group_blocks(a, group), point, points, calls);
    fetch_part(&fetch[1], a->from / winograd_x_phases(a), group * points + point,
               winograd_groups(a) * points, calls);
    CJ_KERNEL(winograd_product)(a, group, point, count, packed, v, m, fetch);
  }
}

static void run_phase(const run *r, int phase, int64_t first, int64_t count, real *v, real *m) {
  const cj_winograd *a = &r->a[phase];
  CJ_KERNEL(winograd_in)(a, r->x, first, count, v);
  for (int64_t group = 0; group < winograd_groups(a); group++) {
    run_products(r, phase, group, first, count, v, m);
    CJ_KERNEL(winograd_out)(a, group, first, count, m, r->f, r->y);
  }
}

/* A piece is one chunk of tiles. */
static void run_piece(void *context, int64_t piece) {
  run *r = context;
  const cj_winograd *a = r->a;
  const int64_t first = piece * a->chunk;
  const int64_t count = r->tiles - first < a->chunk ? r->tiles - first : a->chunk;
  const int slot = cj_slots_take(&r->slots);
  real *v = cj_slots_memory(&r->slots, slot), *m = v + v_elements(a);
  for (int phase = 0; phase < winograd_y_phases(a); phase++)
    run_phase(r, phase, first, count, v, m);
  cj_slots_give(&r->slots, slot);
}

void CJ_KERNEL(winograd_forward)(const cj_conv *s, const cj_picture *x, const real *packed,
                                 const cj_finish *f, const cj_picture *y, void *scratch,
                                 int slots) {
  run r = {.x = x, .y = y, .f = f, .packed = packed};
  if (!CJ_KERNEL(winograd_sizes)(s, r.a)) return;
  for (int phase = winograd_y_phases(r.a) - 1; phase >= 0; phase--) {
    r.a[phase] = r.a[0];
    CJ_KERNEL(winograd_set_phase)(s, phase, &r.a[phase]);
  }
  r.tiles = winograd_tiles(s, r.a);
  r.far = s->batch * (x->image + y->image) * (int64_t)sizeof(real) > FAR_BYTES;
  cj_slots_open(&r.slots, scratch, slot_bytes(r.a), slots);
  cj_parallel(divide_up(r.tiles, r.a->chunk), run_piece, &r);
}
