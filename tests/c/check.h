/* check.h -- the smallest test harness that says where it failed. */
#ifndef CJ_CHECK_H
#define CJ_CHECK_H

#include <stdio.h>

static int check_failures;

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      printf("%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);                               \
      check_failures++;                                                                            \
    }                                                                                              \
  } while (0)

#define CHECK_DONE() return check_failures ? 1 : 0

#endif
