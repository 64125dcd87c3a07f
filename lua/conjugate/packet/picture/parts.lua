--- What pictures of packets are made of: files beside a gnuplot script, and the script itself.
-- @module conjugate.packet.picture.parts
local files = require "conjugate.run.files"
local figure = require "conjugate.plot.figure"

local M = {}

--- A text in gnuplot's single quotes.
-- @tparam string text
-- @treturn string
function M.quote(text)
  return "'" .. tostring(text):gsub("'", "''") .. "'"
end

--- A number in short.
-- @tparam number v
-- @treturn string
function M.number(v)
  return ("%.9g"):format(v)
end

--- Writes a file of the picture beside its script.
-- @tparam string path of the picture, without extension
-- @tparam string suffix of the file's name
-- @tparam string text
-- @treturn string the name that the script knows it by
-- @raise why it cannot be written
function M.put(path, suffix, text)
  local ok, why = files.write(path .. suffix, text)
  if not ok then error(why, 0) end
  return (path .. suffix):match "[^/]+$"
end

--- Columns as CSV.
-- @tparam {{number,...},...} columns of one length
-- @treturn string
function M.table_of(columns)
  local lines = {}
  for i = 1, #columns[1] do
    local cells = {}
    for k, column in ipairs(columns) do cells[k] = M.number(column[i]) end
    lines[i] = table.concat(cells, ",")
  end
  return table.concat(lines, "\n") .. "\n"
end

--- Rows of numbers as gnuplot's matrix.
-- @tparam {{number,...},...} rows
-- @treturn string
function M.matrix_of(rows)
  local lines = {}
  for i, row in ipairs(rows) do
    local cells = {}
    for j, v in ipairs(row) do cells[j] = M.number(v) end
    lines[i] = table.concat(cells, " ")
  end
  return table.concat(lines, "\n") .. "\n"
end

--- The first lines of a script.
-- @tparam string path of the picture, without extension
-- @tparam integer width in pixels
-- @tparam integer height in pixels
-- @treturn {string,...}
function M.header(path, width, height)
  return {
    "# Draw with: gnuplot " .. path:match "[^/]+$" .. ".gp",
    ("if (!exists('out')) out = %s"):format(M.quote(path:match "[^/]+$" .. ".png")),
    ("set terminal pngcairo noenhanced size %d,%d background rgb 'white' font 'sans,11'"):format(
      width, height),
    "set output out",
    "set multiplot",
  }
end

--- Writes the script and draws it, where gnuplot is there.
-- @tparam string path of the picture, without extension
-- @tparam {string,...} lines of the script
-- @treturn boolean true, or nil and a message
function M.finish(path, lines)
  lines[#lines + 1] = "unset multiplot"
  M.put(path, ".gp", table.concat(lines, "\n") .. "\n")
  if not figure.gnuplot() then return true end
  local ok, why = figure.draw(path)
  if not ok then return nil, why end
  return true
end

return M
