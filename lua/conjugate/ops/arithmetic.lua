--- Arithmetic, element by element. Two operands broadcast by NumPy's rule: sizes are aligned at the
-- last dimension, and a size of 1 (or none) repeats. A number stands for a tensor of the other
-- operand's type. Types never mix: convert one with `:to`. Integers wrap around; NaN in gives NaN
-- out everywhere.
-- @module conjugate.ops.arithmetic
local def = require "conjugate.ops.define"

local pair = { "x", "y" }

--- `x + y`, also the operator `+`.
-- @function add
-- @tparam Tensor|number x any type and shape
-- @tparam Tensor|number y same type, a shape that broadcasts with x's
-- @treturn Tensor the common shape
-- @raise "add: sizes [2] and [3] do not broadcast"; "add: expected tensors of one type, ..."
-- @source Harris et al., Nature 585 (2020), for broadcasting
def { name = "add", args = pair }

--- `x - y`, also the operator `-`.
-- @function sub
-- @tparam Tensor|number x any type and shape
-- @tparam Tensor|number y same type, a shape that broadcasts with x's
-- @treturn Tensor the common shape
-- @raise when sizes do not broadcast or types differ
-- @source Harris et al., Nature 585 (2020), for broadcasting
def { name = "sub", args = pair }

--- `x * y`, also the operator `*`.
-- @function mul
-- @tparam Tensor|number x any type and shape
-- @tparam Tensor|number y same type, a shape that broadcasts with x's
-- @treturn Tensor the common shape
-- @raise when sizes do not broadcast or types differ
-- @source Harris et al., Nature 585 (2020), for broadcasting
def { name = "mul", args = pair }

--- `x / y`, also the operator `/`. Division by zero gives an infinity or NaN.
-- @function div
-- @tparam Tensor|number x floats of any shape
-- @tparam Tensor|number y same type, a shape that broadcasts with x's
-- @treturn Tensor the common shape
-- @raise "div: expected a float tensor, got int64"; when sizes do not broadcast or types differ
-- @source IEEE 754
def { name = "div", args = pair }

--- x to the power y, also the operator `^`. The slope in y is NaN where x is negative.
-- @function pow
-- @tparam Tensor|number x floats of any shape
-- @tparam Tensor|number y same type, a shape that broadcasts with x's
-- @treturn Tensor the common shape; NaN for a negative x and a y that is not whole
-- @raise "pow: expected a float tensor, got int64"; when sizes do not broadcast or types differ
-- @source the C library's pow
def { name = "pow", args = pair }

--- The smaller of two elements; NaN if one is NaN. Where they tie, each gets half of the gradient.
-- @function minimum
-- @tparam Tensor|number x any type and shape
-- @tparam Tensor|number y same type, a shape that broadcasts with x's
-- @treturn Tensor the common shape
-- @raise when sizes do not broadcast or types differ
-- @source the behaviour of PyTorch
def { name = "minimum", args = pair }

--- The larger of two elements; NaN if one is NaN. Where they tie, each gets half of the gradient.
-- @function maximum
-- @tparam Tensor|number x any type and shape
-- @tparam Tensor|number y same type, a shape that broadcasts with x's
-- @treturn Tensor the common shape
-- @raise when sizes do not broadcast or types differ
-- @source the behaviour of PyTorch
def { name = "maximum", args = pair }

--- Each element, moved to the nearest point of `[lo, hi]`; NaN stays NaN. The slope is 1 inside and
-- on the limits, 0 outside.
-- @function clamp
-- @tparam Tensor x any type and shape
-- @tparam[opt=-inf] number lo lower limit
-- @tparam[opt=inf] number hi upper limit; it wins where the limits cross
-- @treturn Tensor same shape
-- @raise "clamp: expected a number for lo, got ..."
-- @source the behaviour of PyTorch
def {
  name = "clamp",
  args = { "x", { "lo", "number", -math.huge }, { "hi", "number", math.huge } },
}

--- `-x`, also the operator `-`.
-- @function neg
-- @tparam Tensor x floats or int64 of any shape
-- @treturn Tensor same shape
-- @raise "neg: expected a float tensor, got uint8"
-- @source IEEE 754
def { name = "neg", args = { "x" } }

--- `|x|`; its slope at 0 is 0.
-- @function abs
-- @tparam Tensor x floats or int64 of any shape
-- @treturn Tensor same shape
-- @raise "abs: expected a float tensor, got uint8"
-- @source IEEE 754
def { name = "abs", args = { "x" } }

--- -1, 0 or 1: zero of either sign gives 0, NaN stays NaN. Its slope is 0 everywhere.
-- @function sign
-- @tparam Tensor x floats or int64 of any shape
-- @treturn Tensor same shape
-- @raise "sign: expected a float tensor, got uint8"
-- @source Goodfellow, Shlens and Szegedy, ICLR 2015, for the sign of a gradient
def { name = "sign", args = { "x" } }
