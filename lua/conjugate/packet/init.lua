--- Neural packets: `psi = l sqrt(nu) / sqrt(beta)` of a loss l over inputs, and its uncertainty.
--
--     local p = cj.packet { model = net, labels = { 3 }, loss = "ce", reference = "box",
--       shape = { 1, 28, 28 } }
--     print(p:measure { samples = 20000 })
--
-- With the density `rho = psi^2`, pixel i has the mean `mu` and width `sigma_x` under rho, the
-- gradient norm `g`, the mean momentum `c`, and `sigma_p = sqrt(g^2 - c^2)`. What holds is
-- `sigma_x sigma_p >= |1 - B| / 2` with the boundary term B, which is 0 where psi vanishes at the
-- edge; the naive 1/2 fails on a box. The chapter @{uncertainty.md} has definitions, proofs and
-- examples.
--
-- A loss packet of label Y is large where the network rejects Y; `loss = "amp"` is large where it
-- accepts Y.
-- @module conjugate.packet
-- @source Zhang et al., arXiv 2205.01493v3, eq. 10-17, with the corrections of @{uncertainty.md}
local check = require "conjugate.check"
local core = require "conjugate.core"

local M = {}

local Packet = {}
Packet.__index = Packet

--- The losses: name, and what it is. "value": the model gives l itself, [N].
M.about_losses = {
  { "ce", "cross entropy, -log p_Y" },
  { "ce_clip", "cross entropy up to a limit, min(-log p_Y, clip)" },
  { "err", "probability of rejecting the label, 1 - p_Y" },
  { "tanh_ce", "tanh of the cross entropy" },
  { "brier", "Brier score, sum_k (p_k - e_k)^2" },
  { "mse", "squared error of the logits against the one-hot of the label, halved" },
  { "amp", "likelihood amplitude, sqrt(p_Y): large where the network accepts the label" },
  { "value", "what a function of your own gives" },
}

--- The references: name, and what it is. A line or plane is a reference, too.
M.about_references = {
  { "box", "uniform on [low, high]^M" },
  { "window", "normal around one image" },
  { "data", "the same around every image of a set" },
  { "line", "uniform between two images, measured by quadrature" },
  { "plane", "uniform on a rectangle through three images, by quadrature" },
}

local function names_of(rows, count)
  local names = {}
  for i = 1, count do names[i] = rows[i][1] end
  return names
end

--- Names of the losses, see `about_losses`. With p = softmax(z) of the logits z: "ce" and "mse" are
-- in [0, inf), "err" and "amp" in [0, 1], "tanh_ce" in [0, 1), "brier" in [0, 2]. All but "amp" are
-- large where the label is rejected; "value" is whatever the model gives, but never negative.
M.losses = names_of(M.about_losses, 8)

--- Names of the losses of networks: all but "value".
M.named_losses = names_of(M.about_losses, 7)

--- Names of the references that are given by name, see `about_references`.
M.references = names_of(M.about_references, 3)

local OPTIONS = {
  model = { type = "callable", required = true },
  label = { "integer" },
  labels = { "table" },
  loss = "ce",
  clip = { "number", 10 },
  reference = { "string|table", "box" },
  low = 0,
  high = 1,
  tau = 0.1,
  centre = { "tensor" },
  data = { "tensor|table" },
  shape = { "table" },
  dtype = "float32",
  field = { "callable|string|table" },
  name = { "string" },
  epoch = { "integer" },
  index = { "integer|table" },
}

local function read_labels(o)
  if o.label and o.labels then check.fail("packet", "expected label or labels, got both") end
  if o.loss == "value" then return { 0 } end
  local labels = o.labels or { o.label }
  if #labels == 0 then check.fail("packet", "expected a label for label, got nil") end
  for i, label in ipairs(labels) do check.integer("packet", ("labels[%d]"):format(i), label, 0) end
  return labels
end

-- Centres [n, ...] of a window or of data, and the sizes of one sample.
local function read_centres(o)
  if o.reference == "box" then
    check.table("packet", "shape", o.shape)
    return nil, o.shape
  end
  local given = o.centre
  if o.reference == "data" then
    given = o.data
    if type(given) == "table" and given.batch then given = given:batch(1, given:size()) end
  end
  local name = o.reference == "data" and "data" or "centre"
  check.tensor("packet", name, given, "float")
  local centres = given:detach()
  local sizes = {}
  for i, size in ipairs(centres.shape) do sizes[i] = size end
  if o.reference == "data" or (o.shape == nil and #sizes == 4) then table.remove(sizes, 1) end
  o.dtype = centres.dtype
  return centres:contiguous(), o.shape or sizes
end

-- The name of the network's architecture, unless another was given.
local function name_of(o)
  local config = type(o.model) == "table" and o.model.config
  return o.name or type(config) == "table" and config.model or nil
end

-- A packet on a line or plane.
local function on_slice(o)
  if not M.slices.is_slice(o.reference) then
    check.fail("packet", "expected a name, a line or a plane for reference, got %s",
      check.describe(o.reference))
  end
  if o.field then check.fail("packet", "expected no field on a line or plane") end
  o.slice, o.reference = o.reference, o.reference.kind
  o.labels, o.shape, o.dtype = read_labels(o), o.slice.shape, o.slice.dtype
  o.pixels = o.slice.x0:numel()
  return setmetatable(o, Packet)
end

--- Makes a packet (one for each label; they share points and passes).
-- @function packet
-- @tparam table opts
--
-- - `model`: a network or a function, x [N, ...] -> logits [N, K]; with loss "value" a function
--   x -> l [N], for any non-negative function
-- - `label` or `labels`: classes from 0
-- - `loss`: see `losses`; `clip` (10): C of "ce_clip"
-- - `reference`: "box" (`low` 0, `high` 1, `shape` = sizes of one sample), "window" (`centre`: one
--   image, `tau` in pixel units) or "data" (`data`: images [n, ...] or a data set, `tau`); or a
--   line or plane of `conjugate.packet.slices`, on which packets are measured by quadrature
-- - `field`: a conjugate, its name, or a function (x, l, g, label) -> l a(x), with x and g = dl/dx
--   [N, ...], l [N]; the result is like x. Measured as an operator beside the pixels: see the
--   quantities field_sd to field_P
-- - `dtype` ("float32"): of the points of a box
-- - for the records alone: `name` of the network (that of its architecture), `epoch` of its
--   training, `index` of the centre or of the images of a line in their data set, one or a list
-- @treturn table a packet; see `measure`
-- @raise wrong arguments
local function make(_, opts)
  local o = check.options("packet", opts, OPTIONS)
  check.one_of("packet", "loss", o.loss, M.losses)
  o.name = name_of(o)
  if type(o.reference) == "table" then return on_slice(o) end
  check.one_of("packet", "reference", o.reference, M.references)
  check.number("packet", "clip", o.clip, 0)
  check.number("packet", "tau", o.tau, 0)
  if o.tau == 0 then check.fail("packet", "expected a number above 0 for tau, got 0") end
  if o.low >= o.high then
    check.fail("packet", "expected low < high, got %g and %g", o.low, o.high)
  end
  check.one_of("packet", "dtype", o.dtype, { "float32", "float64" })
  o.labels = read_labels(o)
  o.centres, o.shape = read_centres(o)
  o.pixels = 1
  for i, size in ipairs(o.shape) do
    o.pixels = o.pixels * check.integer("packet", ("shape[%d]"):format(i), size, 1)
  end
  return setmetatable(o, Packet)
end

--- Measures the packet by sampling its reference, or rho itself.
-- @function Packet:measure
-- @tparam[opt] table opts `samples` (20000), `faces`: how many samples ask for the faces of a box
--   (256; 0 for none), `face_pixels` ("all", or a list of pixels from 1), `seed` (that of
--   `cj.seed`), `quiet`;
--   `sampler`: "plain" (points of the reference, weighted by l^2), "defensive" (most of them from
--   the reference tilted towards rho), "mcmc" (points of rho, by Markov chains), or "auto" (plain;
--   for labels where the effective sample size is below 5 % of the samples or the result was
--   refused, defensive; and where that is no better, chains); `defence`: options of the mixture,
--   see `conjugate.packet.defence`; `mcmc`: options of the chains, see `conjugate.packet.chains`;
--   `pencils`, `pencil_pixels`, `pencil_nodes`: quadrature along pixels of a box, see
--   `conjugate.packet.pencils`; `directions` (of `conjugate.packet.directions`) and `matrix`
--   (true): operators along these, and the matrix form among them, see `conjugate.packet.matrix`.
--   On a line or plane the options are those of `conjugate.packet.slices.measure`.
-- @treturn table the result, see `conjugate.packet.result`, on a line or plane
--   `conjugate.packet.quadrature`; with several labels a list of them
-- @raise labels the model does not know; logits or gradients that are not finite; what the model
--   raises
function Packet:measure(opts)
  if self.slice then return M.slices._measure_labels(self, opts) end
  return require("conjugate.packet.measure")(self, opts)
end

function Packet:__tostring()
  return ("packet of %s, label %s, reference %s, %d pixels"):format(self.loss,
    table.concat(self.labels, ", "), self.reference, self.pixels)
end

--- Quantities of a result, in the order of its tables. With pixels in their own unit:
--
-- - `beta`: mean of l^2 over the reference (squared units of the loss; the same for all pixels)
-- - `mu`, `sigma_x`: mean and standard deviation of the pixel under rho (pixel units)
-- - `g`, `c`, `sigma_p`: gradient norm, mean momentum, sqrt(g^2 - c^2) (1 / pixel units); `c_face`:
--   c from losses on the faces of the box, without gradients
-- - `B`, `B_face`: boundary term from gradients, and from the faces; `B_face` is 0, without error,
--   where the domain is all of R^M, and so is `c_face`
-- - `bound` = |1 - B| / 2, of the faces where they are known; `P` = sigma_x sigma_p;
--   `U` = sigma_x g; `slack` = P - bound; `tightness` = bound / P
-- - `B_gap` = B_face - B and `c_gap` = c_face - c: 0 within errors, unless something is wrong
-- - with a field a: `field_sd`, its standard deviation under rho; `field_cov` and `field_corr` with
--   the pixel; `field_P` = sigma_x field_sd, which is not below `field_bound` = |field_cov|
--
-- @treturn {string,...}
function M.quantities()
  return core.packet_quantities()
end

return setmetatable(M, {
  __call = make,
  __index = function(self, name)
    if type(name) ~= "string" or name:find "[./]" then return nil end
    local path = "conjugate.packet." .. name
    if not package.searchpath(path, package.path) then return nil end
    local value = require(path)
    rawset(self, name, value)
    return value
  end,
})
