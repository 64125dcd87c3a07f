/* element.h -- one number of an array whose float type is known at run time. */
#ifndef CJ_PACKET_ELEMENT_H
#define CJ_PACKET_ELEMENT_H

#include "core/tensor.h"

static inline double get_element(cj_dtype dtype, const void *values, int64_t i) {
  return dtype == CJ_F32 ? (double)((const float *)values)[i] : ((const double *)values)[i];
}

static inline void put_element(cj_dtype dtype, void *values, int64_t i, double v) {
  if (dtype == CJ_F32)
    ((float *)values)[i] = (float)v;
  else
    ((double *)values)[i] = v;
}

#endif
