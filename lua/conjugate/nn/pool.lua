--- Pooling layers: each output is the largest value, or the mean, of a window.
-- @module conjugate.nn.pool
local cj = require "conjugate"
local args = require "conjugate.nn.args"
local check = require "conjugate.check"
local class = require("conjugate.nn.module").class

local M = {}

local function window(fn, class_name)
  local Pool = class(class_name)

  function Pool:init(kernel, options)
    self.kernel = args.pair(fn, "kernel", kernel, 1)
    local o = check.options(fn, options,
      { stride = args.pair_rule(self.kernel), padding = args.pair_rule(0) })
    self.stride = args.pair(fn, "stride", o.stride, 1)
    self.padding = args.pair(fn, "padding", o.padding, 0)
    for d = 1, 2 do
      if 2 * self.padding[d] > self.kernel[d] then
        check.fail(fn, "expected a padding of at most half the kernel %s, got %s",
          args.text(self.kernel), args.text(self.padding))
      end
    end
  end

  function Pool:forward(x)
    return cj[fn](x, self.kernel, self.stride, self.padding)
  end

  function Pool:extra()
    local text = args.text(self.kernel) .. ", stride " .. args.text(self.stride)
    local padding = args.text(self.padding)
    return padding == "0" and text or text .. ", padding " .. padding
  end

  return Pool
end

--- Largest value of each window, [B, C, H, W] -> [B, C, H', W'] with
-- H' = floor((H + 2 padding - kernel) / stride) + 1. The padding never wins.
-- @function max_pool2d
-- @tparam number|table kernel size k or { kh, kw }
-- @tparam[opt] table options stride (the kernel), padding (0, at most half the kernel)
-- @treturn Module
-- @raise wrong sizes or unknown options
-- @source PyTorch, MaxPool2d
M.max_pool2d = window("max_pool2d", "MaxPool2d")

--- Mean of each window, sizes as in `max_pool2d`; padded zeros are counted.
-- @function avg_pool2d
-- @tparam number|table kernel size k or { kh, kw }
-- @tparam[opt] table options stride (the kernel), padding (0, at most half the kernel)
-- @treturn Module
-- @raise wrong sizes or unknown options
-- @source PyTorch, AvgPool2d
M.avg_pool2d = window("avg_pool2d", "AvgPool2d")

--- Means over a grid of windows that fits the output, [B, C, H, W] -> [B, C, height, width].
-- @function adaptive_avg_pool2d
-- @tparam number|table size n or { height, width }; 1 is the mean over the whole picture
-- @treturn Module
-- @raise a wrong size
-- @source PyTorch, AdaptiveAvgPool2d
local AdaptiveAvgPool2d = class "AdaptiveAvgPool2d"

function AdaptiveAvgPool2d:init(size)
  self.size = args.pair("adaptive_avg_pool2d", "size", size, 1)
end

function AdaptiveAvgPool2d:forward(x)
  return cj.adaptive_avg_pool2d(x, self.size)
end

function AdaptiveAvgPool2d:extra()
  return args.text(self.size)
end

M.adaptive_avg_pool2d = AdaptiveAvgPool2d

return M
