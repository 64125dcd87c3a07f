--- The laboratory: packets whose numbers are known in closed form or to twelve digits.
--
--     for _, case in ipairs(cj.packet.lab.cases) do
--       for _, row in ipairs(cj.packet.lab.compare(case)) do
--         print(case.name, row.quantity, row.measured, row.truth, row.error)
--       end
--     end
--
-- A case is a table:
--
-- - `name`; `group`: "line", "square", "high" or "identity"
-- - `truth`: name of a quantity -> number, or list of numbers (one an axis; matrices: lists of
--   lists)
-- - `measure()`: measures by quadrature; gives a table with the quantities of `truth`. Cases of
--   many dimensions are reduced exactly to one or two.
-- - `domain`: the options of `cj.packet` that say where x lives, where there are such, and `loss`:
--   x float64 [N, M] -> l [N], or `model`, `label` and `kind` of its loss:
--   `cj.packet(cj.packet.lab.packet(case))`
-- - `tolerance`: relative error allowed (1e-8; 1e-6 where the slope of the loss jumps);
--   `rounding`: absolute error of the truth as it is known, a number or quantity -> number
--
-- @module conjugate.packet.lab
-- @source the chapter @{uncertainty.md}
local check = require "conjugate.check"

local M = {}

--- All cases.
M.cases = {}
for _, group in ipairs { "lines", "squares", "high", "overlaps" } do
  for _, case in ipairs(require("conjugate.packet.lab." .. group)) do
    case.tolerance = case.tolerance or 1e-8
    M.cases[#M.cases + 1] = case
  end
end

--- The case of a name.
-- @tparam string name
-- @treturn table or nil
function M.find(name)
  for _, case in ipairs(M.cases) do
    if case.name == name then return case end
  end
  return nil
end

local function check_case(fn, case, field)
  if type(case) ~= "table" or type(case[field]) ~= "table" then
    check.fail(fn, "expected a case with a %s, got %s", field, check.describe(case))
  end
end

--- Options of `cj.packet` for sampling a case.
-- @tparam table case one with a `domain`
-- @treturn table
function M.packet(case)
  check_case("packet", case, "domain")
  local opts = { model = case.loss, loss = "value" }
  if case.model then opts = { model = case.model, label = case.label, loss = case.kind } end
  opts.dtype = "float64"
  for name, value in pairs(case.domain) do opts[name] = value end
  return opts
end

local function rounding_of(case, quantity)
  local rounding = case.rounding
  if type(rounding) == "table" then rounding = rounding[quantity] end
  return rounding or 0
end

-- One row for each number of the truth.
local function add(rows, case, quantity, name, truth, measured)
  if type(truth) == "table" then
    for i, part in ipairs(truth) do
      add(rows, case, quantity, ("%s[%d]"):format(name, i), part, measured[i])
    end
    return
  end
  local gap, scale = math.abs(measured - truth), truth == 0 and 1 or math.abs(truth)
  local within = case.tolerance * scale + rounding_of(case, quantity)
  rows[#rows + 1] = {
    quantity = name, truth = truth, measured = measured, error = gap / scale, tolerance = within,
    ok = gap <= within,
  }
end

-- Quantities of the axes stand there when there are several.
local function value_of(measured, quantity)
  if measured[quantity] ~= nil then return measured[quantity] end
  if type(measured.axes) ~= "table" then
    check.fail("compare", "expected %s in what was measured, got nil", quantity)
  end
  local list = {}
  for i, axis in ipairs(measured.axes) do list[i] = axis[quantity] end
  return list
end

--- Measures a case and holds it against its truth.
-- @tparam table case
-- @tparam[opt] table measured what `case.measure()` gave; measured now when left out
-- @treturn {table,...} rows in the order of the quantities' names: `quantity`, `truth`, `measured`,
--   `error` (relative, absolute where the truth is 0), `tolerance` (absolute), `ok`
function M.compare(case, measured)
  check_case("compare", case, "truth")
  measured = measured or case.measure()
  check.table("compare", "measured", measured)
  local names, rows = {}, {}
  for name in pairs(case.truth) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    add(rows, case, name, name, case.truth[name], value_of(measured, name))
  end
  return rows
end

return M
