--- What an attack gives: the perturbed inputs and a record of every sample.
--
-- Fields: `attack` (name), `options`, `n`, `x_adv` (like x), `classes`, `loss` (the loss that was
-- climbed), `seed`, `seconds`, `flush_to_zero` (tiny gradients are rounded to 0), `warnings`,
-- `trace`, `counts` (verdict -> number of samples), `forwards_total`, `backwards_total` (samples
-- that went through the model), and columns, each a list with one entry a sample:
--
-- - `label`, `target` (-1: untargeted), `pred_clean`, `pred_adv`: classes from 0
-- - `status`: "ALREADY" (the goal was met before the attack), "SUCCESS", "FAIL" or "NAN"
-- - `broken`: some iterate, or x_adv, was not predicted as the label
-- - `iters`, `forwards`, `backwards`: steps and passes spent on the sample; `zeros`: gradients that
--   were zero everywhere
-- - `loss_first`, `loss_best`, `loss_adv`: of the clean input, the highest met, of x_adv; for a
--   target t the cross entropy counts as -CE(t), so higher is always better for the attack
-- - `l0` (elements changed by more than 1e-6), `l1`, `l2`, `linf`: norms of x_adv - x
--
-- `trace[k + 1]` sums over the samples after k steps: `samples`, `correct`, `zeros`, `loss`; nil
-- for attacks whose steps are not those of one path. `extra`: float64 [n, E], what the attack gives
-- besides; nil for most.
-- @module conjugate.attacks.kinds.result
local M = {}

--- Columns in the order of a record.
M.columns = {
  "label", "target", "pred_clean", "pred_adv", "status", "broken", "iters", "forwards", "backwards",
  "zeros", "loss_first", "loss_best", "loss_adv", "l0", "l1", "l2", "linf",
}

local Result = {}

--- One table a sample, with the columns as fields; and `by`, for attacks made of others.
-- @treturn {table,...}
function Result:rows()
  local rows = {}
  for i = 1, self.n do
    local row = {}
    for _, name in ipairs(M.columns) do row[name] = self[name][i] end
    row.by = self.by and self.by[i]
    rows[i] = row
  end
  return rows
end

local function share(self, test)
  local count = 0
  for i = 1, self.n do
    if test(i) then count = count + 1 end
  end
  return self.n > 0 and 100 * count / self.n or 0
end

--- Accuracy on x_adv: #{pred(x_adv) = y} / n. In paper mode this is the paper's RA.
-- @treturn number percent
function Result:accuracy()
  return share(self, function(i) return self.pred_adv[i] == self.label[i] end)
end

--- Worst-case accuracy: #{pred(x) = y and no iterate misclassified} / n.
-- @treturn number percent
function Result:robust_accuracy()
  return share(self, function(i)
    return self.pred_clean[i] == self.label[i] and not self.broken[i]
  end)
end

--- Share of the samples not ALREADY there that the attack brought to its goal.
-- @treturn ?number percent; nil when there are none
function Result:success_rate()
  local tried = self.n - self.counts.ALREADY
  return tried > 0 and 100 * self.counts.SUCCESS / tried or nil
end

--- Share of the gradients that were zero everywhere.
-- @treturn number percent
function Result:zero_gradients()
  local zeros, all = 0, 0
  for i = 1, self.n do zeros, all = zeros + self.zeros[i], all + self.backwards[i] end
  return all > 0 and 100 * zeros / all or 0
end

--- Mean of a distance over the successes.
-- @string[opt="l2"] norm "l0", "l1", "l2" or "linf"
-- @treturn ?number nil when nothing succeeded: the value is then undefined, not 0
function Result:distortion(norm)
  local sum, count = 0, 0
  for i = 1, self.n do
    if self.status[i] == "SUCCESS" then
      sum, count = sum + self[norm or "l2"][i], count + 1
    end
  end
  return count > 0 and sum / count or nil
end

local Meta = {}

-- `records` is `rows()`, made when first asked for.
function Meta.__index(self, key)
  if key ~= "records" then return Result[key] end
  local rows = Result.rows(self)
  rawset(self, "records", rows)
  return rows
end

function Meta.__tostring(self)
  local c = self.counts
  return ("%s: %d samples: %d success, %d fail, %d already, %d nan; accuracy %.2f %%, "
    .. "worst case %.2f %%"):format(self.attack, self.n, c.SUCCESS, c.FAIL, c.ALREADY, c.NAN,
      self:accuracy(), self:robust_accuracy())
end

--- Makes a result from what the loop gave.
-- @tparam table attack the attack
-- @tparam table loop settings of the loop
-- @tparam Tensor x_adv result
-- @tparam table columns column name -> list
-- @tparam table trace sums by step
-- @tparam table report classes, probabilities, forwards, backwards
-- @tparam table label labels as a list
-- @treturn table result
function M.new(attack, loop, x_adv, columns, trace, report, label)
  local r = {
    attack = attack.name, options = attack.options, x_adv = x_adv, n = #label, label = label,
    trace = trace, report = report, flush_to_zero = report.flush_to_zero,
    classes = report.classes, loss = loop.loss, seed = loop.seed,
    paper = loop.every and not loop.best and not loop.early,
    forwards_total = report.forwards, backwards_total = report.backwards, warnings = {},
    counts = { ALREADY = 0, SUCCESS = 0, FAIL = 0, NAN = 0 },
  }
  for name, list in pairs(columns) do r[name] = list end
  for _, status in ipairs(r.status) do r.counts[status] = r.counts[status] + 1 end
  return setmetatable(r, Meta)
end

return M
