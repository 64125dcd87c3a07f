--- Other ways to look at the same elements. Nothing is copied: writing to the view writes to x.
-- Only `reshape`, `flatten` and `contiguous` copy, when the elements of x do not lie in row-major
-- order.
-- @module conjugate.ops.view
local check = require "conjugate.check"
local core = require "conjugate.core"
local def = require "conjugate.ops.define"

--- One slice, without the dimension.
-- @function select
-- @tparam Tensor x at least one dimension
-- @tparam number dim dimension, from 1 or from the end with -1
-- @tparam number index which slice, from 1 or from the end with -1
-- @treturn Tensor view with one dimension less
-- @raise "select: expected an index from 1 to 3 in dimension 1, got 4"
-- @source the behaviour of PyTorch, but from 1
def { name = "select", args = { "x", { "dim", "dim" }, { "index", "index" } } }

--- Consecutive slices.
-- @function narrow
-- @tparam Tensor x at least one dimension
-- @tparam number dim dimension, from 1 or from the end with -1
-- @tparam number from the first slice, from 1 or from the end with -1
-- @tparam number count how many, 0 or more
-- @treturn Tensor view with size `count` in that dimension
-- @raise "narrow: 3 elements from index 2 on do not fit in the 3 of dimension 1"
-- @source the behaviour of PyTorch, but from 1
def {
  name = "narrow",
  args = { "x", { "dim", "dim" }, { "from", "index" }, { "count", "integer" } },
}

--- Two dimensions change places.
-- @function transpose
-- @tparam Tensor x at least one dimension
-- @tparam number dim1 dimension, from 1 or from the end with -1
-- @tparam number dim2 the other
-- @treturn Tensor view
-- @raise for dimensions that x does not have
-- @source the behaviour of PyTorch, but from 1
def { name = "transpose", args = { "x", { "dim1", "dim" }, { "dim2", "dim" } } }

--- All dimensions in a new order.
-- @function permute
-- @tparam Tensor x any shape
-- @tparam number|table dims each of x's dimensions once, in the new order
-- @treturn Tensor view whose dimension i is dimension dims[i] of x
-- @raise "permute: expected each of the 3 dimensions once, got 2"
-- @source the behaviour of PyTorch, but from 1
def { name = "permute", args = { "x", { "dims", "dims" } } }

--- The same elements in row-major order, with other sizes.
-- @function reshape
-- @tparam Tensor x any shape
-- @tparam number|table sizes new sizes; one may be -1: whatever makes the number of elements agree
-- @treturn Tensor view, or a copy if x is not contiguous
-- @raise "reshape: 6 elements of sizes [2, 3] do not fit in sizes [4, -1]"
-- @source the behaviour of PyTorch
def { name = "reshape", args = { "x", { "sizes", "sizes" } } }

--- Repeats dimensions of size 1, and new ones in front, without copying.
-- @function expand
-- @tparam Tensor x any shape
-- @tparam number|table sizes new sizes; -1 keeps one
-- @treturn Tensor view; several of its elements are one in memory: do not write to it
-- @raise "expand: expected size 3 in dimension 1, got 4; only 1 can grow"
-- @source the behaviour of PyTorch
def { name = "expand", args = { "x", { "sizes", "sizes" } } }

--- Without dimensions of size 1.
-- @function squeeze
-- @tparam Tensor x any shape
-- @tparam[opt] number|table dims dimensions to take out if their size is 1; all such when left out
-- @treturn Tensor view
-- @raise for dimensions that x does not have
-- @source the behaviour of PyTorch, but from 1
def { name = "squeeze", args = { "x", { "dims", "dims", {} } } }

--- With a new dimension of size 1.
-- @function unsqueeze
-- @tparam Tensor x any shape
-- @tparam number dim where it stands in the result, from 1 or from the end with -1
-- @treturn Tensor view
-- @raise "unsqueeze: expected a dimension from 1 to 3 (or -1 to -3), got 4"
-- @source the behaviour of PyTorch, but from 1
def { name = "unsqueeze", args = { "x", { "dim", "dim" } } }

--- x itself if its elements lie in row-major order without gaps, else a copy that does.
-- @function contiguous
-- @tparam Tensor x any shape
-- @treturn Tensor same shape, contiguous
-- @raise "contiguous: expected a tensor for x, got ..."
-- @source the behaviour of PyTorch
def { name = "contiguous", args = { "x" } }

local f, methods = def.functions, core.methods

--- Dimensions from `from` on become one.
-- @tparam Tensor x any shape
-- @tparam[opt=1] number from first dimension to join, from 1 or from the end with -1
-- @treturn Tensor view with `from` dimensions, or a copy if x is not contiguous
-- @raise "flatten: expected a whole number from 1 to 3 for from, got 4"
-- @source the behaviour of PyTorch, but from 1
function f.flatten(x, from)
  local shape = check.tensor("flatten", "x", x).shape
  from = from or 1
  if from ~= 0 and #shape > 0 then
    check.integer("flatten", "from", from, -#shape, #shape)
  else
    check.integer("flatten", "from", from, 1, math.max(#shape, 1))
  end
  if from < 0 then from = from + #shape + 1 end
  local sizes, rest = {}, 1
  for d, size in ipairs(shape) do
    if d < from then sizes[d] = size else rest = rest * size end
  end
  sizes[from] = rest
  return x:reshape(sizes)
end
methods.flatten = f.flatten

--- x with the sizes of another tensor, repeated where needed.
-- @tparam Tensor x any shape
-- @tparam Tensor other a shape that x broadcasts to
-- @treturn Tensor view
-- @raise as expand
-- @source the behaviour of PyTorch
function f.expand_as(x, other)
  return check.tensor("expand_as", "x", x):expand(check.tensor("expand_as", "other", other).shape)
end
methods.expand_as = f.expand_as
