--- What the pictures take as data: tensors or nested Lua tables.
-- @module conjugate.plot.values

local M = {}

--- A nested table of numbers from a tensor or a table.
-- @tparam Tensor|table data any element type
-- @treturn table nested tables, one level per dimension
function M.table(data)
  if type(data) == "table" then return data end
  return data:table()
end

--- Least and greatest number of nested tables, NaN left out.
-- @tparam table|number data nested tables of numbers, or false in their place
-- @treturn number least; 1/0 when there is none
-- @treturn number greatest; -1/0 when there is none
function M.range(data)
  if not data then return 1 / 0, -1 / 0 end
  if type(data) == "number" then
    if data ~= data then return 1 / 0, -1 / 0 end
    return data, data
  end
  local low, high = 1 / 0, -1 / 0
  for _, part in ipairs(data) do
    local a, b = M.range(part)
    if a < low then low = a end
    if b > high then high = b end
  end
  return low, high
end

--- A number for a label: few digits, no trailing zeros.
-- @tparam number value any
-- @tparam[opt=3] number digits significant digits
-- @treturn string such as "0.1", "99.4" or "1.2e-06"
function M.label(value, digits)
  if value == math.floor(value) and math.abs(value) < 1e6 then
    return ("%d"):format(value)
  end
  return (("%%.%dg"):format(digits or 3)):format(value)
end

return M
