--- Pencils: quadrature along one pixel at a time, on a box.
--
-- Through a random point goes, for each chosen pixel, a line on which that pixel runs from face to
-- face and the others stand still. Gauss-Legendre quadrature gives all its integrals at once, the
-- faces included: smaller errors than those of points, and, where chains drew the points, a
-- boundary term B from faces and with it a verdict. `packet:measure` takes
--
-- - `pencils`: points with pencils (256 where chains drew them, else 0: points of the reference ask
--   for faces alone, which is cheaper), rounded up to whole rounds of 32 points or of all chains
-- - `pencil_pixels`: a list of pixels from 1, or "all"; without it, all of at most 16, otherwise 16
--   that are spread over the image by the seed
-- - `pencil_nodes` (16): of the quadrature, 2 to 64; a pencil costs two forward passes more than
--   that, and as many backward
--
-- `r.pencils` has `values`, `errors`, `verdicts` and `counts` of these pixels like `r.faces`, and
-- `pixels`, `samples` (pencils of a pixel), `nodes`, `ess` (pencils that count, the least over the
-- pixels) and `quadrature`: the part of the errors that more pencils do not take away. It is known
-- from the first 32 pencils of each pixel, which are looked at in two halves as well, and is large
-- where slopes jump, as those of networks with ReLU do. Where nodes are too far apart to see rho at
-- all, `unresolved` pixels, the numbers are NaN; where that is so for all pixels, or fewer than 10
-- pencils count, there is no `r.pencils`.
-- @module conjugate.packet.pencils
-- @source Gelfand & Smith, JASA 1990 (Rao-Blackwell: expectations given all other pixels)
local check = require "conjugate.check"
local core = require "conjugate.core"
local fill = require "conjugate.packet.fill"

local M = {}

-- Error of quadrature, as a share of sigma_x, from which nodes tell nothing of where rho is.
local UNRESOLVED = 0.3
local OF_CHAINS, SPREAD, BATCHES = 256, 16, 32
local MOST_NODES = 64

-- One pixel at random of each of `count` equal stretches.
local function spread(pixels, count, seed)
  local list = {}
  for k = 1, count do
    list[k] = math.floor((k - 1 + core.random_uniform(seed, k)) * pixels / count) + 1
  end
  return list
end

local function read_pixels(packet, given, seed)
  if type(given) == "table" then
    if #given == 0 then check.fail("packet", "expected a pixel for pencil_pixels, got none") end
    for _, i in ipairs(given) do check.integer("packet", "pencil_pixels", i, 1, packet.pixels) end
    return given
  end
  if given then check.one_of("packet", "pencil_pixels", given, { "all" }) end
  return spread(packet.pixels, given and packet.pixels or math.min(packet.pixels, SPREAD), seed)
end

--- Reads the options of pencils.
-- @tparam table packet
-- @tparam table o options of the measurement, with its seed; `pencil_pixels` becomes a list
-- @raise wrong options; pencils elsewhere than on a box
function M.read(packet, o)
  if o.pencils then check.integer("packet", "pencils", o.pencils, 0, 2 ^ 30) end
  if o.pencils and o.pencils > 0 and packet.reference ~= "box" then
    check.fail("packet", 'expected the reference "box" for pencils, got "%s"', packet.reference)
  end
  check.integer("packet", "pencil_nodes", o.pencil_nodes, 2, MOST_NODES)
  o.pencil_pixels = read_pixels(packet, o.pencil_pixels, o.seed)
end

--- Prepares the pencils of a measurement, if there are to be any.
-- @param m an empty measurement of the core
-- @tparam table packet
-- @tparam table o options from `read`
-- @tparam table|nil set of the chains that draw the points
function M.open(m, packet, o, set)
  local count = o.pencils or (set and packet.reference == "box" and OF_CHAINS or 0)
  if count == 0 then return end
  local rounds = math.ceil(count / (set and set.chains or BATCHES))
  core.packet_pencils_new(m, {
    pixels = o.pencil_pixels, nodes = o.pencil_nodes,
    rounds = set and math.min(rounds, set.keep) or rounds,
  })
end

--- Runs the pencils through points of the reference.
-- @param m a measurement with pencils
-- @tparam table o options from `read`
-- @tparam function model
-- @param plan of the model, or nil
-- @treturn integer samples that went forward, those of the measurement included
-- @treturn integer and backward
function M.run(m, o, model, plan)
  local total = math.ceil(o.pencils / BATCHES)
  return fill({ label = "pencils", total = total, unit = "rounds", quiet = o.quiet },
    function(count) return core.packet_pencils_run(m, model, plan, count) end)
end

-- float64 [pixels], 0 where the nodes resolve the loss and NaN elsewhere, and how many these are.
local function unresolved(part, lost)
  if not part.quadrature.mu then return nil, lost:numel() end
  local width, misses = part.values.sigma_x:table(), lost:table()
  local mu, sigma_x = part.quadrature.mu:table(), part.quadrature.sigma_x:table()
  local mask, count = {}, 0
  for k, w in ipairs(width) do
    local known = misses[k] == 0 and mu[k] < UNRESOLVED * w and sigma_x[k] < UNRESOLVED * w
    mask[k] = known and 0 or 0 / 0
    if not known then count = count + 1 end
  end
  return core.tensor(mask, "float64"), count
end

--- What the pencils of a label say.
-- @param m a measurement at its end
-- @tparam table o options from `read`
-- @tparam integer place of the label, from 1
-- @tparam function columns (values, errors) -> { values = ..., errors = ... } by name
-- @treturn table|nil the part of the result; nil without pencils
function M.part(m, o, place, columns)
  local values, errors, quadrature, lost, even = core.packet_pencils(m, place)
  if not values then return nil end
  local part = columns(values, (errors * errors + quadrature * quadrature):sqrt())
  part.quadrature = columns(quadrature, quadrature).values
  part.pixels, part.nodes = o.pencil_pixels, o.pencil_nodes
  part.samples, part.ess = even.samples, even.ess
  local mask
  mask, part.unresolved = unresolved(part, lost)
  for _, list in ipairs { part.values, part.errors, part.quadrature } do
    for name, v in pairs(list) do list[name] = mask and v + mask end
  end
  return part
end

return M
