--- Convolution layers.
-- @module conjugate.nn.conv
local cj = require "conjugate"
local args = require "conjugate.nn.args"
local check = require "conjugate.check"
local initial = require "conjugate.nn.initial"
local class = require("conjugate.nn.module").class

local M = {}
local pair_rule = args.pair_rule

-- What both layers share: sizes and options read into fields, weight and bias made.
local function setup(self, fn, inputs, outputs, kernel, given, known)
  self.inputs, self.outputs = args.count(fn, "inputs", inputs), args.count(fn, "outputs", outputs)
  self.kernel = args.pair(fn, "kernel", kernel, 1)
  local o = check.options(fn, given, known)
  self.groups = args.count(fn, "groups", o.groups)
  self.stride = args.pair(fn, "stride", o.stride, 1)
  self.padding = args.pair(fn, "padding", o.padding, 0)
  for _, name in ipairs { "inputs", "outputs" } do
    if self[name] % self.groups ~= 0 then
      check.fail(fn, "expected a multiple of groups = %d for %s, got %d", self.groups, name,
        self[name])
    end
  end
  return o
end

local function make_weights(self, sizes, bias)
  self:parameter("weight", initial.kaiming_normal(cj.zeros(sizes)))
  if bias then self:parameter("bias", cj.zeros { self.outputs }) end
end

local function extra(self)
  local parts = { self.inputs, self.outputs, "kernel " .. args.text(self.kernel) }
  for _, name in ipairs { "stride", "padding", "dilation", "output_padding" } do
    local usual = (name == "stride" or name == "dilation") and "1" or "0"
    local text = self[name] and args.text(self[name]) or usual
    if text ~= usual then parts[#parts + 1] = name .. " " .. text end
  end
  if self.groups ~= 1 then parts[#parts + 1] = "groups " .. self.groups end
  return table.concat(parts, ", ")
end

--- Two-dimensional convolution (cross-correlation), [B, inputs, H, W] -> [B, outputs, H', W'] with
-- H' = floor((H + 2 padding - dilation (kernel - 1) - 1) / stride) + 1.
-- Parameters: `weight` [outputs, inputs / groups, kh, kw], He normal; `bias` [outputs], zero.
-- @function conv2d
-- @int inputs channels of the input, >= 1
-- @int outputs channels of the output, >= 1
-- @tparam number|table kernel size k or { kh, kw }
-- @tparam[opt] table options stride (1), padding (0), dilation (1), each a number or
--  { height, width }; groups (1), a common divisor of inputs and outputs; bias (true)
-- @treturn Module
-- @raise wrong counts, sizes or unknown options
-- @source LeCun et al., Proc. IEEE 86 (1998); PyTorch, Conv2d
local Conv2d = class "Conv2d"

function Conv2d:init(inputs, outputs, kernel, options)
  local o = setup(self, "conv2d", inputs, outputs, kernel, options, {
    stride = pair_rule(1), padding = pair_rule(0), dilation = pair_rule(1), groups = 1,
    bias = true,
  })
  self.dilation = args.pair("conv2d", "dilation", o.dilation, 1)
  make_weights(self, { outputs, inputs / self.groups, self.kernel[1], self.kernel[2] }, o.bias)
end

function Conv2d:forward(x)
  return cj.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
end

Conv2d.extra = extra
M.conv2d = Conv2d

--- Transposed two-dimensional convolution, the gradient of `conv2d` with respect to its input:
-- [B, inputs, H, W] -> [B, outputs, H', W'] with
-- H' = (H - 1) stride - 2 padding + kernel + output_padding.
-- Parameters: `weight` [inputs, outputs / groups, kh, kw], He normal; `bias` [outputs], zero.
-- @function conv_transpose2d
-- @int inputs channels of the input, >= 1
-- @int outputs channels of the output, >= 1
-- @tparam number|table kernel size k or { kh, kw }
-- @tparam[opt] table options stride (1), padding (0), output_padding (0), each a number or
--  { height, width }; groups (1); bias (true)
-- @treturn Module
-- @raise wrong counts, sizes or unknown options
-- @source Zeiler et al., CVPR 2010; PyTorch, ConvTranspose2d
local ConvTranspose2d = class "ConvTranspose2d"

function ConvTranspose2d:init(inputs, outputs, kernel, options)
  local fn = "conv_transpose2d"
  local o = setup(self, fn, inputs, outputs, kernel, options, {
    stride = pair_rule(1), padding = pair_rule(0), output_padding = pair_rule(0), groups = 1,
    bias = true,
  })
  self.output_padding = args.pair(fn, "output_padding", o.output_padding, 0)
  make_weights(self, { inputs, outputs / self.groups, self.kernel[1], self.kernel[2] }, o.bias)
end

function ConvTranspose2d:forward(x)
  return cj.conv_transpose2d(x, self.weight, self.bias, self.stride, self.padding,
    self.output_padding, self.groups)
end

ConvTranspose2d.extra = extra
M.conv_transpose2d = ConvTranspose2d

return M
