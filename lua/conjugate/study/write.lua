--- The folder of a study: study.json, curves.csv, charts, pictures and report.html.
-- @module conjugate.study.write
local files = require "conjugate.run.files"
local grid = require "conjugate.plot.grid"
local figure = require "conjugate.plot.figure"
local measure = require "conjugate.study.measure"
local pictures = require "conjugate.study.pictures"
local system = require "conjugate.run.system"

local M = {}

local function csv(study)
  local header = { "norm,eps" }
  for _, name in ipairs(measure.compared) do
    local column = name:gsub(" ", "_")
    header[#header + 1] = ("%s,%s_low,%s_high"):format(column, column, column)
  end
  local lines = { table.concat(header, ",") }
  for _, row in ipairs(study.rows) do
    local cells = { ("%s,%.9g"):format(row.norm, row.eps) }
    for _, name in ipairs(measure.compared) do
      local c = row.attacks[name]
      cells[#cells + 1] = ("%.6g,%.6g,%.6g"):format(c.success, c.low, c.high)
    end
    lines[#lines + 1] = table.concat(cells, ",")
  end
  return table.concat(lines, "\n") .. "\n"
end

local function numbers(study)
  local copy = {}
  for key, value in pairs(study) do
    if key ~= "examples" then copy[key] = value end
  end
  return copy
end

local function write_charts(study, out)
  local list = { spectrum = pictures.spectrum(study) }
  for _, norm in ipairs(measure.norms) do
    list["success-" .. norm] = pictures.success(study, norm)
  end
  for name, description in pairs(list) do
    local ok, message = figure.save(out .. "/" .. name, description)
    if not ok then return nil, message end
  end
  return true
end

local function write_pictures(study, out)
  for _, norm in ipairs(measure.norms) do
    local rows = pictures.grid(study.examples, norm)
    if rows then
      local ok, message = grid.save(("%s/pictures-%s.png"):format(out, norm), rows,
        { zoom = pictures.zoom(study.examples) })
      if not ok then return nil, message end
    end
  end
  return true
end

--- Writes a study.
-- @tparam Study study what cj.study gives
-- @tparam string out folder; it is made
-- @treturn boolean true, or nil and a message
function M.write(study, out)
  local ok, message = system.mkdir(out)
  if ok then ok, message = files.write(out .. "/curves.csv", csv(study)) end
  if ok then
    ok, message = files.write_json(out .. "/study.json", numbers(study),
      { "name", "formula", "source", "n", "right", "eps", "seed", "rows", "norm" })
  end
  if ok then ok, message = write_charts(study, out) end
  if ok then ok, message = write_pictures(study, out) end
  if ok then
    ok, message = files.write(out .. "/report.html", require("conjugate.report").page(study))
  end
  return ok, message
end

return M
