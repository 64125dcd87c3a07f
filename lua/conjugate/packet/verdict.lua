--- Whether the uncertainty relation holds, pixel by pixel, with errors taken into account.
--
-- A verdict is "holds" when slack = P - bound is above -q standard errors, q the normal quantile
-- for all pixels together (Bonferroni, 5 %; Student's where errors have few degrees of freedom),
-- "violated" below, and "undecided" when the error is no number, or when too few samples or faces
-- stand behind it to be trusted.
-- @module conjugate.packet.verdict
local student = require "conjugate.metrics.student"

local M = {}

local SHARE, LEAST = 0.05, 3 -- of false alarms in all; standard errors
local ROUNDING = 1e-12 -- a constant l has P = bound = 0 without any error
-- Relative error of g above which its standard error is itself rough: where single pixels make l
-- vanish, among hundreds, few samples carry g^2, and the defence, which looks at |grad log l|, does
-- not see them.
M.ROUGH = 0.05

-- P(|N(0, 1)| > x): Chebyshev fit of erfc (Press et al., section 6.2).
local function tail(x)
  local z = x / math.sqrt(2)
  local t = 1 / (1 + 0.5 * z)
  local sum = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418
    + t * (-0.18628806 + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587
    + t * (-0.82215223 + t * 0.17087277))))))))
  return t * math.exp(-z * z + sum)
end

-- The x with P(|N(0, 1)| > x) = p, by bisection.
local function two_sided_quantile(p)
  local low, high = 0, 40
  for _ = 1, 100 do
    local middle = (low + high) / 2
    if tail(middle) > p then low = middle else high = middle end
  end
  return high
end

--- How many standard errors are too many where `count` numbers are looked at (Bonferroni, 5 % in
-- all).
-- @tparam integer count at least 1
-- @tparam[opt] integer freedom degrees of freedom of the errors, where these are few
-- @treturn number at least 3
function M.quantile(count, freedom)
  local x = math.max(two_sided_quantile(SHARE / count), LEAST)
  return freedom and student.from_normal(x, freedom) or x
end

--- Judges the pixels of a part of a result.
-- @tparam table part with `values.slack`, `errors.slack` and, where it is small, `freedom`, degrees
--   of freedom of the errors; gets `verdicts` and `counts`
function M.judge(part)
  local slack, errors = part.values.slack:table(), part.errors.slack:table()
  local q, verdicts = M.quantile(#slack, part.freedom), {}
  part.counts = { holds = 0, violated = 0, undecided = 0 }
  for i, s in ipairs(slack) do
    local known = s == s and errors[i] == errors[i]
    verdicts[i] = not known and "undecided" or s > -q * errors[i] - ROUNDING and "holds"
      or "violated"
    part.counts[verdicts[i]] = part.counts[verdicts[i]] + 1
  end
  part.verdicts = verdicts
end

--- Counts pixels where few samples carry g.
-- @tparam table part with `values.g` and `errors.g`
-- @treturn integer such pixels
-- @treturn integer all
function M.rough(part)
  local values, errors, rough = part.values.g:table(), part.errors.g:table(), 0
  for i, g in ipairs(values) do
    if errors[i] > M.ROUGH * g then rough = rough + 1 end
  end
  return rough, #values
end

--- Calls what was violated undecided: the errors are not good enough.
-- @tparam table part its verdicts and counts, if any, change
function M.withdraw(part)
  if not part.verdicts then return end
  for i, verdict in ipairs(part.verdicts) do
    if verdict == "violated" then part.verdicts[i] = "undecided" end
  end
  part.counts.undecided, part.counts.violated = part.counts.undecided + part.counts.violated, 0
end

--- Where few samples carry g at some pixels, no pixel's error is good enough to call the inequality
-- violated.
-- @tparam table part of a result of chains; its verdicts and counts, if any, change
function M.doubt(part)
  if part.verdicts and M.rough(part) > 0 then M.withdraw(part) end
end

return M
