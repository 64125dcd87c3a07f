--- The global generator: every call that needs random numbers takes the next key of it.
-- Keys come from the seed and a counter; numbers come from the key alone (Philox 4x32-10), so they
-- depend neither on threads nor on batch sizes.
-- @module conjugate.random
-- @source Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011
local check = require "conjugate.check"
local core = require "conjugate.core"

local M = {}

--- Starts the generator anew.
-- @tparam number n the seed, whole, 0..2^53
-- @raise "seed: expected a whole number ... for n, got ..."
function M.seed(n)
  core.random_seed(n)
end

--- The next key, for functions that take one.
-- @tparam[opt="user"] string purpose keys of different purposes never meet
-- @treturn number a whole number below 2^53
function M.key(purpose)
  return core.random_next(purpose or "user")
end

--- The generator's whole state, for an exact resume.
-- @treturn table `{ seed =, counter = }`
function M.state()
  local seed, counter = core.random_state()
  return { seed = seed, counter = counter }
end

--- Puts the generator back where `state` was taken.
-- @tparam table state what `state()` gave
-- @raise "restore: expected a table for state, got ..."
function M.restore(state)
  check.table("restore", "state", state)
  core.random_restore(state.seed, state.counter)
end

--- A tensor of uniform numbers in [0, 1).
-- @tparam {number,...} sizes sizes
-- @tparam[opt="float32"] string dtype "float32" or "float64"
-- @tparam[opt] number key names the stream; the next key otherwise
-- @treturn Tensor of these sizes
function M.rand(sizes, dtype, key)
  return core.new(sizes, nil, dtype, "rand"):uniform_(0, 1, key)
end

--- A tensor of standard normal numbers.
-- @tparam {number,...} sizes sizes
-- @tparam[opt="float32"] string dtype "float32" or "float64"
-- @tparam[opt] number key names the stream; the next key otherwise
-- @treturn Tensor of these sizes
function M.randn(sizes, dtype, key)
  return core.new(sizes, nil, dtype, "randn"):normal_(0, 1, key)
end

--- The numbers 1..n in random order.
-- @tparam number n how many
-- @tparam[opt] number key names the stream; the next key otherwise
-- @treturn Tensor int64 [n], indices counted from 1
function M.randperm(n, key)
  local p = core.random_permutation(n, key)
  return p:add_(1)
end

--- One uniform number in [0, 1).
-- @tparam[opt] number key names the stream; the next key otherwise
-- @tparam[opt=1] number n which number of the stream, from 1
-- @treturn number
function M.uniform(key, n)
  if n ~= nil then n = check.integer("uniform", "n", n, 1) - 1 end
  return core.random_uniform(key, n)
end

return M
