--- Totals of packets over the epochs of a training, as curves with bands.
--
--     local history = {}
--     for epoch, net in pairs(nets) do
--       history[#history + 1] = { epoch = epoch, results = packet_of(net):measure() }
--     end
--     cj.plot.figure.save("runs/p", cj.packet.curves.figure(history))
-- @module conjugate.packet.curves
local check = require "conjugate.check"

local M = {}

local PLAIN = 1.959964 -- standard errors of a 95 % interval

--- Totals that are drawn unless others are asked for.
M.drawn = { "sigma_x", "sigma_p", "P", "bound" }

-- Mean of a total over the results that were not refused, and half of its interval. All labels
-- share their points, so their errors may go together: the error of the mean is at most the mean of
-- the errors.
local function mean_of(results, name)
  local sum, err, count = 0, 0, 0
  for _, r in ipairs(results) do
    local t = r.status ~= "unreliable" and r.totals and r.totals[name]
    if t then sum, err, count = sum + t[1], err + t[2], count + 1 end
  end
  if count == 0 then return nil end
  return sum / count, PLAIN * err / count
end

-- The largest value of a column.
local function top_of(rows, name)
  local top = 0
  for _, row in ipairs(rows) do top = math.max(top, row[name] or 0) end
  return top > 0 and top or 1
end

-- A column of rows as a curve: values over `top`, with bands where every row has a half.
local function series_of(rows, name, top, title)
  local s = { name = title, x = {}, y = {}, low = {}, high = {} }
  for _, row in ipairs(rows) do
    local v, half = row[name], row[name .. "_half"] or 0 / 0
    if v then
      local at = #s.x + 1
      s.x[at], s.y[at] = row.epoch, v / top
      s.low[at], s.high[at] = (v - half) / top, (v + half) / top
    end
  end
  return s
end

--- A figure of columns over epochs, each divided by its largest value.
-- @tparam {table,...} rows in rising order of `epoch`; NAME = value, or nil where it was refused,
--   and NAME_half = half of its interval
-- @tparam {string,...} names of columns
-- @tparam[opt] table opts `title`; `shares`: names of columns in percent, drawn beside them
-- @treturn table what `plot.figure.save` and the charts of pages take
function M.of_rows(rows, names, opts)
  local o = check.options("of_rows", opts, { title = { "string" }, shares = { "table" } })
  check.table("of_rows", "rows", rows)
  check.table("of_rows", "names", names)
  local series = {}
  for _, name in ipairs(names) do
    local title = ("%s / %.4g"):format(name, top_of(rows, name))
    series[#series + 1] = series_of(rows, name, top_of(rows, name), title)
  end
  for _, name in ipairs(o.shares or {}) do
    series[#series + 1] = series_of(rows, name, 100, name:upper())
  end
  return { title = o.title or "Packets over training", series = series, x = { label = "epoch" },
    y = { label = "share of the largest" },
    caption = "Each curve is divided by its largest value, the number in its name; shaded: 95 % "
      .. "interval." }
end

--- Rows of totals over epochs: means over the labels that were not refused.
-- @tparam {table,...} history each `epoch` and `results`, a list of results of packets or of their
--   records
-- @tparam[opt] {string,...} names of totals (`drawn`)
-- @treturn {table,...} rows for `of_rows`, in rising order, with `refused`, how many labels were
function M.rows(history, names)
  check.table("rows", "history", history)
  local rows = {}
  for i, entry in ipairs(history) do
    check.number("rows", ("history[%d].epoch"):format(i), entry.epoch)
    check.table("rows", ("history[%d].results"):format(i), entry.results)
    local row = { epoch = entry.epoch, refused = 0 }
    for _, r in ipairs(entry.results) do
      if r.status == "unreliable" then row.refused = row.refused + 1 end
    end
    for _, name in ipairs(names or M.drawn) do
      row[name], row[name .. "_half"] = mean_of(entry.results, name)
    end
    rows[i] = row
  end
  table.sort(rows, function(a, b) return a.epoch < b.epoch end)
  return rows
end

--- A figure of totals over epochs.
-- @tparam {table,...} history see `rows`
-- @tparam[opt] table opts `quantities`: names of totals (`drawn`), `title`
-- @treturn table what `plot.figure.save` takes
function M.figure(history, opts)
  local o = check.options("figure", opts, { quantities = { "table" }, title = { "string" } })
  local names = o.quantities or M.drawn
  return M.of_rows(M.rows(history, names), names, { title = o.title })
end

return M
