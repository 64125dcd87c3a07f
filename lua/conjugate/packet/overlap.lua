--- Packets side by side in both pictures: where they are, which momenta they hold, and how much
-- they overlap in x and in p.
--
--     local line = cj.packet.slices.line { from = seven, to = one, margin = 0.5 }
--     local o = cj.packet.overlap.slice(line, {
--       packets = { { model = net, label = 7, loss = "amp" },
--                   { model = net, label = 1, loss = "amp" } },
--     })
--     print(o)
--     o:save "runs/seven_and_one"
--
-- psi is sampled in the middles of equal cells, extended with zeros to `pad` times its length and
-- transformed: `psi~(p) = (2 pi)^(-1/2) int psi exp(-i p x) dx`. The overlap `<psi_a|psi_b>` is the
-- same in both pictures; `parseval` is how far the transforms are from that. The overlap of moduli
-- forgets where the packets are: for non-negative losses it is never smaller in p than in x, and
-- alike packets at any distance overlap in p completely.
--
-- A packet that is cut off by the edge of its slice jumps there, and then `int p^2 |psi~|^2` is
-- infinite: take sigma_p from `conjugate.packet.quadrature`, or a `window`.
-- @module conjugate.packet.overlap
-- @source Zhang et al., arXiv 2205.01493v3, figure 2, computed
local cj = require "conjugate"
local check = require "conjugate.check"
local core = require "conjugate.core"
local mode = require "conjugate.nn.mode"
local slices = require "conjugate.packet.slices"

local M = {}

local Overlap = {}
Overlap.__index = Overlap

-- --- grids --------------------------------------------------------------------------------------

-- Middles of n equal cells; and their width.
local function middles(low, high, n)
  local width = (high - low) / n
  return (cj.arange(n):to "float64" + 0.5) * width + low, width
end

-- The least power of two that is n at least.
local function power_of_two(n)
  local size = 1
  while size < n do size = size * 2 end
  return size
end

-- Momenta of a transform of `size` points at distance `width`, 0 in the middle.
local function momenta(size, width)
  local step = 2 * math.pi / (size * width)
  return (cj.arange(size):to "float64" - math.floor(size / 2)) * step, step
end

-- All points of the grid [n1 * n2, axes], the last axis fastest.
local function all_points(x)
  if #x == 1 then return x[1]:reshape { x[1]:size(1), 1 } end
  local n, m = x[1]:size(1), x[2]:size(1)
  local first = (x[1]:reshape { n, 1 } + cj.zeros({ 1, m }, "float64")):reshape { n * m, 1 }
  local second = (x[2]:reshape { 1, m } + cj.zeros({ n, 1 }, "float64")):reshape { n * m, 1 }
  return cj.cat({ first, second }, 2)
end

local function new_grid(low, high, o)
  local g = { x = {}, p = {}, size = {}, padded = {}, cell = 1, step = 1 }
  for i = 1, #low do
    local width, step
    g.x[i], width = middles(low[i], high[i], o.points)
    g.size[i], g.padded[i] = o.points, power_of_two(o.pad * o.points)
    g.p[i], step = momenta(g.padded[i], width)
    g.cell, g.step = g.cell * width, g.step * step
  end
  g.points = all_points(g.x)
  return g
end

-- --- packets ------------------------------------------------------------------------------------

-- sqrt of a normal density around the middle of the slice.
local function window_of(g, low, high, tau)
  local sum = 0
  for i = 1, #low do
    sum = sum + (g.points:select(2, i) - (low[i] + high[i]) / 2) ^ 2
  end
  return (sum * (-0.25 / tau ^ 2)):exp()
end

local function shaped(g, t, sizes)
  return t:reshape(#g.x == 1 and { sizes[1] } or sizes)
end

-- psi on the grid and its transform; l: losses at the points.
local function new_packet(g, name, l, window)
  local amplitude = window and l * window or l
  local beta = (amplitude * amplitude):sum():item() * g.cell
  if beta <= 0 or beta ~= beta or beta == math.huge then
    check.fail("overlap", "expected a loss that is finite and not zero everywhere for %s", name)
  end
  local psi = amplitude / math.sqrt(beta)
  local rows, columns = #g.x == 2 and g.size[1] or 1, g.size[#g.x]
  local padded_rows = #g.x == 2 and g.padded[1] or 1
  local z = core.packet_fourier(psi:reshape { rows, columns }, padded_rows, g.padded[#g.x])
  local square = (z * z):sum(3)
  return {
    name = name, psi = shaped(g, psi, g.size), density_x = shaped(g, psi * psi, g.size), z = z,
    modulus = square:sqrt(),
    density_p = shaped(g, square * (g.cell ^ 2 / (2 * math.pi) ^ #g.x), g.padded),
  }
end

local function matrix(packets, f)
  local out = {}
  for i, a in ipairs(packets) do
    out[i] = {}
    for j, b in ipairs(packets) do out[i][j] = f(a, b) end
  end
  return out
end

local function largest_gap(a, b)
  local most = 0
  for i, row in ipairs(a) do
    for j, value in ipairs(row) do most = math.max(most, math.abs(value - b[i][j])) end
  end
  return most
end

-- The sums over p need g.cell / (number of momenta) in place of the step: psi~ carries cell /
-- sqrt(2 pi) for each of the two.
local function compare(g, packets)
  local scale = g.cell
  for _, size in ipairs(g.padded) do scale = scale / size end
  local o = setmetatable({ x = g.x, p = g.p, packets = packets }, Overlap)
  o.overlap_x = matrix(packets, function(a, b)
    return (a.psi * b.psi):sum():item() * g.cell
  end)
  o.overlap_p = matrix(packets, function(a, b)
    return (a.z * b.z):sum():item() * scale
  end)
  o.modulus_x = matrix(packets, function(a, b)
    return (a.psi:abs() * b.psi:abs()):sum():item() * g.cell
  end)
  o.modulus_p = matrix(packets, function(a, b)
    return (a.modulus * b.modulus):sum():item() * scale
  end)
  o.parseval = largest_gap(o.overlap_x, o.overlap_p)
  for _, packet in ipairs(packets) do packet.z, packet.modulus = nil, nil end
  return o
end

-- --- calls --------------------------------------------------------------------------------------

local function read(opts, more)
  local rules = {
    packets = { type = "table", required = true }, points = { "integer" }, pad = 4,
    window = { "number" }, batch = 256,
  }
  for name, rule in pairs(more) do rules[name] = rule end
  local o = check.options("overlap", opts, rules)
  check.integer("overlap", "pad", o.pad, 1, 64)
  check.integer("overlap", "batch", o.batch, 1, 2 ^ 26)
  if #o.packets == 0 then check.fail("overlap", "expected at least one packet") end
  if o.window and o.window <= 0 then
    check.fail("overlap", "expected a number above 0 for window, got %g", o.window)
  end
  return o
end

-- Losses of one packet at all points, a batch at a time.
local function losses_at(f, points, batch)
  local parts, n = {}, points:size(1)
  for from = 1, n, batch do
    local some = points:narrow(1, from, math.min(batch, n - from + 1))
    parts[#parts + 1] = f(some):detach():to("float64"):reshape { some:size(1) }
  end
  return cj.cat(parts, 1)
end

local function run(o, low, high, functions, names)
  o.points = o.points or (#low == 1 and 1024 or 128)
  check.integer("overlap", "points", o.points, 2, #low == 1 and 2 ^ 20 or 2 ^ 11)
  local g = new_grid(low, high, o)
  local window = o.window and window_of(g, low, high, o.window)
  local packets = {}
  for i, f in ipairs(functions) do
    packets[i] = new_packet(g, names[i], losses_at(f, g.points, o.batch), window)
  end
  return compare(g, packets)
end

--- Packets of functions of one or two numbers.
-- @tparam table opts `packets`: a list of functions of points float64 [B] (on a plane [B, 2]) that
--   give losses [B]; `low` and `high`: numbers, or lists of two; `points`, `pad`, `window`, as for
--   `slice`
-- @treturn table as for `slice`
-- @raise wrong arguments; losses that are zero everywhere or not finite
function M.of(opts)
  local ends = { type = "number|table", required = true }
  local o = read(opts, { low = ends, high = ends })
  local low = type(o.low) == "table" and o.low or { o.low }
  local high = type(o.high) == "table" and o.high or { o.high }
  if #low < 1 or #low > 2 or #high ~= #low then
    check.fail("overlap", "expected one or two numbers for low and high")
  end
  local functions, names = {}, {}
  for i, f in ipairs(o.packets) do
    check.callable("overlap", ("packets[%d]"):format(i), f)
    names[i] = tostring(i)
    functions[i] = function(points)
      return f(#low == 1 and points:reshape { points:size(1) } or points)
    end
  end
  return cj.no_grad(run, o, low, high, functions, names)
end

--- Packets of models on a line or plane, with the models in evaluation mode.
-- @tparam table slice of `conjugate.packet.slices`
-- @tparam table opts
--
-- - `packets`: a list of tables: `model`, `label`, `loss` ("ce"), `clip`, as for `cj.packet`, and
--   `name` for pictures
-- - `points`: cells of an axis (1024 on a line, 128 on a plane); `pad` (4): length with zeros over
--   length, rounded up to a power of two; `batch` (256) points at a time
-- - `window`: standard deviation of a normal density around the middle of the slice; without it the
--   density is uniform
--
-- @treturn table `packets`: a list of { name, psi, density_x, density_p }, float64, [points] on a
--   line, [points, points] on a plane; `x` and `p`: coordinates of each axis; `overlap_x`,
--   `overlap_p`, `modulus_x`, `modulus_p`: matrices of numbers; `parseval`. print shows them,
--   `save` draws.
-- @raise wrong arguments; losses that are zero everywhere or not finite; what the models raise
function M.slice(slice, opts)
  if not slices.is_slice(slice) then
    check.fail("overlap", "expected a line or plane for slice, got %s", check.describe(slice))
  end
  local o, functions, names = read(opts, {}), {}, {}
  for i, packet in ipairs(o.packets) do
    check.table("overlap", ("packets[%d]"):format(i), packet)
    names[i] = packet.name or ("%s of label %s"):format(packet.loss or "ce", tostring(packet.label))
    functions[i] = function(points)
      return mode.in_eval(packet.model, function()
        return slices.values(slice, packet, points)
      end)
    end
  end
  return cj.no_grad(run, o, slice.low, slice.high, functions, names)
end

function Overlap:__tostring()
  local lines = {
    ("%d packets on a %s; overlaps in x and p differ by %.1e"):format(#self.packets,
      #self.x == 1 and "line" or "plane", self.parseval),
    ("%-24s %-24s %13s %13s %13s"):format("", "", "<a|b>", "<|a| |b|> in x", "in p"),
  }
  for i, a in ipairs(self.packets) do
    for j = i + 1, #self.packets do
      lines[#lines + 1] = ("%-24s %-24s %13.6g %13.6g %13.6g"):format(a.name,
        self.packets[j].name, self.overlap_x[i][j], self.modulus_x[i][j], self.modulus_p[i][j])
    end
  end
  return table.concat(lines, "\n")
end

-- --- pictures -----------------------------------------------------------------------------------

-- A packet that is cut off has long tails in p; this share of them is not drawn.
local TAILS = 0.02

-- How many momenta around 0 to show of an axis.
local function shown(self, axis)
  local p = self.p[axis]
  local size, most = p:size(1), 2
  for _, packet in ipairs(self.packets) do
    local density = packet.density_p
    if #self.x == 2 then density = density:sum(3 - axis) end
    local list = (density / density:sum()):table()
    local outside, cut = 0, 0
    while outside < TAILS do
      cut = cut + 1
      outside = outside + list[cut] + list[size + 1 - cut]
    end
    most = math.max(most, size - 2 * (cut - 1))
  end
  return math.min(most, size)
end

-- The middle of a plane of momenta.
local function middle(self, density)
  for axis = 1, 2 do
    local size, count = density:size(axis), shown(self, axis)
    density = density:narrow(axis, math.floor((size - count) / 2) + 1, count)
  end
  return density
end

local function chart(self, title, axis, coordinates, density)
  local series, x = {}, coordinates:table()
  for i, packet in ipairs(self.packets) do
    series[i] = { name = packet.name, x = x, y = packet[density]:table(), style = "lines" }
  end
  return { title = title, x = axis, y = { label = "density" }, series = series }
end

--- Draws both pictures: of packets on a line PATH_x and PATH_p, charts with their data; on a plane
-- for each packet the heat maps PATH_x1, PATH_p1, PATH_x2 ... (.png).
-- @tparam string path beginning of the names
-- @treturn boolean true, or nil and a message
function Overlap:save(path)
  local plot = require "conjugate.plot"
  if #self.x == 1 then
    local most = self.p[1]:get(math.floor((self.p[1]:size(1) + shown(self, 1)) / 2))
    local ok, why = plot.figure.save(path .. "_x", chart(self, "packets: |psi(x)|^2",
      { label = "x along the line" }, self.x[1], "density_x"))
    if not ok then return nil, why end
    ok, why = plot.figure.save(path .. "_p", chart(self, "packets: |psi~(p)|^2",
      { label = "momentum p", range = { -most, most } }, self.p[1], "density_p"))
    if not ok then return nil, why end
    return true
  end
  for i, packet in ipairs(self.packets) do
    local pictures = { x = packet.density_x, p = middle(self, packet.density_p) }
    for picture, density in pairs(pictures) do
      local ok, why = plot.heatmap.save(("%s_%s%d.png"):format(path, picture, i), density,
        { title = packet.name })
      if not ok then return nil, why end
    end
  end
  return true
end

return M
