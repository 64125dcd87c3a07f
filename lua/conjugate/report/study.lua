--- The page of a study, of what `cj.study` gives.
-- @module conjugate.report.study
local markup = require "conjugate.report.markup"
local measure = require "conjugate.study.measure"
local page = require "conjugate.report.page"
local parts = require "conjugate.report.parts"
local pictures = require "conjugate.study.pictures"

local M = {}

local balls = { linf = "max\194\160norm", l2 = "Euclidean" }

local function success_table(study)
  local columns = { { "ball" }, { "radius", number = true } }
  for _, name in ipairs(measure.compared) do
    columns[#columns + 1] = { pictures.label_of(study, name), number = true, unit = "%" }
  end
  local rows = {}
  for i, row in ipairs(study.rows) do
    local cells = { balls[row.norm], ("%.5g"):format(row.eps) }
    for _, name in ipairs(measure.compared) do
      local c = row.attacks[name]
      cells[#cells + 1] = page.percent(c.success, { c.low, c.high })
    end
    rows[i] = cells
  end
  return page.table(columns, rows, ("Success of the %d images that are right of %d; in brackets "
    .. "Wilson's 95 %% interval. All attacks of a row have the same ball; the Euclidean radius is "
    .. "the length of a full sign step."):format(study.right, study.n))
end

local ball_names = { linf = "Max-norm ball", l2 = "Euclidean ball" }

local function grids(study)
  local section = { "Pictures" }
  for _, norm in ipairs(measure.norms) do
    local rows = pictures.grid(study.examples, norm)
    if rows then
      section[#section + 1] = parts.grid(rows, pictures.zoom(study.examples), ball_names[norm]
        .. ": images that the iterated conjugate breaks (and others where these are few), each at "
        .. "the least radius of the curves at which the attack succeeds. Directions are scaled to "
        .. "a largest entry of 1.")
    end
  end
  return #section > 1 and section or nil
end

local function spectrum(study)
  local figure = pictures.spectrum(study)
  if not figure then return nil end
  local section = { "Frequency content", parts.charts { figure } }
  if study.frequency.ratio then
    section[#section + 1] = markup.element("p", nil, ("High-frequency ratio %.4f; of the sign of "
      .. "the gradient %.4f."):format(study.frequency.ratio, study.frequency_sign.ratio or 0 / 0))
  end
  return section
end

local function costs(study)
  local rows = {}
  for i, c in ipairs(study.costs) do
    rows[i] = { name = pictures.label_of(study, c.name), n = c.n, forwards = c.forwards,
      backwards = c.backwards, seconds = c.seconds }
  end
  return { "Cost", parts.costs(rows) }
end

local function lead(study)
  for _, row in ipairs(study.rows) do
    if row.norm == "linf" and row.eps == study.eps then
      return ("In the max-norm ball of %.4g one step of it fools the model for %.1f %% of the "
        .. "images (FGSM: %.1f %%), %d steps for %.1f %% (PGD: %.1f %%)."):format(row.eps,
        row["one step"], row.fgsm, study.steps, row.iterated, row.pgd)
    end
  end
  return study.formula
end

--- The page.
-- @tparam Study study what `cj.study` gives
-- @treturn string HTML
function M.page(study)
  local sections = { { "Success against the radius",
    parts.charts { pictures.success(study, "linf"), pictures.success(study, "l2") },
    success_table(study) } }
  sections[#sections + 1] = grids(study)
  sections[#sections + 1] = spectrum(study)
  sections[#sections + 1] = costs(study)
  sections[#sections + 1] = { "Settings", page.facts(page.origin { seed = study.seed, facts = {
    { "conjugate", ("%s: %s"):format(study.name, study.formula) }, { "source", study.source },
    { "data", study.data or "not named" }, { "images", tostring(study.n) },
    { "largest radius", ("%.9g"):format(study.eps) },
    { "steps of the iterated attacks", tostring(study.steps) }, { "loss", study.loss },
  } }) }
  return page.render {
    title = ("Conjugate %s"):format(study.name), notes = study.warnings, sections = sections,
    lead = lead(study),
  }
end

return M
