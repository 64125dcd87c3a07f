--- Colours: packed 24-bit RGB numbers and the maps from values to them.
-- @module conjugate.plot.colour

local M = {}

local floor = math.floor

--- One packed colour.
-- @tparam number r red, 0 to 255
-- @tparam number g green, 0 to 255
-- @tparam number b blue, 0 to 255
-- @treturn number r * 65536 + g * 256 + b
function M.rgb(r, g, b)
  return r * 65536 + g * 256 + b
end

--- The three parts of a packed colour.
-- @tparam number packed from @{rgb}
-- @treturn number red, 0 to 255
-- @treturn number green
-- @treturn number blue
function M.parts(packed)
  local r = floor(packed / 65536)
  local g = floor(packed / 256) % 256
  return r, g, packed % 256
end

-- Anchors at equal distances from 0 to 1; values between them are interpolated.
local maps = {
  grey = { 0x000000, 0xffffff },
  -- Blue, white, red; after ColorBrewer's RdBu, which reads well with colour-blind eyes.
  diverging = {
    0x053061, 0x2166ac, 0x4393c3, 0x92c5de, 0xd1e5f0, 0xffffff,
    0xfddbc7, 0xf4a582, 0xd6604d, 0xb2182b, 0x67001f,
  },
  -- Dark violet to yellow; after viridis, even steps in lightness.
  sequential = {
    0x440154, 0x482878, 0x3e4a89, 0x31688e, 0x26828e, 0x1f9e89, 0x35b779, 0x6ece58, 0xb5de2b,
    0xfde725,
  },
}

local function blend(a, b, share)
  local r1, g1, b1 = M.parts(a)
  local r2, g2, b2 = M.parts(b)
  local function mix(u, v) return floor(u + (v - u) * share + 0.5) end
  return M.rgb(mix(r1, r2), mix(g1, g2), mix(b1, b2))
end

-- 256 ready colours per map: a picture asks for many thousands.
local tables = {}
local function levels(name)
  if tables[name] then return tables[name] end
  local anchors = maps[name] or error("colour.map: no map named " .. tostring(name), 3)
  local list, last = {}, #anchors - 1
  for i = 0, 255 do
    local place = i / 255 * last
    local left = math.min(floor(place), last - 1)
    list[i] = blend(anchors[left + 1], anchors[left + 2], place - left)
  end
  tables[name] = list
  return list
end

--- The colour of a value; NaN is magenta so that it is seen.
-- @tparam string name "grey", "diverging" or "sequential"
-- @tparam number value clamped to low..high
-- @tparam number low value of the first colour
-- @tparam number high value of the last colour; equal to low gives the middle
-- @treturn number packed colour
function M.map(name, value, low, high)
  local list = levels(name)
  if value ~= value then return 0xff00ff end
  local share = 0.5
  if high > low then share = math.max(0, math.min(1, (value - low) / (high - low))) end
  return list[floor(share * 255 + 0.5)]
end

--- Line colours that stay apart for colour-blind eyes (Okabe and Ito), as "#rrggbb".
M.lines = { "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000" }

return M
