--- Copies of tensors, of the same element type or another.
-- @module conjugate.ops.convert
local core = require "conjugate.core"
local def = require "conjugate.ops.define"

--- A copy in memory of its own; gradients pass through.
-- @function clone
-- @tparam Tensor x any type and shape
-- @treturn Tensor same type and shape, contiguous
-- @raise "clone: expected a tensor for x, got ..."
-- @source the behaviour of PyTorch
def { name = "clone", args = { "x" }, inplace = false }

--- The elements of a source in the type of x, cut from the tape; `x:copy_(source)` stores them.
-- @function copy
-- @tparam Tensor x gives the type; its elements do not matter
-- @tparam Tensor source any type, sizes of x
-- @treturn Tensor sizes and type of x, contiguous
-- @raise "copy: expected a source of sizes [2, 2], got [3]"
-- @source the behaviour of NumPy, but saturating
def { name = "copy", args = { "x", "source" }, method = false }

local function only_if_other(convert)
  return function(x, dtype)
    if dtype ~= nil and core.is_tensor(x) and x.dtype == dtype then return x end
    return convert(x, dtype)
  end
end

--- The elements as another type. Floats lose their fraction when they become integers; values out
-- of range become the nearest that fits, NaN becomes 0. Gradients pass between the float types.
-- @function to
-- @tparam Tensor x any type and shape
-- @tparam string dtype "float32", "float64", "int64" or "uint8"
-- @treturn Tensor same shape; x itself if it has that type
-- @raise 'to: expected "float32", "float64", "int64" or "uint8" for dtype, got ...'
-- @source the behaviour of NumPy, but saturating
def { name = "to", args = { "x", { "dtype", "dtype" } }, wrap = only_if_other, inplace = false }
