--- How exact a function of points is, seen from its values alone.
--
-- Over steps far shorter than anything a loss does, fourth differences of a smooth function are
-- nothing, and what is left of them is roundoff. A kink between the points would be taken for
-- roundoff, so each place is looked at four times and the smallest difference counts.
-- @module conjugate.packet.roundoff
local cj = require "conjugate"

local M = {}

local PLACES, RUNS, APART = 32, 4, 100 -- steps from one run to the next
local BINOMIAL = { 1, -4, 6, -4, 1 }
local SPREAD = 70 -- sum of the squares of these: variance of a difference of independent errors
local LEAST = 0.120703 -- mean of the least of four squares of standard normals

-- Points along the diagonal: at each place some runs of five.
local function points(low, high, step)
  local list, axes = {}, #low
  for place = 1, PLACES do
    for run = 0, RUNS - 1 do
      for k = 0, 4 do
        local at = (place - 0.5) / PLACES + (APART * run + k) * step
        for i = 1, axes do list[#list + 1] = low[i] + at * (high[i] - low[i]) end
      end
    end
  end
  return cj.tensor(list, "float64"):reshape { 5 * RUNS * PLACES, axes }
end

-- Root mean square of the roundoff of a column of values, over that of the values.
local function share(values)
  local noise, size = 0, 0
  local function difference(first)
    local sum = 0
    for k = 1, 5 do sum = sum + BINOMIAL[k] * values[first + k] end
    return sum ^ 2 / SPREAD
  end
  for first = 0, #values - 5 * RUNS, 5 * RUNS do
    local least = math.huge
    for run = 0, RUNS - 1 do least = math.min(least, difference(first + 5 * run)) end
    noise, size = noise + least / LEAST, size + values[first + 1] ^ 2
  end
  return size > 0 and math.sqrt(noise / size) or 0
end

--- The relative roundoff of losses or slopes, whichever is larger.
-- @tparam function look points float64 [B, axes] -> losses float64 [B], slopes [B, axes]
-- @tparam {number,...} low ends of the slice
-- @tparam {number,...} high the same
-- @tparam number step of the differences, as a share of the slice
-- @treturn number root mean square of the errors over that of the values
function M.measure(look, low, high, step)
  local l, slopes = look(points(low, high, step))
  local most = share(l:table())
  for i = 1, #low do most = math.max(most, share(slopes:select(2, i):contiguous():table())) end
  return most
end

return M
