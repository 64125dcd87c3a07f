--- Student's t: intervals of means of a few runs.
-- @module conjugate.metrics.student
-- @source Student, Biometrika 6 (1908) 1-25; the expansion: Abramowitz & Stegun, 26.7.5
local mean = require "conjugate.metrics.mean"
local Z95 = require "conjugate.metrics.wilson".Z95

local M = {}

local few = {
  12.706204736, 4.302652730, 3.182446305, 2.776445105, 2.570581836, 2.446911851, 2.364624252,
  2.306004135, 2.262157163,
}

--- The quantile of Student's t whose tail is that of a normal quantile.
-- @tparam number z normal quantile
-- @tparam number degrees of freedom, > 0; below some 10 the result is rough
-- @treturn number beyond z
function M.from_normal(z, degrees)
  return z + (z ^ 3 + z) / (4 * degrees) + (5 * z ^ 5 + 16 * z ^ 3 + 3 * z) / (96 * degrees ^ 2)
    + (3 * z ^ 7 + 19 * z ^ 5 + 17 * z ^ 3 - 15 * z) / (384 * degrees ^ 3)
end

--- The quantile 0.975 of Student's t: 95 % of the values are between minus it and it.
-- @tparam integer degrees of freedom, >= 1
-- @treturn number to four digits
-- @raise "student: expected at least one degree of freedom, got 0"
function M.quantile(degrees)
  if degrees < 1 or degrees ~= degrees then
    error(("student: expected at least one degree of freedom, got %s"):format(tostring(degrees)), 2)
  end
  return few[degrees] or M.from_normal(Z95, degrees)
end

--- The mean of independent runs, and half of the interval that holds the true mean with 95 %.
-- @tparam {number,...} list a number a run
-- @treturn ?number the mean; nil of none
-- @treturn ?number half of the interval; nil for fewer than two runs
function M.mean(list)
  local m = mean.of(list)
  if not m then return nil end
  return m.mean, m.standard_error and M.quantile(m.n - 1) * m.standard_error
end

return M
