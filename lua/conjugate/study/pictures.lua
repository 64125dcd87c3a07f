--- Charts and pictures of a study, for files and for its page.
-- @module conjugate.study.pictures
local cj = require "conjugate"
local measure = require "conjugate.study.measure"

local M = {}

local ball_names = { linf = "Max-norm ball", l2 = "Euclidean ball" }

-- Attacks as a legend names them.
local function label_of(study, name)
  if name == "one step" then return study.name .. ", one step" end
  if name == "iterated" then return ("%s, %d steps"):format(study.name, study.steps) end
  if name == "pgd" then return ("PGD, %d steps"):format(study.steps) end
  return "FGSM"
end
M.label_of = label_of

--- Success against the radius under one norm.
-- @tparam Study study what cj.study gives
-- @tparam string norm "linf" or "l2"
-- @treturn table a figure for `plot.figure.save` and pages
function M.success(study, norm)
  local series = {}
  for i, name in ipairs(measure.compared) do
    local s = { name = label_of(study, name), x = {}, y = {}, low = {}, high = {} }
    for _, row in ipairs(study.rows) do
      if row.norm == norm then
        local cell, at = row.attacks[name], #s.x + 1
        s.x[at], s.y[at], s.low[at], s.high[at] = row.eps, cell.success, cell.low, cell.high
      end
    end
    series[i] = s
  end
  return {
    title = ("%s. %s"):format(study.name, ball_names[norm]), series = series,
    x = { label = "radius", unit = "pixel units", range = { 0 } },
    y = { label = "success", unit = "%", range = { 0, 100 } }, key = "top left",
    caption = ("%s: success of the images that are right; shaded: Wilson's 95 %% interval.")
      :format(ball_names[norm]),
  }
end

-- Moduli by distance from frequency 0, divided by their mean.
local function relative(profile)
  local x, y, sum = {}, {}, 0
  for _, value in ipairs(profile) do sum = sum + value end
  for k, value in ipairs(profile) do
    x[k], y[k] = k - 1, sum > 0 and value * #profile / sum or 0 / 0
  end
  return x, y
end

--- The spectrum of the direction beside that of the sign of the gradient.
-- @tparam Study study what cj.study gives
-- @treturn ?table a figure; nil when the samples are no pictures
function M.spectrum(study)
  if not study.frequency then return nil end
  local series = {}
  for i, pair in ipairs { { study.name, study.frequency },
    { "sign of the gradient (FGSM)", study.frequency_sign } } do
    local x, y = relative(pair[2].profile)
    series[i] = { name = pair[1], x = x, y = y }
  end
  return {
    title = study.name .. ", spectrum", series = series, key = "top right",
    x = { label = "distance from frequency 0", unit = "cycles per picture" },
    y = { label = "mean modulus, relative", range = { 0 } },
    caption = "Mean modulus of the direction's Fourier transform by frequency, over its mean.",
  }
end

-- --- the grid ------------------------------------------------------------------------------------

-- At most five letters, for captions.
local function short(value)
  local text = ("%.3g"):format(value)
  return #text > 5 and ("%.2g"):format(value) or text
end

-- Where each example was broken first: "8 at 0.05", or what it is still taken for.
local function captions_of(shown)
  local texts, parts = {}, {}
  for k, e in ipairs(shown) do
    texts[k] = e.hit and ("%d at %s"):format(e.pred, short(e.eps)) or ("still %d"):format(e.pred)
    parts[k] = e.x
  end
  return texts, cj.cat(parts, 1)
end

local function plain(labels)
  local texts = {}
  for k, label in ipairs(labels) do texts[k] = ("%d"):format(label) end
  return texts
end

local function perturbed(examples, norm, name, title)
  local texts, x = captions_of(examples.shown[norm][name])
  return { title = title, images = x, captions = texts }
end

--- The rows of the grid: clean, the directions, and each example at its first success.
-- @tparam table examples `study.examples`
-- @tparam string norm "linf" or "l2"
-- @treturn ?{table,...} rows for `plot.grid`; nil when the samples are no pictures
function M.grid(examples, norm)
  if not examples then return nil end
  local x = examples.x
  if x:dim() ~= 4 or (x:size(2) ~= 1 and x:size(2) ~= 3) then return nil end
  local _, after = captions_of(examples.shown[norm].pgd)
  return {
    { title = "clean\nlabel", images = x, captions = plain(examples.labels) },
    { title = "direction\nconjugate", images = examples.direction, kind = "signed", low = -1,
      high = 1 },
    perturbed(examples, norm, "iterated", "conjugate\niterated"),
    { title = "direction\nFGSM", images = examples.sign, kind = "signed", low = -1, high = 1 },
    perturbed(examples, norm, "fgsm", "FGSM"),
    { title = "PGD\nperturbation", images = after - x, kind = "signed" },
    perturbed(examples, norm, "pgd", "PGD"),
  }
end

--- Enlargement of the pictures in a grid.
-- @tparam table examples `study.examples`
-- @treturn integer screen pixels per element
function M.zoom(examples)
  return math.max(1, math.floor(128 / math.max(examples.x:size(3), examples.x:size(4))))
end

return M
