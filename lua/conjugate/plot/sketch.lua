--- Sketches for the terminal: curves in braille dots, images in half blocks, with an ASCII
-- fallback.
-- @module conjugate.plot.sketch

local values = require "conjugate.plot.values"

local M = {}

local floor, max, min = math.floor, math.max, math.min

--- Can this terminal show Unicode?
-- @treturn boolean true when the locale of the environment names UTF-8
function M.unicode()
  local locale = os.getenv "LC_ALL"
  if not locale or locale == "" then locale = os.getenv "LC_CTYPE" end
  if not locale or locale == "" then locale = os.getenv "LANG" end
  return locale ~= nil and locale:lower():find("utf%-?8") ~= nil
end

local function utf8(code)
  if code < 0x80 then return string.char(code) end
  if code < 0x800 then return string.char(0xc0 + floor(code / 64), 0x80 + code % 64) end
  return string.char(0xe0 + floor(code / 4096), 0x80 + floor(code / 64) % 64, 0x80 + code % 64)
end

-- Bits of the braille dots of one character, [row][column].
local dots = { { 1, 8 }, { 2, 16 }, { 4, 32 }, { 64, 128 } }

-- A plane of dots, `across` x `down` dots to a character.
local function new_plane(width, height, across, down)
  return { width = width * across, height = height * down, across = across, down = down, set = {} }
end

local function put(plane, x, y, layer)
  x, y = floor(x + 0.5), floor(y + 0.5)
  if x < 0 or y < 0 or x >= plane.width or y >= plane.height then return end
  plane.set[y * plane.width + x] = plane.set[y * plane.width + x] or layer
end

-- Every series has its own stroke, so that curves stay apart without colour: gap dots left out
-- after each dot drawn.
local gaps = { 0, 1, 3, 7 }

local function stroke(plane, x1, y1, x2, y2, layer, phase)
  local steps = max(math.abs(x2 - x1), math.abs(y2 - y1), 1)
  local gap = gaps[(layer - 1) % #gaps + 1]
  for i = 0, floor(steps) do
    if (phase + i) % (gap + 1) == 0 then
      put(plane, x1 + (x2 - x1) * i / steps, y1 + (y2 - y1) * i / steps, layer)
    end
  end
  return phase + floor(steps)
end

local function character(plane, column, row, marks)
  local bits = 0
  for down = 0, plane.down - 1 do
    for across = 0, plane.across - 1 do
      local key = (row * plane.down + down) * plane.width + column * plane.across + across
      local layer = plane.set[key]
      if layer and marks then return marks[(layer - 1) % #marks + 1] end
      if layer then bits = bits + dots[down + 1][across + 1] end
    end
  end
  if bits == 0 then return " " end
  return utf8(0x2800 + bits)
end

local function ranges(series, opts)
  local x = { 1 / 0, -1 / 0 }
  local y = { 1 / 0, -1 / 0 }
  for _, s in ipairs(series) do
    local a, b = values.range(s.x)
    x[1], x[2] = min(x[1], a), max(x[2], b)
    a, b = values.range(s.y)
    y[1], y[2] = min(y[1], a), max(y[2], b)
  end
  if opts.y_range then y = { opts.y_range[1] or y[1], opts.y_range[2] or y[2] } end
  for _, r in ipairs { x, y } do
    if r[1] > r[2] then r[1], r[2] = 0, 1 end
    if r[1] == r[2] then r[1], r[2] = r[1] - 0.5, r[2] + 0.5 end
  end
  return x, y
end

-- Where on the x axis a value stands, 0..1. "sqrt" spreads the dense start of a curve.
local function place_x(value, range, scale)
  local share = (value - range[1]) / (range[2] - range[1])
  return scale == "sqrt" and math.sqrt(max(share, 0)) or share
end

local function draw(plane, series, x_range, y_range, opts)
  for layer, s in ipairs(series) do
    local px, py, phase = nil, nil, 0
    for i = 1, #s.x do
      local y = s.y[i]
      if y ~= y then
        px = nil
      else
        local cx = place_x(s.x[i], x_range, opts.x_scale) * (plane.width - 1)
        local cy = (1 - (y - y_range[1]) / (y_range[2] - y_range[1])) * (plane.height - 1)
        phase = stroke(plane, px or cx, py or cy, cx, cy, layer, px and phase or 0)
        px, py = cx, cy
      end
    end
  end
end

local function width_of(text)
  return #text:gsub("[\128-\191]", "")
end

local function pad(text, width, right)
  local space = (" "):rep(max(0, width - width_of(text)))
  return right and space .. text or text .. space
end

local ascii_marks = { "*", "o", "+", "x" }

-- "TA ⠒⠒⠒   RA ⠂⠐": names with a sample of their strokes.
local function legend(series, unicode)
  local parts = {}
  for layer, s in ipairs(series) do
    local sample
    if unicode then
      local plane = new_plane(6, 1, 2, 4)
      stroke(plane, 0, 1, plane.width - 1, 1, layer, 0)
      local signs = {}
      for column = 0, 5 do signs[#signs + 1] = character(plane, column, 0) end
      sample = table.concat(signs)
    else
      sample = ascii_marks[(layer - 1) % #ascii_marks + 1]:rep(3)
    end
    parts[#parts + 1] = sample .. " " .. s.name
  end
  return table.concat(parts, "    ")
end

local function axis_line(width, x_range, opts, margin)
  local low, high = values.label(x_range[1]), values.label(x_range[2])
  local middle = opts.x_label or ""
  local free = width - width_of(low) - width_of(high) - width_of(middle)
  local left = max(1, floor(free / 2))
  return (" "):rep(margin + 2) .. low .. (" "):rep(left) .. middle
    .. (" "):rep(max(1, free - left)) .. high
end

-- Labels of the y axis by character row, and the width of the widest.
local function y_labels(range, height)
  local labels, margin = {}, 0
  for _, row in ipairs { 0, floor((height - 1) / 2), height - 1 } do
    labels[row] = values.label(range[2] - row / (height - 1) * (range[2] - range[1]))
    margin = max(margin, width_of(labels[row]))
  end
  return labels, margin
end

-- Texts, sizes and the choice of signs, with their defaults.
local function with_defaults(opts, defaults)
  local all = {}
  for key, value in pairs(defaults) do all[key] = value end
  for key, value in pairs(opts or {}) do all[key] = value end
  if all.unicode == nil then all.unicode = M.unicode() end
  return all
end

--- Curves drawn with characters, with axes, least and greatest values and a legend.
-- @tparam {table,...} series each { name =, x = {numbers}, y = {numbers} }; NaN breaks a line
-- @tparam[opt] table opts title, x_label, y_label (texts), width (64) and height (15) in
--   characters, y_range ({low, high}), x_scale ("linear" or "sqrt", which spreads the start),
--   unicode (default: what the locale says)
-- @treturn string several lines, no newline at the end
function M.curve(series, opts)
  opts = with_defaults(opts, { width = 64, height = 15 })
  local width, height, unicode = opts.width, opts.height, opts.unicode
  local plane = unicode and new_plane(width, height, 2, 4) or new_plane(width, height, 1, 1)
  local x_range, y_range = ranges(series, opts)
  draw(plane, series, x_range, y_range, opts)

  local labels, margin = y_labels(y_range, height)
  local wall, corner, floor_sign = "|", "+", "-"
  if unicode then wall, corner, floor_sign = "│", "└", "─" end

  local lines = {}
  if opts.title then lines[#lines + 1] = (" "):rep(margin + 2) .. opts.title end
  local head = legend(series, unicode)
  if opts.y_label then head = opts.y_label .. "    " .. head end
  lines[#lines + 1] = (" "):rep(margin + 2) .. head
  for row = 0, height - 1 do
    local signs = {}
    for column = 0, width - 1 do
      signs[#signs + 1] = character(plane, column, row, not unicode and ascii_marks)
    end
    local line = pad(labels[row] or "", margin, true) .. " " .. wall .. table.concat(signs)
    lines[#lines + 1] = (line:gsub(" +$", ""))
  end
  lines[#lines + 1] = (" "):rep(margin + 1) .. corner .. floor_sign:rep(width)
  lines[#lines + 1] = axis_line(width, x_range, opts, margin)
  return table.concat(lines, "\n")
end

local shades = " .:-=+*#%@"

-- Two image rows to a character row: half blocks where values pass the middle, or the mean as a
-- shade.
local function image_row(upper, lower, opts)
  local low, high = opts.low, opts.high
  local signs = {}
  for column = 1, #upper do
    local a = upper[column]
    local b = lower and lower[column] or low
    if opts.unicode then
      local top, bottom = a > (low + high) / 2, b > (low + high) / 2
      signs[#signs + 1] = top and (bottom and "█" or "▀") or (bottom and "▄" or " ")
    else
      local share = max(0, min(1, ((a + b) / 2 - low) / (high - low)))
      local at = floor(share * (#shades - 1) + 0.5) + 1
      signs[#signs + 1] = shades:sub(at, at)
    end
  end
  return table.concat(signs)
end

--- Small images side by side, drawn with characters: half blocks, or shades in ASCII.
-- @tparam Tensor|table images [B, 1, H, W] or [B, H, W]; the first channel is drawn
-- @tparam[opt] table opts captions (texts under the images), low and high (value of black and
--   white, defaults 0 and 1), gap (characters between images, default 2), unicode (default: what
--   the locale says)
-- @treturn string several lines, no newline at the end
function M.images(images, opts)
  opts = with_defaults(opts, { low = 0, high = 1, gap = 2 })
  local planes = {}
  for i, image in ipairs(values.table(images)) do
    planes[i] = type(image[1][1]) == "table" and image[1] or image
  end
  if #planes == 0 then return "" end
  local gap, lines = (" "):rep(opts.gap), {}
  for row = 1, #planes[1], 2 do
    local parts = {}
    for i, plane in ipairs(planes) do parts[i] = image_row(plane[row], plane[row + 1], opts) end
    lines[#lines + 1] = (table.concat(parts, gap):gsub(" +$", ""))
  end
  if opts.captions then
    local parts = {}
    for i = 1, #planes do parts[i] = pad(opts.captions[i] or "", #planes[i][1]) end
    lines[#lines + 1] = (table.concat(parts, gap):gsub(" +$", ""))
  end
  return table.concat(lines, "\n")
end

return M
