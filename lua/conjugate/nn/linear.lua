--- The fully connected layer.
-- @module conjugate.nn.linear
local cj = require "conjugate"
local args = require "conjugate.nn.args"
local check = require "conjugate.check"
local initial = require "conjugate.nn.initial"
local class = require("conjugate.nn.module").class

--- Affine map, [B, inputs] -> [B, outputs], y = x weight^T + bias.
-- Parameters: `weight` [outputs, inputs], He normal; `bias` [outputs], zero.
-- @function linear
-- @int inputs features of the input, >= 1
-- @int outputs features of the output, >= 1
-- @tparam[opt] table options bias (true)
-- @treturn Module
-- @raise wrong counts or unknown options
-- @source PyTorch, Linear
local Linear = class "Linear"

function Linear:init(inputs, outputs, options)
  self.inputs = args.count("linear", "inputs", inputs)
  self.outputs = args.count("linear", "outputs", outputs)
  local o = check.options("linear", options, { bias = true })
  self:parameter("weight", initial.kaiming_normal(cj.zeros { outputs, inputs }))
  if o.bias then self:parameter("bias", cj.zeros { outputs }) end
end

function Linear:forward(x)
  return cj.linear(x, self.weight, self.bias)
end

function Linear:extra()
  return self.inputs .. ", " .. self.outputs
end

return { linear = Linear }
