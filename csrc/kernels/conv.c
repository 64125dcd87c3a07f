/* conv.c -- convolution as a product of packed weights and shifted images; see lattice.h.
 *
 * Forward and input gradient: weights are packed into panels [K, rows] once per call; a piece of
 * work copies an image, or a few small ones, into planes and runs some of the panels over them,
 * tile by tile. Each result is one chain of multiply-adds over (channel, tap), so it is the same in
 * every batch.
 *
 * Weight gradient: a piece is a part of the batch and a range of input channels; it copies a few
 * images of both sides and takes inner products over pixels. Parts are cut by the batch size alone
 * and added in order. */
#include "kernels/conv.h"

#include <stdatomic.h>
#include <string.h>

#include "kernels/lattice.h"
#include "kernels/slots.h"
#include "kernels/tile.h"

enum {
  PIECE_WORK = 200000,    /* multiply-adds that are worth a piece of their own */
  PIECES = 8,             /* that a call is cut into, where it is large enough */
  POSITIONS = 12 * LANES, /* of small images copied together, about */
  ROOM = 64 * 1024        /* elements of planes of small images together, at most */
};
/* Reads past the end of the planes: a tile's width, or a register. */
enum { SLACK = TILE_WIDTH };

static size_t align(size_t bytes) {
  return (bytes + 63) / 64 * 64;
}

/* --- maps: forward and input gradient -------------------------------------------------------- */

typedef struct map {
  const cj_conv *s;
  cj_lattice l;
  int64_t from, to;         /* source and result channels per group */
  int64_t depth;            /* from * taps */
  int64_t w_from, w_to;     /* distance in w of neighbouring source and result channels */
  int64_t plane, line;      /* of a result channel */
  int64_t height, panels;   /* rows of a panel; panels per group */
  int64_t sheets, together; /* copies of l.images images; how many a piece works on */
  int64_t chunks, chunk;    /* pieces per sheet; panels in each */
  const real *x, *w, *bias;
  real *y;
  bool add;
  int64_t *off, *w_off; /* [depth]: places of row k in the planes and in w */
  real *packed;         /* weights: [group][to][depth] in panels */
  cj_slots slots;
} map;

static size_t map_tables(int64_t depth) {
  return 2 * align((size_t)depth * sizeof(int64_t));
}

static void map_offsets(map *m) {
  CJ_KERNEL(lattice_offsets)(&m->l, m->from, m->off);
  int64_t *w_off = m->w_off;
  for (int64_t c = 0; c < m->from; c++)
    for (int r = 0; r < m->l.v.taps; r++)
      for (int s = 0; s < m->l.h.taps; s++)
        *w_off++ = c * m->w_from + m->l.v.tap[r] * m->s->kw + m->l.h.tap[s];
}

/* Packs the weights of one panel of one group as [depth, rows]. */
static void pack_panel(void *context, int64_t piece) {
  const map *m = context;
  const int64_t group = piece / m->panels, first = piece % m->panels * m->height;
  const int64_t rows = min64(m->height, m->to - first);
  const real *w =
      m->w +
      group * (m->s->c_out / m->s->groups) * (m->s->c_in / m->s->groups) * m->s->kh * m->s->kw +
      first * m->w_to;
  real *to = m->packed + (group * m->to + first) * m->depth;
  if (m->w_to > m->w_from) /* read along the nearer of the two */
    for (int64_t i = 0; i < rows; i++)
      for (int64_t k = 0; k < m->depth; k++) to[k * rows + i] = w[m->w_off[k] + i * m->w_to];
  else
    for (int64_t k = 0; k < m->depth; k++)
      for (int64_t i = 0; i < rows; i++) to[k * rows + i] = w[m->w_off[k] + i * m->w_to];
}

/* One panel over one sheet of `images` images; y: the first of its results. */
static void map_panel(const map *m, const real *planes, int64_t images, const real *panel, int rows,
                      const real *bias, real *y) {
  real tile[TILE_ROWS * 4 * LANES] __attribute__((aligned(64)));
  cj_store s = {.c = tile,
                .rows = rows,
                .bias = bias,
                .add = m->add,
                .y = y,
                .images = images,
                .image = m->s->groups * m->to * m->plane,
                .plane = m->plane,
                .line = m->line};
  for (s.q = 0; s.q < m->l.positions; s.q += s.count) {
    const int vecs = tile_vecs(rows, m->l.positions - s.q);
    s.width = vecs * LANES;
    s.count = min64(s.width, m->l.positions - s.q);
    CJ_KERNEL(tile)(rows, vecs, m->depth, panel, planes + s.q, m->off, tile);
    CJ_KERNEL(lattice_store)(&m->l, &s);
  }
}

/* Panels chunk*m->chunk and on, of all groups, over one sheet of images. */
static void map_sheet(const map *m, int64_t sheet, int64_t chunk, real *planes) {
  const int64_t groups = m->s->groups, source = m->l.v.source * m->l.h.source;
  const int64_t image = sheet * m->l.images, images = min64(m->l.images, m->s->batch - image);
  const int64_t end = min64(m->panels, (chunk + 1) * m->chunk);
  for (int64_t g = 0; g < groups; g++) {
    const cj_fill f = {.channels = m->from,
                       .count = images,
                       .from = m->x + (image * groups + g) * m->from * source,
                       .image = groups * m->from * source,
                       .slack = SLACK};
    CJ_KERNEL(lattice_fill)(&m->l, &f, planes);
    for (int64_t p = chunk * m->chunk; p < end; p++) {
      const int64_t first = p * m->height, channel = g * m->to + first;
      map_panel(m, planes, images, m->packed + channel * m->depth,
                (int)min64(m->height, m->to - first), m->bias ? m->bias + channel : NULL,
                m->y + (image * groups * m->to + channel) * m->plane);
    }
  }
}

static void map_piece(void *context, int64_t piece) {
  map *m = context;
  const int slot = cj_slots_take(&m->slots);
  const int64_t chunk = piece % m->chunks, first = piece / m->chunks * m->together;
  for (int64_t i = first; i < min64(m->sheets, first + m->together); i++)
    map_sheet(m, i, chunk, cj_slots_memory(&m->slots, slot));
  cj_slots_give(&m->slots, slot);
}

static size_t map_slot_bytes(const map *m) {
  return align((size_t)(m->from * m->l.channel + SLACK) * sizeof(real));
}

/* How the work is cut: no result depends on it. */
static void map_sizes(map *m) {
  m->depth = m->from * m->l.v.taps * m->l.h.taps;
  m->height = tile_rows(m->to);
  m->panels = divide_up(m->to, m->height);
  CJ_KERNEL(lattice_gather)(&m->l, POSITIONS, m->s->batch, m->from, ROOM);
  m->sheets = divide_up(m->s->batch, m->l.images);
  const int64_t work = m->depth * m->to * m->s->groups * m->l.positions + 1;
  m->together = max64(1, PIECE_WORK / work);
  m->chunks = min64(divide_up(PIECES, max64(1, divide_up(m->sheets, m->together))),
                    min64(m->panels, work / PIECE_WORK + 1));
  m->chunk = divide_up(m->panels, max64(1, m->chunks));
  m->chunks = divide_up(m->panels, max64(1, m->chunk));
}

static size_t map_bytes(map *m) {
  map_sizes(m);
  return map_tables(m->depth) + align((size_t)(m->s->groups * m->to * m->depth) * sizeof(real)) +
         (size_t)cj_slots_wanted() * map_slot_bytes(m);
}

static void map_run(map *m, void *scratch) {
  map_sizes(m);
  if (m->l.positions == 0 || m->s->batch == 0) return;
  char *memory = scratch;
  m->off = (int64_t *)(void *)memory;
  m->w_off = (int64_t *)(void *)(memory += map_tables(m->depth) / 2);
  m->packed = (real *)(void *)(memory += map_tables(m->depth) / 2);
  memory += align((size_t)(m->s->groups * m->to * m->depth) * sizeof(real));
  cj_slots_open(&m->slots, memory, map_slot_bytes(m), cj_slots_wanted());
  map_offsets(m);
  cj_parallel(m->s->groups * m->panels, pack_panel, m);
  cj_parallel(divide_up(m->sheets, m->together) * m->chunks, map_piece, m);
}

static void map_forward(map *m, const cj_conv *s) {
  m->s = s;
  m->from = s->c_in / s->groups;
  m->to = s->c_out / s->groups;
  m->w_from = s->kh * s->kw;
  m->w_to = m->from * m->w_from;
  m->plane = s->oh * s->ow;
  m->line = s->ow;
  CJ_KERNEL(lattice_forward)(&m->l, s);
}

static void map_input(map *m, const cj_conv *s, int64_t a, int64_t b) {
  m->s = s;
  m->from = s->c_out / s->groups;
  m->to = s->c_in / s->groups;
  m->w_to = s->kh * s->kw;
  m->w_from = m->to * m->w_to;
  m->plane = s->h * s->w;
  m->line = s->w;
  CJ_KERNEL(lattice_input)(&m->l, s, a, b);
}

void CJ_KERNEL(conv_forward)(const cj_conv *s, const real *x, const real *w, const real *bias,
                             real *y, bool add, void *scratch) {
  map m = {.x = x, .w = w, .bias = bias, .y = y, .add = add};
  map_forward(&m, s);
  map_run(&m, scratch);
}

void CJ_KERNEL(conv_input_gradient)(const cj_conv *s, const real *gy, const real *w,
                                    const real *bias, real *gx, bool add, void *scratch) {
  map m = {.x = gy, .w = w, .bias = bias, .y = gx, .add = add};
  for (int64_t a = 0; a < min64(s->stride_h, s->h); a++)
    for (int64_t b = 0; b < min64(s->stride_w, s->w); b++) {
      map_input(&m, s, a, b);
      const bool untouched = m.l.v.taps == 0 || m.l.h.taps == 0;
      if (!(untouched && add)) map_run(&m, scratch);
    }
}

/* --- weight gradient ------------------------------------------------------------------------- */

enum {
  PART_POSITIONS = 128 * LANES, /* summed in one part, at least, where the batch has them */
  PART_ELEMENTS = 2000000,      /* of all partial sums together, about */
  RANGE_TAPS = 32,              /* taps of a channel range, at least */
  COPIED_ELEMENTS = 96 * 1024   /* of x and gy worked on at a time, about */
};

typedef struct weights {
  const cj_conv *s;
  cj_lattice l;
  int64_t from, to, depth;  /* channels of x and gy per group; from * taps */
  int64_t parts, images;    /* of the batch; per part */
  int64_t ranges, channels; /* of the input channels of a group; per range */
  int64_t length;           /* positions of a sheet of images, rounded up to whole registers */
  int64_t sheets;           /* worked on at a time */
  const real *x, *gy;
  real *gw, *sums; /* sums: [part][group][to][depth] */
  int64_t *off;    /* [channels * taps] */
  cj_slots slots;
} weights;

static int64_t sheet_x(const weights *k) {
  return k->channels * k->l.channel;
}

static int64_t sheet_gy(const weights *k) {
  return k->to * k->length;
}

static size_t weights_slot_bytes(const weights *k) {
  return align((size_t)(k->sheets * (sheet_x(k) + sheet_gy(k)) + SLACK) * sizeof(real));
}

/* Channels are cut into ranges first, since that costs no sums; then the batch into parts. */
static void weights_sizes(weights *k, const cj_conv *s) {
  k->s = s;
  k->from = s->c_in / s->groups;
  k->to = s->c_out / s->groups;
  CJ_KERNEL(lattice_forward)(&k->l, s);
  const int64_t taps = s->kh * s->kw, positions = max64(1, k->l.positions);
  k->depth = k->from * taps;
  const int64_t narrow = divide_up(RANGE_TAPS, taps);
  k->ranges = max64(1, min64(divide_up(PIECES, s->groups), k->from / narrow));
  k->channels = divide_up(k->from, k->ranges);
  k->ranges = divide_up(k->from, max64(1, k->channels));
  const int64_t elements = max64(1, s->groups * k->to * k->depth);
  k->parts = min64(divide_up(PIECES, max64(1, s->groups * k->ranges)), PART_ELEMENTS / elements);
  k->parts = max64(1, min64(k->parts, s->batch * positions / PART_POSITIONS));
  k->images = divide_up(s->batch, k->parts);
  CJ_KERNEL(lattice_gather)(&k->l, POSITIONS, k->images, k->channels, ROOM / 2);
  k->length = divide_up(k->l.positions, LANES) * LANES;
  k->sheets = max64(1, min64(divide_up(k->images, k->l.images),
                             COPIED_ELEMENTS / (sheet_x(k) + sheet_gy(k) + 1)));
}

static size_t weights_bytes(const weights *k) {
  const int64_t sums = k->parts * k->s->groups * k->to * k->depth;
  return align((size_t)k->depth * sizeof(int64_t)) + align((size_t)sums * sizeof(real)) +
         (size_t)cj_slots_wanted() * weights_slot_bytes(k);
}

/* One channel of gy of `images` images, `image` elements apart, over whole lines: the places that
 * are dropped count as zeros. */
static void spread_channel(const weights *k, const real *gy, int64_t images, int64_t image,
                           real *to) {
  const int64_t ow = k->s->ow;
  memset(to, 0, (size_t)k->length * sizeof *to);
  for (int64_t i = 0; i < k->s->oh; i++)
    for (int64_t g = 0; g < images; g++)
      vec_copy(to + i * k->l.line + g * k->l.pitch, gy + g * image + i * ow, ow);
}

static void weights_products(const weights *k, int64_t sheets, const real *x, const real *gy,
                             int64_t taps, real *sums) {
  const cj_dots d = {.images = sheets,
                     .length = k->length,
                     .a_image = sheet_gy(k),
                     .a_row = k->length,
                     .b_image = sheet_x(k),
                     .c_row = k->depth};
  const int64_t high = (k->to + DOT_ROWS - 1) / DOT_ROWS, wide = (taps + DOT_COLS - 1) / DOT_COLS;
  const int64_t rows = (k->to + high - 1) / high, cols = (taps + wide - 1) / wide;
  for (int64_t o = 0; o < k->to; o += rows)
    for (int64_t t = 0; t < taps; t += cols) {
      const int r = (int)min64(rows, k->to - o), c = (int)min64(cols, taps - t);
      real *sum = sums + o * k->depth + t;
      CJ_KERNEL(dots)(&d, r, c, gy + o * k->length, x, k->off + t, sum);
    }
}

/* Copies images [from, from + count), at most k->sheets sheets of them, of group g and input
 * channels [first, first + channels), and adds their products. */
static void weights_images(const weights *k, int64_t from, int64_t count, int64_t g, int64_t first,
                           int64_t channels, real *memory, real *sums) {
  const cj_conv *s = k->s;
  const int64_t plane = s->oh * s->ow, image_gy = s->c_out * plane, image_x = s->c_in * s->h * s->w;
  real *gy = memory, *x = memory + k->sheets * sheet_gy(k);
  int64_t sheets = 0;
  for (int64_t n = from; n < from + count; n += k->l.images, sheets++) {
    const int64_t images = min64(k->l.images, from + count - n);
    for (int64_t o = 0; o < k->to; o++)
      spread_channel(k, k->gy + n * image_gy + (g * k->to + o) * plane, images, image_gy,
                     gy + sheets * sheet_gy(k) + o * k->length);
    const cj_fill f = {.channels = channels,
                       .count = images,
                       .from = k->x + n * image_x + (g * k->from + first) * s->h * s->w,
                       .image = image_x,
                       .slack = SLACK};
    CJ_KERNEL(lattice_fill)(&k->l, &f, x + sheets * sheet_x(k));
  }
  weights_products(k, sheets, x, gy, channels * s->kh * s->kw, sums);
}

static void weights_piece(void *context, int64_t piece) {
  weights *k = context;
  const int64_t range = piece % k->ranges, g = piece / k->ranges % k->s->groups;
  const int64_t part = piece / k->ranges / k->s->groups, first = range * k->channels;
  const int64_t channels = min64(k->channels, k->from - first), taps = k->s->kh * k->s->kw;
  const int64_t end = min64(k->s->batch, (part + 1) * k->images), many = k->sheets * k->l.images;
  real *sums = k->sums + (part * k->s->groups + g) * k->to * k->depth + first * taps;
  for (int64_t o = 0; o < k->to; o++)
    memset(sums + o * k->depth, 0, (size_t)(channels * taps) * sizeof *sums);
  const int slot = cj_slots_take(&k->slots);
  for (int64_t n = part * k->images; n < end; n += many)
    weights_images(k, n, min64(many, end - n), g, first, channels, cj_slots_memory(&k->slots, slot),
                   sums);
  cj_slots_give(&k->slots, slot);
}

enum { ADD_ELEMENTS = 16384 };

static void weights_add(void *context, int64_t piece) {
  const weights *k = context;
  const int64_t count = k->s->groups * k->to * k->depth;
  const int64_t end = min64(count, (piece + 1) * ADD_ELEMENTS);
  for (int64_t part = 0; part < k->parts; part++)
    for (int64_t i = piece * ADD_ELEMENTS; i < end; i++) k->gw[i] += k->sums[part * count + i];
}

void CJ_KERNEL(conv_weight_gradient)(const cj_conv *s, const real *x, const real *gy, real *gw,
                                     void *scratch) {
  weights k = {.x = x, .gy = gy, .gw = gw};
  weights_sizes(&k, s);
  const int64_t count = s->groups * k.to * k.depth;
  if (k.l.positions == 0 || s->batch == 0 || count == 0) return;
  char *memory = scratch;
  k.off = (int64_t *)(void *)memory;
  k.sums = (real *)(void *)(memory += align((size_t)k.depth * sizeof(int64_t)));
  memory += align((size_t)(k.parts * count) * sizeof(real));
  cj_slots_open(&k.slots, memory, weights_slot_bytes(&k), cj_slots_wanted());
  CJ_KERNEL(lattice_offsets)(&k.l, k.channels, k.off);
  cj_parallel(k.parts * s->groups * k.ranges, weights_piece, &k);
  cj_parallel((count + ADD_ELEMENTS - 1) / ADD_ELEMENTS, weights_add, &k);
}

/* --- bias gradient and scratch --------------------------------------------------------------- */

typedef struct biases {
  int64_t batch, channels, pixels;
  const real *gy;
  real *gb;
} biases;

/* Sixteen partial sums per channel, folded at the end. */
static void bias_channel(void *context, int64_t c) {
  const biases *b = context;
  real sum[16] = {0};
  for (int64_t n = 0; n < b->batch; n++) {
    const real *gy = b->gy + (n * b->channels + c) * b->pixels;
    int64_t i = 0;
    for (; i + 16 <= b->pixels; i += 16)
      for (int64_t j = 0; j < 16; j++) sum[j] += gy[i + j];
    for (int64_t j = 0; i + j < b->pixels; j++) sum[j] += gy[i + j];
  }
  for (int width = 8; width > 0; width /= 2)
    for (int j = 0; j < width; j++) sum[j] += sum[j + width];
  b->gb[c] += sum[0];
}

void CJ_KERNEL(conv_bias_gradient)(int64_t batch, int64_t channels, int64_t pixels, const real *gy,
                                   real *gb) {
  biases b = {batch, channels, pixels, gy, gb};
  cj_parallel(channels, bias_channel, &b);
}

size_t CJ_KERNEL(conv_scratch)(const cj_conv *s) {
  map m = {0};
  map_forward(&m, s);
  size_t most = map_bytes(&m);
  for (int64_t a = 0; a < min64(s->stride_h, s->h); a++)
    for (int64_t b = 0; b < min64(s->stride_w, s->w); b++) {
      map_input(&m, s, a, b);
      const size_t bytes = map_bytes(&m);
      if (bytes > most) most = bytes;
    }
  weights k = {0};
  weights_sizes(&k, s);
  const size_t bytes = weights_bytes(&k);
  return bytes > most ? bytes : most;
}
