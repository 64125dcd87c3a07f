--- The gates of a measurement: why a result has no numbers, and why its numbers want care.
-- @module conjugate.packet.gates
local verdict = require "conjugate.packet.verdict"

local M = {}

-- Of the weights.
local MOST_SHARE, MOST_K, LEAST_ESS, FEW_ESS = 0.1, 0.7, 100, 1000
-- Of chains. From a Pareto shape of 1/2 on, what g^2 is a mean of has no variance.
local MOST_RHAT, FINE_RHAT, LEAST_CHAIN_ESS, MOST_TAIL = 1.05, 1.01, 400, 0.5

-- A list, and a function that adds a text to it where a condition holds.
local function reasons()
  local list = {}
  return list, function(condition, text, ...)
    if condition then list[#list + 1] = text:format(...) end
  end
end

--- Why points of the reference tell nothing.
-- @tparam table r result with `beta`, `ess`, `largest` and `k`
-- @treturn {string,...} reasons; none where the numbers may be given
function M.refusals(r)
  local list, refuse = reasons()
  refuse(r.beta <= 0 or r.beta ~= r.beta, "the loss is zero at every sample")
  refuse(r.ess < LEAST_ESS, "effective sample size %.1f, below %d", r.ess, LEAST_ESS)
  refuse(r.largest > MOST_SHARE, "one sample has %.1f %% of the weight", 100 * r.largest)
  refuse(r.k > MOST_K, "the weights' tail is heavy: Pareto k = %.2f, above %.1f", r.k, MOST_K)
  return list
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
    if errors[i] > 0 then worst = math.max(worst, math.abs(gap) / errors[i]) end
  end
  return worst
end

--- Why numbers want care: few effective samples, or boundary and volume that differ. Sets
-- `r.z_B_gap` and `r.z_c_gap`, the largest differences in standard errors.
-- @tparam table r result with `ess`
-- @tparam table part the judged part: all pixels, or those whose faces were asked for
-- @treturn {string,...}
function M.warnings(r, part)
  local list, warn = reasons()
  warn(r.ess < FEW_ESS, "effective sample size %.0f", r.ess)
  local limit = verdict.quantile(#part.verdicts)
  for _, name in ipairs { "B_gap", "c_gap" } do
    local worst = worst_z(part, name)
    warn(worst and worst > limit,
      "%s: boundary and volume differ by %.1f standard errors, limit %.1f", name, worst, limit)
    r["z_" .. name] = worst
  end
  return list
end

--- Why numbers of chains want care.
-- @tparam table r result of chains; violations become undecided where errors are rough
-- @treturn {string,...}
function M.chain_warnings(r)
  local list, warn = reasons()
  local rough, pixels = verdict.doubt(r)
  warn(r.chains.rhat > FINE_RHAT, "R-hat %.3f, above %.2f", r.chains.rhat, FINE_RHAT)
  warn(rough > 0, "few samples carry g at %d of %d pixels: their errors, above %g %%, are rough",
    rough, pixels, 100 * verdict.ROUGH)
  return list
end

return M
