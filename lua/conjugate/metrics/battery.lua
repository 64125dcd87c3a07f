--- The masking battery: may a robust accuracy be trusted? `cj.battery`.
--
-- A model can look robust because its gradients lead nowhere (saturated logits, a quantised input,
-- a cut tape). Ten checks look for that. With RA the worst-case accuracy:
--
-- 1. passes: five forward passes on the same input agree
-- 2. gradients: less than 1 % of PGD's gradients are zero everywhere
-- 3. loss: the mean loss rises along PGD
-- 4. iterated: RA under PGD is not higher than under one step of the same radius
-- 5. steps: RA from N to 4 N steps changes by at most 0.5 points
-- 6. large: PGD with eps = 0.5 in the max norm drives RA to chance or below
-- 7. noise: no sample is broken by random noise of the same radius and not by a white-box attack
-- 8. square: Square breaks at most 0.2 points more than the white-box attacks
-- 9. transfer: examples made on another model do not do better than the white-box attacks
-- 10. rounding: how RA changes when the result is rounded to 8 bits (reported, no limit)
--
-- The white-box attacks are one step, PGD with N and 4 N steps, APGD on cross entropy and on DLR;
-- a sample is broken when any of them broke it.
-- @module conjugate.metrics.battery
-- @source Athalye et al., ICML 2018; Carlini et al., arXiv 1902.06705; Croce and Hein, ICML 2020
local check = require "conjugate.check"
local checks = require "conjugate.metrics.battery.checks"
local gather = require "conjugate.metrics.battery.gather"
local guards = require "conjugate.metrics.guards"
local mode = require "conjugate.nn.mode"
local system = require "conjugate.run.system"
local wilson = require "conjugate.metrics.wilson"

local M = {}

local OPTIONS = {
  eps = { type = "number", required = true },
  norm = "linf",
  steps = { "integer", 40 },
  queries = { "integer", 5000 },
  draws = { "integer", 10 },
  transfer = { "callable" },
  batch = { "integer", 250 },
  seed = { "integer" },
  quiet = { "boolean" },
  out = { "string" },
  about = { "table" },
}

--- What a verdict says, in a sentence.
M.meanings = {
  trustworthy = "no check found a reason to doubt the robust accuracy",
  incomplete = "what was checked holds, but not everything could be checked",
  masked = "gradients do not show the way: the robust accuracy is too high to be true",
  unconverged = "the attack was stopped too early: give it more steps",
  random = "the model answers differently each time: attack its mean over many passes",
}

local Battery = {}
Battery.__index = Battery

--- A measured number as text, with its interval where it has one.
-- @tparam table m name, value, unit, low, high
-- @treturn string
function M.measured_text(m)
  if m.unit ~= "%" then
    return ("%s %.4g%s"):format(m.name, m.value, m.unit == "" and "" or " " .. m.unit)
  end
  return ("%s %.2f %% [%.2f, %.2f]"):format(m.name, m.value, m.low, m.high)
end

function Battery:__tostring()
  local lines = { ("%s, %s ball of %.5g, n = %d: %s"):format(self.data or "data", self.norm,
    self.eps, self.n, self.verdict) }
  lines[#lines + 1] = ("(%s)"):format(M.meanings[self.verdict])
  for _, c in ipairs(self.checks) do
    lines[#lines + 1] = ("%-9s%s"):format(c.status, c.title)
    local texts = {}
    for i, m in ipairs(c.measured) do texts[i] = M.measured_text(m) end
    if c.reason then texts[1] = c.reason end
    lines[#lines + 1] = "         " .. table.concat(texts, "; ")
    if c.status == "fail" then lines[#lines + 1] = "         limit: " .. c.limit end
  end
  return table.concat(lines, "\n")
end

local function read(opts)
  local o = check.options("battery", opts, OPTIONS)
  check.number("battery", "eps", o.eps, 0)
  if o.eps == 0 or o.eps == math.huge then
    check.fail("battery", "expected a finite number above 0 for eps, got %g", o.eps)
  end
  check.one_of("battery", "norm", o.norm, { "linf", "l2" })
  check.integer("battery", "steps", o.steps, 2)
  check.integer("battery", "queries", o.queries, 1)
  check.integer("battery", "draws", o.draws, 1, 1000)
  check.integer("battery", "batch", o.batch, 1)
  o.seed = check.integer("battery", "seed", o.seed or require("conjugate.core").random_state(), 0)
  return o
end

local function costs(work)
  local list = {}
  for _, tally in ipairs(work.tallies) do
    list[#list + 1] = {
      name = tally.name, n = tally.samples, forwards = tally.forwards, seconds = tally.seconds,
      backwards = tally.backwards,
    }
  end
  return list
end

local function trace_of(work)
  local trace = {}
  for k, step in ipairs(work.by_key.iterated.trace) do
    trace[k] = { samples = step.samples, correct = step.correct, loss = step.loss }
  end
  return trace
end

local function count_true(list)
  local count = 0
  for _, value in ipairs(list) do count = count + (value and 1 or 0) end
  return count
end

--- Judges whether the robust accuracy of a model can be trusted.
-- @param net a network, or a function of images [B, C, H, W] in [0, 1] that gives logits [B, K]
-- @tparam DataSet set test images and labels; a limit of 0.2 points means something from 500 on
-- @tparam table opts `eps` (radius, pixel units), `norm` ("linf" or "l2"), `steps` (N, 40),
--   `queries` (of Square, 5000), `draws` (of noise, 10), `transfer` (another model), `batch` (250),
--   `seed` (that of cj.seed), `quiet`, `out` (folder for summary.json and report.html), `about`
--   (plain values for the result)
-- @treturn table verdict ("trustworthy", "incomplete", "masked", "unconverged" or "random"), checks
--   (list; see the module), n, eps, norm, ta with ta_interval (percent), costs, trace, seconds;
--   print shows it
-- @raise wrong arguments; pixels outside [0, 1], probabilities for logits; what the model raises
-- @usage print(cj.battery(net, test:take(500), { eps = 0.1 }))
function M.battery(net, set, opts)
  check.callable("battery", "net", net)
  if type(set) ~= "table" or type(set.size) ~= "function" then
    check.fail("battery", "expected a data set for set, got %s", check.describe(set))
  end
  local o = read(opts)
  if set:size() == 0 then check.fail("battery", "expected at least one image in set, got none") end
  local started, work = system.now(), nil
  mode.in_eval(net, function()
    guards.mode("battery", net)
    work = gather.gather(net, set, o)
  end)
  local list, verdict = checks.judge(work)
  local right = count_true(work.right)
  local low, high = wilson.interval(right, work.n)
  local result = setmetatable({
    verdict = verdict, checks = list, n = work.n, eps = o.eps, norm = o.norm, steps = o.steps,
    queries = o.queries, draws = o.draws, seed = o.seed, data = set.name, classes = work.classes,
    ta = 100 * right / work.n, ta_interval = { 100 * low, 100 * high }, costs = costs(work),
    trace = trace_of(work), seconds = system.now() - started,
  }, Battery)
  for key, value in pairs(o.about or {}) do result[key] = value end
  if o.out then
    local ok, message = require("conjugate.report").write(o.out, result)
    if not ok then check.fail("battery", "%s", message) end
  end
  return result
end

return M
