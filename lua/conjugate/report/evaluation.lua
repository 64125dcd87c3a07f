--- The page of an evaluation, of what `cj.evaluate` gives.
-- @module conjugate.report.evaluation
local markup = require "conjugate.report.markup"
local page = require "conjugate.report.page"
local parts = require "conjugate.report.parts"

local M = {}

-- --- names --------------------------------------------------------------------------------------

local function has_radius(attack)
  return attack.options.eps and attack.options.eps < math.huge
end

-- An attack in a few words: name, radius, norm.
local function short_name(attack)
  local o, words = attack.options, { attack.name }
  words[2] = has_radius(attack) and ("ε = %.4g"):format(o.eps) or "any distance"
  if o.norm then words[3] = o.norm end
  return table.concat(words, ", ")
end

local function with_loss(attack)
  local loss = attack.options.loss
  return short_name(attack) .. (loss and ", " .. loss or "")
end

-- Names that tell attacks apart: with the loss, and at last a number, where they need it.
local function names_of(attacks)
  local names = {}
  for _, name_of in ipairs { short_name, with_loss, function(a, i)
    return ("%d. %s"):format(i, with_loss(a))
  end } do
    local count = {}
    for i = 1, #attacks do
      count[names[i] or ""] = (count[names[i] or ""] or 0) + 1
    end
    for i, attack in ipairs(attacks) do
      if not names[i] or count[names[i]] > 1 then names[i] = name_of(attack, i) end
    end
  end
  return names
end

-- --- the table ----------------------------------------------------------------------------------

local function figure_text(value, format)
  return value and format:format(value) or markup.raw "&ndash;"
end

local columns = {
  { "attack" },
  { "RA (worst case)", number = true, unit = "%" },
  { "RA (paper)", number = true, unit = "%" },
  { "success", number = true, unit = "%" },
  { "mean ℓ2", number = true },
  { "mean ℓ∞", number = true },
  { "zero gradients", number = true, unit = "%" },
}

local function attack_row(name, attack)
  return {
    name, page.percent(attack.ra_worst, attack.ra_worst_interval),
    page.percent(attack.ra_paper, attack.ra_paper_interval),
    figure_text(attack.success_rate, "%.2f"), figure_text(attack.mean_l2, "%.4g"),
    figure_text(attack.mean_linf, "%.4g"), figure_text(attack.zero_gradients, "%.2f"),
  }
end

local function accuracies(result, names)
  local none = markup.raw "&ndash;"
  local clean = page.percent(result.ta, result.ta_interval)
  local rows = { { "none: clean accuracy (TA)", clean, clean, none, none, none, none } }
  for i, attack in ipairs(result.attacks) do rows[i + 1] = attack_row(names[i], attack) end
  if #result.attacks > 1 then
    rows[#rows + 1] = {
      "all attacks together", page.percent(result.ra_worst, result.ra_worst_interval),
      page.percent(result.ra_paper, result.ra_paper_interval), none, none, none, none, total = true,
    }
  end
  return page.table(columns, rows, ("Of %d images; in brackets Wilson's 95 %% interval. RA (worst "
    .. "case) counts images that are right before and never wrong on the way, RA (paper) those "
    .. "that are right at the end. Success is of the images that were right; distances are means "
    .. "over successes, in pixel units."):format(result.n))
end

-- --- curves -------------------------------------------------------------------------------------

-- Attacks that differ in the radius alone have the same key.
local function radius_key(attack)
  local o = attack.options
  return table.concat({ attack.name, o.norm or "", o.loss or "" }, ", "):gsub(", *$", "")
end

-- Accuracy against the radius, for attacks with several radii.
local function radius_chart(result)
  local groups, keys = {}, {}
  for _, attack in ipairs(result.attacks) do
    if has_radius(attack) then
      local key = radius_key(attack)
      if not groups[key] then
        groups[key], keys[#keys + 1] = { counts = {}, radii = {} }, key
      end
      local g, eps = groups[key], attack.options.eps
      if not g.counts[eps] then g.radii[#g.radii + 1] = eps end
      g.counts[eps] = math.min(g.counts[eps] or math.huge, attack.counts.ra_worst)
    end
  end
  local series = {}
  for _, key in ipairs(keys) do
    local g = groups[key]
    if #g.radii > 1 then
      local s = parts.series(key)
      table.sort(g.radii)
      parts.add_share(s, 0, result.counts.ta, result.n)
      for _, eps in ipairs(g.radii) do parts.add_share(s, eps, g.counts[eps], result.n) end
      series[#series + 1] = s
    end
  end
  if #series == 0 then return nil end
  return {
    title = "Accuracy against the radius", series = series,
    caption = "Worst-case robust accuracy against the radius; shaded: Wilson's 95 % interval.",
    x = { label = "ε", unit = "pixel units" },
    y = { label = "RA (worst case)", unit = "%", range = { 0, 100 } },
  }
end

local function trace_charts(names, collector)
  local right, loss = {}, {}
  for i, seen in ipairs(collector.attacks) do
    if #seen.trace > 2 then -- one step is no curve
      local a, b = parts.series(names[i]), { name = names[i], x = {}, y = {} }
      for k, step in ipairs(seen.trace) do
        if step.samples > 0 then
          parts.add_share(a, k - 1, step.correct, step.samples)
          b.x[k], b.y[k] = k - 1, step.loss / step.samples
        end
      end
      if #a.x > 24 then a.style, b.style = "lines", "lines" end
      right[#right + 1], loss[#loss + 1] = a, b
    end
  end
  if #right == 0 then return {} end
  return { {
    title = "Accuracy along the steps", series = right, x = { label = "steps" },
    y = { label = "still right", unit = "%", range = { 0, 100 } },
    caption = "Images that are right after so many steps; shaded: Wilson's 95 % interval.",
  }, {
    title = "Loss along the steps", series = loss, x = { label = "steps" },
    y = { label = "mean loss" }, caption = "Mean of the loss that the attack climbs.",
  } }
end

-- The distances at which the attack of that number broke images, in rising order, and how many
-- were right before. Records stand one attack after the other.
local function distances(result, number, records, norm)
  local found, right = {}, 0
  for i = (number - 1) * result.n + 1, number * result.n do
    local record = records[i]
    if record.pred_clean == record.label then
      right = right + 1
      if record.status == "SUCCESS" then found[#found + 1] = record[norm] end
    end
  end
  table.sort(found)
  return found, right
end

local function distance_series(result, names, records, norm)
  local series = {}
  for i, attack in ipairs(result.attacks) do
    local found, right = {}, 0
    if not has_radius(attack) and (attack.options.norm or "l2") == norm then
      found, right = distances(result, i, records, norm)
    end
    if #found > 0 then
      local s = parts.series(names[i], "lines")
      parts.add_share(s, 0, right, result.n)
      for k, d in ipairs(found) do parts.add_share(s, d, right - k, result.n) end
      series[#series + 1] = s
    end
  end
  return series
end

-- Accuracy against the distance an attacker may go, from the least distances that attacks without
-- a radius found; one chart a norm.
local function distance_charts(result, names, records)
  local figures = {}
  for _, norm in ipairs { "linf", "l2", "l1" } do
    local series = distance_series(result, names, records, norm)
    if #series > 0 then
      figures[#figures + 1] = {
        title = "Accuracy against the distance", series = series,
        caption = "Images that stay right when perturbations up to a distance are allowed, from "
          .. "the least distance found for each image.",
        x = { label = norm .. " distance", unit = "pixel units" },
        y = { label = "robust accuracy", unit = "%", range = { 0, 100 } },
      }
    end
  end
  return figures
end

local function append(figures, more)
  for _, figure in ipairs(more) do figures[#figures + 1] = figure end
end

local function curves(result, names, extra)
  local figures = { radius_chart(result) }
  if extra.records then append(figures, distance_charts(result, names, extra.records)) end
  if extra.collector then append(figures, trace_charts(names, extra.collector)) end
  return #figures > 0 and { "Curves", parts.charts(figures) } or nil
end

-- --- pictures -----------------------------------------------------------------------------------

-- The clean pictures stand above those of the first attack alone.
local function pictures(names, collector)
  if not collector or not collector.x or not parts.is_picture(collector.x) then return nil end
  local x, section = collector.x, { "Pictures" }
  for i, seen in ipairs(collector.attacks) do
    local rows, first = {}, #section == 1
    if first then
      rows[1] = { title = "clean\nlabel", images = x, captions = parts.captions(collector.labels) }
    end
    if seen.x_adv then
      rows[#rows + 1] = { title = "perturbation", images = seen.x_adv - x, kind = "signed" }
      rows[#rows + 1] = { title = "attacked\nprediction", images = seen.x_adv,
        captions = parts.captions(seen.pred) }
      section[#section + 1] = parts.grid(rows, parts.zoom(x), names[i]
        .. (first and ": the first images that the model gets right." or "."))
    end
  end
  return #section > 1 and section or nil
end

-- --- settings -----------------------------------------------------------------------------------

local function settings(result, names)
  local facts = {}
  for i, attack in ipairs(result.attacks) do
    facts[i] = { names[i], page.options(attack.options) }
  end
  local about = { { "data", result.data or "not named" }, { "images", tostring(result.n) } }
  for _, key in ipairs { "split", "checkpoint" } do
    if result[key] then about[#about + 1] = { key, tostring(result[key]) } end
  end
  about[#about + 1] = { "seconds", markup.vary(("%.1f"):format(result.seconds)) }
  return { "Settings", page.facts(facts),
    page.facts(page.origin { seed = result.seed, facts = about }) }
end

local function lead(result)
  local text = ("%.2f %% of %d images are classified right"):format(result.ta, result.n)
  if not result.ra_worst then return text .. "." end
  return ("%s; %.2f %% withstand %s."):format(text, result.ra_worst,
    #result.attacks == 1 and "the attack" or ("all %d attacks"):format(#result.attacks))
end

--- The page.
-- @tparam table result what `cj.evaluate` gives
-- @tparam[opt] table extra `collector` and `records`, where they were kept
-- @treturn string HTML
function M.page(result, extra)
  extra = extra or {}
  local names = names_of(result.attacks)
  local sections = { { "Accuracy", accuracies(result, names) } }
  if #result.attacks > 0 then
    for i, attack in ipairs(result.attacks) do
      if attack.stages then
        sections[#sections + 1] = { names[i] .. ", part by part", parts.stages(attack.stages) }
      end
    end
    sections[#sections + 1] = curves(result, names, extra)
    sections[#sections + 1] = pictures(names, extra.collector)
    local rows = {}
    for i, a in ipairs(result.attacks) do
      rows[i] = { name = names[i], n = a.n, forwards = a.forwards, backwards = a.backwards,
        seconds = a.seconds }
    end
    sections[#sections + 1] = { "Cost", parts.costs(rows) }
  end
  sections[#sections + 1] = settings(result, names)
  return page.render {
    title = ("Accuracy under attack: %s"):format(result.data or "data"), lead = lead(result),
    notes = result.warnings, sections = sections,
  }
end

return M
