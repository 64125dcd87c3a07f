--- The page of a masking battery, of what `cj.battery` gives.
-- @module conjugate.report.battery
local markup = require "conjugate.report.markup"
local page = require "conjugate.report.page"
local parts = require "conjugate.report.parts"

local M = {}

local element = markup.element

-- Colours of the verdicts, as those of the checks.
local looks = { trustworthy = "pass", incomplete = "skipped" }

local function measured(battery, c)
  if c.reason then return c.reason end
  local lines = {}
  for _, m in ipairs(c.measured) do
    lines[#lines + 1] = element("div", { class = "line" }, battery.measured_text(m))
  end
  return markup.list(lines)
end

local function check_table(result, battery)
  local rows = {}
  for i, c in ipairs(result.checks) do
    rows[i] = { c.title, element("span", { class = c.status }, c.status), measured(battery, c),
      c.limit }
  end
  return page.table({ { "what should hold" }, { "result" }, { "measured" }, { "limit" } }, rows,
    ("RA is the worst-case accuracy, of %d images; in brackets Wilson's 95 %% interval. The white "
    .. "box is one step, PGD with N and 4 N steps, APGD on cross entropy and on DLR "
    .. "together."):format(result.n))
end

local function trace_charts(result)
  local right = parts.series "PGD"
  local loss = { name = "PGD", x = {}, y = {} }
  for k, step in ipairs(result.trace) do
    if step.samples > 0 then
      parts.add_share(right, k - 1, step.correct, step.samples)
      loss.x[#loss.x + 1], loss.y[#loss.y + 1] = k - 1, step.loss / step.samples
    end
  end
  if #right.x < 2 then return nil end
  if #right.x > 24 then right.style, loss.style = "lines", "lines" end
  return { "Along PGD", parts.charts { {
    title = "Loss along PGD", series = { loss }, x = { label = "steps" },
    y = { label = "mean cross entropy" },
    caption = "Mean cross entropy of the images that were right: it should rise all the way.",
  }, {
    title = "Accuracy along PGD", series = { right }, x = { label = "steps" },
    y = { label = "still right", unit = "%", range = { 0, 100 } },
    caption = "Of the images that were right, those that are right after so many steps.",
  } } }
end

local function settings(result)
  local facts = {
    { "data", result.data or "not named" }, { "images", tostring(result.n) },
    { "ball", ("%s, ε = %.9g"):format(result.norm, result.eps) },
    { "N, steps of PGD", tostring(result.steps) }, { "queries", tostring(result.queries) },
    { "draws of noise", tostring(result.draws) },
  }
  for _, key in ipairs { "split", "checkpoint", "transfer" } do
    if result[key] then facts[#facts + 1] = { key, tostring(result[key]) } end
  end
  facts[#facts + 1] = { "seconds", markup.vary(("%.1f"):format(result.seconds)) }
  return { "Settings", page.facts(page.origin { seed = result.seed, facts = facts }) }
end

--- The page.
-- @tparam table result what `cj.battery` gives
-- @treturn string HTML
function M.page(result)
  local battery = require "conjugate.metrics.battery"
  local verdict = element("p", { class = "verdict" },
    element("span", { class = looks[result.verdict] or "fail" }, result.verdict), ": ",
    battery.meanings[result.verdict], ".")
  return page.render {
    title = ("Masking battery: %s"):format(result.data or "data"),
    lead = ("TA %.2f %% of %d images; may the robust accuracy in the %s ball of %.4g be "
      .. "trusted?"):format(result.ta, result.n, result.norm, result.eps),
    sections = {
      { "Verdict", verdict, check_table(result, battery) }, trace_charts(result)
        or { "Along PGD", element("p", nil, "No image was right, so nothing was attacked.") },
      { "Cost", parts.costs(result.costs) }, settings(result),
    },
  }
end

return M
