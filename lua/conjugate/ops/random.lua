--- Random tensors. A key names a stream of numbers; element i of a tensor, in row-major order, is
-- number i of it. Without a key the global generator gives the next one.
-- @module conjugate.ops.random
local check = require "conjugate.check"
local core = require "conjugate.core"
local def = require "conjugate.ops.define"

local function with_key(draw)
  return function(x, p, key)
    return draw(x, p or 0.5, key or core.random_next "bernoulli")
  end
end

--- Ones with probability p, zeros otherwise.
-- @function bernoulli
-- @tparam Tensor x gives sizes and type; its elements do not matter
-- @tparam[opt=0.5] number p probability of 1, in [0, 1]
-- @tparam[opt] number key names the stream; the next key otherwise
-- @treturn Tensor x's sizes and type
-- @raise "bernoulli: expected a probability from 0 to 1, got 2"
-- @source Salmon et al., SC 2011, for the generator
def {
  name = "bernoulli",
  args = { "x", { "p", "number" }, { "key", "integer" } },
  wrap = with_key,
  inplace = false,
}

local f, methods = def.functions, core.methods

--- Fills x with ones (probability p) and zeros.
-- @function Tensor:bernoulli_
-- @tparam Tensor x any type and shape
-- @tparam[opt=0.5] number p probability of 1, in [0, 1]
-- @tparam[opt] number key names the stream; the next key otherwise
-- @treturn Tensor x
-- @raise "bernoulli: expected a probability from 0 to 1, got 2"
-- @source Salmon et al., SC 2011, for the generator
function methods.bernoulli_(x, p, key)
  check.tensor("bernoulli_", "self", x)
  return core.apply_into("bernoulli", x, p or 0.5, key or core.random_next "bernoulli")
end

--- Uniform numbers in [0, 1), with the sizes and type of x.
-- @tparam Tensor x floats of any shape
-- @tparam[opt] number key names the stream; the next key otherwise
-- @treturn Tensor same sizes and type
-- @raise "rand_like: expected a tensor for x, got ..."
-- @source Salmon et al., SC 2011, for the generator
function f.rand_like(x, key)
  check.tensor("rand_like", "x", x)
  return core.new(x.shape, nil, x.dtype, "rand_like"):uniform_(0, 1, key)
end

--- Standard normal numbers, with the sizes and type of x.
-- @tparam Tensor x floats of any shape
-- @tparam[opt] number key names the stream; the next key otherwise
-- @treturn Tensor same sizes and type
-- @raise "randn_like: expected a tensor for x, got ..."
-- @source Box and Muller, Ann. Math. Statist. 29 (1958)
function f.randn_like(x, key)
  check.tensor("randn_like", "x", x)
  return core.new(x.shape, nil, x.dtype, "randn_like"):normal_(0, 1, key)
end
