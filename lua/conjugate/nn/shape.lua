--- Layers that only rearrange: flatten, padding, upsampling.
-- @module conjugate.nn.shape
local cj = require "conjugate"
local args = require "conjugate.nn.args"
local check = require "conjugate.check"
local class = require("conjugate.nn.module").class

local M = {}

--- Joins all dimensions but the first, [B, ...] -> [B, N].
-- @function flatten
-- @treturn Module
-- @source PyTorch, Flatten
local Flatten = class "Flatten"

function Flatten:forward(x) -- luacheck: ignore self
  return check.tensor("flatten", "x", x):flatten(2)
end

M.flatten = Flatten

--- Repeats every pixel (nearest neighbour), [B, C, H, W] -> [B, C, factor H, factor W].
-- @function upsample
-- @int factor >= 1
-- @treturn Module
-- @raise a wrong factor
-- @source PyTorch, Upsample
local Upsample = class "Upsample"

function Upsample:init(factor)
  self.factor = args.count("upsample", "factor", factor)
end

function Upsample:forward(x)
  return cj.upsample(x, self.factor)
end

function Upsample:extra()
  return "factor " .. self.factor
end

M.upsample = Upsample

--- Adds a border of one value, [B, C, H, W] -> [B, C, top + H + bottom, left + W + right].
-- @function pad
-- @tparam number|table border pixels on every side, or { left, right, top, bottom }, each >= 0
-- @number[opt=0] value
-- @treturn Module
-- @raise a wrong border or value
-- @source PyTorch, ConstantPad2d
local Pad = class "Pad"

function Pad:init(border, value)
  if type(border) == "number" then border = { border, border, border, border } end
  check.table("pad", "border", border)
  if #border ~= 4 then
    check.fail("pad", "expected { left, right, top, bottom } for border, got a list of %d", #border)
  end
  for i = 1, 4 do check.integer("pad", "border", border[i], 0) end
  self.border, self.value = border, check.number("pad", "value", value or 0)
end

function Pad:forward(x)
  return cj.pad(x, self.border, "constant", self.value)
end

function Pad:extra()
  return table.concat(self.border, ", ")
end

M.pad = Pad

return M
