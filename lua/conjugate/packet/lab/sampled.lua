--- Laboratory cases by sampling: every number a result reports, held against quadrature.
--
-- What quadrature gives is itself held against the truth (`conjugate.packet.lab.compare`), and it
-- knows quantities of which no closed form is at hand. A number passes within four of its standard
-- errors; one without an error is an identity and must be exact.
--
-- A case that must be refused says so: `refused` is a part of the reason.
-- @module conjugate.packet.lab.sampled
-- @source the chapter @{uncertainty.md}
local cj = require "conjugate"
local check = require "conjugate.check"
local lab = require "conjugate.packet.lab"

local M = {}

local STANDARD_ERRORS, ROUNDING = 4, 1e-10

-- d log nu / dx of a mixture of normal densities around the centres [n, M], or nil for a box.
local function score_of(domain)
  if domain.reference == "box" then return nil end
  local tau2 = domain.tau ^ 2
  local centres = (domain.data or domain.centre):reshape { 1, -1, domain.pixels }
  return function(x)
    local away = centres - x:reshape { x:size(1), 1, domain.pixels }
    local share = ((away * away):sum(3) * (-0.5 / tau2)):softmax(2)
    return (away * share:reshape { x:size(1), -1, 1 }):sum(2) / tau2
  end
end

-- The conjugate d log psi as a field: its deviation is sigma_p, its covariance (B - 1) / 2.
local function momentum(domain)
  local score = score_of(domain)
  return function(x, l, g)
    if not score then return g end
    return g + (score(x) * l:reshape { -1, 1 } * 0.5):reshape(x.shape)
  end
end

local OPTIONS = {
  samples = { "integer", 200000 }, faces = { "integer" }, seed = { "integer", 1 },
  field = { "boolean" }, sampler = "plain", mcmc = { "table" },
}

--- Makes the packet of a case.
-- @tparam table case one with a `domain`
-- @tparam[opt] boolean field beside the pixels, the conjugate d log psi is measured
-- @treturn table a packet
function M.packet(case, field)
  local opts = lab.packet(case)
  local packet = cj.packet(opts)
  if not field then return packet end
  opts.field = momentum {
    reference = opts.reference, tau = opts.tau, data = opts.data, centre = opts.centre,
    pixels = packet.pixels,
  }
  return cj.packet(opts)
end

--- Measures a case by sampling.
-- @tparam table case one with a `domain`
-- @tparam[opt] table opts `samples` (200000), `faces` (samples that ask for the faces of the first
--   and the last pixel of a box: all of them), `seed` (1), `field`: see `packet`; `sampler`, `mcmc`
-- @treturn table the result
function M.measure(case, opts)
  local o = check.options("measure", opts, OPTIONS)
  local packet = M.packet(case, o.field)
  return packet:measure {
    samples = o.samples, faces = o.faces or o.samples, seed = o.seed, sampler = o.sampler,
    mcmc = o.mcmc, quiet = true,
    face_pixels = packet.pixels == 1 and { 1 } or { 1, packet.pixels },
  }
end

local derived = {
  B_gap = function() return 0 end,
  c_gap = function() return 0 end,
  field_sd = function(axis) return axis.sigma_p end,
  field_cov = function(axis) return (axis.B - 1) / 2 end,
  field_corr = function(axis) return (axis.B - 1) / 2 / (axis.sigma_x * axis.sigma_p) end,
  field_bound = function(axis) return math.abs(axis.B - 1) / 2 end,
  field_P = function(axis) return axis.P end,
}

--- What a case's quadrature says of every reported number.
-- @tparam table measured what `case.measure()` gave
-- @tparam integer pixels of the case; with one axis measured, all are alike
-- @treturn function (quantity, pixel) -> number, nil where it is not known
-- @treturn table totals: name -> number
function M.truth(measured, pixels)
  check.table("truth", "measured", measured)
  check.integer("truth", "pixels", pixels, 1)
  local axes = measured.axes or { measured }
  local function of(quantity, i)
    local axis = axes[i] or axes[1]
    if quantity == "beta" then return measured.beta end
    return derived[quantity] and derived[quantity](axis) or axis[quantity]
  end
  local function sum(quantity, power)
    local all = 0
    for i = 1, pixels do all = all + of(quantity, i) ^ power end
    return all
  end
  local totals = {
    sigma_x = math.sqrt(sum("sigma_x", 2)), sigma_p = math.sqrt(sum("sigma_p", 2)),
    g = math.sqrt(sum("g", 2)), bound = sum("bound", 1),
    rms_gradient = math.sqrt(measured.beta * sum("loss_part", 1)),
  }
  for _, name in ipairs { "loss_part", "cross_part", "window_part" } do
    totals[name] = sum(name, 1)
  end
  totals.P, totals.U = totals.sigma_x * totals.sigma_p, totals.sigma_x * totals.g
  totals.slack, totals.tightness = totals.P - totals.bound, totals.bound / totals.P
  return of, totals
end

local function row_of(quantity, value, err, truth)
  local within = STANDARD_ERRORS * err + ROUNDING * math.max(1, math.abs(truth))
  local gap = math.abs(value - truth)
  return {
    quantity = quantity, measured = value, truth = truth, error = err, tolerance = within,
    ok = gap <= within,
  }
end

-- The pixels `number(k)`, k in `places`, of values and errors.
local function add_part(rows, part, prefix, places, number, of)
  local names = {}
  for name in pairs(part.values) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    for _, k in ipairs(places) do
      local value, err, truth = part.values[name]:get(k), part.errors[name]:get(k),
        of(name, number(k))
      if truth == truth then -- no tightness where P = 0
        rows[#rows + 1] = row_of(("%s%s[%d]"):format(prefix, name, number(k)), value, err, truth)
      end
    end
  end
end

local function add_totals(rows, totals, truths)
  local names = {}
  for name in pairs(totals) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    if truths[name] == truths[name] then -- no tightness where P = 0
      rows[#rows + 1] = row_of("total " .. name, totals[name][1], totals[name][2], truths[name])
    end
  end
end

-- A case that must be refused has no numbers, and the reason that was expected.
local function refusal(case, r)
  local reasons = table.concat(r.reasons, "; ")
  local right = r.status == "unreliable" and r.values == nil
    and reasons:find(case.refused, 1, true) ~= nil
  return { quantity = "refused", measured = r.status .. ": " .. reasons,
    truth = "unreliable: " .. case.refused, ok = right }
end

--- Holds a result of sampling against quadrature: the first and the last pixel, their faces, and
-- totals.
-- @tparam table case one with a `domain`
-- @tparam table r of `measure`
-- @treturn {table,...} rows: `quantity` ("P[1]", "faces P[1]", "total P"), `measured`, `truth`,
--   `error` (standard error), `tolerance`, `ok`; for a case that must be refused, or was, one row
--   with texts
function M.compare(case, r)
  check.table("compare", "case", case)
  check.table("compare", "r", r)
  if case.refused then return { refusal(case, r) } end
  if r.status == "unreliable" then
    return { { quantity = "status", measured = table.concat(r.reasons, "; "), truth = "ok",
      ok = false } }
  end
  local pixels, rows = r.values.mu:numel(), {}
  local of, totals = M.truth(case.measure(), pixels)
  local function same(k)
    return k
  end
  add_part(rows, r, "", pixels == 1 and { 1 } or { 1, pixels }, same, of)
  if r.faces then
    local places = {}
    for k in ipairs(r.faces.pixels) do places[k] = k end
    add_part(rows, r.faces, "faces ", places, function(k) return r.faces.pixels[k] end, of)
  end
  add_totals(rows, r.totals, totals)
  return rows
end

return M
