--- The fully connected layer.
-- @module conjugate.ops.linear
local def = require "conjugate.ops.define"

--- Affine map of the last dimension, `y = x w^T + bias`. A row's result does not depend on the
-- other rows.
-- @function linear
-- @tparam Tensor x floats [..., I]
-- @tparam Tensor weight floats [O, I]
-- @tparam[opt] Tensor bias floats [O]
-- @treturn Tensor [..., O]
-- @raise when sizes or types do not fit
-- @source Rumelhart, Hinton and Williams, Nature 323 (1986)
def { name = "linear", args = { "x", "weight", { "bias", "tensor?" } } }
