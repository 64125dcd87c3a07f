--- Accuracy against robustness over several models: the Pareto frontier and its law.
--
-- A point (acc, rob) is dominated when another has acc and rob at least as high and one of them
-- higher. Over the points that are left, `rob = A ln(1 - acc) + B` is fitted by least squares: the
-- law of Su et al., linear in the log of the error rate. A > 0 is a trade-off: accuracy has cost
-- robustness.
-- @module conjugate.metrics.pareto
-- @source Su et al., ECCV 2018, section 4
local check = require "conjugate.check"

local M = {}

local HIGHEST = 1 - 1e-6 -- accuracies above count as this: ln 0 is no number

local function checked(points)
  check.table("pareto", "points", points)
  local list = {}
  for i, p in ipairs(points) do
    local name = ("points[%d]"):format(i)
    check.table("pareto", name, p)
    local acc = check.number("pareto", name .. ".acc", p.acc or p[1])
    if not (acc >= 0 and acc <= 1) then
      check.fail("pareto", "expected a share from 0 to 1 for %s.acc, got %.6g: divide percent by "
        .. "100", name, acc)
    end
    list[i] = { acc = acc, rob = check.number("pareto", name .. ".rob", p.rob or p[2]), point = p }
  end
  return list
end

local function dominates(q, p)
  return q.acc >= p.acc and q.rob >= p.rob and (q.acc > p.acc or q.rob > p.rob)
end

local function undominated(list)
  local kept = {}
  for place, p in ipairs(list) do
    local free = true
    for _, q in ipairs(list) do free = free and not dominates(q, p) end
    p.place = place
    if free then kept[#kept + 1] = p end
  end
  table.sort(kept, function(p, q)
    if p.acc ~= q.acc then return p.acc < q.acc end
    return p.place < q.place
  end)
  return kept
end

--- The points that no other dominates, by rising accuracy.
-- @tparam {table,...} points each `{ acc =, rob = }` or `{ acc, rob }`; acc a share from 0 to 1,
--   rob in any unit in which more is better; other fields pass through
-- @treturn {table,...} some of the tables given
-- @raise "pareto: expected a share from 0 to 1 for points[1].acc, got 98: divide percent by 100"
function M.frontier(points)
  local list = {}
  for i, p in ipairs(undominated(checked(points))) do list[i] = p.point end
  return list
end

-- Least squares of y = A x + B; nil when all x are equal.
local function line(x, y)
  local n, mean_x, mean_y = #x, 0, 0
  for i = 1, n do mean_x, mean_y = mean_x + x[i] / n, mean_y + y[i] / n end
  local xx, xy, yy = 0, 0, 0
  for i = 1, n do
    local dx, dy = x[i] - mean_x, y[i] - mean_y
    xx, xy, yy = xx + dx * dx, xy + dx * dy, yy + dy * dy
  end
  if xx == 0 then return nil end
  local slope = xy / xx
  local rest = 0
  for i = 1, n do rest = rest + (y[i] - mean_y - slope * (x[i] - mean_x)) ^ 2 end
  return slope, mean_y - slope * mean_x, yy > 0 and 1 - rest / yy or nil
end

--- Fits `rob = A ln(1 - acc) + B` over the frontier.
-- @tparam {table,...} points as for `frontier`
-- @treturn table frontier (list), n_frontier, n, and A, B, r2; these are nil when the frontier has
--   fewer than two accuracies. Accuracies above 1 - 1e-6 enter the fit as that.
-- @raise as `frontier`
-- @usage local fit = cj.metrics.pareto.fit { { acc = 0.99, rob = 0.4 }, { acc = 0.97, rob = 1.1 } }
function M.fit(points)
  local kept = undominated(checked(points))
  local result, x, y = { frontier = {}, n_frontier = #kept, n = #points }, {}, {}
  for i, p in ipairs(kept) do
    result.frontier[i] = p.point
    x[i], y[i] = math.log(1 - math.min(p.acc, HIGHEST)), p.rob
  end
  result.A, result.B, result.r2 = line(x, y)
  return result
end

return M
