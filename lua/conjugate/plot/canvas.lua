--- A small picture in memory: fills, text and images, then a PNG.
--
-- Pixels are packed RGB numbers, row by row. Coordinates count from 0 at the top left; whatever
-- falls outside is not drawn.
-- @module conjugate.plot.canvas

local colour = require "conjugate.plot.colour"
local font = require "conjugate.plot.font"

local Canvas = {}
Canvas.__index = Canvas

local M = {}

--- A new canvas of one colour.
-- @tparam number width pixels
-- @tparam number height pixels
-- @tparam[opt=0xffffff] number background packed colour
-- @treturn Canvas
function M.new(width, height, background)
  local self = setmetatable({ width = width, height = height, pixels = {} }, Canvas)
  for i = 1, width * height do self.pixels[i] = background or 0xffffff end
  return self
end

--- Fills a rectangle.
-- @tparam number x left
-- @tparam number y top
-- @tparam number width pixels
-- @tparam number height pixels
-- @tparam number packed colour
function Canvas:fill(x, y, width, height, packed)
  local left, right = math.max(x, 0), math.min(x + width, self.width) - 1
  for row = math.max(y, 0), math.min(y + height, self.height) - 1 do
    local base = row * self.width + 1
    for column = left, right do self.pixels[base + column] = packed end
  end
end

--- A frame one pixel wide just outside a rectangle.
-- @tparam number x left of the rectangle
-- @tparam number y top
-- @tparam number width pixels
-- @tparam number height pixels
-- @tparam number packed colour
function Canvas:frame(x, y, width, height, packed)
  self:fill(x - 1, y - 1, width + 2, 1, packed)
  self:fill(x - 1, y + height, width + 2, 1, packed)
  self:fill(x - 1, y, 1, height, packed)
  self:fill(x + width, y, 1, height, packed)
end

local function draw_glyph(self, glyph, x, y, zoom, packed)
  for column = 1, font.width do
    local bits = glyph[column]
    for row = 0, font.height do -- one more than the height: descenders
      if bits % 2 == 1 then
        self:fill(x + (column - 1) * zoom, y + row * zoom, zoom, zoom, packed)
      end
      bits = math.floor(bits / 2)
    end
  end
end

--- Writes one line of text.
-- @tparam number x left edge, middle or right edge, see align
-- @tparam number y top
-- @tparam string text UTF-8
-- @tparam[opt] table opts zoom (whole pixels per font pixel, default 2), colour (packed, default
--   dark grey), align ("left", "centre", "right")
function Canvas:text(x, y, text, opts)
  opts = opts or {}
  local zoom = opts.zoom or 2
  local width = font.measure(text, zoom)
  if opts.align == "centre" then x = math.floor(x - width / 2) end
  if opts.align == "right" then x = x - width end
  for _, sign in ipairs(font.signs(text)) do
    draw_glyph(self, font.glyph(sign), x, y, zoom, opts.colour or 0x202020)
    x = x + font.advance * zoom
  end
end

--- Draws an image enlarged by whole pixels.
-- @tparam number x left
-- @tparam number y top
-- @tparam {{number,...},...} rows packed colours, row by row
-- @tparam[opt=1] number zoom pixels per element
function Canvas:image(x, y, rows, zoom)
  zoom = zoom or 1
  for i, row in ipairs(rows) do
    for j, packed in ipairs(row) do
      self:fill(x + (j - 1) * zoom, y + (i - 1) * zoom, zoom, zoom, packed)
    end
  end
end

local letters = {}
for byte = 0, 255 do letters[byte] = string.char(byte) end

--- The pixels as bytes: all of red, then green, then blue, each row by row from the top.
-- @treturn string 3 * height * width bytes
function Canvas:bytes()
  local red, green, blue = {}, {}, {}
  for i = 1, self.width * self.height do
    local r, g, b = colour.parts(self.pixels[i])
    red[i], green[i], blue[i] = letters[r], letters[g], letters[b]
  end
  return table.concat(red) .. table.concat(green) .. table.concat(blue)
end

local function pixels_of(self)
  local cj = require "conjugate"
  return cj.from_bytes(self:bytes(), "uint8", { 3, self.height, self.width })
end

--- The picture as an 8-bit RGB PNG in memory: the bytes that `save` writes.
-- @treturn string
function Canvas:png()
  local cj = require "conjugate"
  return cj.io.encode_png(pixels_of(self)):bytes()
end

--- Writes the picture as an 8-bit RGB PNG, atomically.
-- @tparam string path where to
-- @treturn[1] string path
-- @treturn[2] nil when it cannot be written
-- @treturn[2] string why
function Canvas:save(path)
  local cj = require "conjugate"
  local ok, why = cj.io.write_png(path, pixels_of(self))
  if not ok then return nil, why end
  return path
end

return M
