--- Dropout.
-- @module conjugate.ops.dropout
local core = require "conjugate.core"
local def = require "conjugate.ops.define"

--- Zeroes each element with probability p and scales the others by 1 / (1 - p). The identity with
-- training = false. Which elements depends on the key, the sample's place in the batch and the
-- element's place in the sample, on nothing else.
-- @function dropout
-- @tparam Tensor x floats [B, ...]
-- @tparam[opt=0.5] number p from 0 to 1
-- @tparam[opt=true] boolean training
-- @tparam[opt] integer key names the mask; by default the next key of the global generator
-- @treturn Tensor same shape
-- @raise when p is out of range
-- @source Srivastava et al., JMLR 15 (2014)
def {
  name = "dropout",
  args = {
    "x", { "p", "number", 0.5 }, { "training", "boolean", 1 }, { "key", "integer" },
  },
  inplace = false,
  wrap = function(f)
    return function(x, p, training, key)
      if p == nil then p = 0.5 end
      if training == nil then training = true end
      if not key then key = training and core.random_next "dropout" or 0 end
      return f(x, p, training, key)
    end
  end,
}
