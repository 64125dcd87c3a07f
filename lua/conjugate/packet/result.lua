--- What a measurement of a packet gives: numbers with standard errors, or a refusal.
--
-- Fields: `name` and `epoch` of the network, where they are known; `label`, `loss`, `reference`,
-- `samples`, `seed`, `ess` (effective sample size), `largest` (share of the largest weight), `k`
-- (Pareto shape of the weights' tail), `beta` with `beta_error`, `status` ("ok", "warn",
-- "unreliable"), `reasons`, `forwards`, `backwards`, `seconds`. A refused result has no `beta`.
--
-- Unless the status is "unreliable": `values[name]` and `errors[name]`, float64 [M], for every
-- quantity that was measured (`conjugate.packet.quantities()`), and `faces`, the same for the
-- pixels whose faces were asked for (`faces.pixels`, from 1), with `faces.verdicts`, one of
-- "holds", "violated" or "undecided" each. On all of R^M (window, data) nothing is left at the
-- edge, and `verdicts` are of all pixels.
--
-- `totals[name] = { value, error }` of all pixels together: `sigma_x`, `sigma_p` and `g` (roots of
-- sums of squares), the products `P` and `U` = sigma_x g, `bound` = sum |1 - B| / 2, which P cannot
-- be below, `slack` = P - bound and `tightness` = bound / P; the three
-- parts of sum g^2, `loss_part`, `cross_part`, `window_part`, and `rms_gradient` = sqrt(beta
-- loss_part), the root mean square of |grad l|. Errors by the jackknife over 32 batches, which also
-- takes their bias of order 1/N away. Where few samples carry |grad l|^2 and the rest of sum g^2 is
-- known all the same, `loss_part`, `cross_part` and `rms_gradient` are missing, with the reason.
--
-- `sampler` is "plain"; "defensive", where most points come from the tilted reference and
-- `defence` holds the settings and the tilt (`conjugate.packet.defence`); or "mala" or "hmc" for
-- points of rho itself. Then `chains` holds the settings and diagnostics
-- (`conjugate.packet.chains`), `ess` is the least over the pixels and log rho, and standard errors
-- come from the spread of 32 groups of chains (31 degrees of freedom). Chains do not tell beta:
-- `beta` is there only when weighted points were measured too (`plain`, with the sampler "auto")
-- and not refused. On a box they do not ask for faces either: B is of the volume, and the verdicts
-- are those of `pencils`, without which there are none. `pencils`, also of points of the reference:
-- see `conjugate.packet.pencils`.
--
-- `directions` and `matrix`, where directions were asked for: see `conjugate.packet.matrix`.
--
-- Why a result is refused: `conjugate.packet.gates`; how pixels are judged:
-- `conjugate.packet.verdict`. `record()` gives plain tables, `write(path)` stores them, see
-- `conjugate.packet.record`; print shows a result.
-- @module conjugate.packet.result
local core = require "conjugate.core"
local gates = require "conjugate.packet.gates"
local maps = require "conjugate.packet.maps"
local matrix = require "conjugate.packet.matrix"
local origin = require "conjugate.packet.origin"
local pencils = require "conjugate.packet.pencils"
local record = require "conjugate.packet.record"
local text = require "conjugate.packet.text"
local verdict = require "conjugate.packet.verdict"

local M = {}

local Result = { record = record.make, write = record.write, map = maps.map,
  __tostring = text.of }
Result.__index = Result

local function append(list, more)
  for _, reason in ipairs(more) do list[#list + 1] = reason end
end

local function columns(values, errors)
  local out = { values = {}, errors = {} }
  for q, name in ipairs(core.packet_quantities()) do
    local v = values:select(1, q)
    local first = v:get(1)
    if first == first or v:eq(v):to("int64"):sum():item() > 0 then
      out.values[name], out.errors[name] = v, errors:select(1, q)
    end
  end
  return out
end

-- Adds the parts of g^2; on a box there is but one.
local function add_parts(part, m, place)
  local values, errors = core.packet_parts(m, place)
  for k, name in ipairs { "loss_part", "cross_part", "window_part" } do
    if values then
      part.values[name], part.errors[name] = values:select(1, k), errors:select(1, k)
    else
      local scale, g = k == 1 and 1 or 0, part.values.g
      part.values[name], part.errors[name] = g * g * scale, g * part.errors.g * (2 * scale)
    end
  end
end

-- The parts whose boundary term is known are judged; the verdicts of the result are those of the
-- faces, or else of the pencils, or else of all pixels.
local function fill(r, m, place, face_pixels)
  local all = columns(core.packet_estimates(m, place, false))
  add_parts(all, m, place)
  local judged = all
  r.values, r.errors, r.totals = all.values, all.errors, core.packet_totals(m, place)
  r.pencils, r.reasons = gates.admit(pencils.part(m, r.options, place, columns))
  if r.pencils then
    r.pencils.freedom = gates.freedom(r, false)
    verdict.judge(r.pencils)
    verdict.doubt(r.pencils)
    judged = r.pencils
  end
  if #face_pixels > 0 then
    r.faces = columns(core.packet_estimates(m, place, true))
    r.faces.pixels, r.faces.samples = face_pixels, r.options.faces
    judged = r.faces
  end
  if judged.values.B_face then
    judged.freedom = gates.freedom(r, judged == r.faces)
    if judged ~= r.pencils then verdict.judge(judged) end
    r.verdicts, r.counts = judged.verdicts, judged.counts
    append(r.reasons, gates.warnings(r, judged))
  end
  matrix.fill(r, m, place, columns)
end

-- What every result says; values and a status are still to come.
local function start(packet, o, label, work)
  local r = {
    label = label, clip = packet.clip, seed = o.seed, options = o, reasons = {},
    origin = origin.of(packet), forwards = work.forwards, backwards = work.backwards,
    seconds = work.seconds,
  }
  for _, key in ipairs { "name", "epoch", "loss", "reference", "tau", "shape" } do
    r[key] = r.origin[key]
  end
  return setmetatable(r, Result)
end

-- A refused result has no numbers, but those that say why.
local function refuse_for(r, refused)
  r.status, r.reasons = "unreliable", refused
  r.beta, r.beta_error = nil, nil
  return r
end

-- Why points of the reference do not tell |grad l|; whether everything depends on it.
local function judge_slopes(m, place)
  local refused = gates.slope_refusals(core.packet_evenness(m, place, true))
  return refused, #refused > 0 and gates.needs_slopes(core.packet_totals(m, place))
end

--- Makes the result of one label, from points of the reference.
-- @tparam table packet the packet
-- @tparam table o options of the measurement
-- @param m the measurement
-- @tparam integer place of the label, from 1
-- @tparam integer label from 0
-- @tparam table work forwards, backwards, seconds (of all labels)
-- @treturn table see above
function M.new(packet, o, m, place, label, work)
  local even = core.packet_evenness(m, place)
  local values, errors = core.packet_estimates(m, place, false)
  local r = start(packet, o, label, work)
  r.sampler, r.samples, r.ess = "plain", even.samples, even.ess
  r.largest, r.k = even.largest, even.k
  r.beta, r.beta_error = values:get(1, 1), errors:get(1, 1)
  local refused = gates.refusals(r)
  if #refused > 0 then return refuse_for(r, refused) end
  local unknown, all = judge_slopes(m, place)
  if all then return refuse_for(r, unknown) end
  fill(r, m, place, o.face_pixels)
  if #unknown > 0 then
    r.totals.loss_part, r.totals.cross_part, r.totals.rms_gradient = nil, nil, nil
    for _, name in ipairs { "loss_part", "cross_part" } do
      r.values[name], r.errors[name] = nil, nil
    end
    append(r.reasons, unknown)
  end
  r.status = #r.reasons > 0 and "warn" or "ok"
  return r
end

--- Makes the result of one label, from points of a defensive mixture.
-- @tparam table packet the packet
-- @tparam table o options of the measurement
-- @param m the measurement
-- @tparam table fitted of `conjugate.packet.defence.fit`
-- @tparam integer label from 0
-- @tparam table work forwards, backwards, seconds
-- @treturn table see above
function M.defended(packet, o, m, fitted, label, work)
  local r = M.new(packet, o, m, 1, label, work)
  r.sampler, r.defence = "defensive", fitted
  append(r.reasons, gates.defence_warnings(r))
  if r.status == "ok" and #r.reasons > 0 then r.status = "warn" end
  return r
end

--- The better of two results of one label from weighted points.
-- @tparam table plain from points of the reference
-- @tparam table defended from a defensive mixture
-- @treturn table one of them; the second with `plain` = the first
function M.over(plain, defended)
  if defended.status == "unreliable" or defended.ess <= plain.ess then return plain end
  defended.plain = plain
  return defended
end

--- Makes the result of one label, from points of rho.
-- @tparam table packet the packet
-- @tparam table o options of the measurement
-- @param m the measurement
-- @tparam table c what the chains say of themselves
-- @tparam integer label from 0
-- @tparam table work forwards, backwards, seconds
-- @treturn table see above
function M.walked(packet, o, m, c, label, work)
  local r = start(packet, o, label, work)
  r.sampler, r.chains, r.samples, r.ess = c.method, c, c.chains * c.keep, c.ess
  local refused = gates.chain_refusals(c)
  if #refused > 0 then return refuse_for(r, refused) end
  fill(r, m, 1, {})
  r.values.beta, r.errors.beta, r.totals.rms_gradient = nil, nil, nil
  if r.pencils then r.pencils.values.beta, r.pencils.errors.beta = nil, nil end
  append(r.reasons, gates.chain_warnings(r))
  r.status = #r.reasons > 0 and "warn" or "ok"
  return r
end

--- The better of two results of one label: that of the chains, with beta of the plain one, unless
-- only the plain one was not refused.
-- @tparam table plain from points of the reference
-- @tparam table walked from chains
-- @treturn table one of them; of the chains, with `plain` = the other
function M.choose(plain, walked)
  if walked.status == "unreliable" and plain.status ~= "unreliable" then
    plain.status = "warn"
    for _, reason in ipairs(walked.reasons) do
      plain.reasons[#plain.reasons + 1] = walked.sampler .. ": " .. reason
    end
    return plain
  end
  walked.plain = plain
  if plain.status ~= "unreliable" then
    walked.beta, walked.beta_error = plain.beta, plain.beta_error
  end
  return walked
end

return M
