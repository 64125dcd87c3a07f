--- The largest and smallest elements along dimensions, and where they are. NaN counts as more
-- extreme than any number; of equal elements the first is taken.
-- @module conjugate.ops.extreme
local def = require "conjugate.ops.define"

local over = { "x", { "dims", "dims", {} }, { "keepdim", "boolean", false } }

--- Largest element; NaN if there is one. The gradient goes to the first of equal elements.
-- @function max
-- @tparam Tensor x any type and shape
-- @tparam[opt] number|table dims a dimension or a list of them; all when left out
-- @tparam[opt=false] boolean keepdim keep these dimensions, with size 1
-- @treturn Tensor x's type
-- @raise "max: expected at least one element to choose from, got sizes [0]"
-- @source the behaviour of PyTorch
def { name = "max", args = over, inplace = false }

--- Smallest element; NaN if there is one. The gradient goes to the first of equal elements.
-- @function min
-- @tparam Tensor x any type and shape
-- @tparam[opt] number|table dims a dimension or a list of them; all when left out
-- @tparam[opt=false] boolean keepdim keep these dimensions, with size 1
-- @treturn Tensor x's type
-- @raise "min: expected at least one element to choose from, got sizes [0]"
-- @source the behaviour of PyTorch
def { name = "min", args = over, inplace = false }

-- The core counts places from the number given first.
local places = {
  "x", { "origin", "integer" }, { "dim", "dims", {} }, { "keepdim", "boolean", false },
}
local function from_one(f)
  return function(x, dim, keepdim)
    return f(x, 1, dim, keepdim)
  end
end

--- Index of the largest element along a dimension: the first of equal ones, or of the NaNs.
-- @function argmax
-- @tparam Tensor x any type and shape
-- @tparam[opt] number dim the dimension; when left out, the place in row-major order
-- @tparam[opt=false] boolean keepdim keep the dimension, with size 1
-- @treturn Tensor int64, indices from 1
-- @raise "argmax: expected at least one element to choose from, got sizes [0]"
-- @source the behaviour of PyTorch, but from 1
def { name = "argmax", args = places, wrap = from_one, inplace = false }

--- Index of the smallest element along a dimension: the first of equal ones, or of the NaNs.
-- @function argmin
-- @tparam Tensor x any type and shape
-- @tparam[opt] number dim the dimension; when left out, the place in row-major order
-- @tparam[opt=false] boolean keepdim keep the dimension, with size 1
-- @treturn Tensor int64, indices from 1
-- @raise "argmin: expected at least one element to choose from, got sizes [0]"
-- @source the behaviour of PyTorch, but from 1
def { name = "argmin", args = places, wrap = from_one, inplace = false }
