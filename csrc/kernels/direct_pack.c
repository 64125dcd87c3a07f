/* direct_pack.c -- what a direct convolution needs beforehand: rings and packed weights. */
#include <string.h>

#include "core/threads.h"
#include "kernels/direct_layer.h"

/* How far a span reads outside a source of this size. */
static int64_t span_ring(const span *a, int64_t size) {
  if (a->taps == 0) return 0;
  const int64_t end = a->from + (a->count - 1) * a->from_step + a->taps;
  return most(0, most(-a->from, end - size));
}

static int64_t side_ring(const layer *l, const side *d) {
  int64_t ring = 0;
  for (int64_t rest = 0; rest < side_phases(l, d); rest++) {
    const span a = side_span(l, d, rest);
    ring = most(ring, span_ring(&a, l->back ? d->y : d->x));
  }
  return ring;
}

static int64_t layer_ring(const layer *l) {
  return most(side_ring(l, &l->h), side_ring(l, &l->w));
}

int64_t CJ_KERNEL(direct_ring)(const cj_conv *s) {
  const layer l = layer_forward(s);
  return layer_ring(&l);
}

int64_t CJ_KERNEL(direct_input_ring)(const cj_conv *s) {
  const layer l = layer_back(s);
  return layer_ring(&l);
}
/* Packed weights: [phase][group of TILE_BLOCKS][source block][r][s][channel of it][channel of the
 * group]. The last source block has its real channels only, the last group its real blocks. */
int64_t CJ_KERNEL(direct_packed)(const cj_conv *s) {
  const int64_t forward = s->c_in * blocks_of(s->c_out), back = s->c_out * blocks_of(s->c_in);
  return s->kh * s->kw * BLOCK * most(forward, back);
}

typedef struct pack_job {
  const layer *l;
  const cj_conv *s;
  const phase *p;
  const real *w, *scale;
  real *packed;
} pack_job;

/* Channels of one side of the weights: from `first` on, `step` apart in the packed weights. */
typedef struct channels {
  int64_t first, count, step;
} channels;

/* All taps between channels o of y and c of x; `step` lies between packed taps. w is read nearly in
 * order. */
static void pack_taps(const pack_job *job, channels o, channels c, int64_t step, real *packed) {
  const span *h = &job->p->h, *w = &job->p->w;
  const int64_t taps = job->s->kh * job->s->kw;
  for (int64_t i = 0; i < o.count; i++) {
    const real factor = job->scale ? job->scale[o.first + i] : 1;
    const real *line = job->w + ((o.first + i) * job->s->c_in + c.first) * taps;
    real *to = packed + i * o.step;
    for (int64_t r = 0; r < h->taps; r++)
      for (int64_t s = 0; s < w->taps; s++, to += step) {
        const real *tap =
            line + (h->weight + r * h->weight_step) * job->s->kw + w->weight + s * w->weight_step;
        for (int64_t j = 0; j < c.count; j++) to[j * c.step] = factor * tap[j * taps];
      }
  }
}

/* A piece is one group of one phase. */
static void pack_piece(void *context, int64_t piece) {
  const pack_job *job = context;
  const int64_t taps = job->p->h.taps * job->p->w.taps, from = job->l->from;
  const int64_t to = piece * TILE_BLOCKS * BLOCK;
  const int64_t room = least(TILE_BLOCKS * BLOCK, blocks_of(job->l->to) * BLOCK - to);
  const int64_t width = least(room, job->l->to - to);
  real *packed = job->packed + job->p->packed + to * taps * from;
  if (width < room) memset(packed, 0, (size_t)(room * taps * from) * sizeof(real));
  for (int64_t first = 0; first < from; first += BLOCK, packed += taps * room * BLOCK) {
    const channels source = {first, least(BLOCK, from - first), room}, result = {to, width, 1};
    pack_taps(job, job->l->back ? source : result, job->l->back ? result : source,
              source.count * room, packed);
  }
}

static void layer_pack(const layer *l, const cj_conv *s, const real *w, const real *scale,
                       real *packed) {
  phase p = {0};
  for (int64_t number = 0; number < phase_count(l); number++) {
    p = phase_next(l, p, number);
    if (p.h.taps * p.w.taps == 0) continue;
    cj_parallel(group_count(l), pack_piece,
                &(pack_job){.l = l, .s = s, .p = &p, .w = w, .scale = scale, .packed = packed});
  }
}

void CJ_KERNEL(direct_pack)(const cj_conv *s, const real *w, const real *scale, real *packed) {
  const layer l = layer_forward(s);
  layer_pack(&l, s, w, scale, packed);
}

void CJ_KERNEL(direct_input_pack)(const cj_conv *s, const real *w, const real *scale,
                                  real *packed) {
  const layer l = layer_back(s);
  layer_pack(&l, s, w, scale, packed);
}
