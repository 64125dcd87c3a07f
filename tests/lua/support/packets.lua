-- What specs of packets share: a network of two numbers with known packets, and comparison with
-- truths.
local cj = require "conjugate"

local M = {}

local w = cj.tensor({ { 4, 0 }, { -2, 3 }, { -2, -3 } }, "float64")
local b = cj.tensor({ -2, 1, 1 }, "float64")

--- The softmax of two numbers and three classes whose packets are known to ten digits.
function M.softmax2d(x)
  return cj.linear(x, w, b)
end

--- value +- error holds the truth within four standard errors.
function M.holds(truth, value, err, what)
  local held = math.abs(value - truth) <= 4 * err + 1e-12 and err < math.huge
  if not held then -- or one of them is no number
    error(("%s: measured %.10g +- %.2g, truth %.10g"):format(what or "value", value, err, truth), 2)
  end
end

--- A result or a part of one holds the truths: name -> list over its pixels.
function M.check_truth(part, truth)
  assert(part.status ~= "unreliable", table.concat(part.reasons or {}, "; "))
  for name, list in pairs(truth) do
    for i, value in ipairs(list) do
      M.holds(value, part.values[name]:get(i), part.errors[name]:get(i), name .. " " .. i)
    end
  end
end

return M
