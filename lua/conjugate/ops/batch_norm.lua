--- Batch normalisation.
-- @module conjugate.ops.batch_norm
local def = require "conjugate.ops.define"

--- Normalises each channel: `(x - mean) / sqrt(var + eps) * weight + bias`.
-- In training mean and variance are the batch's (biased), and the running ones move in place by
-- `momentum` towards the batch's mean and unbiased variance; in evaluation they are used instead.
-- @function batch_norm
-- @tparam Tensor x floats [B, C, ...]
-- @tparam[opt] Tensor weight floats [C], default ones
-- @tparam[opt] Tensor bias floats [C], default zeros
-- @tparam[opt] Tensor running_mean floats [C]; needed in evaluation
-- @tparam[opt] Tensor running_var floats [C]; needed in evaluation
-- @tparam[opt=false] boolean training
-- @tparam[opt=0.1] number momentum
-- @tparam[opt=1e-5] number eps
-- @treturn Tensor same shape as x
-- @raise when sizes or types do not fit, or training has fewer than two values per channel
-- @source Ioffe and Szegedy, ICML 2015
def {
  name = "batch_norm",
  args = {
    "x", { "weight", "tensor?" }, { "bias", "tensor?" },
    { "running_mean", "tensor?" }, { "running_var", "tensor?" },
    { "training", "boolean", 0 }, { "momentum", "number", 0.1 }, { "eps", "number", 1e-5 },
  },
  inplace = false,
}
