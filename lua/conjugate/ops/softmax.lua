--- Probabilities and predictions from logits.
-- @module conjugate.ops.softmax
local def = require "conjugate.ops.define"

--- `exp(x_k) / sum of exp(x_j)` along a dimension, without overflow.
-- @function softmax
-- @tparam Tensor x floats of any shape
-- @tparam[opt=-1] integer dim dimension, counted from 1 or from the end
-- @treturn Tensor same shape, elements in [0, 1]
-- @raise when there is no such dimension
-- @source Bridle, Neurocomputing (1990)
def { name = "softmax", args = { "x", { "dim", "dim", -1 } } }

--- Logarithm of softmax, exact to rounding where softmax itself would be 0.
-- @function log_softmax
-- @tparam Tensor x floats of any shape
-- @tparam[opt=-1] integer dim dimension, counted from 1 or from the end
-- @treturn Tensor same shape, elements at most 0
-- @raise when there is no such dimension
-- @source Bridle, Neurocomputing (1990)
def { name = "log_softmax", args = { "x", { "dim", "dim", -1 } } }

--- Label of the largest logit in each row: the smallest among equals, NaN counts as largest.
-- @function predict
-- @tparam Tensor x floats [..., K]
-- @treturn Tensor int64 [...], labels 0..K-1 (values as in data files, not Lua indices)
-- @raise when x has no dimension or K is 0
-- @source convention of this package
def { name = "predict", args = { "x" }, inplace = false }
