--- Image grids: examples side by side, one kind of image per row, with captions and colour bars.
-- @module conjugate.plot.grid

local bar = require "conjugate.plot.bar"
local canvas = require "conjugate.plot.canvas"
local colour = require "conjugate.plot.colour"
local font = require "conjugate.plot.font"
local values = require "conjugate.plot.values"

local M = {}

local GAP = 8 -- pixels between images, and around the picture
local TEXT = 2 -- zoom of the font
local LINE = font.height * TEXT + 4 -- pixels of a line of text

local function rgb_pixel(channels, i, j, low, high)
  local parts = {}
  for c = 1, 3 do
    local share = (channels[c][i][j] - low) / (high - low)
    parts[c] = math.floor(math.max(0, math.min(1, share)) * 255 + 0.5)
  end
  return colour.rgb(parts[1], parts[2], parts[3])
end

local function mean_pixel(channels, i, j, map, low, high)
  local sum = 0
  for c = 1, #channels do sum = sum + channels[c][i][j] end
  return colour.map(map, sum / #channels, low, high)
end

-- [C][H][W] or [H][W] numbers to [H][W] colours.
local function colours(image, map, low, high)
  local channels = type(image[1][1]) == "table" and image or { image }
  local coloured = #channels == 3 and map == "grey"
  local rows = {}
  for i = 1, #channels[1] do
    rows[i] = {}
    for j = 1, #channels[1][1] do
      if coloured then
        rows[i][j] = rgb_pixel(channels, i, j, low, high)
      else
        rows[i][j] = mean_pixel(channels, i, j, map, low, high)
      end
    end
  end
  return rows
end

local maps = { signed = "diverging", sequential = "sequential" }

-- Values of the ends of a row's colours.
local function ends(row, images)
  if row.low and row.high or not maps[row.kind] then return row.low or 0, row.high or 1 end
  local a, b = values.range(images)
  if a > b then return 0, 1 end
  if row.kind == "sequential" then return row.low or a, row.high or b end
  local high = row.high or math.max(math.abs(a), math.abs(b))
  if high == 0 then high = 1 end
  return -high, high
end

-- Fills in what a row of the grid leaves open: its map and the values of its ends.
local function prepare(row)
  local images = values.table(row.images)
  local map = maps[row.kind] or "grey"
  local low, high = ends(row, images)
  return {
    title = row.title or "", captions = row.captions, images = images, missing = row.missing,
    map = map, bar = map ~= "grey", low = low, high = high,
  }
end

local function split(text)
  local lines = {}
  for line in (text .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = line end
  return lines
end

-- Pixels of the widest text.
local function widest(texts)
  local width = 0
  for _, text in ipairs(texts or {}) do width = math.max(width, font.measure(text, TEXT)) end
  return width
end

-- Height and width of a row's first image, in image pixels.
local function image_size(row)
  local image = { {} }
  for _, one in ipairs(row.images) do image = one or image end
  local plane = type(image[1][1]) == "table" and image[1] or image
  return #plane, #(plane[1] or {})
end

local function measure_rows(rows, zoom)
  local l = { columns = 0, left = 0, right = 0, image_height = 0, image_width = 0 }
  for _, row in ipairs(rows) do
    local height, width = image_size(row)
    l.columns = math.max(l.columns, #row.images)
    l.left = math.max(l.left, widest(split(row.title)))
    l.image_height = math.max(l.image_height, height * zoom)
    local caption = widest(row.captions)
    l.image_width = math.max(l.image_width, width * zoom, caption > 0 and caption + GAP or 0)
    if row.bar then l.right = math.max(l.right, bar.measure(row.low, row.high) + GAP) end
  end
  return l
end

local function layout(rows, zoom, title)
  local l = measure_rows(rows, zoom)
  l.width = 2 * GAP + l.left + 2 * GAP + l.columns * (l.image_width + GAP) + l.right
  l.height = GAP
  if title then
    l.width = math.max(l.width, font.measure(title, TEXT) + 2 * GAP)
    l.height = LINE + 2 * GAP
  end
  for _, row in ipairs(rows) do
    row.y = l.height
    l.height = l.height + l.image_height + (row.captions and LINE or 4) + GAP
  end
  return l
end

local function draw_row(picture, l, row, zoom)
  local lines = split(row.title)
  local y = row.y + math.floor((l.image_height - #lines * LINE) / 2) + 2
  for _, line in ipairs(lines) do
    picture:text(GAP + l.left, y, line, { zoom = TEXT, align = "right" })
    y = y + LINE
  end
  local x = GAP + l.left + 2 * GAP
  local height, width = image_size(row)
  local inset = math.floor((l.image_width - width * zoom) / 2)
  for i, image in ipairs(row.images) do
    if image then
      picture:image(x + inset, row.y, colours(image, row.map, row.low, row.high), zoom)
    else
      picture:text(x + math.floor(l.image_width / 2), row.y + math.floor(l.image_height / 2) - LINE
        / 2, row.missing or "-", { zoom = 1, align = "centre" })
    end
    picture:frame(x + inset, row.y, width * zoom, height * zoom, 0xb0b0b0)
    if row.captions and row.captions[i] then
      picture:text(x + math.floor(l.image_width / 2), row.y + l.image_height + 4, row.captions[i],
        { zoom = TEXT, align = "centre" })
    end
    x = x + l.image_width + GAP
  end
  if row.bar then
    bar.draw(picture, x + GAP, row.y, l.image_height, row.map, row.low, row.high)
  end
end

--- The grid as a canvas, not yet written.
-- @tparam {table,...} rows see @{save}
-- @tparam[opt] table opts see @{save}
-- @treturn Canvas
function M.draw(rows, opts)
  opts = opts or {}
  local zoom = opts.zoom or 3
  local ready = {}
  for i, row in ipairs(rows) do ready[i] = prepare(row) end
  local l = layout(ready, zoom, opts.title)
  local picture = canvas.new(l.width, l.height)
  if opts.title then picture:text(GAP, GAP, opts.title, { zoom = TEXT }) end
  for _, row in ipairs(ready) do draw_row(picture, l, row, zoom) end
  return picture
end

--- Writes a grid of images as PNG.
-- @tparam string path where to
-- @tparam {table,...} rows one kind of image each: { title = text ("\n" breaks lines), images =
--   tensor [B, C, H, W] or [B, H, W] with 1 or 3 channels, kind = "image" (grey or RGB, default),
--   "signed" (blue, white, red about zero, with a colour bar; the mean of the channels) or
--   "sequential" (dark to light, with a colour bar), low and high = values of the ends (images: 0
--   and 1; signed: plus and minus the greatest; sequential: least and greatest), captions = texts
--   under the images }; where images are a list of tables, one may be false: an empty frame with
--   the text `missing`
-- @tparam[opt] table opts title (text), zoom (screen pixels per image pixel, default 3)
-- @treturn[1] string path
-- @treturn[2] nil when it cannot be written
-- @treturn[2] string why
function M.save(path, rows, opts)
  return M.draw(rows, opts):save(path)
end

return M
