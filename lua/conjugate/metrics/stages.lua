--- Which part of a sequence of attacks broke how many samples.
--
-- The result of such an attack (AutoAttack) has `attacks` (the names of its parts, in order) and
-- `by` (for each sample the part that broke it, "clean", or "").
-- @module conjugate.metrics.stages
local wilson = require "conjugate.metrics.wilson"

local M = {}

--- Adds a batch to the counts.
-- @tparam ?table counts what the batches before gave; nil for the first
-- @tparam table result of an attack
-- @treturn ?table `names` and, by name, samples broken; nil for attacks without parts
function M.add(counts, result)
  if not result.by then return counts end
  counts = counts or { names = result.attacks, broken = {} }
  for _, name in ipairs(result.by) do counts.broken[name] = (counts.broken[name] or 0) + 1 end
  return counts
end

--- The parts in order, each with the accuracy that it left.
-- @tparam ?table counts from `add`
-- @tparam integer n samples
-- @treturn ?{table,...} name, broken (samples), robust (samples left), ra and ra_interval
--   (percent); the first is "clean", what was wrong before any attack; nil for attacks without
--   parts
function M.list(counts, n)
  if not counts then return nil end
  local list, left = {}, n
  local function add(name)
    local broken = counts.broken[name] or 0
    left = left - broken
    local low, high = wilson.interval(left, n)
    list[#list + 1] = {
      name = name, broken = broken, robust = left, ra = 100 * left / n,
      ra_interval = { 100 * low, 100 * high },
    }
  end
  add "clean"
  for _, name in ipairs(counts.names) do add(name) end
  return list
end

return M
