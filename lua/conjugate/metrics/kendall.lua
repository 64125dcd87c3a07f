--- Kendall's rank correlation tau-b: do two lists rise and fall together?
-- @module conjugate.metrics.kendall
-- @source Kendall, Biometrika 1945
local M = {}

local function sign(v)
  return v > 0 and 1 or v < 0 and -1 or 0
end

--- tau-b = (concordant - discordant pairs) / sqrt((pairs - ties in a) (pairs - ties in b)).
-- @tparam table a numbers; places where one of the lists has nil are left out
-- @tparam table b numbers
-- @tparam[opt] integer n length, where the lists may have holes
-- @treturn ?number from -1 to 1; nil where one of the lists is constant
function M.tau(a, b, n)
  local both, count_a, count_b = 0, 0, 0
  for i = 1, n or #a do
    for j = 1, i - 1 do
      if a[i] and a[j] and b[i] and b[j] then
        local da, db = sign(a[i] - a[j]), sign(b[i] - b[j])
        both, count_a, count_b = both + da * db, count_a + da * da, count_b + db * db
      end
    end
  end
  local scale = math.sqrt(count_a * count_b)
  return scale > 0 and both / scale or nil
end

return M
