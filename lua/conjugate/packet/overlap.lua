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
-- alike packets at any distance overlap in p completely. `errors` hold what cells of three times
-- the width make of the same overlaps: the midpoints of these are among the points already.
--
-- A packet that is cut off by the edge of its slice jumps there, and then `int p^2 |psi~|^2` is
-- infinite: take sigma_p from `conjugate.packet.quadrature`, or a `window`.
-- @module conjugate.packet.overlap
-- @source Zhang et al., arXiv 2205.01493v3, figure 2, computed
local cj = require "conjugate"
local check = require "conjugate.check"
local core = require "conjugate.core"
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

local function new_grid(low, high, points, pad)
  local g = { x = {}, p = {}, size = {}, padded = {}, cell = 1, step = 1 }
  for i = 1, #low do
    local width, step
    g.x[i], width = middles(low[i], high[i], points)
    g.size[i], g.padded[i] = points, power_of_two(pad * points)
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

-- psi on the grid and its transform; amplitude: l sqrt(nu) at the points.
local function new_packet(g, name, amplitude)
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
    name = name, psi = psi, density_x = psi * psi, z = z,
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
local function overlaps(g, packets)
  local scale, o = g.cell, {}
  for _, size in ipairs(g.padded) do scale = scale / size end
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
  return o
end

-- The middle one of every three cells of each axis.
local function coarser(t)
  for axis = 1, t:dim() do
    local sizes = t.shape
    sizes[axis] = sizes[axis] / 3
    table.insert(sizes, axis + 1, 3)
    t = t:reshape(sizes):select(axis + 1, 2)
  end
  return t:contiguous()
end

local function difference(a, b)
  local out = {}
  for i, row in ipairs(a) do
    out[i] = {}
    for j, value in ipairs(row) do out[i][j] = math.abs(value - b[i][j]) end
  end
  return out
end

-- --- calls --------------------------------------------------------------------------------------

local function read(opts, more)
  local rules = {
    packets = { type = "table", required = true }, points = { "integer" }, pad = 4,
    window = { "number" }, batch = 1024,
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

-- Packets of amplitudes l sqrt(nu) [points, ...] at the cells of a grid.
local function packets_on(g, names, amplitudes)
  local packets = {}
  for i, amplitude in ipairs(amplitudes) do packets[i] = new_packet(g, names[i], amplitude) end
  return packets
end

-- losses: a function of points [n, axes] that gives a list of losses [n], one a packet.
local function run(o, low, high, losses, names)
  o.points = math.ceil((o.points or #low == 1 and 1536 or 192) / 3) * 3
  check.integer("overlap", "points", o.points, 3, #low == 1 and 2 ^ 20 or 2 ^ 11)
  local g, amplitudes, fewer = new_grid(low, high, o.points, o.pad), {}, {}
  local window = o.window and window_of(g, low, high, o.window)
  for i, l in ipairs(losses(g.points)) do
    l = shaped(g, window and l * window or l, g.size)
    amplitudes[i], fewer[i] = l, coarser(l)
  end
  local packets = packets_on(g, names, amplitudes)
  local out, coarse = overlaps(g, packets), new_grid(low, high, o.points / 3, o.pad)
  local rough = overlaps(coarse, packets_on(coarse, names, fewer))
  out.errors = {}
  for name, value in pairs(rough) do out.errors[name] = difference(out[name], value) end
  out.parseval = largest_gap(out.overlap_x, out.overlap_p)
  for _, packet in ipairs(packets) do packet.z, packet.modulus = nil, nil end
  out.x, out.p, out.packets = g.x, g.p, packets
  return setmetatable(out, Overlap)
end

-- Calls f(from, rows) for pieces of n.
local function in_batches(n, batch, f)
  for from = 1, n, batch do f(from, math.min(batch, n - from + 1)) end
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
  local names = {}
  for i, f in ipairs(o.packets) do
    check.callable("overlap", ("packets[%d]"):format(i), f)
    names[i] = tostring(i)
  end
  return cj.no_grad(run, o, low, high, function(points)
    local n, list = points:size(1), {}
    if #low == 1 then points = points:reshape { n } end
    for i, f in ipairs(o.packets) do
      local parts = {}
      in_batches(n, o.batch, function(from, rows)
        parts[#parts + 1] = f(points:narrow(1, from, rows)):detach():to("float64"):reshape { rows }
      end)
      list[i] = cj.cat(parts, 1)
    end
    return list
  end, names)
end

--- Packets of models on a line or plane, with the models in evaluation mode.
-- @tparam table slice of `conjugate.packet.slices`
-- @tparam table opts
--
-- - `packets`: a list of tables: `model`, `label`, `loss` ("ce"), `clip`, as for `cj.packet`, and
--   `name` for pictures
-- - `points`: cells of an axis (1536 on a line, 192 on a plane), rounded up to a multiple of 3;
--   `pad` (4): length with zeros over length, rounded up to a power of two; `batch` (1024) points
--   at a time
-- - `window`: standard deviation of a normal density around the middle of the slice; without it the
--   density is uniform
--
-- @treturn table `packets`: a list of { name, psi, density_x, density_p }, float64, [points] on a
--   line, [points, points] on a plane; `x` and `p`: coordinates of each axis; `overlap_x`,
--   `overlap_p`, `modulus_x`, `modulus_p`: matrices of numbers; `errors`: the same, of the cells;
--   `parseval`. print shows them, `save` draws.
-- @raise wrong arguments; losses that are zero everywhere or not finite; what the models raise
function M.slice(slice, opts)
  if not slices.is_slice(slice) then
    check.fail("overlap", "expected a line or plane for slice, got %s", check.describe(slice))
  end
  local o, names = read(opts, {}), {}
  for i, packet in ipairs(o.packets) do
    check.table("overlap", ("packets[%d]"):format(i), packet)
    names[i] = packet.name or ("%s of label %s"):format(packet.loss or "ce", tostring(packet.label))
  end
  return cj.no_grad(run, o, slice.low, slice.high, function(points)
    return slices._values(slice, o.packets, points, o.batch)
  end, names)
end

function Overlap:__tostring()
  local lines = {
    ("%d packets on a %s; overlaps in x and p differ by %.1e"):format(#self.packets,
      #self.x == 1 and "line" or "plane", self.parseval),
    ("%-24s %-24s %13s %23s %23s"):format("", "", "<a|b>", "<|a| |b|> in x", "in p"),
  }
  for i, a in ipairs(self.packets) do
    for j = i + 1, #self.packets do
      lines[#lines + 1] = ("%-24s %-24s %13.6g %13.6g +- %.1e %13.6g +- %.1e"):format(a.name,
        self.packets[j].name, self.overlap_x[i][j], self.modulus_x[i][j],
        self.errors.modulus_x[i][j], self.modulus_p[i][j], self.errors.modulus_p[i][j])
    end
  end
  return table.concat(lines, "\n")
end

--- Draws both pictures: of packets on a line PATH_x and PATH_p, charts with their data; on a plane
-- for each packet the heat maps PATH_x1, PATH_p1, PATH_x2 ... (.png).
-- @tparam string path beginning of the names
-- @treturn boolean true, or nil and a message
function Overlap:save(path)
  return require("conjugate.packet.picture.densities").save(self, path)
end

return M
