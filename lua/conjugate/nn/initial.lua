--- First values of weights. Every function fills a tensor in place and returns it; the numbers come
-- from the library's generator, so `cj.seed(n)` before building a network fixes its weights.
--
-- The fans of a weight [outputs, inputs, kh, kw] are inputs kh kw and outputs kh kw.
--
-- @module conjugate.nn.initial
local cj = require "conjugate"
local check = require "conjugate.check"

local M = {}

local function fans(fn, t)
  check.tensor(fn, "t", t)
  local shape = t.shape
  if #shape < 2 then
    check.fail(fn, "expected a weight of two or more dimensions, got %d", #shape)
  end
  local area = t:numel() / (shape[1] * shape[2])
  return shape[2] * area, shape[1] * area
end

-- The standard deviation of He et al.: gain / sqrt(fan), gain^2 = 2 / (1 + slope^2).
local function he_sd(fn, t, options)
  local fan_in, fan_out = fans(fn, t)
  local o = check.options(fn, options, { mode = "fan_in", slope = 0 })
  local mode, slope = o.mode, o.slope
  check.one_of(fn, "mode", mode, { "fan_in", "fan_out" })
  return (2 / (1 + slope ^ 2) / (mode == "fan_in" and fan_in or fan_out)) ^ 0.5
end

--- Every element becomes one value.
-- @tparam Tensor t
-- @number value
-- @treturn Tensor t
function M.constant(t, value)
  check.tensor("constant", "t", t)
  return cj.no_grad(t.fill_, t, value)
end

--- Independent normal numbers.
-- @tparam Tensor t floats
-- @number[opt=0] mean
-- @number[opt=1] sd standard deviation
-- @treturn Tensor t
function M.normal(t, mean, sd)
  check.tensor("normal", "t", t, "float")
  return cj.no_grad(t.normal_, t, mean or 0, sd or 1)
end

--- Independent uniform numbers in [low, high).
-- @tparam Tensor t floats
-- @number[opt=0] low
-- @number[opt=1] high
-- @treturn Tensor t
function M.uniform(t, low, high)
  check.tensor("uniform", "t", t, "float")
  return cj.no_grad(t.uniform_, t, low or 0, high or 1)
end

--- He's rule, normal: sd^2 = 2 / ((1 + slope^2) fan), which keeps the scale through ReLU layers.
-- @tparam Tensor t a weight of two or more dimensions
-- @tparam[opt] table options mode ("fan_in" or "fan_out"), slope of a leaky ReLU (0)
-- @treturn Tensor t
-- @source He et al., ICCV 2015, eq. 14
function M.kaiming_normal(t, options)
  return M.normal(t, 0, he_sd("kaiming_normal", t, options))
end

--- He's rule, uniform with the same variance as `kaiming_normal`.
-- @tparam Tensor t a weight of two or more dimensions
-- @tparam[opt] table options mode ("fan_in" or "fan_out"), slope of a leaky ReLU (0)
-- @treturn Tensor t
-- @source He et al., ICCV 2015
function M.kaiming_uniform(t, options)
  local bound = 3 ^ 0.5 * he_sd("kaiming_uniform", t, options)
  return M.uniform(t, -bound, bound)
end

--- Glorot's rule, normal: variance 2 / (fan_in + fan_out), for tanh and linear layers.
-- @tparam Tensor t a weight of two or more dimensions
-- @number[opt=1] gain factor of the standard deviation
-- @treturn Tensor t
-- @source Glorot and Bengio, AISTATS 2010, eq. 12
function M.xavier_normal(t, gain)
  local fan_in, fan_out = fans("xavier_normal", t)
  gain = check.number("xavier_normal", "gain", gain == nil and 1 or gain, 0)
  return M.normal(t, 0, gain * (2 / (fan_in + fan_out)) ^ 0.5)
end

--- Glorot's rule, uniform with the same variance as `xavier_normal`.
-- @tparam Tensor t a weight of two or more dimensions
-- @number[opt=1] gain factor of the standard deviation
-- @treturn Tensor t
-- @source Glorot and Bengio, AISTATS 2010, eq. 16
function M.xavier_uniform(t, gain)
  local fan_in, fan_out = fans("xavier_uniform", t)
  gain = check.number("xavier_uniform", "gain", gain == nil and 1 or gain, 0)
  local bound = gain * (6 / (fan_in + fan_out)) ^ 0.5
  return M.uniform(t, -bound, bound)
end

return M
