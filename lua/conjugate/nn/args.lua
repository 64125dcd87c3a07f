--- Reading the arguments of layers: counts, pairs and options.
-- @module conjugate.nn.args
local check = require "conjugate.check"

local M = {}

local function whole(v, low)
  return type(v) == "number" and v == math.floor(v) and v >= low and v < 2 ^ 31
end

--- A whole number or a pair of them, as kernel sizes and strides are given.
-- @string fn name of the layer, for the message
-- @string name of the argument
-- @param v a number n, meaning { n, n }, or { height, width }
-- @number low the smallest value allowed
-- @treturn table { height, width }
-- @raise anything else, naming it
function M.pair(fn, name, v, low)
  if whole(v, low) then return { v, v } end
  if type(v) == "table" and #v == 2 and whole(v[1], low) and whole(v[2], low) then
    return { v[1], v[2] }
  end
  return check.fail(fn, "expected a whole number of at least %d, or a pair of them, for %s, got %s",
    low, name, check.describe(v))
end

--- A pair as text.
-- @tparam table p { height, width }
-- @treturn string "3" for { 3, 3 }, else "3x2"
function M.text(p)
  return p[1] == p[2] and tostring(p[1]) or p[1] .. "x" .. p[2]
end

--- A count of at least one.
-- @string fn name of the layer, for the message
-- @string name of the argument
-- @param v the value
-- @treturn number v
-- @raise anything else, naming it
function M.count(fn, name, v)
  return check.integer(fn, name, v, 1)
end

--- The rule of `check.options` for an option that is a number or a pair.
-- @param default
-- @treturn table
function M.pair_rule(default)
  return { "number|table", default }
end

return M
