--- Layers that normalise: batch norm, and a fixed shift and scale for pixels.
-- @module conjugate.nn.norm
local cj = require "conjugate"
local args = require "conjugate.nn.args"
local check = require "conjugate.check"
local class = require("conjugate.nn.module").class

local M = {}

--- Batch normalisation over B, H and W, [B, channels, H, W] -> the same.
-- In training mode it uses the mean and variance of the batch and moves the running ones towards
-- them; in evaluation mode it uses the running ones, and samples are independent.
-- Parameters: `weight` [channels], one; `bias` [channels], zero. Buffers: `running_mean`, zero,
-- `running_var`, one (the unbiased variance), `num_batches_tracked`, int64.
-- @function batch_norm2d
-- @int channels >= 1
-- @tparam[opt] table options eps (1e-5), added to the variance; momentum (0.1), the weight of the
--  new batch in the running values; affine (true), whether there are weight and bias
-- @treturn Module
-- @raise wrong counts or unknown options; in training mode fewer than two values per channel
-- @source Ioffe and Szegedy, ICML 2015; PyTorch, BatchNorm2d
local BatchNorm2d = class "BatchNorm2d"

function BatchNorm2d:init(channels, options)
  self.channels = args.count("batch_norm2d", "channels", channels)
  local o = check.options("batch_norm2d", options, { eps = 1e-5, momentum = 0.1, affine = true })
  self.eps = check.number("batch_norm2d", "eps", o.eps, 0)
  self.momentum = check.number("batch_norm2d", "momentum", o.momentum, 0, 1)
  if o.affine then
    self:parameter("weight", cj.ones { channels })
    self:parameter("bias", cj.zeros { channels })
  end
  self:buffer("running_mean", cj.zeros { channels })
  self:buffer("running_var", cj.ones { channels })
  self:buffer("num_batches_tracked", cj.zeros({}, "int64"))
end

function BatchNorm2d:forward(x)
  if self.training then self.num_batches_tracked:add_(1) end
  return cj.batch_norm(x, self.weight, self.bias, self.running_mean, self.running_var,
    self.training, self.momentum, self.eps)
end

function BatchNorm2d:extra()
  return tostring(self.channels)
end

M.batch_norm2d = BatchNorm2d

--- Shifts and scales each channel by constants, y = (x - mean) / std, [B, C, H, W] -> the same.
-- As first layer of a model it keeps attacks, bounds and packets in pixel units. The constants are
-- part of the model's definition: they are neither trained nor saved.
-- @function normalize
-- @tparam table mean one number per channel, in pixel units
-- @tparam table std one number per channel, in pixel units, not zero
-- @treturn Module
-- @raise lists of different or no length, numbers that are none, a zero in std
-- @source PyTorch, torchvision.transforms.Normalize
local Normalize = class "Normalize"

function Normalize:init(mean, std)
  check.table("normalize", "mean", mean)
  check.table("normalize", "std", std)
  if #mean == 0 or #mean ~= #std then
    check.fail("normalize", "expected as many numbers in mean as in std, got %d and %d", #mean,
      #std)
  end
  for c = 1, #mean do
    check.number("normalize", "mean", mean[c])
    if check.number("normalize", "std", std[c]) == 0 then
      check.fail("normalize", "expected numbers other than 0 in std, got 0 for channel %d", c)
    end
  end
  self.mean, self.std = mean, std
end

-- The constants as [1, C, 1, 1] in x's type, made when first needed.
local function constants(self, dtype)
  if self.dtype ~= dtype then
    local sizes = { 1, #self.mean, 1, 1 }
    rawset(self, "dtype", dtype)
    rawset(self, "shift", cj.tensor(self.mean, dtype):reshape(sizes))
    rawset(self, "scale", cj.tensor(self.std, dtype):reshape(sizes))
  end
  return self.shift, self.scale
end

function Normalize:forward(x)
  check.tensor("normalize", "x", x, "float")
  local shift, scale = constants(self, x.dtype)
  return (x - shift) / scale
end

function Normalize:extra()
  return ("mean {%s}, std {%s}"):format(table.concat(self.mean, ", "), table.concat(self.std, ", "))
end

M.normalize = Normalize

return M
