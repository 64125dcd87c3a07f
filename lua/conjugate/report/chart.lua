--- Charts as inline SVG, drawn here: axes, ticks, a legend, curves with marks and intervals.
--
-- It takes the description that `plot.figure.save` takes, so one description gives data, a gnuplot
-- script and the drawing of a page. Colours come from the page's style sheet (classes s1, s2, ...),
-- so a dark page has light curves; marks differ in form as well. The point under the mouse tells
-- its numbers.
-- @module conjugate.report.chart
local axis = require "conjugate.report.axis"
local markup = require "conjugate.report.markup"

local M = {}

local element, number = markup.element, markup.number

local WIDTH, HEIGHT = 560, 320
local LEFT, RIGHT, BOTTOM = 58, 16, 46
local LINE, LETTER, SAMPLE = 20, 6.6, 30 -- of the legend: a line, a letter, a stroke with its gaps
M.colours = 7

local function finite(v)
  return v and v == v and v < math.huge and v > -math.huge
end

local function range_of(series, keys)
  local low, high = math.huge, -math.huge
  for _, s in ipairs(series) do
    for _, key in ipairs(keys) do
      for _, v in ipairs(s[key] or {}) do
        if finite(v) then low, high = math.min(low, v), math.max(high, v) end
      end
    end
  end
  return low, high
end

local function letters(text)
  local _, count = text:gsub("[^\128-\191]", "")
  return count
end

-- Places of the legend's entries, in as many lines as they need; and the height of all.
local function legend_places(series)
  local places, x, y = {}, LEFT, 14
  for i, s in ipairs(series) do
    local width = SAMPLE + letters(s.name) * LETTER + 18
    if x > LEFT and x + width > WIDTH then x, y = LEFT, y + LINE end
    places[i] = { x = x, y = y }
    x = x + width
  end
  return places, y + 14
end

local function class_of(i)
  return "s" .. (i - 1) % M.colours + 1
end

-- Marks: disc, square, triangle, diamond.
local marks = {
  function(x, y) return element("circle", { cx = x, cy = y, r = 3.4 }) end,
  function(x, y)
    return element("rect", { x = x - 3, y = y - 3, width = 6, height = 6 })
  end,
  function(x, y)
    return element("path", { d = ("M%s %sl4 7h-8z"):format(number(x), number(y - 4.4)) })
  end,
  function(x, y)
    return element("path", { d = ("M%s %sl4 4l-4 4l-4-4z"):format(number(x), number(y - 4)) })
  end,
}

local function mark_of(i)
  return marks[(i - 1) % #marks + 1]
end

local function draw_legend(series, places)
  local parts = {}
  for i, s in ipairs(series) do
    local p = places[i]
    parts[i] = element("g", { class = class_of(i) },
      element("path", { class = "curve", d = ("M%s %sh22"):format(number(p.x), number(p.y)) }),
      s.style ~= "lines" and mark_of(i)(p.x + 11, p.y) or false,
      element("text", { class = "name", x = p.x + SAMPLE, y = p.y + 4 }, s.name))
  end
  return parts
end

local function draw_axes(x, y, box)
  local parts = {}
  for i, value in ipairs(x.ticks) do
    local at = box.x(value)
    parts[#parts + 1] = element("path", {
      class = "grid", d = ("M%s %sV%s"):format(number(at), number(box.top), number(box.bottom)),
    })
    parts[#parts + 1] = element("text", { x = at, y = box.bottom + 17, ["text-anchor"] = "middle" },
      x.labels[i])
  end
  for i, value in ipairs(y.ticks) do
    local at = box.y(value)
    parts[#parts + 1] = element("path", {
      class = "grid", d = ("M%s %sH%s"):format(number(box.left), number(at), number(box.right)),
    })
    parts[#parts + 1] = element("text", { x = box.left - 8, y = at + 4, ["text-anchor"] = "end" },
      y.labels[i])
  end
  parts[#parts + 1] = element("path", {
    class = "axis", d = ("M%s %sV%sH%s"):format(number(box.left), number(box.top),
      number(box.bottom), number(box.right)),
  })
  local middle = (box.top + box.bottom) / 2
  parts[#parts + 1] = element("text", {
    class = "title", x = (box.left + box.right) / 2, y = box.bottom + 38,
    ["text-anchor"] = "middle",
  }, x.title)
  parts[#parts + 1] = element("text", {
    class = "title", x = 14, y = middle, ["text-anchor"] = "middle",
    transform = ("rotate(-90 14 %s)"):format(number(middle)),
  }, y.title)
  return parts
end

-- The points of a series in stretches without a gap: lists of { x, y, index }.
local function stretches(s, key, box)
  local all, now = {}, nil
  for i, x in ipairs(s.x) do
    local y = s[key][i]
    if finite(x) and finite(y) then
      if not now then
        now = {}
        all[#all + 1] = now
      end
      now[#now + 1] = { box.x(x), box.y(y), i }
    else
      now = nil
    end
  end
  return all
end

local function path_of(points, from)
  local parts = {}
  for i, p in ipairs(points) do
    local letter = i == 1 and from or "L"
    parts[i] = ("%s%s %s"):format(letter, number(p[1]), number(p[2]))
  end
  return table.concat(parts)
end

local function reversed(points)
  local list = {}
  for i = #points, 1, -1 do list[#list + 1] = points[i] end
  return list
end

local function draw_interval(s, box)
  local parts = {}
  local lows, highs = stretches(s, "low", box), stretches(s, "high", box)
  for i, low in ipairs(lows) do
    if highs[i] and #highs[i] == #low then
      parts[#parts + 1] = element("path", {
        class = "band", d = path_of(low, "M") .. path_of(reversed(highs[i]), "L") .. "Z",
      })
    end
  end
  return parts
end

local function hint(s, i)
  local text = ("%s: %.5g at %.5g"):format(s.name, s.y[i], s.x[i])
  if s.low and finite(s.low[i]) and finite(s.high[i]) then
    text = ("%s [%.5g, %.5g]"):format(text, s.low[i], s.high[i])
  end
  return element("title", nil, text)
end

local function draw_series(s, i, box)
  local parts = { s.low and draw_interval(s, box) or false }
  for _, points in ipairs(stretches(s, "y", box)) do
    if s.style ~= "points" then
      parts[#parts + 1] = element("path", { class = "curve", d = path_of(points, "M") })
    end
    if s.style ~= "lines" then
      for _, p in ipairs(points) do
        parts[#parts + 1] = element("g", nil, mark_of(i)(p[1], p[2]), hint(s, p[3]))
      end
    end
  end
  return element("g", { class = class_of(i) }, parts)
end

-- Linear heights end at ticks; widths end where the data end.
local function with_round(opts)
  local all = { round = not (opts and opts.scale) }
  for key, value in pairs(opts or {}) do all[key] = value end
  return all
end

--- Draws a chart.
-- @tparam table figure as for `plot.figure.save`: title, x, y (axes), series
-- @treturn table an element, `<svg>`
function M.draw(figure)
  local left, right = range_of(figure.series, { "x" })
  local x = axis.new(figure.x, left, right, 6)
  local low, high = range_of(figure.series, { "y", "low", "high" })
  local y = axis.new(with_round(figure.y), low, high, 5)
  local places, top = legend_places(figure.series)
  local box = { left = LEFT, right = WIDTH - RIGHT, top = top, bottom = top + HEIGHT - BOTTOM }
  local height = box.bottom + BOTTOM
  function box.x(v) return box.left + x.place(v) * (box.right - box.left) end
  function box.y(v)
    return box.bottom - math.max(0, math.min(1, y.place(v))) * (box.bottom - box.top)
  end
  local curves = {}
  for i, s in ipairs(figure.series) do curves[i] = draw_series(s, i, box) end
  return element("svg", {
    viewBox = ("0 0 %d %s"):format(WIDTH, number(height)), role = "img",
    xmlns = "http://www.w3.org/2000/svg", ["aria-label"] = figure.title or "",
  }, draw_axes(x, y, box), curves, draw_legend(figure.series, places))
end

return M
