--- A study of a conjugate: does moving along it fool a model, what does it look like, what does it
-- cost? `cj.study`.
-- @module conjugate.study
local check = require "conjugate.check"
local cj = require "conjugate"
local guards = require "conjugate.metrics.guards"
local measure = require "conjugate.study.measure"
local mode = require "conjugate.nn.mode"
local plans = require "conjugate.plan"

local M = {}

local OPTIONS = {
  eps = { type = "number", required = true },
  points = { "integer", 4 },
  steps = { "integer", 4 },
  n = { "integer", 256 },
  batch = { "integer", 128 },
  loss = "ce",
  seed = { "integer" },
  examples = { "integer", 6 },
  out = { "string" },
  quiet = { "boolean" },
}

local MANY_ZEROS = 1 -- percent of the gradients: the limit of the masking battery

local Study = {}
Study.__index = Study

local function percent(v)
  return ("%9.2f"):format(v)
end

local function widest_interval(rows)
  local widest = 0
  for _, row in ipairs(rows) do
    for _, cell in pairs(row.attacks) do widest = math.max(widest, (cell.high - cell.low) / 2) end
  end
  return widest
end

local function cost_line(costs)
  local texts = {}
  for i, c in ipairs(costs) do
    texts[i] = ("%s %.1f + %.1f"):format(c.name, c.forwards / c.n, c.backwards / c.n)
  end
  return "forward + backward passes a sample: " .. table.concat(texts, ", ")
end

function Study:__tostring()
  local lines = {
    ("conjugate %s: success (%%) against radius, %d samples"):format(self.name, self.n),
    "norm       eps  one step      fgsm  iterated       pgd",
  }
  for _, row in ipairs(self.rows) do
    lines[#lines + 1] = ("%-5s %8.4f %s %s %s %s"):format(row.norm, row.eps,
      percent(row["one step"]), percent(row.fgsm), percent(row.iterated), percent(row.pgd))
  end
  lines[#lines + 1] = ("95 %% intervals (Wilson): at most +- %.2f"):format(
    widest_interval(self.rows))
  lines[#lines + 1] = cost_line(self.costs)
  if self.frequency and self.frequency.ratio then
    lines[#lines + 1] = ("high-frequency ratio %.4f (sign of the gradient: %.4f)"):format(
      self.frequency.ratio, self.frequency_sign.ratio or 0 / 0)
  end
  for _, text in ipairs(self.warnings) do lines[#lines + 1] = "warning: " .. text end
  return table.concat(lines, "\n")
end

-- A conjugate, its name, the description of a new one, or a function of the gradient alone.
local function conjugate_of(given)
  local found = cj.conjugate.find(given)
  if found then return found end
  if type(given) == "function" then
    return cj.conjugate { name = "a direction", direction = given }
  end
  if type(given) == "table" and (given.direction or given.field) then return cj.conjugate(given) end
  return check.fail("study", "expected a conjugate, the name of one, or a function for conjugate, "
    .. "got %s", check.describe(given))
end

local function read(opts)
  local o = check.options("study", opts, OPTIONS)
  check.number("study", "eps", o.eps, 0)
  check.integer("study", "points", o.points, 1)
  check.integer("study", "steps", o.steps, 1)
  check.integer("study", "n", o.n, 1)
  check.integer("study", "examples", o.examples, 0)
  o.seed = check.integer("study", "seed", o.seed or require("conjugate.core").random_state(), 0)
  return o
end

-- The guards, and which samples are right.
local function look(work, net, set)
  return cj.no_grad(function()
    guards.pixels("study", work.x)
    local z = work.model(work.x)
    guards.logits("study", z, work.x:size(1), set.classes)
    local some = work.x:narrow(1, 1, math.min(16, work.x:size(1)))
    guards.repeatable("study", net(some), net(some))
    work.right, work.count = {}, 0
    for i, hit in ipairs(z:predict():eq(work.y):table()) do
      work.right[i] = hit == 1
      work.count = work.count + hit
    end
  end)
end

local function warnings_of(study)
  local list = require("conjugate.run.json").array {}
  if study.mixes then
    list[1] = "the direction of a sample depends on the others of its batch"
  end
  local zeros, gradients = 0, 0
  for _, c in ipairs(study.costs) do
    zeros, gradients = zeros + c.zeros, gradients + c.backwards
  end
  if gradients > 0 and 100 * zeros / gradients >= MANY_ZEROS then
    list[#list + 1] = ("%.2f %% of the gradients were zero everywhere, so success may be too low; "
      .. "cj.battery looks for masked gradients"):format(100 * zeros / gradients)
  end
  if study.right == 0 then list[#list + 1] = "the model gets none of the samples right" end
  return list
end

local function run(conjugate, net, set, o)
  guards.mode("study", net)
  local x, y = set:batch(1, math.min(o.n, set:size()))
  local work = { model = plans.model(net, x), x = x, y = y, o = o }
  look(work, net, set)
  local field = conjugate:field(work.model, x, y, { loss = o.loss, batch = o.batch })
  local sign = cj.conjugate.find("sign"):field(work.model, x, y,
    { loss = o.loss, batch = o.batch })
  local rows = measure.curves(conjugate, work)
  local study = setmetatable({
    name = conjugate.name, formula = conjugate.formula, source = conjugate.source, n = x:size(1),
    right = work.count, eps = o.eps, points = o.points, steps = o.steps, loss = o.loss,
    seed = o.seed, data = set.name, rows = rows, costs = measure.costs(rows, x:size(1)),
    frequency = measure.frequencies(field), frequency_sign = measure.frequencies(sign),
    mixes = measure.mixes_samples(conjugate, work, field),
    examples = measure.examples(conjugate, work, field, sign),
  }, Study)
  study.warnings = warnings_of(study)
  return study
end

--- Studies a conjugate: its success against the radius at matched max-norm and Euclidean budgets
-- beside the sign step (FGSM) and PGD, its frequency content, its cost, and pictures.
--
-- Every attack of a row has the same ball. For the max norm the direction is scaled to a largest
-- entry of 1, for the Euclidean norm to unit length; the Euclidean radius is that of a full sign
-- step, eps * sqrt(D). "one step" and "fgsm" take one step of the whole radius, "iterated" and
-- "pgd" take `steps` steps of a quarter, and what broke a sample at a smaller radius counts at the
-- larger ones too. Success is counted over the samples that the model gets right.
-- @param conjugate made by `cj.conjugate`, or the name of one; or the description of a new one, or
--   a function(g, state)
-- @param model a network or function, x -> logits; a network is put into evaluation mode meanwhile
-- @tparam DataSet set images and labels; the first `n` are used
-- @tparam table opts `eps` (largest max-norm radius, pixel units), `points` (radii, 4), `steps`
--   (4), `n` (256), `batch`, `loss` ("ce"), `seed`, `examples` (pictures, 6), `out` (folder for
--   study.json, curves.csv, charts, pictures and report.html), `quiet`
-- @treturn table name, n, right (samples that the model gets right), eps, rows (each norm, eps, the
--   percent of each attack by its name, and `attacks`: name -> success, low, high, hits, tried, l2,
--   linf, forwards, backwards, seconds), costs, frequency and frequency_sign (ratio, undefined,
--   profile; images only), mixes (the direction mixes samples), warnings, examples; print shows it
--   as a table
-- @raise wrong arguments; the guards of `cj.evaluate`; what the model or the direction raises;
--   files that cannot be written
-- @usage print(cj.study(mine, net, test, { eps = 0.1, out = "runs/mine" }))
function M.study(conjugate, model, set, opts)
  local c = conjugate_of(conjugate)
  check.callable("study", "model", model)
  if type(set) ~= "table" or type(set.size) ~= "function" then
    check.fail("study", "expected a data set for set, got %s", check.describe(set))
  end
  local o = read(opts)
  if set:size() == 0 then check.fail("study", "expected at least one image in set, got none") end
  local study = mode.in_eval(model, function() return run(c, model, set, o) end)
  if o.out then
    local ok, message = require("conjugate.study.write").write(study, o.out)
    if not ok then check.fail("study", "%s", message) end
  end
  return study
end

return M
