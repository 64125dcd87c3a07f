/* lattice.h -- the geometry behind convolution as a product of shifted images.
 *
 * Images are copied once into planes with their padding ring. In such a plane, kernel tap (r, s) of
 * output (i, j) lies at a constant distance from tap (0, 0) of the same output, and neighbouring
 * outputs lie side by side: the column matrix of the usual lowering is never built, its row k is
 * plane + off[k]. Outputs are computed for whole lines of the plane; in each line `count` places
 * per image are wanted, the rest is dropped.
 *
 * A line of a plane holds that line of several images, one after the other, so that small images
 * fill the registers too. The zeros to the right of one image are also those to the left of the
 * next one, or of the next line.
 *
 * With a step (stride) > 1 an image is split into one plane per remainder that some tap needs, so
 * neighbours still lie side by side. The input gradient of a convolution is a set of such maps, one
 * per remainder of the input position, each with its own taps and step 1. */
#ifndef CJ_LATTICE_H
#define CJ_LATTICE_H

#include "kernels/conv.h"

/* One dimension: output i uses source step*i + shift[t] for each tap t. */
typedef struct cj_axis {
  int64_t source, count; /* sizes of the source and of the output */
  int64_t step;
  int taps;
  int64_t tap[CJ_MAX_WINDOW]; /* place in the kernel */
  int64_t at[CJ_MAX_WINDOW];  /* plane coordinate of tap t of output 0 */
  int plane[CJ_MAX_WINDOW];   /* which remainder's plane */
  int planes;
  int64_t first[CJ_MAX_WINDOW]; /* source coordinate of place 0 of a plane; may be negative */
  int64_t span;                 /* places in a plane */
  int64_t to_step, to_first;    /* output i is written to place to_first + i*to_step */
} cj_axis;

typedef struct cj_lattice {
  cj_axis v, h;
  int64_t images;         /* side by side */
  int64_t pitch, line;    /* from one image to the next in a line; from line to line */
  int64_t plane, channel; /* elements of a plane; of all planes of a channel */
  int64_t positions;      /* that are computed, from the first output's on */
} cj_lattice;

/* The map of a convolution, with `images` = 1. */
void CJ_KERNEL(lattice_forward)(cj_lattice *l, const cj_conv *s);
/* The map from gy to the inputs whose row and column leave remainders a and b. */
void CJ_KERNEL(lattice_input)(cj_lattice *l, const cj_conv *s, int64_t a, int64_t b);

/* Chooses the number of images side by side: about `wanted` positions, at most `most` images, at
 * most `room` elements of `channels` channels; not fewer than one image. */
void CJ_KERNEL(lattice_gather)(cj_lattice *l, int64_t wanted, int64_t most, int64_t channels,
                               int64_t room);

/* off[c*taps + t]: where tap t of channel c starts, for the channels of one group. */
void CJ_KERNEL(lattice_offsets)(const cj_lattice *l, int64_t channels, int64_t *off);

/* Copies `count` <= l->images images of `channels` channels into planes; the places of images that
 * are missing become zeros. Reading up to `slack` elements past the last plane is allowed
 * afterwards: they are zeros. */
typedef struct cj_fill {
  int64_t channels, count;
  const real *from;
  int64_t image; /* elements from one image to the next */
  int64_t slack;
} cj_fill;
void CJ_KERNEL(lattice_fill)(const cj_lattice *l, const cj_fill *f, real *planes);

/* Writes (or adds) count results, beginning at position q of the lattice, of `rows` channels whose
 * images of `plane` elements begin at y, and `image` elements further for each next image, of
 * `images` that are there; c is [rows, width]; bias[rows] may be NULL. */
typedef struct cj_store {
  const real *c;
  int rows;
  int64_t width, q, count;
  const real *bias;
  bool add;
  real *y;
  int64_t images, image, plane, line; /* line: elements of one line of the output */
} cj_store;
void CJ_KERNEL(lattice_store)(const cj_lattice *l, const cj_store *s);

#endif
