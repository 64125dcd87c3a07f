--- Timing for benchmarks: the median of repeats, each long enough for the clock.
local system = require "conjugate.run.system"

local M = {}

local LEAST = 0.02 -- seconds per repeat; shorter work is run several times

local function seconds_of(f, times)
  local started = system.now()
  for _ = 1, times do f() end
  return (system.now() - started) / times
end

local function median(list)
  table.sort(list)
  local middle = math.floor((#list + 1) / 2)
  if #list % 2 == 1 then return list[middle] end
  return (list[middle] + list[middle + 1]) / 2
end

--- Median, fastest and slowest seconds of f().
-- @tparam function f the work
-- @tparam number repeats how many times it is measured
-- @treturn table `seconds` (median), `fastest`, `slowest`
function M.time(f, repeats)
  local once = math.max(seconds_of(f, 1), 1e-9) -- also the warm-up
  local times = math.max(1, math.ceil(LEAST / once))
  local list = {}
  for i = 1, repeats do
    list[i] = seconds_of(f, times)
    collectgarbage()
  end
  local middle = median(list)
  return { seconds = middle, fastest = list[1], slowest = list[#list] }
end

return M
