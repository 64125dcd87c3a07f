--- Charts: a description that is always written as data (.csv) and script (.gp), and drawn by
-- gnuplot.
--
-- The script reads the data beside it and draws to .png, so a chart can be changed and drawn again
-- by hand: cd FOLDER && gnuplot NAME.gp
-- @module conjugate.plot.figure

local check = require "conjugate.check"
local colour = require "conjugate.plot.colour"

local M = {}

-- Shortest text that reads back as the same number: 15 digits where they suffice, else 17.
local function number(value)
  if value ~= value then return "" end
  local text = ("%.15g"):format(value)
  if tonumber(text) ~= value then text = ("%.17g"):format(value) end
  return text
end

local function csv_text(text)
  if text:find('[,"\n]') then return '"' .. text:gsub('"', '""') .. '"' end
  return text
end

-- gnuplot's single quotes know no escapes but '' for one quote.
local function quote(text)
  return "'" .. tostring(text):gsub("'", "''"):gsub("[\r\n]", " ") .. "'"
end

-- For the shell.
local function shell(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function axis_text(axis)
  axis = axis or {}
  if axis.unit and axis.unit ~= "" then return ("%s (%s)"):format(axis.label or "", axis.unit) end
  return axis.label or ""
end

-- All x values in rising order, each with its row number.
local function merge_x(series)
  local seen, all = {}, {}
  for _, s in ipairs(series) do
    for _, x in ipairs(s.x) do
      if not seen[x] then
        seen[x] = true
        all[#all + 1] = x
      end
    end
  end
  table.sort(all)
  return all
end

local function lookup(s, list)
  local at = {}
  for i, x in ipairs(s.x) do at[x] = list[i] end
  return at
end

--- The data of a figure as CSV: x, then one column per series (and two more where it has an
-- interval).
-- @tparam table figure see @{save}
-- @treturn string with a header line; empty cells where a series has no value
function M.csv(figure)
  local header, columns = { csv_text(axis_text(figure.x)) }, {}
  for _, s in ipairs(figure.series) do
    header[#header + 1] = csv_text(s.name)
    columns[#columns + 1] = lookup(s, s.y)
    if s.low then
      header[#header + 1] = csv_text(s.name .. " low")
      header[#header + 1] = csv_text(s.name .. " high")
      columns[#columns + 1] = lookup(s, s.low)
      columns[#columns + 1] = lookup(s, s.high)
    end
  end
  local lines = { table.concat(header, ",") }
  for _, x in ipairs(merge_x(figure.series)) do
    local cells = { number(x) }
    for _, column in ipairs(columns) do
      cells[#cells + 1] = column[x] and number(column[x]) or ""
    end
    lines[#lines + 1] = table.concat(cells, ",")
  end
  return table.concat(lines, "\n") .. "\n"
end

local function range_line(name, axis)
  local r = axis and axis.range
  if not r then return nil end
  return ("set %srange [%s:%s]"):format(name, r[1] and number(r[1]) or "*",
    r[2] and number(r[2]) or "*")
end

-- The x axis may run on a square-root scale, which spreads the dense start of a curve.
local function scale_lines(lines, figure)
  for _, name in ipairs { "x", "y" } do
    local axis = figure[name] or {}
    if axis.scale == "log" then
      lines[#lines + 1] = "set logscale " .. name
    elseif axis.scale == "sqrt" then
      lines[#lines + 1] = ("set nonlinear %s via sqrt(%s) inverse %s**2"):format(name, name, name)
    end
    lines[#lines + 1] = range_line(name, axis)
    if axis.ticks then
      local ticks = {}
      for i, value in ipairs(axis.ticks) do ticks[i] = number(value) end
      lines[#lines + 1] = ("set %stics (%s)"):format(name, table.concat(ticks, ", "))
    end
  end
end

local looks = { points = "pt 7 ps 1.1", lines = "lw 2.2 dt 1", linespoints = "lw 2.2 pt %d ps 0.9" }
local points = { 7, 5, 9, 11, 13 } -- disc, square, triangles, diamond

local function plot_parts(figure, file)
  local parts, column = {}, 2
  for i, s in ipairs(figure.series) do
    local paint = colour.lines[(i - 1) % #colour.lines + 1]
    local at = ("%s skip 1 using 1:%d"):format(quote(file), column)
    if s.low then
      parts[#parts + 1] = ("%s skip 1 using 1:%d:%d with filledcurves fc rgb '%s' fs transparent "
        .. "solid 0.15 noborder notitle"):format(quote(file), column + 1, column + 2, paint)
    end
    local style = s.style or "linespoints"
    local look = looks[style]:format(points[(i - 1) % #points + 1])
    parts[#parts + 1] = ("%s with %s lc rgb '%s' %s title %s"):format(at, style, paint, look,
      quote(s.name))
    column = column + (s.low and 3 or 1)
  end
  return parts
end

--- The gnuplot script of a figure.
-- @tparam table figure see @{save}
-- @tparam string name file name without folder and extension
-- @treturn string the script; it draws NAME.png from NAME.csv in the current folder
function M.script(figure, name)
  local size = figure.size or { 960, 600 }
  local lines = {
    "# Draw with: gnuplot " .. name .. ".gp",
    ("if (!exists('out')) out = %s"):format(quote(name .. ".png")),
    ("set terminal pngcairo noenhanced size %d,%d background rgb 'white' font 'sans,13'"):format(
      size[1], size[2]),
    "set output out",
    "set datafile separator comma",
    "set datafile missing ''",
    "set border 3 lc rgb '#404040'",
    "set tics nomirror out",
    "set grid lc rgb '#d8d8d8' lt 1 lw 0.6",
    ("set key %s opaque box lc rgb '#d8d8d8' height 0.6 width 1"):format(
      figure.key or "bottom right"),
    "set title " .. quote(figure.title or ""),
    "set xlabel " .. quote(axis_text(figure.x)),
    "set ylabel " .. quote(axis_text(figure.y)),
  }
  scale_lines(lines, figure)
  lines[#lines + 1] = "plot " .. table.concat(plot_parts(figure, name .. ".csv"), ", \\\n  ")
  return table.concat(lines, "\n") .. "\n"
end

--- Is gnuplot there? Asked once.
-- @treturn boolean
function M.gnuplot()
  if M.found == nil then
    local pipe = io.popen("command -v gnuplot 2>/dev/null", "r")
    M.found = pipe ~= nil and pipe:read "*l" ~= nil
    if pipe then pipe:close() end
  end
  return M.found
end

local function exists(path)
  local file = io.open(path, "rb")
  if not file then return false end
  local some = file:read(8) == "\137PNG\r\n\26\n"
  file:close()
  return some
end

-- The exit status of a pipe is lost in Lua 5.1, so the picture itself is looked at. It is drawn
-- under another name first: a broken one never takes the place of a good one.
local function draw(folder, name)
  local fresh = name .. ".png.tmp"
  os.remove(folder .. "/" .. fresh)
  local command = ("cd %s && gnuplot -e %s %s 2>&1"):format(shell(folder),
    shell("out = " .. quote(fresh)), shell(name .. ".gp"))
  local pipe = io.popen(command, "r")
  local said = pipe and pipe:read "*a" or ""
  if pipe then pipe:close() end
  if not exists(folder .. "/" .. fresh) then
    os.remove(folder .. "/" .. fresh)
    return nil, "gnuplot drew nothing: " .. said:gsub("%s+", " "):sub(1, 300)
  end
  return os.rename(folder .. "/" .. fresh, folder .. "/" .. name .. ".png")
end

local function check_figure(figure)
  check.table("plot.figure", "figure", figure)
  check.table("plot.figure", "figure.series", figure.series)
  for i, s in ipairs(figure.series) do
    local what = ("figure.series[%d]"):format(i)
    check.string("plot.figure", what .. ".name", s.name)
    check.table("plot.figure", what .. ".x", s.x)
    check.table("plot.figure", what .. ".y", s.y)
    if #s.x ~= #s.y then
      error(("plot.figure: expected as many y as x in %s, got %d and %d"):format(
        what, #s.y, #s.x), 3)
    end
  end
end

--- Draws PATH.png by a script PATH.gp that writes to `out`, with gnuplot.
-- @tparam string path folder and name without extension
-- @treturn boolean true, or nil and a message
function M.draw(path)
  check.string("plot.figure", "path", path)
  local folder, name = path:match("^(.*)/([^/]+)$")
  return draw(folder or ".", name or path)
end

--- Writes a chart: PATH.csv, PATH.gp and, where gnuplot is there, PATH.png.
-- @tparam string path folder and name without extension
-- @tparam table figure { title =, x = axis, y = axis, series = { { name =, x = {numbers},
--   y = {numbers}, low =, high = (an interval, shaded), style = "linespoints", "lines" or "points"
--   }, ... }, key = place of the legend in gnuplot's words, size = {width, height} in pixels }; an
--   axis is { label =, unit =, range = {low, high}, scale = "log" or "sqrt", ticks = {numbers} }
-- @treturn[1] table csv, gp and png (paths; png is nil when not drawn) and message (why not, and
--   how to)
-- @treturn[2] nil when a file cannot be written
-- @treturn[2] string why
function M.save(path, figure)
  check_figure(figure)
  local write = require("conjugate.core").write_file
  local folder, name = path:match("^(.*)/([^/]+)$")
  if not folder then folder, name = ".", path end
  local done = { csv = path .. ".csv", gp = path .. ".gp" }
  local ok, why = write(done.csv, M.csv(figure))
  if ok then ok, why = write(done.gp, M.script(figure, name)) end
  if not ok then return nil, why end
  if not M.gnuplot() then
    done.message = ("gnuplot is not installed; draw it with: cd %s && gnuplot %s.gp"):format(
      folder, name)
    return done
  end
  local drawn, said = draw(folder, name)
  if drawn then done.png = path .. ".png" else done.message = said end
  return done
end

return M
