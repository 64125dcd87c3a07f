--- Arguments of a call of an attack: checked, and in the form the loop takes.
-- @module conjugate.attacks.kinds.arguments
local check = require "conjugate.check"
local core = require "conjugate.core"

local M = {}

--- Checks the model and its inputs.
-- @string fn caller
-- @param model anything callable
-- @tparam Tensor x floats [N, ...]
-- @treturn integer N
function M.inputs(fn, model, x)
  check.callable(fn, "model", model)
  check.tensor(fn, "x", x, "float")
  if x:dim() < 2 then
    check.fail(fn, "expected x of sizes [N, ...], got %s", check.describe(x))
  end
  return x:size(1)
end

--- Labels of n samples.
-- @string fn caller
-- @string name argument's name
-- @tparam Tensor|table|number y int64 [n], a list, or one label for all
-- @tparam integer n samples
-- @treturn Tensor int64 [n]
-- @raise "FN: expected 3 labels, one a sample, for NAME, got 2" and the like
function M.labels(fn, name, y, n)
  if type(y) == "number" then
    check.integer(fn, name, y)
    return core.new({ n }, y, "int64", fn)
  end
  if type(y) == "table" then
    for _, label in ipairs(y) do check.integer(fn, name, label) end
    y = core.tensor(y, "int64")
  end
  check.tensor(fn, name, y, "int64", 1)
  if y:size(1) ~= n then
    check.fail(fn, "expected %d labels, one a sample, for %s, got %d", n, name, y:size(1))
  end
  return y
end

--- Sample numbers, which key random numbers.
-- @string fn caller
-- @param index nil (0, 1, 2 ...), the number of the first, or int64 [n]
-- @tparam integer n samples
-- @treturn Tensor int64 [n]
function M.index(fn, index, n)
  if core.is_tensor(index) then
    check.tensor(fn, "index", index, "int64", 1)
    if index:size(1) ~= n then
      check.fail(fn, "expected %d numbers, one a sample, for index, got %d", n, index:size(1))
    end
    return index
  end
  local first, list = check.integer(fn, "index", index or 0, 0), {}
  for i = 1, n do list[i] = first + i - 1 end
  return core.tensor(list, "int64")
end

--- Radii of the samples.
-- @string fn caller
-- @param radii nil, float64 [n] or a list
-- @tparam integer n samples
-- @treturn ?Tensor float64 [n]; nil when none are given
function M.radii(fn, radii, n)
  if radii == nil then return nil end
  if type(radii) == "table" then radii = core.tensor(radii, "float64") end
  check.tensor(fn, "radii", radii, "float64", 1)
  if radii:size(1) ~= n then
    check.fail(fn, "expected %d radii, one a sample, got %d", n, radii:size(1))
  end
  for _, radius in ipairs(radii:table()) do check.number(fn, "radii", radius, 0) end
  return radii
end

return M
