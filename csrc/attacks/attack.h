/* attack.h -- what an attack brings to the shared loop: its direction. */
#ifndef CJ_ATTACK_H
#define CJ_ATTACK_H

#include <stdint.h>

/* A direction turns one sample's input gradient into a unit step. All arrays hold n elements of the
 * table's type. */
typedef struct cj_direction {
  const char *name;
  int states; /* arrays of n elements kept from step to step, zero at the start */
  int numbers;
  void (*apply)(const double *num, int64_t n, const void *g, void *state, void *d);
} cj_direction;

/* Written by the build: [instruction set][element type], each a NULL-ended list of tables. */
extern const cj_direction *const *const cj_directions_tables[3][4];

#endif
