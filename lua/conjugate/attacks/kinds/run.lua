--- One call of an attack: arguments, model mode, the C loop, the result.
-- @module conjugate.attacks.kinds.run
local arguments = require "conjugate.attacks.kinds.arguments"
local check = require "conjugate.check"
local core = require "conjugate.core"
local mode = require "conjugate.nn.mode"
local options = require "conjugate.attacks.kinds.options"
local plans = require "conjugate.plan"
local result = require "conjugate.attacks.kinds.result"

local CALL = {
  paper = { "boolean" }, batch = { "integer" }, target = options.common.target,
  quiet = { "boolean" }, index = { "integer|tensor" }, seed = { "integer" }, watch = { "callable" },
  radii = { "tensor|table" },
}

local function check_targets(fn, targets, y)
  local list = targets:table()
  for i, label in ipairs(y:table()) do
    if list[i] == label then
      check.fail(fn, "expected targets other than the labels, got %d for sample %d", label, i)
    end
  end
end

-- Keeps the tensors in `state` in step with the batch when samples leave it: every tensor whose
-- first size is that of the batch loses the same rows.
local function follow(state, count, places, seen)
  for key, v in pairs(state) do
    if core.is_tensor(v) and v:dim() > 0 and v:size(1) == count then
      state[key] = core.attack_rows(v:detach(), places)
    elseif type(v) == "table" and not seen[v] then
      seen[v] = true
      follow(v, count, places, seen)
    end
  end
end

-- A direction(g, state) as the loop calls it. Every chunk of samples and every restart has a state
-- of its own, so nothing can leak from one sample's run into another's. What the loop knows is read
-- through the state but is no part of it: only what the direction put there follows the rows.
local function stateful(direction, settings, model, y)
  local known = {
    model = model, steps = settings.steps, eps = settings.eps, alpha = settings.alpha,
  }
  local state, count
  return function(g, step, places, x, rows)
    if step == 0 then
      state = setmetatable({}, { __index = known })
    elseif places then
      follow(state, count, places, {})
    end
    known.step, known.x, known.rows, count = step + 1, x, rows, g:size(1)
    known.y = core.attack_rows(y, rows)
    return direction(g, state)
  end
end

local keys = {
  "name", "method", "numbers", "extras", "norm", "eps", "low", "high", "alpha", "steps", "restarts",
  "batch", "random", "every", "best", "early", "goal", "scale", "loss",
}

-- Some attacks climb another loss toward a target.
local function loss_for(settings, goal)
  return goal ~= "away" and settings.targeted_loss or settings.loss
end

local function loop_settings(attack, call, goal)
  local s, o = attack.settings, {}
  for _, key in ipairs(keys) do o[key] = s[key] end
  if type(s.direction) == "string" then o.direction = s.direction end
  local paper = call.paper
  if paper == nil then paper = attack.options.paper end
  if paper then o.every, o.best, o.early = true, false, false end
  o.goal = s.goal == "label" and "label" or goal or s.goal
  o.loss = loss_for(s, o.goal)
  o.batch = call.batch or s.batch
  o.seed = call.seed or attack.options.seed or core.random_state()
  check.integer(attack.name, "batch", o.batch, 1)
  check.integer(attack.name, "seed", o.seed, 0)
  return o
end

-- Radii replace that of the ball; where there is none, the step would have nothing to grow with.
local function sample_radii(attack, radii, n)
  if radii and attack.settings.method == "ascent" and attack.settings.eps == math.huge then
    check.fail(attack.name, "expected no radii, got some: the attack has no ball")
  end
  return arguments.radii(attack.name, radii, n)
end

local function warn_about(attack, r, loop, quiet)
  for _, text in ipairs(attack.warnings) do r.warnings[#r.warnings + 1] = text end
  if r:zero_gradients() == 100 then
    r.warnings[#r.warnings + 1] = "every gradient was zero, so there was no way to follow; "
      .. "cj.battery looks for masked gradients"
  end
  if r.n > 0 and r.report.probabilities == r.n then
    r.warnings[#r.warnings + 1] = "the model gives probabilities where logits are expected"
  end
  if loop.loss == "dlr" and r.classes < 3 then
    r.loss = "margin"
    r.warnings[#r.warnings + 1] = "DLR needs 3 classes: the margin is used instead"
  elseif loop.loss == "dlr" and r.classes == 3 and loop.goal ~= "away" then
    r.loss = "dlr with the spread z1 - z3"
  end
  for _, text in ipairs(r.warnings) do options.warn(attack.name, text, quiet) end
end

--- Runs an attack; see `conjugate.attacks.define`.
-- @tparam table attack made by an attack family
-- @param model x -> logits
-- @tparam Tensor x inputs
-- @tparam Tensor|table y labels
-- @tparam[opt] table opts of this call
-- @treturn table result
return function(attack, model, x, y, opts)
  local fn = attack.name
  local call = check.options(fn, opts, CALL)
  local n = arguments.inputs(fn, model, x)
  y = arguments.labels(fn, "y", y, n)
  options.check_target(fn, attack.settings, call.target)
  local goal, given = options.goal(fn, call.target == nil and attack.options.target or call.target)
  local targets = given and arguments.labels(fn, "targets", given, n) or nil
  if targets and not attack.options.same_target then check_targets(fn, targets, y) end
  local loop = loop_settings(attack, call, goal)
  local direction = attack.settings.direction
  direction = type(direction) == "function" and stateful(direction, attack.settings, model, y)
    or nil
  local radii = sample_radii(attack, call.radii, n)
  local started, plan = core.clock(), nil
  local x_adv, columns, trace, report, extra = mode.in_eval(model, function()
    plan = plans.try(model, x)
    return core.attack_run(model, x:detach(), y, targets, arguments.index(fn, call.index, n), loop,
      direction, call.watch, plan and plan:checked(), radii)
  end)
  if plan and plan ~= model then plan:release() end
  local r = result.new(attack, loop, x_adv, columns, trace, report, y:table())
  r.extra, r.seconds = extra, core.clock() - started
  local quiet = call.quiet
  if quiet == nil then quiet = attack.options.quiet end
  warn_about(attack, r, loop, quiet)
  return r
end
