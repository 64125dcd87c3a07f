--- Losses.
-- @module conjugate.ops.loss
local def = require "conjugate.ops.define"

local reduction = { "reduction", "choice", "mean", { "none", "mean", "sum" } }

--- Cross entropy of logits and labels, `log(sum of exp(x_k)) - x_y`, exact to rounding for
-- confident predictions too.
-- @function cross_entropy
-- @tparam Tensor logits floats [B, K]
-- @tparam Tensor labels int64 [B], values 0..K-1
-- @tparam[opt="mean"] string reduction "mean", "sum" or "none"
-- @treturn Tensor one number, or [B] for "none"
-- @raise when sizes or types do not fit or a label is out of range
-- @source Goodfellow, Bengio and Courville, Deep Learning (2016), 6.2.2
def { name = "cross_entropy", args = { "logits", "labels", reduction }, inplace = false }

--- Binary cross entropy of logits, `max(x, 0) - x t + log(1 + exp(-|x|))`.
-- @function bce_with_logits
-- @tparam Tensor x floats of any shape
-- @tparam Tensor target floats of the same shape, usually in [0, 1]
-- @tparam[opt="mean"] string reduction "mean", "sum" or "none"
-- @treturn Tensor one number, or the shape of x for "none"
-- @raise when sizes or types differ
-- @source Goodfellow, Bengio and Courville, Deep Learning (2016), 6.2.2
def { name = "bce_with_logits", args = { "x", "target", reduction }, inplace = false }

--- Squared error `(x - t)^2`.
-- @function mse_loss
-- @tparam Tensor x floats of any shape
-- @tparam Tensor target floats of the same shape
-- @tparam[opt="mean"] string reduction "mean", "sum" or "none"
-- @treturn Tensor one number, or the shape of x for "none"
-- @raise when sizes or types differ
-- @source Legendre (1805)
def { name = "mse_loss", args = { "x", "target", reduction }, inplace = false }

--- Absolute error `|x - t|`; its slope at 0 is 0.
-- @function l1_loss
-- @tparam Tensor x floats of any shape
-- @tparam Tensor target floats of the same shape
-- @tparam[opt="mean"] string reduction "mean", "sum" or "none"
-- @treturn Tensor one number, or the shape of x for "none"
-- @raise when sizes or types differ
-- @source Laplace (1774)
def { name = "l1_loss", args = { "x", "target", reduction }, inplace = false }
