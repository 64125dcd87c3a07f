--- Lines and planes through the space of images, and packets on them by quadrature.
--
--     local line = cj.packet.slices.line { from = seven, to = one }
--     local p = cj.packet { model = net, label = 7, loss = "ce", reference = line }
--     print(p:measure())              -- numbers of the direction of the line, see quadrature
--
-- On a slice `x(t) = x0 + t_1 u_1 (+ t_2 u_2)`, with orthonormal u, the reference is uniform in t;
-- lengths are l2 lengths in pixel units, and the slopes are `u . grad l`. What holds for pixels
-- holds for the directions u as well.
-- @module conjugate.packet.slices
-- @source the chapter @{uncertainty.md}
local cj = require "conjugate"
local check = require "conjugate.check"
local core = require "conjugate.core"
local mode = require "conjugate.nn.mode"
local origin = require "conjugate.packet.origin"
local plans = require "conjugate.plan"
local quadrature = require "conjugate.packet.quadrature"
local roundoff = require "conjugate.packet.roundoff"

local M = {}

local Slice = {}
Slice.__index = Slice

-- Shorter than this share of what it was, a direction is what rounding left of nothing.
local NOTHING = 1e-6

local function vector(name, t, like)
  check.tensor("slices", name, t, "float")
  if like and t:numel() ~= like:numel() then
    check.fail("slices", "expected %s of as many elements as the first image, %d, got %s", name,
      like:numel(), check.describe(t))
  end
  return t:detach():to("float64"):reshape { t:numel() }
end

local function length(v)
  return math.sqrt((v * v):sum():item())
end

-- The part of v that is orthogonal to the directions, of length 1; and its length before.
local function orthonormal(name, v, directions)
  local rest, whole = v, length(v)
  for _ = 1, 2 do -- once more for the digits that the first round lost
    for _, u in ipairs(directions) do rest = rest - u * (rest * u):sum() end
  end
  local size = length(rest)
  if size > NOTHING * whole then return rest / size, size end
  return check.fail("slices", "expected %s to lead somewhere new: no length is left of it", name)
end

-- Ends of an axis of the length `size`: those that were given, or a margin around it.
local function ends(o, i, size)
  local low, high = -o.margin * size, size + o.margin * size
  if o.low then low, high = o.low[i], o.high[i] end
  check.number("slices", "low", low)
  check.number("slices", "high", high)
  if low >= high then
    check.fail("slices", "expected low below high, got %g and %g", low, high)
  end
  return low, high
end

-- Names and tensors of the ways that span a slice: images to go to, or directions.
local function new(kind, o, ways)
  local image = o.from or o.at
  local x0 = vector(o.from and "from" or "at", image)
  if not o.from and not (o.low and o.high) then
    check.fail("slices", "expected low and high with along")
  end
  local slice = {
    kind = kind, x0 = x0, directions = {}, low = {}, high = {}, shape = image.shape,
    dtype = image.dtype,
  }
  for i, way in ipairs(ways) do
    local v = vector(way[1], way[2], x0)
    if o.from then v = v - x0 end
    local u, size = orthonormal(way[1], v, slice.directions)
    slice.low[i], slice.high[i] = ends(o, i, size)
    slice.directions[i] = u
  end
  return setmetatable(slice, Slice)
end

--- A line: through two images, or through one along a direction.
-- @tparam table opts `from` and `to`: images; t runs from 0 at `from` to their distance, and over
--   `margin` (0) times that more at both ends. Or `at`: an image, `along`: a direction of its
--   sizes (its length does not matter), `low` and `high`: ends of t.
-- @treturn table a slice: `kind`, `x0` and `directions` (flat, float64), `low`, `high`, `shape`
-- @raise wrong arguments; images that are equal
function M.line(opts)
  local o = check.options("slices", opts, {
    from = { "tensor" }, to = { "tensor" }, margin = 0, at = { "tensor" }, along = { "tensor" },
    low = { "number" }, high = { "number" },
  })
  o.low, o.high = o.low and { o.low }, o.high and { o.high }
  return new("line", o, { o.from and { "to", o.to } or { "along", o.along } })
end

--- A plane: through three images, or through one along two directions.
-- @tparam table opts `from`, `to`, `third`: images; the first axis runs from `from` to `to` as on a
--   line, the second is orthogonal to it and runs from 0 to the distance of `third` from that
--   line; `margin` as for lines. Or `at`: an image, `along`: a list of two directions, which are
--   made orthonormal in this order, `low` and `high`: lists of two numbers.
-- @treturn table a slice
-- @raise wrong arguments; images or directions on one line
function M.plane(opts)
  local o = check.options("slices", opts, {
    from = { "tensor" }, to = { "tensor" }, third = { "tensor" }, margin = 0, at = { "tensor" },
    along = { "table" }, low = { "table" }, high = { "table" },
  })
  if o.from then return new("plane", o, { { "to", o.to }, { "third", o.third } }) end
  check.table("slices", "along", o.along)
  return new("plane", o, { { "along[1]", o.along[1] }, { "along[2]", o.along[2] } })
end

--- The images at points of a slice.
-- @tparam Tensor t float64 [B, axes], or [B] for a line
-- @treturn Tensor [B, sizes of an image], of the images' type
-- @raise wrong sizes
function Slice:points(t)
  check.tensor("slices", "t", t, "float")
  local rows, axes = t:size(1), #self.directions
  if t:numel() ~= rows * axes then
    check.fail("slices", "expected points [B, %d] for t, got %s", axes, check.describe(t))
  end
  local columns, x = t:detach():to("float64"):reshape { rows, axes }, self.x0
  for i, u in ipairs(self.directions) do
    x = x + columns:select(2, i):reshape { rows, 1 } * u
  end
  local sizes = { rows }
  for i, size in ipairs(self.shape) do sizes[i + 1] = size end
  return x:to(self.dtype):reshape(sizes)
end

-- --- losses -------------------------------------------------------------------------------------

local function gradient_of_losses(o, x)
  return cj.enable_grad(function()
    x.requires_grad = true
    local z = o.model(x)
    local l, slopes = core.packet_losses(o.loss, o.clip, z, o.label)
    if not z.requires_grad then return l, cj.zeros_like(x) end
    return l, cj.grad(z, x, { gradient = slopes })
  end)
end

-- Losses at images x and their gradients.
local function look(o, x)
  if o.loss ~= "value" then return gradient_of_losses(o, x) end
  local l, g = quadrature.slopes("the model", o.model, x)
  return l:to "float64", g
end

-- Losses at points of a slice, and their slopes along its directions.
local function look_along(slice, o, t)
  local l, g = look(o, slice:points(t))
  local rows = t:size(1)
  local flat, columns = g:detach():to("float64"):reshape { rows, slice.x0:numel() }, {}
  for i, u in ipairs(slice.directions) do
    columns[i] = (flat * u):sum(2):reshape { rows, 1 }
  end
  return l, #columns == 1 and columns[1] or cj.cat(columns, 2)
end

-- The same through a compiled model.
local function look_planned(slice, o, plan)
  local u = cj.stack(slice.directions, 1)
  return function(t)
    return core.packet_along(plan:checked(), slice.x0, u, t, o.loss, o.clip, o.label)
  end
end

-- A plan for the model of a packet on a slice, if there is one.
local function plan_for(slice, model, gradients)
  return plans.try(model, slice:points(cj.zeros({ 1, #slice.directions }, "float64")), gradients)
end

local function check_slice(slice)
  if not M.is_slice(slice) then
    check.fail("slices", "expected a line or plane for slice, got %s", check.describe(slice))
  end
end

-- The options that say which loss of which model; `more`: further rules.
local function read_loss(opts, more)
  more.model, more.label = { type = "callable", required = true }, { "integer" }
  more.loss, more.clip = "ce", { "number", 10 }
  local o = check.options("slices", opts, more)
  check.one_of("slices", "loss", o.loss, cj.packet.losses)
  check.number("slices", "clip", o.clip, 0)
  if o.loss ~= "value" then check.integer("slices", "label", o.label, 0) end
  return o
end

--- Losses of a model at points of a slice, and their slopes along its directions.
-- @tparam table slice a line or plane
-- @tparam table opts `model`, `label`, `loss`, `clip`, as for `measure`
-- @tparam Tensor t points, float64 [B, axes]
-- @treturn Tensor float64 [B]
-- @treturn Tensor float64 [B, axes]
-- @raise wrong arguments; what the model raises
function M.losses(slice, opts, t)
  check_slice(slice)
  return look_along(slice, read_loss(opts, {}), t)
end

-- The first result of a model at all points, in float64, a batch at a time.
local function logits_at(slice, model, t, batch)
  local parts, n = {}, t:size(1)
  mode.in_eval(model, function()
    local plan = plan_for(slice, model, false)
    for from = 1, n, batch do
      local x = slice:points(t:narrow(1, from, math.min(batch, n - from + 1)))
      parts[#parts + 1] = (plan or model)(x):detach():to "float64"
    end
    if plan and plan ~= model then plan:release() end
  end)
  return cj.cat(parts, 1)
end

-- Losses of packets { model, label, loss, clip }, a list of float64 [B]; each model is asked once.
function M._values(slice, packets, t, batch)
  local list, logits = {}, {}
  for i, packet in ipairs(packets) do
    local o = read_loss(packet, { name = { "string" } })
    local z = logits[o.model] or cj.no_grad(logits_at, slice, o.model, t, batch)
    logits[o.model] = z
    list[i] = o.loss == "value" and z:reshape { t:size(1) }
      or (core.packet_losses(o.loss, o.clip, z, o.label))
  end
  return list
end

--- Is a value a line or plane?
-- @param v any value
-- @treturn boolean
function M.is_slice(v)
  return getmetatable(v) == Slice
end

-- Some units in the last place of a pixel, as a share of a slice: there are few kinks in between.
local STEP = 5e-7

-- Roundoff is looked for in float32 only: double's is below any tolerance that one can wait for.
local function roundoff_of(slice, f)
  if slice.dtype ~= "float32" then return 0 end
  return roundoff.measure(f, slice.low, slice.high, STEP)
end

-- How far to go where nothing is asked for. A kink in the slope along a curve takes far more points
-- on a plane than one at a point of a line. The first panels must see every step of a decision:
-- with 16 on lines of a trained ConvNet, 2 % of the numbers were wrong by over three errors, with
-- 64 none of 192. `family`: points of a panel and its halves.
local AIM = {
  line = { panels = 64, points = 20000, family = 25 },
  plane = { panels = 8, points = 100000, family = 337 },
}

-- Panels of an axis to begin with: they may take half of the points.
local function first_panels(aim, points, axes)
  local most = math.floor((points / 2 / aim.family) ^ (1 / axes))
  return math.max(1, math.min(aim.panels, most))
end

local function read_measure(slice, opts)
  local aim = AIM[slice.kind]
  local o = read_loss(opts, {
    tolerance = { "number" }, panels = { "integer" }, points = aim.points, batch = 1024,
  })
  check.integer("quadrature", "points", o.points, 1, 2 ^ 26)
  o.panels = o.panels or first_panels(aim, o.points, #slice.directions)
  o.strict = o.tolerance ~= nil
  o.tolerance = o.tolerance or slice.dtype == "float64" and 1e-10 or 1e-5
  return o
end

--- Measures a packet on a slice, with the model in evaluation mode; networks are compiled.
--
-- Where a ReLU switches or a maximum changes its place, the slope jumps: a line between two images
-- meets thousands of jumps in a convolutional network, and on a plane they lie along curves. Panels
-- are bisected where jumps matter most until the tolerance or the number of points is reached; what
-- is left of them is in `errors`, and the status is "warn" only where these are too large to be of
-- use, or above a `tolerance` that was asked for.
--
-- In float32 losses and slopes are good to some 1e-6 only. That is measured (`roundoff`), no better
-- tolerance is striven for, and it is part of `errors`. `model:to "float64"` and images in float64
-- take it away.
-- @tparam table slice a line or plane
-- @tparam table opts
--
-- - `model`: a network or function x [B, ...] -> logits [B, K], with `label` from 0, `loss` ("ce")
--   and `clip` as for `cj.packet`; with loss "value" a function x -> l [B]
-- - `tolerance` (1e-10, in float32 1e-5, and no warning when these are not reached), `panels` (64,
--   on a plane 8; fewer where they would take more than half of the points), `points` (20000, on a
--   plane 100000), `batch` (1024): as for `conjugate.packet.quadrature.line`
--
-- @treturn table a result of `conjugate.packet.quadrature`, with `label`, `loss` (its name),
--   `reference` ("line" or "plane") and `roundoff`
-- @raise wrong arguments; losses or gradients that are not finite; what the model raises
function M.measure(slice, opts)
  check_slice(slice)
  local o = read_measure(slice, opts)
  return mode.in_eval(o.model, function()
    local plan = o.loss ~= "value" and plan_for(slice, o.model) or nil
    local f = plan and look_planned(slice, o, plan) or function(t)
      return look_along(slice, o, t)
    end
    o.roundoff = roundoff_of(slice, f)
    local r = quadrature.measure(f, slice.low, slice.high, o)
    if plan and plan ~= o.model then plan:release() end
    r.label, r.loss, r.reference, r.shape = o.label, o.loss, slice.kind, slice.shape
    r.clip = o.loss == "ce_clip" and o.clip or nil
    return r
  end)
end

-- Measures a packet that `cj.packet` made on a line or plane: a result, or a list of them, one a
-- label. The model is compiled once.
function M._measure_labels(packet, opts)
  local o, list = check.options("packet", opts, {
    tolerance = { "number" }, panels = { "integer" }, points = { "integer" },
    batch = { "integer" }, quiet = { "boolean" },
  }), {}
  mode.in_eval(packet.model, function()
    local plan = packet.loss ~= "value" and plan_for(packet.slice, packet.model) or nil
    for i, label in ipairs(packet.labels) do
      list[i] = M.measure(packet.slice, {
        model = plan or packet.model, label = label, loss = packet.loss, clip = packet.clip,
        tolerance = o.tolerance, panels = o.panels, points = o.points, batch = o.batch,
      })
      list[i].origin, list[i].name, list[i].epoch = origin.of(packet), packet.name, packet.epoch
    end
    if plan and plan ~= packet.model then plan:release() end
  end)
  return #list == 1 and list[1] or list
end

return M
