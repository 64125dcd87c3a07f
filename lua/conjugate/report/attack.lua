--- The page of one attack on one batch, of what an attack gives when it is called.
-- @module conjugate.report.attack
local page = require "conjugate.report.page"
local parts = require "conjugate.report.parts"
local stages = require "conjugate.metrics.stages"

local M = {}

local SHOWN = 8 -- pictures
local ROWS = 500 -- samples in the table

local function percent(count, n)
  local value, low, high = parts.share(count, n)
  return page.percent(value, { low, high })
end

local function count(result, test)
  local total = 0
  for i = 1, result.n do total = total + (test(i) and 1 or 0) end
  return total
end

local function outcome(result)
  local clean = count(result, function(i) return result.pred_clean[i] == result.label[i] end)
  local last = count(result, function(i) return result.pred_adv[i] == result.label[i] end)
  local worst = count(result, function(i)
    return result.pred_clean[i] == result.label[i] and not result.broken[i]
  end)
  local rows = {
    { "right before the attack (TA)", percent(clean, result.n) },
    { "right afterwards", percent(last, result.n) },
    { "right before and never wrong on the way (RA, worst case)", percent(worst, result.n) },
  }
  for _, status in ipairs { "SUCCESS", "FAIL", "ALREADY", "NAN" } do
    rows[#rows + 1] = { status, percent(result.counts[status], result.n) }
  end
  return page.table({ { "" }, { "% of the samples", number = true } }, rows,
    ("Of %d samples; in brackets Wilson's 95 %% interval."):format(result.n))
end

local function trace_charts(result)
  local right, loss = parts.series "still right", { name = "loss", x = {}, y = {} }
  for k, step in ipairs(result.trace or {}) do
    if step.samples > 0 then
      parts.add_share(right, k - 1, step.correct, step.samples)
      loss.x[#loss.x + 1], loss.y[#loss.y + 1] = k - 1, step.loss / step.samples
    end
  end
  if #right.x < 3 then return nil end
  return { "Along the steps", parts.charts {
    { title = "Accuracy along the steps", series = { right }, x = { label = "steps" },
      y = { label = "still right", unit = "%", range = { 0, 100 } } },
    { title = "Loss along the steps", series = { loss }, x = { label = "steps" },
      y = { label = "mean loss" } },
  } }
end

local function pictures(result, x)
  if not x or not parts.is_picture(x) then return nil end
  local n = math.min(SHOWN, result.n)
  local labels, found = {}, {}
  for i = 1, n do labels[i], found[i] = result.label[i], result.pred_adv[i] end
  local clean, after = x:narrow(1, 1, n), result.x_adv:narrow(1, 1, n)
  return { "Pictures", parts.grid({
    { title = "clean\nlabel", images = clean, captions = parts.captions(labels) },
    { title = "perturbation", images = after - clean, kind = "signed" },
    { title = "attacked\nprediction", images = after, captions = parts.captions(found) },
  }, parts.zoom(x), "The first samples.") }
end

local function samples(result)
  local rows = {}
  for i = 1, math.min(result.n, ROWS) do
    rows[i] = {
      tostring(i), tostring(result.label[i]), tostring(result.pred_clean[i]),
      tostring(result.pred_adv[i]), result.status[i], tostring(result.iters[i]),
      ("%.4g"):format(result.l2[i]), ("%.4g"):format(result.linf[i]),
    }
  end
  return page.table({
    { "sample", number = true }, { "label", number = true }, { "before", number = true },
    { "after", number = true }, { "status" }, { "steps", number = true },
    { "ℓ2", number = true }, { "ℓ∞", number = true },
  }, rows, result.n > ROWS and ("The first %d of %d."):format(ROWS, result.n) or nil)
end

--- The page.
-- @tparam table result what an attack gives
-- @tparam[opt] table extra `x`: the clean inputs, for pictures
-- @treturn string HTML
function M.page(result, extra)
  local forwards, backwards = 0, 0
  for i = 1, result.n do
    forwards, backwards = forwards + result.forwards[i], backwards + result.backwards[i]
  end
  local sections = { { "Outcome", result.n > 0 and outcome(result) or "There are no samples." } }
  local counts = stages.add(nil, result)
  if counts then
    sections[#sections + 1] = { "Part by part", parts.stages(stages.list(counts, result.n)) }
  end
  sections[#sections + 1] = trace_charts(result)
  sections[#sections + 1] = pictures(result, extra and extra.x)
  sections[#sections + 1] = { "Samples", samples(result) }
  sections[#sections + 1] = { "Cost", parts.costs { { name = result.attack, n = result.n,
    forwards = forwards, backwards = backwards, seconds = result.seconds } } }
  sections[#sections + 1] = { "Settings", page.facts { { result.attack,
    page.options(result.options) } }, page.facts(page.origin { seed = result.seed }) }
  return page.render {
    title = ("%s on %d samples"):format(result.attack, result.n), sections = sections,
    lead = tostring(result), notes = result.warnings,
  }
end

return M
