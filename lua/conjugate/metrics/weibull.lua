--- The reverse Weibull distribution of maxima, fitted by profile likelihood.
--
-- `F(y) = exp(-((a - y) / b)^c)` for y <= a: the location `a` is the end of the distribution, which
-- CLEVER takes for a local Lipschitz constant. For a fixed `a` above the sample, with t = a - y,
-- the likeliest shape solves `sum t^c ln t / sum t^c - 1/c - mean(ln t) = 0`, which rises with c,
-- and `b = (mean t^c)^(1/c)`. What is left is a function of `a` alone. The shape is kept at c >= 1:
-- below, the likelihood has no bound and the fit collapses to the sample's maximum.
-- @module conjugate.metrics.weibull
-- @source Weng et al., ICLR 2018, sections 3 and 4 (the model; the fit is ours)
local check = require "conjugate.check"

local M = {}

-- The scan over u = ln((a - max) / (max - min)).
local LOWEST, HIGHEST, POINTS = math.log(1e-6), math.log(1e3), 91
local LARGEST = 0.999 * math.exp(HIGHEST)
local GOLDEN = (math.sqrt(5) - 1) / 2
local TOO_NARROW, UNLIKELY = 1e-12, 0.001

-- Mean of r^c and of r^c ln r, given ln r.
local function power_means(logs, c)
  local sum, weighted = 0, 0
  for i = 1, #logs do
    local power = math.exp(c * logs[i])
    sum, weighted = sum + power, weighted + power * logs[i]
  end
  return sum / #logs, weighted / #logs
end

-- The likeliest shape >= 1, by bisection. The equation does not change when all t are scaled, so it
-- is solved for t over the largest t, whose powers cannot overflow.
local function shape_of(logs, mean_log)
  local function slope(c)
    local sum, weighted = power_means(logs, c)
    return weighted / sum - 1 / c - mean_log
  end
  if slope(1) >= 0 then return 1 end
  local low, high = 1, 2
  while slope(high) < 0 and high < 1e15 do low, high = high, 2 * high end
  while high - low > 1e-13 * high do
    local middle = (low + high) / 2
    if middle == low or middle == high then break end
    if slope(middle) < 0 then low = middle else high = middle end
  end
  return (low + high) / 2
end

-- The best fit whose location is `gap` above the sample's maximum. `depths`: max - y.
local function fit_at(depths, gap)
  local n, most, sum, logs = #depths, 0, 0, {}
  for i = 1, n do most = math.max(most, gap + depths[i]) end
  for i = 1, n do
    logs[i] = math.log((gap + depths[i]) / most)
    sum = sum + logs[i]
  end
  local shape = shape_of(logs, sum / n)
  local mean_power = power_means(logs, shape)
  return {
    gap = gap, shape = shape, scale = most * mean_power ^ (1 / shape),
    log_likelihood = n * (math.log(shape) - math.log(most) - math.log(mean_power)
      + (shape - 1) * sum / n - 1),
  }
end

-- The likeliest fit of depths in [0, 1]: a scan, then golden section around its best point.
local function likeliest(depths)
  local step = (HIGHEST - LOWEST) / (POINTS - 1)
  local best, place
  for i = 0, POINTS - 1 do
    local fit = fit_at(depths, math.exp(LOWEST + i * step))
    if not best or fit.log_likelihood > best.log_likelihood then best, place = fit, i end
  end
  local low = LOWEST + math.max(place - 1, 0) * step
  local high = LOWEST + math.min(place + 1, POINTS - 1) * step
  local function at(u)
    local fit = fit_at(depths, math.exp(u))
    if fit.log_likelihood > best.log_likelihood then best = fit end
    return fit.log_likelihood
  end
  local left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
  local at_left, at_right = at(left), at(right)
  while high - low > 1e-9 do
    if at_left >= at_right then
      high, right, at_right = right, left, at_left
      left = high - GOLDEN * (high - low)
      at_left = at(left)
    else
      low, left, at_left = left, right, at_right
      right = low + GOLDEN * (high - low)
      at_right = at(right)
    end
  end
  return best
end

--- Probability that a sample of n differs from its distribution by at least d: Kolmogorov's limit
-- with Stephens' correction for small n.
-- @tparam number d largest distance between the two distribution functions, 0..1
-- @tparam integer n size of the sample
-- @treturn number 0..1
-- @source Stephens, J. Royal Stat. Soc. B 32 (1970) 115-122
function M.kolmogorov(d, n)
  local root = math.sqrt(n)
  local x = (root + 0.12 + 0.11 / root) * d
  if x < 0.2 then return 1 end
  local sum = 0
  for k = 1, 100 do
    local term = math.exp(-2 * k * k * x * x)
    sum = sum + (k % 2 == 1 and term or -term)
    if term < 1e-17 then break end
  end
  return math.min(math.max(2 * sum, 0), 1)
end

-- Largest distance between the fitted and the sample's distribution function; y is sorted.
local function distance(y, fit)
  local n, largest = #y, 0
  for i = 1, n do
    local f = math.exp(-(math.max(fit.location - y[i], 0) / fit.scale) ^ fit.shape)
    largest = math.max(largest, i / n - f, f - (i - 1) / n)
  end
  return largest
end

local function checked(values)
  check.table("weibull", "values", values)
  if #values == 0 then check.fail("weibull", "expected at least one value, got none") end
  local y = {}
  for i, v in ipairs(values) do y[i] = check.number("weibull", ("values[%d]"):format(i), v) end
  table.sort(y)
  return y
end

--- Fits the distribution to a sample of maxima.
--
-- Three samples have no end that could be told from them; then `flag` is set and `end_point` is the
-- sample's maximum. "DEGENERATE": there is no spread (max - min below 1e-12 of the largest
-- magnitude, or an infinite value), or the Kolmogorov-Smirnov p value is below 0.001; that value is
-- for a distribution known beforehand and so, the fit being made to the same sample, on the high
-- side. "UNBOUNDED": the likelihood rises up to the end of the scan, a thousand times the spread
-- above the sample, where the distribution is as good as Gumbel's, which has no end. A third of the
-- samples of ten maxima from a small network are such, and the end of the scan, of which `location`
-- would be made, says nothing about them.
-- @tparam {number,...} values the maxima, in any order
-- @string[opt="max"] unbounded what `end_point` is where the likelihood has no maximum: "max", or
--   "location", the end of the scan
-- @treturn table n, max, min; end_point (the estimate of the distribution's end: `location`, or
--   `max` when flagged); flag ("DEGENERATE", "UNBOUNDED" or nil); and unless there is no spread:
--   location (a), scale (b), shape (c >= 1), log_likelihood, ks (distance), p
-- @raise "weibull: expected at least one value, got none"
function M.fit(values, unbounded)
  local y = checked(values)
  check.one_of("weibull", "unbounded", unbounded or "max", { "max", "location" })
  local n, low, high = #y, y[1], y[#y]
  local result = { n = n, min = low, max = high, end_point = high, flag = "DEGENERATE" }
  local range = high - low
  if not (range >= TOO_NARROW * math.max(math.abs(low), math.abs(high)) and range > 0
    and range < math.huge) then
    return result
  end
  local depths = {}
  for i = 1, n do depths[i] = (high - y[i]) / range end
  local fit = likeliest(depths)
  result.location, result.scale = high + range * fit.gap, range * fit.scale
  result.shape = fit.shape
  result.log_likelihood = fit.log_likelihood - n * math.log(range)
  result.ks = distance(y, result)
  result.p = M.kolmogorov(result.ks, n)
  if result.p < UNLIKELY then return result end
  result.flag = fit.gap > LARGEST and "UNBOUNDED" or nil
  if not result.flag or unbounded == "location" then result.end_point = result.location end
  return result
end

return M
