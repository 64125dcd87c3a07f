/* attack.h -- what an attack brings to the shared loop: a direction, and a ball to stay in.
 *
 * Both come as tables, compiled once per instruction set and element type. All arrays of the
 * functions below hold the n elements of one sample, of the table's type. */
#ifndef CJ_ATTACK_H
#define CJ_ATTACK_H

#include <stddef.h>
#include <stdint.h>

#include "core/tensor.h"

/* A direction turns the gradient g of what is climbed into the step d to follow. */
typedef struct cj_direction {
  const char *name;
  int states; /* arrays of n elements kept from step to step, zero at the start */
  void (*apply)(int64_t n, const void *g, void *state, void *d);
} cj_direction;

/* The set {||x - x0||_p <= eps} and lo <= x <= hi. eps may be INFINITY, lo and hi -INFINITY and
 * INFINITY: then that bound is absent. */
typedef struct cj_ball {
  double eps, lo, hi;
} cj_ball;

/* Names the random numbers of one start: nothing else enters them. */
typedef struct cj_start_key {
  uint64_t seed, sample, restart;
} cj_start_key;

typedef struct cj_projection {
  const char *name; /* "linf", "l2" or "l1" */
  /* ||v||_p in double; NaN if an element is NaN. */
  double (*norm)(int64_t n, const void *v);
  /* out = projection of x + length * d; d may be NULL with length 0. scratch: `scratch` bytes per
   * element. out may not overlap the inputs. */
  void (*move)(const cj_ball *b, int64_t n, double length, const void *d, const void *x0,
               const void *x, void *out, void *scratch);
  /* out = a random point of the ball, clamped to the box. b->eps must be finite. */
  void (*start)(const cj_ball *b, const cj_start_key *key, int64_t n, const void *x0, void *out,
                void *scratch);
  size_t scratch;
} cj_projection;

#define CJ_DIRECTIONS(file)                                                                        \
  extern const cj_direction CJ_JOIN4(cj_directions, file, CJ_ISA, CJ_TYPE)[];                      \
  const cj_direction CJ_JOIN4(cj_directions, file, CJ_ISA, CJ_TYPE)[]
#define CJ_PROJECTIONS(file)                                                                       \
  extern const cj_projection CJ_JOIN4(cj_projections, file, CJ_ISA, CJ_TYPE)[];                    \
  const cj_projection CJ_JOIN4(cj_projections, file, CJ_ISA, CJ_TYPE)[]

/* Written by the build: [instruction set][element type], each a NULL-ended list of tables. */
extern const cj_direction *const *const cj_directions_tables[3][4];
extern const cj_projection *const *const cj_projections_tables[3][4];

/* The direction or projection of that name for elements of type t in the chosen instruction set,
 * or NULL. */
const cj_direction *cj_direction_find(const char *name, cj_dtype t);
const cj_projection *cj_projection_find(const char *name, cj_dtype t);
/* The i-th direction's name, or NULL past the last. */
const char *cj_direction_name(int i);

#endif
