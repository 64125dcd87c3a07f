--- Iterated opposite FGSM (IFA): the walk of training images against the attack.
-- `D_n = -eps * sign(grad_x CE(z(X_n), y))`, `X_(n+1) = X_n + D_n`, `Delta_N = X_N - X_0`, with the
-- true labels, no ball around X_0, for `steps` (200) steps; eps is 8/255 for CIFAR-10, 0.1 for
-- MNIST.
--
-- `clip = "none"` (default, as the paper has it) lets pixels leave [0, 1]; `clip = "box"` clamps
-- every X_n to the bounds, and D_n is then what was really added. The choice is recorded as `clip`.
--
-- `hook(n, x, y, rows)` is told X_n of a part of the samples: x [B, ...], y int64 [B], rows int64
-- [B], their places in the input from 1. `at` lists the n to be told, 0..steps; all when absent.
-- The parts come one after the other, each with all its n.
--
-- `probe`: an attack that is started at every X_n told (paper: PGD); its accuracy is `robust_at`,
-- by n. Give it `clip_box = false` when X_n may leave the box.
--
-- The result has, besides that of every attack, `delta` (X_N - X_0), `clip`, and lists over n =
-- 0..N at index n + 1: `accuracy_at` (percent predicted as the label), `loss_at` (mean CE) and
-- `frozen_at` (percent of samples whose gradient was exactly zero, so that they stand still;
-- without the last n). `frozen` is the mean of the latter.
-- With a probe also `robust_at[n]` (percent), by n itself, for the n that were told.
-- @module conjugate.attacks.ifa
-- @usage local r = cj.attacks.ifa { eps = 0.1, steps = 5 }(net, x, y)
-- print(r.accuracy_at[1], r.accuracy_at[6])
-- @source Zhang et al., arXiv 2205.01493, supplement, eq. 1-2
local check = require "conjugate.check"
local core = require "conjugate.core"
local define = require "conjugate.attacks.define"
local run = require "conjugate.attacks.kinds.run"

local function wanted_steps(o, name)
  if not o.at then return nil end
  local set = {}
  for _, n in ipairs(o.at) do set[check.integer(name, "at", n, 0, o.steps)] = true end
  return set
end

-- The loop's watcher: passes on the iterates that are asked for, and counts what the probe leaves.
local function watcher(o, name, model, y, robust)
  local wanted = wanted_steps(o, name)
  return function(n, x, rows)
    if wanted and not wanted[n] then return end
    local labels = core.attack_rows(y, rows)
    if o.hook then o.hook(n, x, labels, rows) end
    if o.probe then
      local r = o.probe(model, x, labels, { index = rows - 1, paper = true, quiet = true })
      robust[n] = (robust[n] or 0) + r:accuracy() * r.n / y:size(1)
    end
  end
end

local function add_trajectory(r)
  local sum, steps = 0, 0
  r.accuracy_at, r.loss_at, r.frozen_at = {}, {}, {}
  for k, t in ipairs(r.trace) do
    local n = math.max(t.samples, 1)
    r.accuracy_at[k] = 100 * t.correct / n
    r.loss_at[k] = -t.loss / n -- what is climbed is -CE
    if k < #r.trace then
      r.frozen_at[k] = 100 * t.zeros / n
      sum, steps = sum + r.frozen_at[k], steps + 1
    end
  end
  r.frozen = steps > 0 and sum / steps or 0
end

local function call(attack, model, x, y, opts)
  local o, passed = attack.options, {}
  if opts ~= nil then check.table(attack.name, "options", opts) end
  for key, v in pairs(opts or {}) do passed[key] = v end
  local robust
  if o.hook or o.probe then
    local labels = type(y) == "table" and core.tensor(y, "int64") or y
    robust = {}
    passed.watch = watcher(o, attack.name, model, labels, robust)
  end
  local r = run(attack, model, x, y, passed)
  r.clip, r.delta = o.clip, r.x_adv - x:detach()
  r.robust_at = o.probe and robust or nil
  add_trajectory(r)
  return r
end

return define {
  name = "ifa",
  summary = "iterated opposite FGSM: the walk against the attack",
  formula = "X_(n+1) = X_n - eps sign(grad CE(X_n, y))",
  conjugate = "-sign(grad l(X_n, y))",
  source = "Zhang et al., arXiv 2205.01493, supplement",
  options = {
    steps = { "integer", 200 },
    clip = "none",
    hook = { "callable" },
    probe = { "callable" },
    at = { "table" },
  },
  prepare = function(o, name)
    check.one_of(name, "clip", o.clip, { "none", "box" })
    check.integer(name, "steps", o.steps, 0)
    wanted_steps(o, name)
    if o.loss ~= "ce" then check.fail(name, 'expected "ce" for loss, got "%s"', o.loss) end
    local box = o.clip == "box"
    return {
      direction = "sign", norm = "linf", eps = o.eps > 0 and math.huge or 0, alpha = o.eps,
      steps = o.steps, goal = "label", every = true, free = true,
      untargeted = "it goes toward the label",
      low = box and o.bounds[1] or -math.huge, high = box and o.bounds[2] or math.huge,
    }
  end,
  call = call,
}
