--- Wilson's score interval for a share, such as an accuracy.
-- @module conjugate.metrics.wilson
-- @source Wilson, J. Amer. Statist. Assoc. 22 (1927) 209-212
local M = {}

M.Z95 = 1.959963984540054 -- the normal quantile of 0.975

--- The interval that holds the true share with a given confidence; it never leaves [0, 1] and does
-- not collapse at 0 or n successes.
-- @tparam integer successes 0..n
-- @tparam integer n trials, >= 1
-- @tparam[opt=1.959963984540054] number z normal quantile; the default gives 95 %
-- @treturn number lower end, in [0, 1]
-- @treturn number upper end, in [0, 1]
-- @raise "wilson: expected 0 <= successes <= n and n >= 1, got 3 of 2"
function M.interval(successes, n, z)
  z = z or M.Z95
  if not (n >= 1 and successes >= 0 and successes <= n) then
    error(("wilson: expected 0 <= successes <= n and n >= 1, got %s of %s")
      :format(tostring(successes), tostring(n)), 2)
  end
  local p, z2 = successes / n, z * z
  local centre = (p + z2 / (2 * n)) / (1 + z2 / n)
  local half = z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
  -- at the ends the formula gives 0 and 1 but for rounding
  local low = successes == 0 and 0 or math.max(0, centre - half)
  local high = successes == n and 1 or math.min(1, centre + half)
  return low, high
end

return M
