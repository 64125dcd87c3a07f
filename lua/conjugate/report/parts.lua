--- Sections that several kinds of report share.
-- @module conjugate.report.parts
local chart = require "conjugate.report.chart"
local markup = require "conjugate.report.markup"
local page = require "conjugate.report.page"
local picture = require "conjugate.report.picture"
local wilson = require "conjugate.metrics.wilson"

local M = {}

--- A share and its Wilson interval, all in percent.
-- @tparam integer count successes
-- @tparam integer n trials, at least 1
-- @treturn number percent
-- @treturn number lower end
-- @treturn number upper end
function M.share(count, n)
  local low, high = wilson.interval(count, n)
  return 100 * count / n, 100 * low, 100 * high
end

--- Adds a share with its interval to a curve.
-- @tparam table series `x`, `y`, `low`, `high`
-- @tparam number x where
-- @tparam integer count successes
-- @tparam integer n trials, at least 1
function M.add_share(series, x, count, n)
  local at = #series.x + 1
  series.x[at] = x
  series.y[at], series.low[at], series.high[at] = M.share(count, n)
end

--- An empty curve.
-- @tparam string name for the legend
-- @tparam[opt] string style "linespoints", "lines" or "points"
-- @treturn table series
function M.series(name, style)
  return { name = name, style = style, x = {}, y = {}, low = {}, high = {} }
end

--- Charts beside each other where there is room.
-- @tparam {table,...} figures descriptions as for `plot.figure.save`, each with a `caption`
-- @treturn table an element
function M.charts(figures)
  local parts = {}
  for i, figure in ipairs(figures) do
    parts[i] = page.figure(chart.draw(figure), figure.caption or figure.title)
  end
  return markup.element("div", { class = "charts" }, parts)
end

--- Are these samples pictures that a grid can show?
-- @tparam Tensor x any sizes
-- @treturn boolean
function M.is_picture(x)
  return x:dim() == 4 and (x:size(2) == 1 or x:size(2) == 3) and x:size(3) <= 128
    and x:size(4) <= 128
end

--- Enlargement of small pictures.
-- @tparam Tensor x [B, C, H, W]
-- @treturn integer screen pixels per element
function M.zoom(x)
  return math.max(1, math.floor(84 / math.max(x:size(3), x:size(4))))
end

--- A PNG file as a figure, which scrolls where it is too wide.
-- @tparam string bytes the file
-- @tparam string caption what is to be seen
-- @treturn table an element
function M.picture(bytes, caption)
  local image = markup.element("div", { class = "scroll" }, picture.image(bytes, caption))
  return page.figure(image, caption)
end

--- A grid of pictures as a figure.
-- @tparam {table,...} rows as for `plot.grid.save`
-- @tparam integer zoom screen pixels per element
-- @tparam string caption what is to be seen
-- @treturn table an element
function M.grid(rows, zoom, caption)
  return M.picture(require("conjugate.plot.grid").draw(rows, { zoom = zoom }):png(), caption)
end

--- Numbers as texts, for captions under pictures.
-- @tparam {number,...} list whole numbers
-- @treturn {string,...}
function M.captions(list)
  local texts = {}
  for i, value in ipairs(list) do texts[i] = ("%d"):format(value) end
  return texts
end

--- What each part of a sequence of attacks broke.
-- @tparam {table,...} stages see `conjugate.metrics.stages`
-- @treturn table an element
function M.stages(stages)
  local rows = {}
  for i, stage in ipairs(stages) do
    rows[i] = {
      i == 1 and "wrong before" or stage.name, tostring(stage.broken), tostring(stage.robust),
      page.percent(stage.ra, stage.ra_interval),
    }
  end
  return page.table({ { "" }, { "broken", number = true }, { "left", number = true },
    { "accuracy left", number = true, unit = "%" } }, rows,
    "Each part attacks only what all before it left; in brackets Wilson's 95 % interval.")
end

--- What attacks cost: forward and backward passes of samples, and seconds.
-- @tparam {table,...} rows each `name`, `n` (samples), `forwards`, `backwards`, `seconds`
-- @treturn table an element
function M.costs(rows)
  local cells = {}
  for i, row in ipairs(rows) do
    cells[i] = {
      row.name, ("%.0f"):format(row.forwards), ("%.0f"):format(row.backwards),
      ("%.1f"):format(row.forwards / row.n), ("%.1f"):format(row.backwards / row.n),
      markup.vary(("%.2f"):format(row.seconds)),
    }
  end
  return page.table({
    { "attack" }, { "forward passes", number = true }, { "backward passes", number = true },
    { "forward a sample", number = true }, { "backward a sample", number = true },
    { "seconds", number = true },
  }, cells, "A pass is counted for every sample that goes through the model.")
end

return M
