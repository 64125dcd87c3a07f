--- Criteria: how far an answer is from what it should be. Each takes { reduction = "mean", "sum" or
-- "none" }; "mean" is the default.
-- @module conjugate.nn.criteria
local cj = require "conjugate"
local check = require "conjugate.check"

local M = {}

local function reduction(fn, options)
  local o = check.options(fn, options, { reduction = "mean" })
  return check.one_of(fn, "reduction", o.reduction, { "mean", "sum", "none" })
end

local function criterion(fn)
  return function(answer, wanted, options)
    return cj[fn](answer, wanted, reduction(fn, options))
  end
end

--- Cross entropy of logits, -log softmax(z)_y, never negative.
-- @function cross_entropy
-- @tparam Tensor logits [B, K]
-- @tparam Tensor y int64 [B], classes 0..K-1
-- @tparam[opt] table options reduction; "none" gives [B]
-- @treturn Tensor scalar or [B], in nats
-- @raise classes out of range, sizes that differ
-- @source PyTorch, cross_entropy
M.cross_entropy = criterion "cross_entropy"

--- Binary cross entropy of logits, max(z, 0) - z t + log(1 + exp(-|z|)).
-- @function bce_with_logits
-- @tparam Tensor logits any shape
-- @tparam Tensor target same shape, probabilities in [0, 1]
-- @tparam[opt] table options reduction; "none" gives one value per element
-- @treturn Tensor scalar or like logits, in nats
-- @raise sizes that differ
-- @source PyTorch, binary_cross_entropy_with_logits
M.bce_with_logits = criterion "bce_with_logits"

--- Squared error, (x - t)^2.
-- @function mse_loss
-- @tparam Tensor x any shape
-- @tparam Tensor target same shape
-- @tparam[opt] table options reduction; "none" gives one value per element
-- @treturn Tensor scalar or like x
-- @raise sizes that differ
-- @source PyTorch, mse_loss
M.mse_loss = criterion "mse_loss"

--- Absolute error, |x - t|.
-- @function l1_loss
-- @tparam Tensor x any shape
-- @tparam Tensor target same shape
-- @tparam[opt] table options reduction; "none" gives one value per element
-- @treturn Tensor scalar or like x
-- @raise sizes that differ
-- @source PyTorch, l1_loss
M.l1_loss = criterion "l1_loss"

return M
