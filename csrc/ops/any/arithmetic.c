/* arithmetic.c -- sums, products and extremes of two operands; sign, size and limits of one.
 *
 * Integers wrap around; division and powers are for floats only. minimum, maximum and clamp give
 * NaN where an operand is NaN, and where two operands tie each gets half of the gradient, as in
 * PyTorch. */
#include "ops/binary.h"
#include "ops/each.h"

#if CJ_IS_FLOAT
#include <tgmath.h>
typedef real wraps;
#define NOT_NUMBER(x) ((x) != (x))
#define IF_FLOAT(function) function
#else
typedef uint64_t wraps; /* overflow of unsigned integers is defined */
#define NOT_NUMBER(x) 0
#define IF_FLOAT(function) NULL
#endif

CJ_BINARY_FORWARD(add_forward, add_run, real, (wraps)x + (wraps)z)
CJ_BINARY_FORWARD(sub_forward, sub_run, real, (wraps)x - (wraps)z)
CJ_BINARY_FORWARD(mul_forward, mul_run, real, ((wraps)x * (wraps)z))
CJ_BINARY_FORWARD(minimum_forward, minimum_run, real, x < z || NOT_NUMBER(x) ? x : z)
CJ_BINARY_FORWARD(maximum_forward, maximum_run, real, x > z || NOT_NUMBER(x) ? x : z)

/* x moved into lo..hi; NaN stays, and hi wins where the limits cross. */
static inline real limited(real x, real lo, real hi) {
  const real above = x < lo ? lo : x;
  return above > hi ? hi : above;
}
CJ_EACH_FORWARD(clamp_forward, clamp_run, limited(x, num[0], num[1]))
#if !defined(CJ_TYPE_u8)
CJ_EACH_FORWARD(neg_forward, neg_run, -(wraps)x)
CJ_EACH_FORWARD(abs_forward, abs_run, x > 0 ? (wraps)x : 0 - (wraps)x)
CJ_EACH_FORWARD(sign_forward, sign_run, x > 0 ? 1 : x < 0 ? -1 : x == 0 ? 0 : x)
#endif

#if CJ_IS_FLOAT
/* Squares are common, and much faster than the general case. */
static real power(real x, real z) {
  if (z == 2) return x * x;
  if (z == 1) return x;
  return pow(x, z);
}
CJ_BINARY_FORWARD(div_forward, div_run, real, x / z)
CJ_BINARY_FORWARD(pow_forward, pow_run, real, power(x, z))

CJ_BINARY_BACKWARD(mul_backward, mul_slope_x, (g * z), mul_slope_z, (g * x))
CJ_BINARY_BACKWARD(div_backward, div_slope_x, g / z, div_slope_z, (-g * (x / z / z)))
CJ_BINARY_BACKWARD(minimum_backward, minimum_slope_x,
                   x == z  ? g / 2
                   : x > z ? 0
                           : g,
                   minimum_slope_z,
                   x == z  ? g / 2
                   : x < z ? 0
                           : g)
CJ_BINARY_BACKWARD(maximum_backward, maximum_slope_x,
                   x == z  ? g / 2
                   : x < z ? 0
                           : g,
                   maximum_slope_z,
                   x == z  ? g / 2
                   : x > z ? 0
                           : g)
/* Anything to the power zero is 1, so the slope in x is 0 there; 0^z is 0 for all z > 0. */
CJ_BINARY_BACKWARD(pow_backward, pow_slope_x, z == 0 ? 0 : g * z * power(x, z - 1), pow_slope_z,
                   x == 0 && z >= 0 ? 0 : g * power(x, z) * log(x))

static void add_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                         cj_tensor *const *gx) {
  (void)y;
  cj_binary_backward(a, gy, gx, NULL, NULL);
}

/* Reads no operand: the tape has let go of them. */
static void minus_slope(const void *context, const cj_run *r) {
  const cj_pair *p = context;
  const real *g = p->g + r->at;
  real *out = (real *)p->out + (r->at - p->first);
  CJ_EACH(i, r->n) out[i] = -g[i];
}

static void sub_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                         cj_tensor *const *gx) {
  (void)y;
  cj_binary_backward(a, gy, gx, NULL, minus_slope);
}

CJ_EACH_BACKWARD(neg_backward, neg_slope, x, -g)
CJ_EACH_BACKWARD(abs_backward, abs_slope, x, x > 0 ? g : x < 0 ? -g : x == 0 ? 0 : x)
CJ_EACH_BACKWARD(clamp_backward, clamp_slope, x, x<num[0] || x> num[1] ? 0 : g)

/* Flat almost everywhere: the slope is 0. */
static void sign_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                          cj_tensor *const *gx) {
  (void)a, (void)y, (void)gy, (void)gx;
}
#endif

enum { PAIR = CJ_STRIDED | CJ_ELEMENTWISE, LINEAR = PAIR | CJ_DROPS_INPUTS };
#define BROADCAST 2, 0, cj_infer_broadcast

CJ_OPS(arithmetic) = {
    {"add", BROADCAST, add_forward, IF_FLOAT(add_backward), LINEAR, NULL},
    {"sub", BROADCAST, sub_forward, IF_FLOAT(sub_backward), LINEAR, NULL},
    {"mul", BROADCAST, mul_forward, IF_FLOAT(mul_backward), PAIR, NULL},
    {"minimum", BROADCAST, minimum_forward, IF_FLOAT(minimum_backward), PAIR, NULL},
    {"maximum", BROADCAST, maximum_forward, IF_FLOAT(maximum_backward), PAIR, NULL},
    {"clamp", 1, 2, cj_infer_same, clamp_forward, IF_FLOAT(clamp_backward), CJ_ELEMENTWISE, NULL},
#if !defined(CJ_TYPE_u8)
    {"neg", 1, 0, cj_infer_same, neg_forward, IF_FLOAT(neg_backward),
     CJ_ELEMENTWISE | CJ_DROPS_INPUTS, NULL},
    {"abs", 1, 0, cj_infer_same, abs_forward, IF_FLOAT(abs_backward), CJ_ELEMENTWISE, NULL},
    {"sign", 1, 0, cj_infer_same, sign_forward, IF_FLOAT(sign_backward),
     CJ_ELEMENTWISE | CJ_DROPS_INPUTS, NULL},
#endif
#if CJ_IS_FLOAT
    {"div", BROADCAST, div_forward, div_backward, PAIR, NULL},
    {"pow", BROADCAST, pow_forward, pow_backward, PAIR, NULL},
#endif
    {0},
};
