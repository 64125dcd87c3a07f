--- Functions of one float operand, element by element. NaN in gives NaN out.
-- @module conjugate.ops.unary
local def = require "conjugate.ops.define"

--- `e^x`.
-- @function exp
-- @tparam Tensor x floats of any shape, elements any
-- @treturn Tensor same shape, elements above 0; inf from 89 (float32) or 710 (float64) on
-- @raise "exp: expected a float tensor, got int64"
-- @source IEEE 754; the C library
def { name = "exp", args = { "x" } }

--- `e^x - 1`, exact to rounding near 0.
-- @function expm1
-- @tparam Tensor x floats of any shape, elements any
-- @treturn Tensor same shape, elements at least -1
-- @raise "expm1: expected a float tensor, got int64"
-- @source the C library
def { name = "expm1", args = { "x" } }

--- Natural logarithm.
-- @function log
-- @tparam Tensor x floats of any shape, elements 0 or more; NaN below
-- @treturn Tensor same shape, elements any; -inf at 0
-- @raise "log: expected a float tensor, got int64"
-- @source the C library
def { name = "log", args = { "x" } }

--- `log(1 + x)`, exact to rounding near 0.
-- @function log1p
-- @tparam Tensor x floats of any shape, elements -1 or more; NaN below
-- @treturn Tensor same shape, elements any; -inf at -1
-- @raise "log1p: expected a float tensor, got int64"
-- @source the C library
def { name = "log1p", args = { "x" } }

--- Square root; its slope at 0 is inf.
-- @function sqrt
-- @tparam Tensor x floats of any shape, elements 0 or more; NaN below
-- @treturn Tensor same shape, elements 0 or more
-- @raise "sqrt: expected a float tensor, got int64"
-- @source IEEE 754
def { name = "sqrt", args = { "x" } }

--- `1 / sqrt(x)`.
-- @function rsqrt
-- @tparam Tensor x floats of any shape, elements 0 or more; NaN below
-- @treturn Tensor same shape, elements above 0; inf at 0
-- @raise "rsqrt: expected a float tensor, got int64"
-- @source IEEE 754
def { name = "rsqrt", args = { "x" } }

--- `x * x`.
-- @function square
-- @tparam Tensor x floats of any shape, elements any
-- @treturn Tensor same shape, elements 0 or more
-- @raise "square: expected a float tensor, got int64"
-- @source IEEE 754
def { name = "square", args = { "x" } }

--- `1 / x`.
-- @function reciprocal
-- @tparam Tensor x floats of any shape, elements any
-- @treturn Tensor same shape, elements any; an infinity at 0
-- @raise "reciprocal: expected a float tensor, got int64"
-- @source IEEE 754
def { name = "reciprocal", args = { "x" } }

--- Sine.
-- @function sin
-- @tparam Tensor x floats of any shape, elements any, in radians
-- @treturn Tensor same shape, elements in [-1, 1]
-- @raise "sin: expected a float tensor, got int64"
-- @source the C library
def { name = "sin", args = { "x" } }

--- Cosine.
-- @function cos
-- @tparam Tensor x floats of any shape, elements any, in radians
-- @treturn Tensor same shape, elements in [-1, 1]
-- @raise "cos: expected a float tensor, got int64"
-- @source the C library
def { name = "cos", args = { "x" } }

--- Hyperbolic tangent.
-- @function tanh
-- @tparam Tensor x floats of any shape, elements any
-- @treturn Tensor same shape, elements in [-1, 1]
-- @raise "tanh: expected a float tensor, got int64"
-- @source the C library
def { name = "tanh", args = { "x" } }

--- `1 / (1 + exp(-x))`, without overflow.
-- @function sigmoid
-- @tparam Tensor x floats of any shape, elements any
-- @treturn Tensor same shape, elements in [0, 1]
-- @raise "sigmoid: expected a float tensor, got int64"
-- @source Verhulst (1845)
def { name = "sigmoid", args = { "x" } }

--- `log(1 + exp(x))`, without overflow: a smooth rectifier.
-- @function softplus
-- @tparam Tensor x floats of any shape, elements any
-- @treturn Tensor same shape, elements 0 or more
-- @raise "softplus: expected a float tensor, got int64"
-- @source Dugas et al., NIPS 2000
def { name = "softplus", args = { "x" } }

--- Error function, `2 / sqrt(pi)` times the integral of `exp(-t^2)` from 0 to x.
-- @function erf
-- @tparam Tensor x floats of any shape, elements any
-- @treturn Tensor same shape, elements in [-1, 1]
-- @raise "erf: expected a float tensor, got int64"
-- @source Abramowitz and Stegun, 7.1.1
def { name = "erf", args = { "x" } }

--- `max(x, 0)`; NaN stays NaN. Its slope at 0 is 0.
-- @function relu
-- @tparam Tensor x floats of any shape, elements any
-- @treturn Tensor same shape, elements 0 or more
-- @raise "relu: expected a float tensor, got int64"
-- @source Nair and Hinton, ICML 2010
def { name = "relu", args = { "x" } }

--- The nearest whole number that is not larger. Its slope is 0 everywhere.
-- @function floor
-- @tparam Tensor x floats of any shape
-- @treturn Tensor same shape and type
-- @raise "floor: expected a float tensor, got int64"
-- @source IEEE 754
def { name = "floor", args = { "x" } }

--- The nearest whole number that is not smaller. Its slope is 0 everywhere.
-- @function ceil
-- @tparam Tensor x floats of any shape
-- @treturn Tensor same shape and type
-- @raise "ceil: expected a float tensor, got int64"
-- @source IEEE 754
def { name = "ceil", args = { "x" } }

--- The nearest whole number; half-way cases go to the even neighbour. Its slope is 0 everywhere.
-- @function round
-- @tparam Tensor x floats of any shape
-- @treturn Tensor same shape and type
-- @raise "round: expected a float tensor, got int64"
-- @source IEEE 754
def { name = "round", args = { "x" } }

--- x where it is above 0, `slope * x` elsewhere. Its slope at 0 is `slope`.
-- @function leaky_relu
-- @tparam Tensor x floats of any shape
-- @tparam[opt=0.01] number slope factor for negative elements
-- @treturn Tensor same shape
-- @raise "leaky_relu: expected a float tensor, got int64"
-- @source Maas, Hannun and Ng, ICML 2013
def { name = "leaky_relu", args = { "x", { "slope", "number", 0.01 } } }
