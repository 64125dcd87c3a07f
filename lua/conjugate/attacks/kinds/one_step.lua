--- Attacks of one step: options and settings they share.
-- @module conjugate.attacks.kinds.one_step
local M = {}

local directions = { linf = "sign", l2 = "l2_unit", l1 = "l1_top" }

--- Rules of the options besides the common ones.
-- `norm`: the step is the steepest of length eps under this norm; `raw`: the gradient itself times
-- eps, with no ball around x.
-- @string norm default norm
-- @treturn table
function M.options(norm)
  return { norm = { "string|number", norm }, raw = false }
end

--- Settings of the loop for one step of length eps from x.
-- @tparam table o options
-- @treturn table
function M.settings(o)
  return {
    direction = o.raw and "raw" or directions[o.norm], norm = o.norm,
    eps = o.raw and o.eps > 0 and math.huge or o.eps, alpha = o.eps, steps = 1, one_step = true,
  }
end

return M
