--- A mean with its standard error.
-- @module conjugate.metrics.mean
local Z95 = require "conjugate.metrics.wilson".Z95

local M = {}

--- Mean of numbers, its standard error, and the interval that holds the true mean with 95 %
-- (normal).
-- @tparam {number,...} list numbers
-- @treturn ?table `n`, `mean`, and for n > 1 `standard_error` and `interval` = { low, high }; nil
--   for an empty list: the mean is then undefined, not 0
function M.of(list)
  local n, sum, squares = #list, 0, 0
  if n == 0 then return nil end
  for _, v in ipairs(list) do sum = sum + v end
  local mean = sum / n
  if n == 1 then return { n = 1, mean = mean } end
  for _, v in ipairs(list) do squares = squares + (v - mean) ^ 2 end
  local spread = math.sqrt(squares / (n - 1) / n)
  return {
    n = n, mean = mean, standard_error = spread,
    interval = { mean - Z95 * spread, mean + Z95 * spread },
  }
end

--- A mean as text, such as "0.1234 +- 0.0056".
-- @tparam ?table m what `of` gave
-- @treturn string "undefined" for nil
function M.text(m)
  if not m then return "undefined" end
  local spread = m.standard_error and (" +- %.2g"):format(m.standard_error) or ""
  return ("%.6g"):format(m.mean) .. spread
end

return M
