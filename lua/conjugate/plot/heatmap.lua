--- Heat maps: one array of numbers as coloured cells with a colour bar.
-- @module conjugate.plot.heatmap

local bar = require "conjugate.plot.bar"
local canvas = require "conjugate.plot.canvas"
local colour = require "conjugate.plot.colour"
local font = require "conjugate.plot.font"
local values = require "conjugate.plot.values"

local M = {}

local GAP, TEXT = 10, 2

local function limits(rows, opts)
  local low, high = values.range(rows)
  if opts.kind == "signed" then
    high = math.max(math.abs(low), math.abs(high))
    low = -high
  end
  return opts.low or low, opts.high or high
end

local maps = { signed = "diverging", grey = "grey" }

local function colours(rows, map, low, high)
  local pixels = {}
  for i, row in ipairs(rows) do
    pixels[i] = {}
    for j, value in ipairs(row) do pixels[i][j] = colour.map(map, value, low, high) end
  end
  return pixels
end

--- The heat map as a canvas, not yet written.
-- @tparam Tensor|table data [H, W]
-- @tparam[opt] table opts see @{save}
-- @treturn Canvas
function M.draw(data, opts)
  opts = opts or {}
  local rows = values.table(data)
  local zoom = opts.zoom or math.max(1, math.floor(280 / math.max(#rows, #rows[1])))
  local height, width = #rows * zoom, #rows[1] * zoom
  local low, high = limits(rows, opts)
  local map = maps[opts.kind] or "sequential"
  local top = opts.title and 2 * GAP + font.height * TEXT or GAP
  local total = 4 * GAP + width + bar.measure(low, high)
  if opts.title then total = math.max(total, font.measure(opts.title, TEXT) + 2 * GAP) end
  local picture = canvas.new(total, top + height + GAP)
  if opts.title then picture:text(GAP, GAP, opts.title, { zoom = TEXT }) end
  picture:image(GAP, top, colours(rows, map, low, high), zoom)
  picture:frame(GAP, top, width, height, 0x808080)
  bar.draw(picture, width + 3 * GAP, top, height, map, low, high)
  return picture
end

--- Writes a heat map as PNG.
-- @tparam string path where to
-- @tparam Tensor|table data [H, W] numbers; NaN is drawn magenta
-- @tparam[opt] table opts title (text), kind ("sequential", "signed" for blue, white, red about
--   zero, or "grey"), low and high (values of the ends of the colour bar), zoom (screen pixels per
--   element)
-- @treturn[1] string path
-- @treturn[2] nil when it cannot be written
-- @treturn[2] string why
function M.save(path, data, opts)
  return M.draw(data, opts):save(path)
end

return M
