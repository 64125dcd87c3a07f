--- Activations and dropout: layers without parameters that keep the shape.
-- @module conjugate.nn.activation
local cj = require "conjugate"
local check = require "conjugate.check"
local class = require("conjugate.nn.module").class

local M = {}

-- A layer that is nothing but one operator without settings.
local function plain(fn, class_name)
  local Layer = class(class_name)
  function Layer:forward(x) -- luacheck: ignore self
    return cj[fn](x)
  end
  return Layer
end

-- A layer along one dimension; 2 are the classes of [B, K].
local function along(fn, class_name)
  local Layer = class(class_name)
  function Layer:init(dim)
    self.dim = check.integer(fn, "dim", dim or 2)
  end
  function Layer:forward(x)
    return cj[fn](x, self.dim)
  end
  function Layer:extra()
    return "dim " .. self.dim
  end
  return Layer
end

--- max(x, 0), any shape.
-- @function relu
-- @treturn Module
-- @source Nair and Hinton, ICML 2010
M.relu = plain("relu", "ReLU")

--- Hyperbolic tangent, any shape.
-- @function tanh
-- @treturn Module
-- @source PyTorch, Tanh
M.tanh = plain("tanh", "Tanh")

--- 1 / (1 + exp(-x)), any shape.
-- @function sigmoid
-- @treturn Module
-- @source PyTorch, Sigmoid
M.sigmoid = plain("sigmoid", "Sigmoid")

--- Softmax along a dimension. Models of this project give logits: put no softmax behind them.
-- @function softmax
-- @int[opt=2] dim counted from 1; negative from the end
-- @treturn Module
-- @source PyTorch, Softmax
M.softmax = along("softmax", "Softmax")

--- Logarithm of the softmax along a dimension.
-- @function log_softmax
-- @int[opt=2] dim counted from 1; negative from the end
-- @treturn Module
-- @source PyTorch, LogSoftmax
M.log_softmax = along("log_softmax", "LogSoftmax")

--- x where x > 0, slope x elsewhere; any shape.
-- @function leaky_relu
-- @number[opt=0.01] slope
-- @treturn Module
-- @raise when slope is no number
-- @source Maas et al., ICML 2013
local LeakyReLU = class "LeakyReLU"

function LeakyReLU:init(slope)
  self.slope = check.number("leaky_relu", "slope", slope or 0.01)
end

function LeakyReLU:forward(x)
  return cj.leaky_relu(x, self.slope)
end

function LeakyReLU:extra()
  return "slope " .. self.slope
end

M.leaky_relu = LeakyReLU

--- In training mode sets each element to zero with probability p and multiplies the others by
-- 1 / (1 - p); nothing in evaluation mode. Every call takes the next random stream.
-- @function dropout
-- @number[opt=0.5] p 0 <= p < 1
-- @treturn Module
-- @raise when p is out of range
-- @source Srivastava et al., JMLR 15 (2014)
local Dropout = class "Dropout"

function Dropout:init(p)
  self.p = check.number("dropout", "p", p or 0.5, 0, 1)
end

function Dropout:forward(x)
  if not self.training or self.p == 0 then return x end
  return cj.dropout(x, self.p)
end

function Dropout:extra()
  return tostring(self.p)
end

M.dropout = Dropout

return M
