--- The colour bar beside an image grid or a heat map.
-- @module conjugate.plot.bar

local colour = require "conjugate.plot.colour"
local font = require "conjugate.plot.font"
local values = require "conjugate.plot.values"

local M = {}

local TEXT, GAP = 2, 6 -- zoom of the labels; pixels between bar and labels
local WIDTH = 14

-- Rounding must not turn a middle of zero into 1e-9.
local function middle_of(low, high)
  local middle = (low + high) / 2
  if math.abs(middle) < 1e-3 * (high - low) then return 0 end
  return middle
end

--- Pixels that a bar and its labels take from left to right.
-- @tparam number low value of the lower end
-- @tparam number high value of the upper end
-- @treturn number pixels
function M.measure(low, high)
  local widest = 0
  for _, value in ipairs { low, middle_of(low, high), high } do
    widest = math.max(widest, font.measure(values.label(value), TEXT))
  end
  return WIDTH + GAP + widest
end

--- Draws a bar with the values of its ends, and of its middle when there is room.
-- @tparam Canvas picture where
-- @tparam number x left
-- @tparam number y top
-- @tparam number height pixels
-- @tparam string map name of a colour map
-- @tparam number low value of the lower end
-- @tparam number high value of the upper end
function M.draw(picture, x, y, height, map, low, high)
  for i = 0, height - 1 do
    local value = high - (high - low) * i / (height - 1)
    picture:fill(x, y + i, WIDTH, 1, colour.map(map, value, low, high))
  end
  picture:frame(x, y, WIDTH, height, 0x808080)
  local room = height - font.height * TEXT
  local function label(value, share)
    picture:text(x + WIDTH + GAP, y + math.floor(room * share), values.label(value),
      { zoom = TEXT })
  end
  label(high, 0)
  label(low, 1)
  if height > 80 then label(middle_of(low, high), 0.5) end
end

return M
