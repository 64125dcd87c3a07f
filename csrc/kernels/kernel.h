/* kernel.h -- what every file compiled per instruction set (CJ_ISA) and element type (CJ_TYPE)
 * shares: the element type `real`, its tag CJ_REAL, the names of kernels, and small arithmetic. */
#ifndef CJ_KERNEL_H
#define CJ_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#include "core/tensor.h"

#define CJ_JOIN4_(a, b, c, d) a##_##b##_##c##_##d
#define CJ_JOIN4(a, b, c, d) CJ_JOIN4_(a, b, c, d)

/* The name of a kernel in this instruction set and type: csrc/kernels shares functions by it. */
#define CJ_KERNEL(name) CJ_JOIN4(cj, name, CJ_ISA, CJ_TYPE)

#if defined(CJ_TYPE_f32)
typedef float real;
#define CJ_REAL CJ_F32
#define CJ_IS_FLOAT 1
#elif defined(CJ_TYPE_f64)
typedef double real;
#define CJ_REAL CJ_F64
#define CJ_IS_FLOAT 1
#elif defined(CJ_TYPE_i64)
typedef int64_t real;
#define CJ_REAL CJ_I64
#define CJ_IS_FLOAT 0
#elif defined(CJ_TYPE_u8)
typedef uint8_t real;
#define CJ_REAL CJ_U8
#define CJ_IS_FLOAT 0
#endif

static inline int64_t min64(int64_t a, int64_t b) {
  return a < b ? a : b;
}

static inline int64_t max64(int64_t a, int64_t b) {
  return a > b ? a : b;
}

static inline int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

#endif
