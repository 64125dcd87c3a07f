/* fold.h -- folds a row-major array over some of its dimensions: sums, products, extremes.
 *
 * The array's dimensions are either kept or folded; neighbours of the same kind are merged. Two
 * cases: rows     the innermost dimension is folded: every result folds rows of consecutive
 * elements; columns  the innermost dimension is kept: up to FOLD_WIDTH neighbouring results fold in
 * step. Long folds with few results are cut into chunks whose states are merged in order. All cuts
 * depend on the sizes alone, so any number of threads gives the same bytes. Sums of floats run in
 * double. */
#ifndef CJ_FOLD_H
#define CJ_FOLD_H

#include <string.h>

#include "core/threads.h"
#include "ops/op.h"

#if CJ_IS_FLOAT
typedef double accum;
typedef double accum_wraps; /* for integers: the unsigned type, in which overflow is defined */
#else
typedef int64_t accum;
typedef uint64_t accum_wraps;
#endif

enum {
  FOLD_WIDTH = 128,  /* results folded in step */
  FOLD_BLOCK = 1024, /* elements taken from a source at a time */
  FOLD_CHUNKS = 32,  /* at most, per block of results */
  FOLD_SHORT = 32,   /* elements of a row that is better folded across */
  FOLD_WORK = 32768  /* elements that are worth a piece of their own */
};

/* Where the elements come from: the array itself (take NULL), or a function that makes elements
 * at..at+n-1 (n <= FOLD_BLOCK) in buffer. */
typedef struct fold_source {
  const real *data;
  void (*take)(const void *context, int64_t at, int64_t n, real *buffer);
  const void *context;
} fold_source;

/* The state of up to FOLD_WIDTH folds; `at` (position within the fold) is used by extremes. */
typedef struct fold_state {
  accum value[FOLD_WIDTH];
  int64_t at[FOLD_WIDTH];
} fold_state;

typedef struct fold_kind {
  void (*begin)(fold_state *s, int64_t width);
  /* Folds n elements, the first at position `at`, into result 0. */
  void (*row)(fold_state *s, const real *x, int64_t n, int64_t at);
  /* Folds one element, at position `at`, into each of width results. */
  void (*columns)(fold_state *s, const real *x, int64_t width, int64_t at);
  /* After the last row, if a row is folded in parts: brings these together in result 0. Or NULL. */
  void (*close)(fold_state *s);
  /* Folds a later chunk's state into s. */
  void (*merge)(fold_state *s, const fold_state *later, int64_t width);
} fold_kind;

typedef struct fold_dims {
  int count;
  int64_t size[CJ_MAX_DIMS], stride[CJ_MAX_DIMS];
} fold_dims;

typedef struct fold_plan {
  fold_dims kept, folded;  /* outermost first; the array's innermost dimension is apart: */
  int64_t width;           /* its size */
  int64_t step;            /* columns: elements from one to the next */
  bool rows;               /* is it folded? */
  int64_t results, length; /* in all: numel = results * length */
} fold_plan;

static inline void fold_dims_push(fold_dims *dims, int64_t size, int64_t stride) {
  dims->size[dims->count] = size;
  dims->stride[dims->count++] = stride;
}

/* A plan for a row-major array of the sizes of x that folds the dimensions with fold[d]. */
static inline fold_plan fold_plan_make(const cj_tensor *x, const bool fold[CJ_MAX_DIMS]) {
  int64_t size[CJ_MAX_DIMS + 1] = {1};
  bool folded[CJ_MAX_DIMS + 1] = {false};
  int n = 0;
  fold_plan p = {.results = 1, .length = 1, .step = 1};
  for (int d = 0; d < x->ndim; d++) {
    *(fold[d] ? &p.length : &p.results) *= x->size[d];
    if (x->size[d] == 1) continue;
    if (n && folded[n - 1] == fold[d]) {
      size[n - 1] *= x->size[d];
    } else {
      size[n] = x->size[d];
      folded[n++] = fold[d];
    }
  }
  if (!n) n = 1; /* one element, kept */
  p.width = size[n - 1];
  p.rows = folded[n - 1];
  int64_t stride[CJ_MAX_DIMS + 1];
  stride[n - 1] = 1;
  for (int d = n - 2; d >= 0; d--) stride[d] = stride[d + 1] * size[d + 1];
  for (int d = 0; d < n - 1; d++)
    fold_dims_push(folded[d] ? &p.folded : &p.kept, size[d], stride[d]);
  return p;
}

/* Offset of number i of the index space dims. */
static inline int64_t fold_offset(const fold_dims *dims, int64_t i) {
  if (dims->count == 1) return i * dims->stride[0]; /* no division */
  int64_t offset = 0;
  for (int d = dims->count - 1; d >= 0 && i; d--) {
    offset += (i % dims->size[d]) * dims->stride[d];
    i /= dims->size[d];
  }
  return offset;
}

/* Where in the array is position `at` of the fold of result i? */
static inline int64_t fold_locate(const fold_plan *p, int64_t i, int64_t at) {
  if (p->rows)
    return fold_offset(&p->kept, i) + fold_offset(&p->folded, at / p->width) + at % p->width;
  return fold_offset(&p->kept, i / p->width) + i % p->width + fold_offset(&p->folded, at);
}

/* Writes or adds results first..first+width-1. */
typedef void (*fold_finish)(const void *context, const fold_state *s, int64_t first, int64_t width);

typedef struct fold_job {
  const fold_plan *plan;
  const fold_kind *kind;
  fold_source source;
  fold_finish finish;
  const void *context;
  int64_t blocks, wide; /* blocks of results, and results per full block */
  int64_t per_row;      /* columns: blocks per row of results */
  int64_t per_piece;    /* blocks per parallel piece */
  int64_t block, chunk; /* chunked: the block being folded, and positions per chunk */
  fold_state *states;   /* chunked: one per chunk */
} fold_job;

/* The first result of block i, and how many there are. */
static inline int64_t fold_block(const fold_job *j, int64_t i, int64_t *width) {
  if (j->plan->rows) {
    *width = 1;
    return i;
  }
  const int64_t column = (i % j->per_row) * FOLD_WIDTH, left = j->plan->width - column;
  *width = left < FOLD_WIDTH ? left : FOLD_WIDTH;
  return (i / j->per_row) * j->plan->width + column;
}

static inline void fold_row(const fold_job *j, fold_state *s, int64_t offset, int64_t n,
                            int64_t at) {
  if (!j->source.take) {
    j->kind->row(s, j->source.data + offset, n, at);
    return;
  }
  real buffer[FOLD_BLOCK];
  for (int64_t i = 0; i < n; i += FOLD_BLOCK) {
    const int64_t part = n - i < FOLD_BLOCK ? n - i : FOLD_BLOCK;
    j->source.take(j->source.context, offset + i, part, buffer);
    j->kind->row(s, buffer, part, at + i);
  }
}

/* Folds positions at..end-1 of the results of one block. */
static inline void fold_range(const fold_job *j, fold_state *s, int64_t first, int64_t width,
                              int64_t at, int64_t end) {
  const fold_plan *p = j->plan;
  if (p->rows) {
    const int64_t base = fold_offset(&p->kept, first);
    while (at < end) {
      const int64_t inner = at % p->width;
      const int64_t left = p->width - inner, n = left < end - at ? left : end - at;
      fold_row(j, s, base + fold_offset(&p->folded, at / p->width) + inner, n, at);
      at += n;
    }
    if (j->kind->close) j->kind->close(s);
    return;
  }
  const int64_t base = fold_offset(&p->kept, first / p->width) + first % p->width * p->step;
  real buffer[FOLD_WIDTH];
  for (; at < end; at++) {
    const int64_t offset = base + fold_offset(&p->folded, at);
    const real *x = buffer;
    if (j->source.take) {
      j->source.take(j->source.context, offset, width, buffer);
    } else if (p->step != 1) {
      for (int64_t i = 0; i < width; i++) buffer[i] = j->source.data[offset + i * p->step];
    } else {
      x = j->source.data + offset;
    }
    j->kind->columns(s, x, width, at);
  }
}

static inline void fold_whole_blocks(void *context, int64_t piece) {
  const fold_job *j = context;
  const int64_t end =
      (piece + 1) * j->per_piece < j->blocks ? (piece + 1) * j->per_piece : j->blocks;
  fold_state s;
  for (int64_t i = piece * j->per_piece; i < end; i++) {
    int64_t width;
    const int64_t first = fold_block(j, i, &width);
    j->kind->begin(&s, width);
    fold_range(j, &s, first, width, 0, j->plan->length);
    j->finish(j->context, &s, first, width);
  }
}

static inline void fold_one_chunk(void *context, int64_t piece) {
  const fold_job *j = context;
  const int64_t at = piece * j->chunk;
  const int64_t end = at + j->chunk < j->plan->length ? at + j->chunk : j->plan->length;
  int64_t width;
  const int64_t first = fold_block(j, j->block, &width);
  j->kind->begin(&j->states[piece], width);
  fold_range(j, &j->states[piece], first, width, at, end);
}

/* Few results, each of many elements: the threads share one block at a time. */
static inline void fold_in_chunks(fold_job *j) {
  fold_state states[FOLD_CHUNKS];
  const int64_t least = FOLD_WORK / j->wide + 1, length = j->plan->length;
  j->chunk = (length + FOLD_CHUNKS - 1) / FOLD_CHUNKS;
  if (j->chunk < least) j->chunk = least;
  j->states = states;
  const int64_t chunks = (length + j->chunk - 1) / j->chunk;
  for (j->block = 0; j->block < j->blocks; j->block++) {
    cj_parallel(chunks, fold_one_chunk, j);
    if (cj_stop_requested()) return; /* states may be missing */
    int64_t width;
    const int64_t first = fold_block(j, j->block, &width);
    for (int64_t i = 1; i < chunks; i++) j->kind->merge(&states[0], &states[i], width);
    j->finish(j->context, &states[0], first, width);
  }
}

/* Many short rows fold faster as columns: FOLD_WIDTH of them in step, without a branch. */
static inline fold_plan fold_plan_turned(const fold_plan *p) {
  fold_plan turned = {
      .width = p->results, .step = p->width, .results = p->results, .length = p->length};
  fold_dims_push(&turned.folded, p->length, 1);
  return turned;
}

static inline void fold_run(const fold_plan *plan, const fold_kind *kind, fold_source source,
                            fold_finish finish, const void *context) {
  if (!plan->results) return;
  const bool turn = plan->rows && !plan->folded.count && plan->width <= FOLD_SHORT &&
                    plan->results >= FOLD_SHORT && !source.take;
  const fold_plan turned = fold_plan_turned(plan), *p = turn ? &turned : plan;
  fold_job j = {.plan = p, .kind = kind, .source = source, .finish = finish, .context = context};
  j.wide = p->rows ? 1 : p->width < FOLD_WIDTH ? p->width : FOLD_WIDTH;
  j.per_row = (p->width + FOLD_WIDTH - 1) / FOLD_WIDTH;
  j.blocks = p->rows ? p->results : p->results / p->width * j.per_row;
  const int64_t work = p->length * j.wide; /* elements per block */
  if (j.blocks < 8 && work >= 2 * FOLD_WORK) {
    fold_in_chunks(&j);
    return;
  }
  j.per_piece = work < FOLD_WORK ? FOLD_WORK / (work + 1) + 1 : 1;
  const int64_t pieces = (j.blocks + j.per_piece - 1) / j.per_piece;
  if (pieces == 1) {
    fold_whole_blocks(&j, 0);
  } else {
    cj_parallel(pieces, fold_whole_blocks, &j);
  }
}

/* --- sums, which operators on broadcast operands need too --------------------------------------
 */

enum { FOLD_PARTS = 16 };

static inline void fold_sum_begin(fold_state *s, int64_t width) {
  memset(s->value, 0, (size_t)(width < FOLD_PARTS ? FOLD_PARTS : width) * sizeof(accum));
}

static inline void fold_sum_columns(fold_state *s, const real *x, int64_t width, int64_t at) {
  (void)at;
  for (int64_t i = 0; i < width; i++)
    s->value[i] = (accum)((accum_wraps)s->value[i] + (accum_wraps)x[i]);
}

/* 16 partial sums, folded in pairs at the end: the same bits on every instruction set. */
static inline void fold_sum_row(fold_state *s, const real *x, int64_t n, int64_t at) {
  if (n < FOLD_PARTS) {
    fold_sum_columns(s, x, n, at);
    return;
  }
  accum_wraps part[FOLD_PARTS];
  for (int k = 0; k < FOLD_PARTS; k++) part[k] = (accum_wraps)s->value[k];
  int64_t i = 0;
  for (; i + FOLD_PARTS <= n; i += FOLD_PARTS)
    for (int k = 0; k < FOLD_PARTS; k++) part[k] += (accum_wraps)x[i + k];
  for (int k = 0; i < n; i++, k++) part[k] += (accum_wraps)x[i];
  for (int k = 0; k < FOLD_PARTS; k++) s->value[k] = (accum)part[k];
}

static inline void fold_sum_close(fold_state *s) {
  for (int half = FOLD_PARTS / 2; half > 0; half /= 2)
    for (int k = 0; k < half; k++)
      s->value[k] = (accum)((accum_wraps)s->value[k] + (accum_wraps)s->value[k + half]);
}

static inline void fold_sum_merge(fold_state *s, const fold_state *later, int64_t width) {
  for (int64_t i = 0; i < width; i++)
    s->value[i] = (accum)((accum_wraps)s->value[i] + (accum_wraps)later->value[i]);
}

static const fold_kind fold_sum = {fold_sum_begin, fold_sum_row, fold_sum_columns, fold_sum_close,
                                   fold_sum_merge};

#if CJ_IS_FLOAT
/* context: the gradient, a real array. */
static inline void fold_sum_add(const void *context, const fold_state *s, int64_t first,
                                int64_t width) {
  real *gx = *(real *const *)context;
  for (int64_t i = 0; i < width; i++) gx[first + i] += (real)s->value[i];
}

typedef struct fold_plain {
  fold_source source;
  real *gx;
  int64_t total;
} fold_plain;

static inline void fold_plain_piece(void *context, int64_t piece) {
  const fold_plain *j = context;
  const int64_t start = piece * FOLD_WORK;
  const int64_t end = start + FOLD_WORK < j->total ? start + FOLD_WORK : j->total;
  real buffer[FOLD_BLOCK];
  for (int64_t at = start; at < end; at += FOLD_BLOCK) {
    const int64_t n = end - at < FOLD_BLOCK ? end - at : FOLD_BLOCK;
    const real *x = buffer;
    if (j->source.take) {
      j->source.take(j->source.context, at, n, buffer);
    } else {
      x = j->source.data + at;
    }
    real *gx = j->gx + at;
    for (int64_t i = 0; i < n; i++) gx[i] += x[i];
  }
}

/* The way back of broadcasting: adds the source, an array of the sizes of y, to the contiguous gx,
 * summed over the dimensions in which gx was repeated to fill y. */
static inline void fold_broadcast(cj_tensor *gx, const cj_tensor *y, fold_source source) {
  bool fold[CJ_MAX_DIMS] = {false};
  const int missing = y->ndim - gx->ndim;
  for (int d = 0; d < y->ndim; d++) fold[d] = d < missing || gx->size[d - missing] != y->size[d];
  if (cj_numel(gx) == cj_numel(y)) {
    fold_plain j = {source, gx->data, cj_numel(y)};
    if (j.total <= FOLD_WORK) {
      fold_plain_piece(&j, 0);
    } else {
      cj_parallel((j.total + FOLD_WORK - 1) / FOLD_WORK, fold_plain_piece, &j);
    }
    return;
  }
  const fold_plan plan = fold_plan_make(y, fold);
  real *data = gx->data;
  fold_run(&plan, &fold_sum, source, fold_sum_add, &data);
}
#endif

#endif
