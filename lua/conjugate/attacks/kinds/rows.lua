--- Attacks on some rows of a batch: for attacks made of calls of other attacks.
-- @module conjugate.attacks.kinds.rows
local arguments = require "conjugate.attacks.kinds.arguments"
local check = require "conjugate.check"
local core = require "conjugate.core"
local mode = require "conjugate.nn.mode"
local options = require "conjugate.attacks.kinds.options"
local plans = require "conjugate.plan"

local M = {}

local CALL = {
  paper = { "boolean" }, batch = { "integer" }, target = options.common.target,
  quiet = { "boolean" }, index = { "integer|tensor" }, seed = { "integer" },
}

--- The arguments of a call, as lists, and with one seed for all attacks.
-- @string fn name of the attack, for messages
-- @tparam table own its options: `target`, `seed`, `batch`, `quiet` where the call has none
-- @param model x -> logits
-- @tparam Tensor x inputs [N, ...]
-- @tparam Tensor|table y labels
-- @tparam[opt] table opts of the call
-- @treturn table n, labels, numbers (of samples), target (nil, a name, or a list), seed, batch,
--   quiet
-- @raise wrong arguments
function M.read(fn, own, model, x, y, opts)
  local call = check.options(fn, opts, CALL)
  call.n = arguments.inputs(fn, model, x)
  call.labels = arguments.labels(fn, "y", y, call.n):table()
  call.numbers = arguments.index(fn, call.index, call.n):table()
  if call.target == nil then call.target = own.target or nil end
  local goal, given = options.goal(fn, call.target)
  if goal == "given" then call.target = arguments.labels(fn, "targets", given, call.n):table() end
  call.seed = call.seed or own.seed or core.random_state()
  call.batch = call.batch or own.batch
  check.integer(fn, "seed", call.seed, 0)
  check.integer(fn, "batch", call.batch, 1)
  if call.quiet == nil then call.quiet = own.quiet end
  return call
end

--- Entries of a list.
-- @tparam table list any list
-- @tparam {integer,...} places from 1
-- @treturn table
function M.pick(list, places)
  local out = {}
  for k, i in ipairs(places) do out[k] = list[i] end
  return out
end

--- Rows of a tensor, in memory of their own.
-- @tparam Tensor t [N, ...]
-- @tparam {integer,...} places from 1
-- @treturn Tensor
function M.of(t, places)
  return core.attack_rows(t, core.tensor(places, "int64"))
end

--- The places 1..n.
-- @tparam integer n how many
-- @treturn {integer,...}
function M.all(n)
  local list = {}
  for i = 1, n do list[i] = i end
  return list
end

--- Options of a call of another attack on some rows: its samples keep their numbers.
-- @tparam table call what `read` gave
-- @tparam {integer,...} places from 1
-- @treturn table
function M.options(call, places)
  local target = call.target
  if type(target) == "table" then target = M.pick(target, places) end
  return {
    index = core.tensor(M.pick(call.numbers, places), "int64"), target = target, seed = call.seed,
    batch = call.batch, quiet = call.quiet,
  }
end

--- Calls f with a plan of the model, where there is one, and the model in evaluation mode.
-- @param model anything callable
-- @tparam Tensor x inputs
-- @tparam function f called with the plan, or the model
-- @return what f gives
function M.with_plan(model, x, f)
  return mode.in_eval(model, function()
    local planned = plans.model(model, x)
    local given = f(planned)
    if planned ~= model then planned:release() end
    return given
  end)
end

return M
