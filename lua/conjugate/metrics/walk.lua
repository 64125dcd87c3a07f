--- Goes through a set for a metric: evaluation mode, plan, progress and guards.
-- @module conjugate.metrics.walk
local cj = require "conjugate"
local check = require "conjugate.check"
local guards = require "conjugate.metrics.guards"
local interrupt = require "conjugate.run.interrupt"
local mode = require "conjugate.nn.mode"
local plans = require "conjugate.plan"
local progress = require "conjugate.run.progress"

local M = {}

--- Options of a metric on a set: those of its own, and `batch` (images at a time, 250; results do
-- not depend on it), `seed` (of attacks; that of cj.seed), `quiet`.
-- @string fn name of the metric
-- @tparam ?table opts what the caller gave
-- @tparam[opt] table own further rules
-- @treturn table
function M.options(fn, opts, own)
  local rules = { batch = { "integer", 250 }, seed = { "integer" }, quiet = { "boolean" } }
  for key, rule in pairs(own or {}) do rules[key] = rule end
  local o = check.options(fn, opts, rules)
  check.integer(fn, "batch", o.batch, 1)
  return o
end

--- Checks that a value is a data set with images.
-- @string fn name of the metric
-- @param set the value
function M.check_set(fn, set)
  if type(set) ~= "table" or type(set.size) ~= "function" then
    check.fail(fn, "expected a data set for set, got %s", check.describe(set))
  end
  if set:size() == 0 then check.fail(fn, "expected at least one image in set, got none") end
end

--- Checks that a value is an attack.
-- @string fn name of the metric
-- @param attack the value
-- @treturn Attack
function M.check_attack(fn, attack)
  if type(attack) ~= "table" or not attack.name or not attack.options then
    check.fail(fn, "expected an attack such as cj.attacks.pgd { eps = 0.1 }, got %s",
      check.describe(attack))
  end
  return attack
end

local function in_eval(nets, i, f)
  if i > #nets then return f() end
  return mode.in_eval(nets[i], function()
    return in_eval(nets, i + 1, f)
  end)
end

--- Visits the batches of a set.
-- @string fn name of the metric
-- @tparam table nets one or more networks, or functions of images that give logits
-- @tparam DataSet set images and labels
-- @tparam table o `batch`, `quiet`
-- @tparam function visit called with a list of plans (or the networks), x, y, and the number of the
--   batch's first image, from 0
-- @raise wrong arguments; pixels outside [0, 1]
function M.each(fn, nets, set, o, visit)
  check.callable(fn, "net", nets[1])
  M.check_set(fn, set)
  local bar = progress.new { label = fn, total = set:size(), unit = "images", quiet = o.quiet }
  in_eval(nets, 1, function()
    local models, done = nil, 0
    for x, y in cj.data.batches(set, { batch = o.batch }) do
      guards.pixels(fn, x)
      if not models then
        models = {}
        for i, net in ipairs(nets) do models[i] = plans.model(net, x) end
      end
      visit(models, x, y, done)
      done = done + x:size(1)
      bar:update(done)
      interrupt.poll()
    end
  end)
  bar:clear()
end

--- The options of an attack's call on a batch.
-- @tparam table o options of the metric
-- @tparam integer first number of the batch's first image, from 0
-- @treturn table
function M.call(o, first)
  return { index = first, seed = o.seed, quiet = true }
end

--- Logits without recording.
-- @param model anything callable
-- @tparam Tensor x images
-- @treturn Tensor [N, K]
function M.logits(model, x)
  return cj.no_grad(function()
    return model(x)
  end)
end

return M
