/* unary.c -- functions of one float operand, element by element.
 *
 * Where the slope can be had from the result (exp, sqrt, tanh, relu ...), only the result is kept
 * for the way back. NaN stays NaN everywhere, in relu too. Slopes at kinks: relu and leaky_relu
 * take the one from the left at 0, as PyTorch does. */
#include "kernels/elementary.h"
#include "ops/each.h"

#include <tgmath.h>

CJ_EACH_FORWARD(exp_forward, exp_run, cj_exp(x))
CJ_EACH_BACKWARD(exp_backward, exp_slope, y, (g * y))

CJ_EACH_FORWARD(expm1_forward, expm1_run, expm1(x))
CJ_EACH_BACKWARD(expm1_backward, expm1_slope, y, (g * (y + 1)))

CJ_EACH_FORWARD(log_forward, log_run, log(x))
CJ_EACH_BACKWARD(log_backward, log_slope, x, g / x)

CJ_EACH_FORWARD(log1p_forward, log1p_run, log1p(x))
CJ_EACH_BACKWARD(log1p_backward, log1p_slope, x, g / (1 + x))

CJ_EACH_FORWARD(sqrt_forward, sqrt_run, sqrt(x))
CJ_EACH_BACKWARD(sqrt_backward, sqrt_slope, y, g / (2 * y))

CJ_EACH_FORWARD(rsqrt_forward, rsqrt_run, 1 / sqrt(x))
CJ_EACH_BACKWARD(rsqrt_backward, rsqrt_slope, y, (g * (real)-0.5 * y * y * y))

CJ_EACH_FORWARD(square_forward, square_run, (x * x))
CJ_EACH_BACKWARD(square_backward, square_slope, x, 2 * g * x)

CJ_EACH_FORWARD(reciprocal_forward, reciprocal_run, 1 / x)
CJ_EACH_BACKWARD(reciprocal_backward, reciprocal_slope, y, (-g * y * y))

CJ_EACH_FORWARD(sin_forward, sin_run, sin(x))
CJ_EACH_BACKWARD(sin_backward, sin_slope, x, (g * cos(x)))

CJ_EACH_FORWARD(cos_forward, cos_run, cos(x))
CJ_EACH_BACKWARD(cos_backward, cos_slope, x, (-g * sin(x)))

CJ_EACH_FORWARD(tanh_forward, tanh_run, cj_tanh(x))
CJ_EACH_BACKWARD(tanh_backward, tanh_slope, y, (g * (1 - y * y)))

/* The exponent is never positive, so nothing overflows. */
static inline real logistic(real x) {
  const real e = cj_exp(-fabs(x));
  return (x < 0 ? e : 1) / (1 + e);
}
CJ_EACH_FORWARD(sigmoid_forward, sigmoid_run, logistic(x))
CJ_EACH_BACKWARD(sigmoid_backward, sigmoid_slope, y, (g * y * (1 - y)))

/* log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)); its slope is the sigmoid. */
CJ_EACH_FORWARD(softplus_forward, softplus_run, (x < 0 ? 0 : x) + log1p(cj_exp(-fabs(x))))
CJ_EACH_BACKWARD(softplus_backward, softplus_slope, x, (g * logistic(x)))

CJ_EACH_FORWARD(erf_forward, erf_run, erf(x))
CJ_EACH_BACKWARD(erf_backward, erf_slope, x, (g * (real)1.12837916709551257390 * cj_exp(-x * x)))

CJ_EACH_FORWARD(relu_forward, relu_run, x <= 0 ? 0 : x)
CJ_EACH_BACKWARD(relu_backward, relu_slope, y, y <= 0 ? 0 : g)

/* num[0]: slope for negative elements. */
CJ_EACH_FORWARD(leaky_relu_forward, leaky_relu_run, x <= 0 ? num[0] * x : x)
CJ_EACH_BACKWARD(leaky_relu_backward, leaky_relu_slope, x, x <= 0 ? num[0] * g : g)

/* Half-way cases of round go to the even neighbour. */
CJ_EACH_FORWARD(floor_forward, floor_run, floor(x))
CJ_EACH_FORWARD(ceil_forward, ceil_run, ceil(x))
CJ_EACH_FORWARD(round_forward, round_run, rint(x))

/* Steps: flat almost everywhere, so the slope is 0. */
static void step_backward(const cj_args *a, const cj_tensor *y, const cj_tensor *gy,
                          cj_tensor *const *gx) {
  (void)a, (void)y, (void)gy, (void)gx;
}

enum {
  FROM_X = CJ_ELEMENTWISE,
  FROM_NONE = CJ_ELEMENTWISE | CJ_DROPS_INPUTS,
  FROM_Y = FROM_NONE | CJ_KEEPS_OUTPUT
};
#define UNARY 1, 0, cj_infer_same

CJ_OPS(unary) = {
    {"exp", UNARY, exp_forward, exp_backward, FROM_Y, NULL},
    {"expm1", UNARY, expm1_forward, expm1_backward, FROM_Y, NULL},
    {"log", UNARY, log_forward, log_backward, FROM_X, NULL},
    {"log1p", UNARY, log1p_forward, log1p_backward, FROM_X, NULL},
    {"sqrt", UNARY, sqrt_forward, sqrt_backward, FROM_Y, NULL},
    {"rsqrt", UNARY, rsqrt_forward, rsqrt_backward, FROM_Y, NULL},
    {"square", UNARY, square_forward, square_backward, FROM_X, NULL},
    {"reciprocal", UNARY, reciprocal_forward, reciprocal_backward, FROM_Y, NULL},
    {"sin", UNARY, sin_forward, sin_backward, FROM_X, NULL},
    {"cos", UNARY, cos_forward, cos_backward, FROM_X, NULL},
    {"tanh", UNARY, tanh_forward, tanh_backward, FROM_Y, NULL},
    {"sigmoid", UNARY, sigmoid_forward, sigmoid_backward, FROM_Y, NULL},
    {"softplus", UNARY, softplus_forward, softplus_backward, FROM_X, NULL},
    {"erf", UNARY, erf_forward, erf_backward, FROM_X, NULL},
    {"relu", UNARY, relu_forward, relu_backward, FROM_Y, NULL},
    {"floor", UNARY, floor_forward, step_backward, FROM_NONE, NULL},
    {"ceil", UNARY, ceil_forward, step_backward, FROM_NONE, NULL},
    {"round", UNARY, round_forward, step_backward, FROM_NONE, NULL},
    {"leaky_relu", 1, 1, cj_infer_same, leaky_relu_forward, leaky_relu_backward, FROM_X, NULL},
    {0},
};
