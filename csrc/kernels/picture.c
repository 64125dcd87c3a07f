/* picture.c -- rings, and the way from plain images to pictures and back. */
#include "kernels/picture.h"

#include <string.h>

#include "core/threads.h"
#include "kernels/simd.h"

typedef struct clear_job {
  const cj_picture *p;
} clear_job;

static void zero(real *to, int64_t count) {
  memset(to, 0, (size_t)count * sizeof(real));
}

/* The ring of one plane: rows above and below, and what lies between the lines. */
static void clear_plane(const cj_picture *p, int64_t n, int64_t block) {
  const int64_t r = p->ring, row = picture_row(p);
  zero(picture_at(p, n, block, -r, -r), r * row + r * BLOCK);
  for (int64_t i = 0; i + 1 < p->height; i++)
    zero(picture_at(p, n, block, i, p->width), 2 * r * BLOCK);
  zero(picture_at(p, n, block, p->height - 1, p->width), r * BLOCK + r * row);
}

static void clear_piece(void *context, int64_t piece) {
  const cj_picture *p = ((const clear_job *)context)->p;
  for (int64_t block = 0; block < picture_blocks(p); block++) clear_plane(p, piece, block);
}

void CJ_KERNEL(picture_clear_ring)(const cj_picture *p, int64_t count) {
  if (p->ring == 0) return;
  cj_parallel(count, clear_piece, &(clear_job){p});
}

/* The plain image beside a picture. Of the two pointers one is NULL. */
typedef struct copy_job {
  const cj_picture *p;
  const real *from;
  real *to;
  bool add;
} copy_job;

/* One row of a block from `channels` planes of plain images, and back. */
static void fill_row(const real *from, int64_t plane, int64_t channels, int64_t width, bool add,
                     real *to) {
  for (int64_t c = 0; c < channels; c++)
    for (int64_t j = 0; j < width; j++)
      to[j * BLOCK + c] = from[c * plane + j] + (add ? to[j * BLOCK + c] : 0);
  if (add || channels == BLOCK) return;
  for (int64_t j = 0; j < width; j++)
    for (int64_t c = channels; c < BLOCK; c++) to[j * BLOCK + c] = 0;
}

static void read_row(const real *from, int64_t plane, int64_t channels, int64_t width, bool add,
                     real *to) {
  for (int64_t c = 0; c < channels; c++)
    for (int64_t j = 0; j < width; j++)
      to[c * plane + j] = from[j * BLOCK + c] + (add ? to[c * plane + j] : 0);
}

/* A piece is one block of one image. */
static void copy_piece(void *context, int64_t piece) {
  const copy_job *job = context;
  const cj_picture *p = job->p;
  const int64_t n = piece / picture_blocks(p), block = piece % picture_blocks(p);
  const int64_t left = p->channels - block * BLOCK, channels = left < BLOCK ? left : BLOCK;
  const int64_t plane = p->height * p->width;
  for (int64_t i = 0; i < p->height; i++) {
    real *row = picture_at(p, n, block, i, 0);
    const int64_t place = (n * p->channels + block * BLOCK) * plane + i * p->width;
    if (job->from)
      fill_row(job->from + place, plane, channels, p->width, job->add, row);
    else
      read_row(row, plane, channels, p->width, job->add, job->to + place);
  }
}

void CJ_KERNEL(picture_fill)(const cj_picture *p, int64_t count, const real *plain, bool add) {
  cj_parallel(count * picture_blocks(p), copy_piece,
              &(copy_job){.p = p, .from = plain, .add = add});
}

void CJ_KERNEL(picture_read)(const cj_picture *p, int64_t count, real *plain, bool add) {
  cj_parallel(count * picture_blocks(p), copy_piece, &(copy_job){.p = p, .to = plain, .add = add});
}
