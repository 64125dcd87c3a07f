--- The gates of a measurement: why a result has no numbers, and why its numbers want care.
-- @module conjugate.packet.gates
local pixels = require "conjugate.packet.pixels"
local verdict = require "conjugate.packet.verdict"

local M = {}

-- Of the weights, and of squared slopes.
local MOST_SHARE, MOST_K, LEAST_ESS, FEW_ESS = 0.1, 0.7, 100, 1000
-- Share of the samples from which on squared slopes count as even.
local EVEN = 0.5
-- Share of the error of sum sigma_p^2, and of the sum, below which the loss part does not matter.
local LITTLE, NOTHING = 0.1, 1e-15
-- Of pencils. COARSE: share of P, where it is not next to nothing, from which an error of
-- quadrature is worth a word.
local FEW_FACES = 30 -- of even weight
local LEAST_PENCILS, FEW_PENCILS, COARSE, LEAST_PRODUCT = 10, 30, 1e-3, 1e-9
-- Relative error of g that 10 pencils would leave if they alone carried it.
local UNSURE = 0.5 / math.sqrt(10)
-- Of chains. From a Pareto shape of 1/2 on, what g^2 is a mean of has no variance.
local MOST_RHAT, FINE_RHAT, LEAST_CHAIN_ESS, MOST_TAIL = 1.05, 1.01, 400, 0.5
local FREEDOM = 31 -- degrees of freedom of errors from 32 groups of chains

-- A list, and a function that adds a text to it where a condition holds.
local function reasons()
  local list = {}
  return list, function(condition, text, ...)
    if condition then list[#list + 1] = text:format(...) end
  end
end

-- Refuses what is a mean of uneven numbers. tail: whether the largest of them make up enough of it.
local function check_evenness(e, of, tail, refuse)
  refuse(e.ess < LEAST_ESS, "%seffective sample size %.1f, below %d", of, e.ess, LEAST_ESS)
  refuse(e.largest > MOST_SHARE, "%sone sample has %.1f %% of the weight", of, 100 * e.largest)
  refuse(tail and e.k > MOST_K, "%sthe weights' tail is heavy: Pareto k = %.2f, above %.1f", of,
    e.k, MOST_K)
end

--- Why points of the reference tell nothing.
-- @tparam table r result with `beta`, `ess`, `largest` and `k`
-- @treturn {string,...} reasons; none where the numbers may be given
function M.refusals(r)
  local list, refuse = reasons()
  refuse(r.beta <= 0 or r.beta ~= r.beta, "the square of the loss is zero at every sample: the "
    .. "loss is, or is too small for it")
  check_evenness(r, "", true, refuse)
  return list
end

--- Why points of the reference do not tell |grad l|, which may be steep at few points where l^2 is
-- the same everywhere: 1 - p_Y of a class that is rejected, next to where it is not.
-- @tparam table e evenness of v |grad l|^2: `samples`, `ess`, `largest` and `k`
-- @treturn {string,...} reasons; none where l is flat
function M.slope_refusals(e)
  local list, refuse = reasons()
  -- the slopes of a network with ReLU are all but equal, with a few on another piece: such a tail
  -- has no shape, and no share either
  if e.ess > 0 then check_evenness(e, "|grad l|^2: ", e.ess < EVEN * e.samples, refuse) end
  return list
end

--- Whether sigma_p depends on the part of it that |grad l| has.
-- @tparam table totals of a result
-- @treturn boolean
function M.needs_slopes(totals)
  local sigma_p, err = unpack(totals.sigma_p)
  return totals.loss_part[1] > LITTLE * 2 * sigma_p * err + NOTHING * sigma_p ^ 2
end

--- Why chains tell nothing.
-- @tparam table c of `conjugate.packet.chains.diagnose`
-- @treturn {string,...}
function M.chain_refusals(c)
  local list, refuse = reasons()
  refuse(c.lost > 0, "%d of %d chains found no point with a loss above zero", c.lost, c.chains)
  refuse(c.rhat > MOST_RHAT, "the chains disagree: R-hat %.3f, above %.2f", c.rhat, MOST_RHAT)
  refuse(c.ess < LEAST_CHAIN_ESS, "effective sample size %.1f of the chains, below %d", c.ess,
    LEAST_CHAIN_ESS)
  refuse(c.tail_k > MOST_TAIL,
    "|grad log l|^2 is heavy-tailed (Pareto k = %.2f, above %.1f): g has no standard error",
    c.tail_k, MOST_TAIL)
  return list
end

-- The largest |gap| / error over the pixels.
local function worst_z(part, name)
  if not part.values[name] then return nil end
  local gaps, errors, worst = part.values[name]:table(), part.errors[name]:table(), 0
  for i, gap in ipairs(gaps) do
    local z = math.abs(pixels.z(gap, errors[i]))
    if z > worst then worst = z end -- not where they are NaN
  end
  return worst
end

-- Boundary and volume that differ; sets z_B_gap and z_c_gap of the part.
local function compare(part, of, warn)
  local limit = verdict.quantile(#part.verdicts, part.freedom)
  for _, name in ipairs { "B_gap", "c_gap" } do
    local worst = worst_z(part, name)
    warn(worst and worst > limit,
      of .. "%s: boundary and volume differ by %.1f standard errors, limit %.1f", name, worst,
      limit)
    part["z_" .. name] = worst
  end
end

-- How many samples of even weight the faces are worth.
local function faces_worth(r)
  return r.options.faces * r.ess / r.samples
end

--- Degrees of freedom of the errors of a part: those of chains come from groups of chains, those of
-- faces from the samples that asked for them.
-- @tparam table r result with `samples` and `ess`
-- @tparam boolean faces whether the part is of faces
-- @treturn number|nil nil where they are many
function M.freedom(r, faces)
  if r.chains then return FREEDOM end
  return faces and math.max(faces_worth(r) - 1, 1) or nil
end

-- Few faces: their errors have no known law, so they call nothing violated.
local function check_faces(r, warn)
  local worth = faces_worth(r)
  if worth >= FEW_FACES then return end
  warn(true, "faces of %d samples, worth %.0f even ones, below %d", r.options.faces, worth,
    FEW_FACES)
  verdict.withdraw(r.faces)
end

--- Warnings of boundary and volume that differ. Sets `z_B_gap` and `z_c_gap` of the part, the
-- largest differences in standard errors.
-- @tparam table part with verdicts
-- @tparam string of what stands before each warning
-- @treturn {string,...}
function M.differences(part, of)
  local list, warn = reasons()
  compare(part, of, warn)
  return list
end

--- Pencils that may be shown.
-- @tparam table|nil part what pencils say
-- @treturn table|nil the part, unless it tells nothing
-- @treturn {string,...} why
function M.admit(part)
  local list, refuse = reasons()
  if not part then return nil, list end
  refuse(part.unresolved == #part.pixels, "no pencils: %d nodes resolve the loss at no pixel",
    part.nodes)
  refuse(part.ess < LEAST_PENCILS, "no pencils: effective number %.1f, below %d", part.ess,
    LEAST_PENCILS)
  return #list == 0 and part or nil, list
end

-- Pixels whose slack is limited by quadrature.
local function count_coarse(part)
  local errors, quadrature = part.errors.slack:table(), part.quadrature.slack:table()
  local products, coarse = part.values.P:table(), 0
  for i, q in ipairs(quadrature) do
    local much = q > COARSE * math.max(products[i], LEAST_PRODUCT)
    if much and 2 * q * q > errors[i] ^ 2 then coarse = coarse + 1 end
  end
  return coarse, #quadrature
end

-- Pixels whose g a few pencils carry.
local function count_unsure(part)
  local errors, unsure = part.errors.g:table(), 0
  for i, g in ipairs(part.values.g:table()) do
    if errors[i] > UNSURE * g then unsure = unsure + 1 end
  end
  return unsure
end

local function compare_pencils(part, warn)
  local unsure = count_unsure(part)
  local coarse, all = count_coarse(part)
  compare(part, "pencils: ", warn)
  warn(part.ess < FEW_PENCILS, "pencils: effective number %.1f", part.ess)
  warn(unsure > 0, "pencils: few carry g at %d of %d pixels", unsure, all)
  warn(part.unresolved > 0, "pencils: no numbers for %d of %d pixels, whose loss %d nodes do not "
    .. "resolve", part.unresolved, all, part.nodes)
  warn(coarse > 0, "pencils: with %d nodes quadrature is the larger error of slack at %d of %d "
    .. "pixels", part.nodes, coarse, all)
end

--- Why numbers want care: few effective samples, boundary and volume that differ, coarse pencils.
-- Sets `z_B_gap` and `z_c_gap`, the largest differences in standard errors, in the judged part, in
-- `r.pencils` and in `r`.
-- @tparam table r result with `ess`
-- @tparam table part the judged part: all pixels, or those of faces or pencils
-- @treturn {string,...}
function M.warnings(r, part)
  local list, warn = reasons()
  warn(r.ess < FEW_ESS, "effective sample size %.0f", r.ess)
  if part ~= r.pencils then compare(part, "", warn) end
  if part == r.faces then check_faces(r, warn) end
  if r.pencils then compare_pencils(r.pencils, warn) end
  r.z_B_gap, r.z_c_gap = part.z_B_gap, part.z_c_gap
  return list
end

--- How many points of a defensive mixture show what the tilt misses: 2,000 may all lie outside a
-- mode of rho that one point in a thousand finds, and their weights look even.
M.LEAST_DEFENDED = 5000

--- Why numbers of a defensive mixture want care.
-- @tparam table r result
-- @treturn {string,...}
function M.defence_warnings(r)
  local list, warn = reasons()
  warn(r.samples < M.LEAST_DEFENDED, "%d points of a defensive mixture may miss a mode; %d show it",
    r.samples, M.LEAST_DEFENDED)
  return list
end

--- Why numbers of chains want care.
-- @tparam table r result of chains; violations become undecided where errors are rough
-- @treturn {string,...}
function M.chain_warnings(r)
  local list, warn = reasons()
  local rough, all = verdict.rough(r)
  if not r.pencils then verdict.doubt(r) end
  warn(r.chains.rhat > FINE_RHAT, "R-hat %.3f, above %.2f", r.chains.rhat, FINE_RHAT)
  warn(rough > 0, "few samples carry g at %d of %d pixels: their errors, above %g %%, are rough",
    rough, all, 100 * verdict.ROUGH)
  return list
end

return M
