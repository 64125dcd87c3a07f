--- Sums, means and products over dimensions.
-- @module conjugate.ops.reduce
local check = require "conjugate.check"
local core = require "conjugate.core"
local def = require "conjugate.ops.define"

local over = { "x", { "dims", "dims", {} }, { "keepdim", "boolean", false } }

--- Sum over all elements, one dimension, or several. Floats are summed in double, in a fixed order:
-- the result is the same for any number of threads.
-- @function sum
-- @tparam Tensor x any type and shape
-- @tparam[opt] number|table dims a dimension or a list of them; all when left out
-- @tparam[opt=false] boolean keepdim keep the dimensions summed over, with size 1
-- @treturn Tensor x's type; int64 for integers, which wrap around; an empty sum is 0
-- @raise "sum: expected a dimension from 1 to 2 (or -1 to -2), got 3"
-- @source Higham, SIAM J. Sci. Comput. 14 (1993), for partial sums
def { name = "sum", args = over, inplace = false }

--- Mean over all elements, one dimension, or several.
-- @function mean
-- @tparam Tensor x floats of any shape
-- @tparam[opt] number|table dims a dimension or a list of them; all when left out
-- @tparam[opt=false] boolean keepdim keep these dimensions, with size 1
-- @treturn Tensor x's type; the mean of nothing is NaN
-- @raise "mean: expected a float tensor, got uint8"; for dimensions that x does not have
-- @source Higham, SIAM J. Sci. Comput. 14 (1993), for partial sums
def { name = "mean", args = over, inplace = false }

--- Product over all elements, one dimension, or several.
-- @function prod
-- @tparam Tensor x any type and shape
-- @tparam[opt] number|table dims a dimension or a list of them; all when left out
-- @tparam[opt=false] boolean keepdim keep these dimensions, with size 1
-- @treturn Tensor x's type; int64 for integers, which wrap around; an empty product is 1
-- @raise for dimensions that x does not have
-- @source definition
def { name = "prod", args = over, inplace = false }

local f, methods = def.functions, core.methods

local function both(name, g)
  f[name] = g
  methods[name] = g
end

--- Is any element other than 0? NaN is.
-- @function any
-- @tparam Tensor x any type and shape
-- @tparam[opt] number|table dims a dimension or a list of them; all when left out
-- @tparam[opt=false] boolean keepdim keep these dimensions, with size 1
-- @treturn Tensor uint8, 0 or 1; 0 for no elements
-- @raise for dimensions that x does not have
-- @source definition
both("any", function(x, dims, keepdim)
  return check.tensor("any", "x", x):ne(0):sum(dims, keepdim):gt(0)
end)

--- Are all elements other than 0?
-- @function all
-- @tparam Tensor x any type and shape
-- @tparam[opt] number|table dims a dimension or a list of them; all when left out
-- @tparam[opt=false] boolean keepdim keep these dimensions, with size 1
-- @treturn Tensor uint8, 0 or 1; 1 for no elements
-- @raise for dimensions that x does not have
-- @source definition
both("all", function(x, dims, keepdim)
  return check.tensor("all", "x", x):eq(0):sum(dims, keepdim):eq(0)
end)

--- Variance over all elements, one dimension, or several.
-- @function var
-- @tparam Tensor x floats of any shape
-- @tparam[opt] number|table dims a dimension or a list of them; all when left out
-- @tparam[opt=false] boolean keepdim keep these dimensions, with size 1
-- @tparam[opt=1] number correction taken off the count: 1 for the unbiased estimate, 0 for the
--   mean square
-- @treturn Tensor x's type
-- @raise "var: expected a float tensor for x, got ..."
-- @source Chan, Golub and LeVeque, Amer. Statist. 37 (1983), two passes
both("var", function(x, dims, keepdim, correction)
  check.tensor("var", "x", x, "float")
  correction = check.number("var", "correction", correction == nil and 1 or correction)
  local squares = (x - x:mean(dims, true)):square():sum(dims, keepdim)
  return squares / (x:numel() / squares:numel() - correction)
end)

--- Standard deviation: the square root of `var`.
-- @function std
-- @tparam Tensor x floats of any shape
-- @tparam[opt] number|table dims a dimension or a list of them; all when left out
-- @tparam[opt=false] boolean keepdim keep these dimensions, with size 1
-- @tparam[opt=1] number correction as for var
-- @treturn Tensor x's type
-- @raise "std: expected a float tensor for x, got ..."
-- @source Chan, Golub and LeVeque, Amer. Statist. 37 (1983), two passes
both("std", function(x, dims, keepdim, correction)
  check.tensor("std", "x", x, "float")
  correction = check.number("std", "correction", correction == nil and 1 or correction)
  return x:var(dims, keepdim, correction):sqrt()
end)

local norms = {
  [1] = function(x, dims, keepdim)
    return x:abs():sum(dims, keepdim)
  end,
  [2] = function(x, dims, keepdim)
    return x:square():sum(dims, keepdim):sqrt()
  end,
  [math.huge] = function(x, dims, keepdim)
    return x:abs():max(dims, keepdim)
  end,
}

--- The 1-, 2- or maximum norm of the elements. The 2-norm squares them: above 1e19 float32
-- overflows. Its slope at zero is NaN.
-- @function norm
-- @tparam Tensor x floats of any shape
-- @tparam[opt=2] number p 1, 2 or math.huge
-- @tparam[opt] number|table dims a dimension or a list of them; all when left out
-- @tparam[opt=false] boolean keepdim keep these dimensions, with size 1
-- @treturn Tensor x's type, elements of at least 0
-- @raise "norm: expected 1, 2 or math.huge for p, got 3"
-- @source definition
both("norm", function(x, p, dims, keepdim)
  check.tensor("norm", "x", x)
  local norm = norms[p or 2]
  if not norm then
    check.fail("norm", "expected 1, 2 or math.huge for p, got %s", check.describe(p))
  end
  return norm(x, dims, keepdim)
end)
