--- Elements picked by tensors of indices (int64, counted from 1).
-- @module conjugate.ops.index
local check = require "conjugate.check"
local core = require "conjugate.core"
local def = require "conjugate.ops.define"

local function from_one(pick)
  return function(x, dim, index, ...)
    return pick(x, index, 1, dim, ...)
  end
end

--- Slices of x in the order of the index; a slice may be taken several times.
-- @function index_select
-- @tparam Tensor x at least one dimension
-- @tparam number dim dimension, from 1 or from the end with -1
-- @tparam Tensor index int64 [N], indices from 1
-- @treturn Tensor a copy, with size N in that dimension
-- @raise "index_select: expected indices from 1 to 3, got 4"
-- @source the behaviour of PyTorch, but from 1
def {
  name = "index_select",
  args = { "x", "index", { "origin", "integer" }, { "dim", "dim" } },
  wrap = from_one,
  inplace = false,
}

--- One element of x for each element of the index, which says where along `dim`; the other
-- dimensions are those of the index's own element.
-- @function gather
-- @tparam Tensor x at least one dimension
-- @tparam number dim dimension, from 1 or from the end with -1
-- @tparam Tensor index int64, as many dimensions as x, no longer than x but in `dim`
-- @treturn Tensor the index's sizes: y[i][j] = x[i][index[i][j]] for dim = 2
-- @raise "gather: expected indices from 1 to 3, got 4"; when sizes do not fit
-- @source the behaviour of PyTorch, but from 1
def {
  name = "gather",
  args = { "x", "index", { "origin", "integer" }, { "dim", "dim" } },
  wrap = from_one,
  inplace = false,
}

local function source_last(add)
  return function(x, dim, index, source)
    return add(x, index, source, 1, dim)
  end
end

--- A copy of x to which the elements of `source` are added at the places that `gather` would read.
-- Additions to one place happen in row-major order.
-- @function scatter_add
-- @tparam Tensor x at least one dimension
-- @tparam number dim dimension, from 1 or from the end with -1
-- @tparam Tensor index int64, as many dimensions as x, no longer than x but in `dim`
-- @tparam Tensor source x's type, the index's sizes
-- @treturn Tensor x's sizes
-- @raise "scatter_add: expected indices from 1 to 3, got 4"; when sizes do not fit
-- @source the behaviour of PyTorch, but from 1
def {
  name = "scatter_add",
  args = { "x", "index", "source", { "origin", "integer" }, { "dim", "dim" } },
  wrap = source_last,
  inplace = false,
}

--- For each label a vector that is 1 at the label's place and 0 elsewhere.
-- @function one_hot
-- @tparam Tensor labels int64 of any shape, values 0..K-1 as in data files
-- @tparam number classes K
-- @tparam[opt="float32"] string dtype element type of the result
-- @treturn Tensor [..., K]
-- @raise "one_hot: expected labels from 0 to 9, got 10"
-- @source definition
def {
  name = "one_hot",
  args = { "labels", { "classes", "integer" }, { "dtype", "dtype", "float32" } },
  inplace = false,
}

local f, methods = def.functions, core.methods

--- The slices in reverse order.
-- @tparam Tensor x at least one dimension
-- @tparam number|table dims a dimension, or a list of them
-- @treturn Tensor a copy
-- @raise "flip: expected a table for dims, got ..."; for dimensions that x does not have
-- @source the behaviour of PyTorch, but from 1
function f.flip(x, dims)
  check.tensor("flip", "x", x)
  if type(dims) == "number" then dims = { dims } end
  check.table("flip", "dims", dims)
  for _, dim in ipairs(dims) do
    x = x:index_select(dim, core.arange(x:size(dim), -1, x:size(dim), "int64"))
  end
  return x
end
methods.flip = f.flip
