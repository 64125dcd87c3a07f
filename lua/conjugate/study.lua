--- A first study of a conjugate: does moving along it fool a model, and what does it look like?
-- @module conjugate.study
local check = require "conjugate.check"
local cj = require "conjugate"
local frequency = require "conjugate.metrics.frequency"
local plans = require "conjugate.plan"
local progress = require "conjugate.run.progress"

local M = {}

local OPTIONS = {
  eps = { type = "number", required = true },
  points = { "integer", 4 },
  steps = { "integer", 4 },
  n = { "integer", 256 },
  batch = { "integer", 128 },
  loss = "ce",
  out = { "string" },
  quiet = { "boolean" },
}

-- The attacks that are compared: name -> attack with a radius of eps under a norm. One step each
-- where nothing else is said; all steps are as long as the budget allows.
local compared = { "one step", "fgsm", "iterated", "pgd" }

local function attacks_at(conjugate, norm, eps, o)
  local function follow(c, steps)
    return cj.attacks.follow {
      conjugate = c, eps = eps, alpha = steps == 1 and eps or eps / 4, steps = steps, norm = norm,
      scale = norm, best = steps > 1, loss = o.loss, batch = o.batch, quiet = true,
    }
  end
  return {
    ["one step"] = follow(conjugate, 1),
    fgsm = follow("sign", 1),
    iterated = follow(conjugate, o.steps),
    pgd = cj.attacks.pgd {
      eps = eps, alpha = eps / 4, steps = o.steps, norm = norm, loss = o.loss, batch = o.batch,
      quiet = true,
    },
  }
end

local function one_row(conjugate, work, norm, eps)
  local row = { norm = norm, eps = eps }
  local attacks = attacks_at(conjugate, norm, eps, work.o)
  for _, name in ipairs(compared) do
    local r = attacks[name](work.model, work.x, work.y)
    row[name] = r:success_rate() or 0
    row[name .. " l2"], row[name .. " linf"] = r:distortion "l2", r:distortion "linf"
  end
  return row
end

-- Radii of both budgets: parts of eps for the max norm, and for the Euclidean norm the length that
-- a full sign step of that eps has, eps * sqrt(D).
local function curves(conjugate, work)
  local o, rows = work.o, {}
  local bar = progress.new {
    label = "study", total = 2 * o.points, unit = "radii", quiet = o.quiet,
  }
  local elements = work.x:numel() / work.x:size(1)
  for _, norm in ipairs { "linf", "l2" } do
    for k = 1, o.points do
      local eps = o.eps * k / o.points
      if norm == "l2" then eps = eps * math.sqrt(elements) end
      rows[#rows + 1] = one_row(conjugate, work, norm, eps)
      bar:update(#rows)
    end
  end
  bar:finish()
  return rows
end

local function frequencies(field)
  if field:dim() ~= 4 then return nil end
  local out = { profile = frequency.profile(field) }
  local known = (field:size(3) == 28 or field:size(3) == 32) and field:size(3) == field:size(4)
  local grey = field:size(2) == 3 and "bt601" or "mean"
  if known then
    local ratio = frequency.ratio(field, { grey = grey })
    out.ratio, out.undefined = ratio.mean, ratio.undefined
  end
  return out
end

-- Does the first row of the field depend on the other samples?
local function mixes_samples(conjugate, work, field)
  if work.x:size(1) < 2 then return false end
  local alone = conjugate:field(work.model, work.x:narrow(1, 1, 1), work.y:narrow(1, 1, 1),
    { loss = work.o.loss })
  local first = field:narrow(1, 1, 1)
  local gap = (alone - first):abs():max():item()
  return gap > 1e-3 * (first:abs():max():item() + 1e-30)
end

local Study = {}
Study.__index = Study

local function percent(v)
  return ("%9.2f"):format(v)
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
  if self.frequency and self.frequency.ratio then
    lines[#lines + 1] = ("high-frequency ratio %.4f (sign of the gradient: %.4f)"):format(
      self.frequency.ratio, self.frequency_sign.ratio or 0 / 0)
  end
  if self.mixes then
    lines[#lines + 1] = "warning: the direction of a sample depends on the others of its batch"
  end
  return table.concat(lines, "\n")
end

local function csv(rows)
  local lines = { "norm,eps,one_step,fgsm,iterated,pgd" }
  for _, row in ipairs(rows) do
    lines[#lines + 1] = ("%s,%.9g,%.6g,%.6g,%.6g,%.6g"):format(row.norm, row.eps, row["one step"],
      row.fgsm, row.iterated, row.pgd)
  end
  return table.concat(lines, "\n") .. "\n"
end

local function chart(study, norm)
  local series = {}
  for i, name in ipairs(compared) do
    series[i] = { name = name, x = {}, y = {} }
    for _, row in ipairs(study.rows) do
      if row.norm == norm then
        table.insert(series[i].x, row.eps)
        table.insert(series[i].y, row[name])
      end
    end
  end
  return {
    title = ("%s, %s ball"):format(study.name, norm), series = series,
    x = { label = "radius", unit = "pixel units" }, y = { label = "success", unit = "%" },
  }
end

-- study.json, curves.csv and one chart a norm, in the folder `out`.
local function write(study, out)
  local files = require "conjugate.run.files"
  local system = require "conjugate.run.system"
  local ok, message = system.mkdir(out)
  if not ok then return nil, message end
  ok, message = files.write(out .. "/curves.csv", csv(study.rows))
  if not ok then return nil, message end
  for _, norm in ipairs { "linf", "l2" } do
    ok, message = require("conjugate.plot.figure").save(out .. "/success-" .. norm,
      chart(study, norm))
    if not ok then return nil, message end
  end
  return files.write_json(out .. "/study.json", {
    name = study.name, formula = study.formula, n = study.n, eps = study.eps, rows = study.rows,
    frequency = study.frequency, frequency_sign = study.frequency_sign, mixes = study.mixes,
  })
end

--- Studies a conjugate: its success against the radius at matched max-norm and Euclidean budgets,
-- beside the sign step (FGSM) and PGD, and its frequency content.
--
-- Every attack of a row has the same ball. For the max norm the direction is scaled to a largest
-- entry of 1, for the Euclidean norm to unit length; the Euclidean radius is that of a full sign
-- step, eps * sqrt(D). "one step" and "fgsm" take one step of the whole radius, "iterated" and
-- "pgd" take `steps` steps of a quarter. Success is counted over the samples that the model gets
-- right.
-- @tparam table conjugate made by `cj.conjugate`, or the name of one
-- @param model a network or function, x -> logits
-- @tparam DataSet set images and labels; the first `n` are used
-- @tparam table opts `eps` (largest max-norm radius, pixel units), `points` (radii, 4), `steps`
--   (4), `n` (256), `batch`, `loss` ("ce"), `out` (folder for study.json, curves.csv and charts),
--   `quiet`
-- @treturn table name, n, eps, rows (each norm, eps, and percent for each attack), frequency and
--   frequency_sign (ratio, undefined, profile; images only), mixes (the direction mixes samples);
--   print shows it as a table
-- @raise wrong arguments; what the model or the direction raises; files that cannot be written
-- @usage print(cj.study(mine, net, test, { eps = 0.1 }))
function M.study(conjugate, model, set, opts)
  local c = cj.conjugate.find(conjugate)
  if not c then
    check.fail("study", "expected a conjugate or the name of one for conjugate, got %s",
      check.describe(conjugate))
  end
  check.callable("study", "model", model)
  local o = check.options("study", opts, OPTIONS)
  check.number("study", "eps", o.eps, 0)
  check.integer("study", "points", o.points, 1)
  check.integer("study", "n", o.n, 1)
  local x, y = set:batch(1, math.min(o.n, set:size()))
  model = plans.model(model, x)
  local work = { model = model, x = x, y = y, o = o }
  local field = c:field(model, x, y, { loss = o.loss, batch = o.batch })
  local study = setmetatable({
    name = c.name, formula = c.formula, n = x:size(1), eps = o.eps,
    rows = curves(c, work), frequency = frequencies(field),
    frequency_sign = frequencies(cj.conjugate.find("sign"):field(model, x, y, { loss = o.loss })),
    mixes = mixes_samples(c, work, field),
  }, Study)
  if o.out then
    local ok, message = write(study, o.out)
    if not ok then check.fail("study", "%s", message) end
  end
  return study
end

return M
