/* augment.h -- pictures of a batch: gathered from a data set, scaled to [0, 1], and the random
 * moves that augment them. */
#ifndef CJ_AUGMENT_H
#define CJ_AUGMENT_H

#include "core/tensor.h"

/* out (empty) becomes float32 [B, C, H, W]: images ([N, C, H, W], contiguous) of the 0-based
 * indices (int64 [B], contiguous). uint8 images are divided by 255, float32 ones copied. CJ_EARG
 * for an index outside. */
cj_status cj_images_gather(cj_tensor *out, const cj_tensor *images, const cj_tensor *indices);

/* The same for labels: int64 [N] to int64 [B]. */
cj_status cj_labels_gather(cj_tensor *out, const cj_tensor *labels, const cj_tensor *indices);

/* How far random moves go. */
typedef struct cj_moves {
  double shift;    /* at most this part of height and width, both ways */
  double zoom;     /* height and width each scaled by 1 - zoom .. 1 + zoom */
  double rotation; /* at most this many degrees, both ways */
  double crop;     /* whole pixels, at most this many, both ways */
  double flip;     /* probability of a mirror image, left and right exchanged */
} cj_moves;

/* out (empty) becomes float32 [B, 2, 3]: for each sample the matrix that affine_sample takes for
 * pictures of height x width. Sample i of an epoch always gets the same move: the numbers come from
 * stream (seed, "augment", epoch 2^40 + i). indices: int64 [B], contiguous. */
cj_status cj_moves_draw(cj_tensor *out, const cj_tensor *indices, const cj_moves *moves,
                        int64_t height, int64_t width, uint64_t seed, uint64_t epoch);

#endif
