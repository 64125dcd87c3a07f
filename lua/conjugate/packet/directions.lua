--- Directions in the space of images, along which packets are measured beside the pixels.
--
--     local d = cj.packet.directions
--     local r = p:measure { directions = d.pca(images, 16) .. d.dct({ 1, 28, 28 }, 16) }
--     print(r.directions.values.P)
--
-- A unit vector u makes the operators u.x and u.grad. Every function here gives a table of `names`
-- and `vectors`, float64 [k, M], unit vectors; `a .. b` puts two of them one after the other. What
-- is measured along them: `conjugate.packet.matrix`.
-- @module conjugate.packet.directions
local check = require "conjugate.check"
local core = require "conjugate.core"
local ops = require "conjugate.ops"

local M = {}

local Directions = {}
Directions.__index = Directions

local UNIT = 1e-9 -- how far a length may be from 1
local FLAT = 1e-12 -- share of the largest variance below which there is none

local function make(names, vectors)
  return setmetatable({ names = names, vectors = vectors:contiguous() }, Directions)
end

local function joined(a, b)
  local names = {}
  for _, part in ipairs { a, b } do
    for _, name in ipairs(part.names) do names[#names + 1] = name end
  end
  return names
end

function Directions.__concat(a, b)
  for i, part in ipairs { a, b } do
    if getmetatable(part) ~= Directions then
      check.fail("directions", "expected directions for operand %d of .., got %s", i,
        check.describe(part))
    end
  end
  if a.vectors:size(2) ~= b.vectors:size(2) then
    check.fail("directions", "expected directions of equally many pixels for .., got %d and %d",
      a.vectors:size(2), b.vectors:size(2))
  end
  return make(joined(a, b), ops.cat({ a.vectors, b.vectors }, 1))
end

function Directions:__tostring()
  return ("%d directions of %d pixels: %s"):format(#self.names, self.vectors:size(2),
    table.concat(self.names, ", "))
end

-- A tensor of any shape as float64 [1, M] of length 1.
local function unit_row(name, t)
  check.tensor("directions", name, t, "float")
  local row = t:detach():to("float64"):reshape { 1, t:numel() }
  local length = math.sqrt((row * row):sum():item())
  if not (length > 0 and length < math.huge) then
    check.fail("directions", "expected a finite vector that is not zero for %s, got length %g",
      name, length)
  end
  return row / length
end

--- Given vectors, normalised.
-- @tparam {Tensor,...} list float tensors of M elements each, of any shape
-- @tparam[opt] {string,...} names one for each; "direction 1" and so on
-- @treturn table directions
-- @raise zero, infinite or NaN vectors; different sizes; another number of names
function M.unit(list, names)
  check.table("directions", "list", list)
  if #list == 0 then check.fail("directions", "expected at least one vector for list, got none") end
  names = names and check.table("directions", "names", names) or {}
  local rows = {}
  for i, t in ipairs(list) do
    rows[i] = unit_row(("list[%d]"):format(i), t)
    if rows[i]:size(2) ~= rows[1]:size(2) then
      check.fail("directions", "expected %d elements for list[%d], got %d", rows[1]:size(2), i,
        rows[i]:size(2))
    end
    names[i] = check.string("directions", ("names[%d]"):format(i),
      names[i] or ("direction %d"):format(i))
  end
  if #names ~= #list then
    check.fail("directions", "expected %d names, got %d", #list, #names)
  end
  return make(names, ops.cat(rows, 1))
end

-- Sizes of one image, and their product.
local function read_shape(shape)
  check.table("directions", "shape", shape)
  local count = 1
  for i, size in ipairs(shape) do
    count = count * check.integer("directions", ("shape[%d]"):format(i), size, 1)
  end
  if #shape == 0 then check.fail("directions", "expected sizes for shape, got none") end
  return count
end

--- Pixels: what results give for each of them anyway, here as a part of the matrix form.
-- @tparam {integer,...} shape sizes of one image
-- @tparam {integer,...} list of pixels from 1
-- @treturn table directions
-- @raise pixels that are not there
function M.pixels(shape, list)
  local count, names = read_shape(shape), {}
  check.table("directions", "list", list)
  if #list == 0 then check.fail("directions", "expected at least one pixel for list, got none") end
  local vectors = core.new({ #list, count }, 0, "float64", "directions")
  for k, i in ipairs(list) do
    check.integer("directions", ("list[%d]"):format(k), i, 1, count)
    vectors:set(k, i, 1)
    names[k] = ("pixel %d"):format(i)
  end
  return make(names, vectors)
end

-- --- cosines ------------------------------------------------------------------------------------

-- Element x of n, from 0, of the orthonormal cosine of frequency f.
local function cosine(f, x, n)
  return math.sqrt((f == 0 and 1 or 2) / n) * math.cos(math.pi * f * (2 * x + 1) / (2 * n))
end

-- The lowest frequencies of height x width, by their sum and then by the vertical one.
local function lowest(count, height, width)
  local list = {}
  for sum = 0, height + width - 2 do
    for fy = math.max(0, sum - width + 1), math.min(sum, height - 1) do
      if #list < count then list[#list + 1] = { fy, sum - fy } end
    end
  end
  return list
end

-- Channels, height and width of an image.
local function read_planes(shape)
  read_shape(shape)
  if #shape < 2 or #shape > 3 then
    check.fail("directions", "expected shape {H, W} or {C, H, W}, got %d sizes", #shape)
  end
  local channels = #shape == 3 and shape[1] or 1
  return channels, shape[#shape - 1], shape[#shape]
end

local function fill_cosine(vectors, k, frequency, planes)
  local channels, height, width = unpack(planes)
  local only = frequency[3]
  local scale = only and 1 or 1 / math.sqrt(channels)
  for c = 1, channels do
    for y = 0, (only == nil or only == c) and height - 1 or -1 do
      local row = scale * cosine(frequency[1], y, height)
      for x = 0, width - 1 do
        vectors:set(k, ((c - 1) * height + y) * width + x + 1,
          row * cosine(frequency[2], x, width))
      end
    end
  end
end

--- Waves: the orthonormal two-dimensional cosine transform (DCT-II).
-- @tparam {integer,...} shape {H, W} or {C, H, W}
-- @tparam integer|table which a count: the lowest frequencies, by fy + fx, then fy, of all channels
--   alike (grey); or a list of {fy, fx} (grey) and {fy, fx, channel} (of one channel, from 1), with
--   fy from 0 to H - 1 half waves down the image and fx from 0 to W - 1 across it
-- @treturn table directions named "dct fy,fx"
-- @raise frequencies or channels that are not there
-- @source Ahmed, Natarajan & Rao, IEEE Trans. Computers 1974
function M.dct(shape, which)
  local channels, height, width = read_planes(shape)
  if type(which) == "number" then
    check.integer("directions", "which", which, 1, height * width)
    which = lowest(which, height, width)
  end
  check.table("directions", "which", which)
  if #which == 0 then check.fail("directions", "expected frequencies for which, got none") end
  local names = {}
  local vectors = core.new({ #which, channels * height * width }, 0, "float64", "directions")
  for k, frequency in ipairs(which) do
    local name = ("which[%d]"):format(k)
    check.table("directions", name, frequency)
    local fy = check.integer("directions", name .. "[1]", frequency[1], 0, height - 1)
    local fx = check.integer("directions", name .. "[2]", frequency[2], 0, width - 1)
    local channel = frequency[3]
    if channel then check.integer("directions", name .. "[3]", channel, 1, channels) end
    names[k] = ("dct %d,%d"):format(fy, fx) .. (channel and (" of %d"):format(channel) or "")
    fill_cosine(vectors, k, frequency, { channels, height, width })
  end
  return make(names, vectors)
end

-- --- principal axes -----------------------------------------------------------------------------

-- Images as float64 [n, M] around their mean.
local function centred(images)
  if type(images) == "table" and images.batch then images = images:batch(1, images:size()) end
  check.tensor("directions", "images", images, "float")
  local n = images:size(1)
  if images:dim() < 2 or n < 2 then
    check.fail("directions", "expected at least two images [n, ...] for images, got %s",
      check.describe(images))
  end
  local rows = images:detach():to("float64"):reshape { n, images:numel() / n }
  return rows - rows:mean(1):reshape { 1, rows:size(2) }
end

-- The sign that makes the element of largest absolute value positive, the first of equal ones.
local function fix_sign(row)
  local most, sign = 0, 1
  for _, v in ipairs(row:reshape { row:numel() }:table()) do
    if math.abs(v) > most then
      most, sign = math.abs(v), v < 0 and -1 or 1
    end
  end
  return row * sign
end

--- Principal axes of images, of largest variance first: eigenvectors of their covariance, by way of
-- the smaller of the two Gram matrices, whose number of rows costs its cube (784: about two
-- seconds). The element of largest absolute value is positive.
-- @tparam Tensor|table images floats [n, ...], or a data set
-- @tparam integer count of axes, at most min(n - 1, M)
-- @treturn table directions with `variances`, {number,...}, along them
-- @raise more axes than the images have
-- @source Pearson 1901; Hotelling 1933
function M.pca(images, count)
  local rows = centred(images)
  local n, pixels = rows:size(1), rows:size(2)
  check.integer("directions", "count", count, 1, math.min(n - 1, pixels))
  local few = n < pixels
  local columns = rows:t():contiguous()
  local values, vectors = core.symmetric_eigen(
    (few and rows:matmul(columns) or columns:matmul(rows)):contiguous())
  local last, names, list, variances = values:numel(), {}, {}, {}
  for k = 1, count do
    local at = last - k + 1
    if values:get(at) <= FLAT * values:get(last) then
      check.fail("directions", "expected a count of axes that the images have, at most %d, got %d",
        k - 1, count)
    end
    local row = vectors:select(1, at):reshape { 1, last }
    if few then row = row:contiguous():matmul(rows) end
    list[k] = fix_sign(unit_row("images", row))
    names[k], variances[k] = ("pca %d"):format(k), values:get(at) / (n - 1)
  end
  local out = make(names, ops.cat(list, 1))
  out.variances = variances
  return out
end

--- The line through two images.
-- @tparam Tensor x0 floats of M elements
-- @tparam Tensor x1 the same
-- @treturn table one direction, from x0 to x1
-- @raise equal images
function M.line(x0, x1)
  check.tensor("directions", "x0", x0, "float")
  check.tensor("directions", "x1", x1, "float")
  if x0:numel() ~= x1:numel() then
    check.fail("directions", "expected %d elements for x1, got %d", x0:numel(), x1:numel())
  end
  local count = x0:numel()
  local from, to = x0:detach():to("float64"):reshape { count }, x1:detach():to("float64")
  return make({ "line" }, unit_row("x1 - x0", to:reshape { count } - from))
end

--- Checks the option `directions` of a measurement.
-- @tparam table given directions
-- @tparam integer pixels M
-- @treturn table the same
-- @raise anything else, and vectors that are not of length 1
function M.read(given, pixels)
  check.table("packet", "directions", given)
  check.table("packet", "directions.names", given.names)
  local v = check.tensor("packet", "directions.vectors", given.vectors, "float")
  if v.dtype ~= "float64" or v:dim() ~= 2 or v:size(2) ~= pixels or v:size(1) ~= #given.names then
    check.fail("packet", "expected float64 [%d, %d] for directions.vectors, got %s", #given.names,
      pixels, check.describe(v))
  end
  for k, square in ipairs((v * v):sum(2):table()) do
    if square ~= square or math.abs(math.sqrt(square) - 1) > UNIT then
      check.fail("packet", "expected vectors of length 1 for directions, got %g for number %d",
        math.sqrt(square), k)
    end
  end
  return given
end

return M
