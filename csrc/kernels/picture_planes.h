/* picture_planes.h -- one call per plane (block of channels of an image), on several threads, and
 * one pixel of a block as registers. */
#ifndef CJ_PICTURE_PLANES_H
#define CJ_PICTURE_PLANES_H

#include "core/threads.h"
#include "kernels/finish.h"

/* Sixteen channels of one pixel. */
typedef struct pixel {
  vec v[PIXEL_VECS];
} pixel;

CJ_INLINE pixel pixel_load(const real *p) {
  pixel x;
#pragma GCC unroll 8
  for (int k = 0; k < PIXEL_VECS; k++) x.v[k] = vec_load(p + k * LANES);
  return x;
}

CJ_INLINE void pixel_store(real *p, pixel x) {
#pragma GCC unroll 8
  for (int k = 0; k < PIXEL_VECS; k++) vec_store(p + k * LANES, x.v[k]);
}

CJ_INLINE pixel pixel_all(real value) {
  pixel x;
#pragma GCC unroll 8
  for (int k = 0; k < PIXEL_VECS; k++) x.v[k] = vec_all(value);
  return x;
}

typedef void (*plane_task)(const void *context, int64_t n, int64_t block);

typedef struct plane_job {
  plane_task task;
  const void *context;
  int64_t planes, blocks, per_piece;
} plane_job;

static inline void plane_piece(void *context, int64_t piece) {
  const plane_job *s = context;
  const int64_t end = (piece + 1) * s->per_piece;
  for (int64_t i = piece * s->per_piece; i < end && i < s->planes; i++)
    s->task(s->context, i / s->blocks, i % s->blocks);
}

/* Calls task for all planes of the first `count` images; small planes share a piece. */
static inline void each_plane(int64_t count, const cj_picture *p, plane_task task,
                              const void *context) {
  const int64_t blocks = picture_blocks(p);
  plane_job s = {task, context, count * blocks, blocks, 32768 / (picture_plane(p) + 1) + 1};
  cj_parallel((s.planes + s.per_piece - 1) / s.per_piece, plane_piece, &s);
}

#endif
