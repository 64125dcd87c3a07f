--- The numbers of a packet's pixels as pictures.
-- @module conjugate.packet.maps
local check = require "conjugate.check"
local core = require "conjugate.core"
local pixels = require "conjugate.packet.pixels"
local verdict = require "conjugate.packet.verdict"

local M = {}

-- slack / SE of the judged part.
local function slack_z(r)
  local values, errors = pixels.judged(r, "slack")
  local z = {}
  for i, value in pairs(values) do z[i] = pixels.z(value, errors[i]) end
  return z
end

-- On which side of the naive bound 1/2 a product is: 1 above, -1 below, 0 within q errors.
local function naive(r)
  local values, errors = pixels.of(r, "P")
  local q, side = verdict.quantile(#values), {}
  for i, p in ipairs(values) do
    local away = (p - 0.5) / q
    side[i] = away > errors[i] and 1 or away < -errors[i] and -1 or 0
  end
  return side
end

local derived = { slack_z = slack_z, naive = naive }

-- Pixel -> number, or nil where there is no such thing.
local function list_of(r, name)
  if derived[name] then return derived[name](r) end
  local values = pixels.of(r, name)
  if values then return values end
  local _, errors = pixels.of(r, name:gsub("_error$", ""))
  return name:find "_error$" and errors
end

--- One number of every pixel, laid out as the inputs are. Numbers that all samples tell are of all
-- samples; `B_face`, `c_face` and the gaps are of those that asked for faces, NaN where none did.
-- @function Result:map
-- @tparam table r a result that was not refused
-- @tparam string name a quantity of `conjugate.packet.quantities()`; `loss_part`, `cross_part`,
--   `window_part`; any of these with `_error` behind it: its standard error; `slack_z`: slack in
--   standard errors, by which pixels are judged; `naive`: 1 where sigma_x sigma_p is above 1/2, -1
--   where it is below, 0 where the error does not tell
-- @treturn Tensor float64, of the sizes of one input, such as [C, H, W]
-- @raise a refused result; a name that was not measured
function M.map(r, name)
  check.string("map", "name", name)
  if not r.values then
    check.fail("map", "expected numbers, got a refused result: %s", table.concat(r.reasons, "; "))
  end
  local list = list_of(r, name)
  if not list then check.fail("map", 'expected a quantity that was measured, got "%s"', name) end
  local all = {}
  for i = 1, r.values.mu:numel() do all[i] = list[i] or 0 / 0 end
  return core.tensor(all, "float64"):reshape(r.shape)
end

return M
