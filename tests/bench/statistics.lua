--- Medians, ranges and geometric means.
local M = {}

--- Median, smallest and largest of a list; the list is left as it is.
-- @tparam {number,...} list one or more
-- @treturn number median
-- @treturn number smallest
-- @treturn number largest
function M.spread(list)
  local sorted = { unpack(list) }
  table.sort(sorted)
  local middle = math.floor((#sorted + 1) / 2)
  local median = #sorted % 2 == 1 and sorted[middle] or (sorted[middle] + sorted[middle + 1]) / 2
  return median, sorted[1], sorted[#sorted]
end

--- Quotients of two lists, entry by entry.
function M.ratios(above, below)
  local list = {}
  for i, value in ipairs(above) do list[i] = value / below[i] end
  return list
end

--- Geometric mean of one or more positive numbers.
function M.geometric(list)
  local sum = 0
  for _, value in ipairs(list) do sum = sum + math.log(value) end
  return math.exp(sum / #list)
end

return M
