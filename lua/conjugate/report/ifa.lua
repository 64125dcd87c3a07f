--- The page of a run of the IFA pipeline, of what `cj.ifa.run` gives.
-- @module conjugate.report.ifa
local ifa = require "conjugate.ifa.report"
local markup = require "conjugate.report.markup"
local page = require "conjugate.report.page"
local parts = require "conjugate.report.parts"
local system = require "conjugate.run.system"

local M = {}

local none = markup.raw "&ndash;"

local function epochs_text(c)
  return tostring(c.epochs)
end

local function accuracies(list)
  local rows = {}
  for _, c in ipairs(list) do
    for _, kind in ipairs { "cl", "acl" } do
      local e = c[kind]
      rows[#rows + 1] = {
        kind:upper(), epochs_text(c), page.percent(e.ta, e.ta_interval),
        page.percent(e.ra_paper, e.ra_interval), page.percent(e.ra_worst, e.ra_worst_interval),
      }
    end
  end
  return { "Accuracy", page.table({
    { "classifier" }, { "epochs", number = true }, { "TA", number = true, unit = "%" },
    { "RA (paper)", number = true, unit = "%" }, { "RA (worst case)", number = true, unit = "%" },
  }, rows, "CL: the classifier; ACL: the classifier behind the generator; on the test set, in "
    .. "brackets Wilson's 95 % interval. The generator learns from labelled walks: a high accuracy "
    .. "under attack may be masked gradients.") }
end

local function with_caption(figure)
  figure.caption = figure.title
  return figure
end

local function curves(list, name)
  local figures = {}
  for _, c in ipairs(list) do
    figures[#figures + 1] = with_caption(ifa.curve(c.ifa, ("%s, epochs: %s"):format(name,
      epochs_text(c))))
    figures[#figures + 1] = with_caption(ifa.losses(c.history))
  end
  if #list > 1 then table.insert(figures, 1, with_caption(ifa.epochs(list))) end
  return { "Curves", parts.charts(figures) }
end

-- The pictures that the run has drawn: file name, what is to be seen.
local drawn = {
  { "test_images.png", "Test images: clean, PGD's perturbation, attacked, and the same with the "
    .. "generator." },
  { "training_images.png", "Training images along the walk." },
  { "delta1_spectrum.png", "Mean spectrum of the first step of the walk." },
}

local function pictures(c)
  local section = { ("Pictures, epochs: %s"):format(epochs_text(c)) }
  for _, entry in ipairs(drawn) do
    local bytes = system.read(c.place .. "/" .. entry[1])
    if bytes then section[#section + 1] = parts.picture(bytes, entry[2]) end
  end
  return section
end

local function settings(result)
  local walk = result.ifa
  return { "Settings", page.facts {
    { "walk", ("ε = %.9g, N = %d, clip %s"):format(walk.eps, walk.steps, walk.clip) },
    { "attack", page.options(result.attack) }, { "generator", page.options(result.gan) },
    { "high-frequency ratio of Δ_1", result.hfr and ("%.4f"):format(result.hfr) or none },
  }, page.facts(page.origin { seed = result.seed, facts = {
    { "data", result.data or "not named" }, { "model", result.model },
    { "test images", tostring(result.n) },
    { "seconds", markup.vary(("%.1f"):format(result.seconds)) },
  } }) }
end

--- The page.
-- @tparam table result what `summary.json` holds
-- @tparam {table,...} list the classifiers: epochs, place (folder), cl, acl, ifa, history
-- @treturn string HTML
function M.page(result, list)
  local sections = { accuracies(list), curves(list, result.data or "data") }
  for _, c in ipairs(list) do sections[#sections + 1] = pictures(c) end
  sections[#sections + 1] = settings(result)
  return page.render {
    title = ("Iterated opposite FGSM: %s on %s"):format(result.model, result.data or "data"),
    lead = ("TA %.2f %%, RA %.2f %%; with the generator TA %.2f %%, RA %.2f %%."):format(result.ta,
      result.ra_paper, result.acl.ta, result.acl.ra_paper),
    sections = sections,
  }
end

return M
