--- The colour bar beside an image grid or a heat map.
-- @module conjugate.plot.bar

local colour = require "conjugate.plot.colour"
local font = require "conjugate.plot.font"
local values = require "conjugate.plot.values"

local M = {}

local TEXT, GAP = 2, 6 -- zoom of the labels; pixels between bar and labels
local WIDTH = 14
local LEAST_DIGITS, MOST_DIGITS = 3, 8

-- Rounding must not turn a middle of zero into 1e-9.
local function middle_of(low, high)
  local middle = (low + high) / 2
  if math.abs(middle) < 1e-3 * (high - low) then return 0 end
  return middle
end

-- Texts of the lower end, the middle and the upper end, with as many digits as tell them apart.
local function labels_of(low, high)
  local middle, texts = middle_of(low, high), nil
  for digits = LEAST_DIGITS, MOST_DIGITS do
    texts = { values.label(low, digits), values.label(middle, digits), values.label(high, digits) }
    if low == high or texts[1] ~= texts[2] and texts[2] ~= texts[3] then break end
  end
  return texts
end

--- Pixels that a bar and its labels take from left to right.
-- @tparam number low value of the lower end
-- @tparam number high value of the upper end
-- @treturn number pixels
function M.measure(low, high)
  local widest = 0
  for _, text in ipairs(labels_of(low, high)) do
    widest = math.max(widest, font.measure(text, TEXT))
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
  local texts = labels_of(low, high)
  local function label(text, share)
    picture:text(x + WIDTH + GAP, y + math.floor(room * share), text, { zoom = TEXT })
  end
  label(texts[3], 0)
  label(texts[1], 1)
  if height > 80 then label(texts[2], 0.5) end
end

return M
