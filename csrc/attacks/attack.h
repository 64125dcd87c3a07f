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

#endif
