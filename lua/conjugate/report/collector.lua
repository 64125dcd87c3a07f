--- What a page shows of an evaluation beyond its numbers: some pictures, and what happened along
-- the steps.
-- @module conjugate.report.collector
local core = require "conjugate.core"

local Collector = {}
Collector.__index = Collector

local M = {}

--- A collector; its method `see` is what `cj.evaluate` takes as `watch`.
-- @tparam integer count pictures to keep: the first that the model gets right
-- @treturn Collector `x` [E, C, H, W], `labels`, `index` (from 1) and `attacks` (by number of the
--   attack: `name`, `trace`, `x_adv`, `pred`)
function M.new(count)
  return setmetatable({ count = count, attacks = {}, labels = {}, index = {} }, Collector)
end

-- Rows of the batch that are shown: right before the attack, while there is room.
local function choose(self, result)
  local rows = {}
  for i, record in ipairs(result.records) do
    if #self.labels + #rows < self.count and record.pred_clean == record.label then
      rows[#rows + 1] = i
    end
  end
  return rows
end

local function pick(all, rows, x)
  local part = core.attack_rows(x:detach(), core.tensor(rows, "int64"))
  return all and require("conjugate").cat({ all, part }, 1) or part
end

local function add_trace(sums, trace)
  for k, step in ipairs(trace or {}) do
    local sum = sums[k] or { samples = 0, correct = 0, loss = 0, zeros = 0 }
    for key in pairs(sum) do sum[key] = sum[key] + step[key] end
    sums[k] = sum
  end
end

--- Looks at the result of one attack on one batch. Attacks come in the same order for each batch.
-- @tparam table attack the attack
-- @tparam table result what it gave
-- @tparam Tensor x the clean batch
-- @tparam integer first number of its first sample, from 1
-- @tparam integer number of the attack, from 1
function Collector:see(attack, result, x, first, number)
  local seen = self.attacks[number] or { name = attack.name, trace = {}, pred = {} }
  self.attacks[number] = seen
  add_trace(seen.trace, result.trace)
  if number == 1 then self.rows = choose(self, result) end
  if #self.rows == 0 or not result.x_adv then return end
  seen.x_adv = pick(seen.x_adv, self.rows, result.x_adv)
  if number == 1 then self.x = pick(self.x, self.rows, x) end
  for _, i in ipairs(self.rows) do
    local record = result.records[i]
    seen.pred[#seen.pred + 1] = record.pred_adv
    if number == 1 then
      self.labels[#self.labels + 1] = record.label
      self.index[#self.index + 1] = first + i - 1
    end
  end
end

return M
