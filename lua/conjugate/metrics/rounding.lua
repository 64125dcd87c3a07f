--- Perturbed pictures as files keep them: 256 levels a value.
-- @module conjugate.metrics.rounding
local check = require "conjugate.check"
local core = require "conjugate.core"

local M = {}

local SLACK = 1e-4 -- levels: what float32 does to k / 255

-- The nearest level inside [x - eps, x + eps]; where there is none, the pixel itself.
local function in_cube(x_adv, x, eps)
  local low = ((x - eps) * 255 - SLACK):ceil()
  local high = ((x + eps) * 255 + SLACK):floor()
  local levels = (x_adv * 255):round():maximum(low):minimum(high) / 255
  local none = low:gt(high):to(x.dtype)
  return levels:clamp(0, 1) * (1 - none) + x * none
end

-- Rounded, and projected where that left the ball.
local function in_ball(x_adv, x, norm, eps)
  local out = (x_adv * 255):round():clamp(0, 255) / 255
  for i = 1, x:size(1) do
    local clean = x[i]
    local inside = core.attack_project(norm, clean, out[i] - clean, eps, 0, 1)
    out:narrow(1, i, 1):copy_(inside:unsqueeze(1))
  end
  return out
end

--- Rounds perturbed inputs to k / 255, and sees to it that they stay in the ball around x.
-- For "linf" the level next to each value that lies in the ball is taken; for "l2" and "l1" the
-- rounded input is projected onto the ball where it is outside, which leaves the grid.
-- @tparam Tensor x_adv floats [B, ...] in [0, 1]
-- @tparam Tensor x clean inputs, like x_adv
-- @tparam string norm "linf", "l2" or "l1"
-- @tparam number eps radius; may be infinite
-- @treturn Tensor like x_adv
-- @raise wrong arguments
function M.eight_bit(x_adv, x, norm, eps)
  check.tensor("eight_bit", "x_adv", x_adv, "float")
  check.tensor("eight_bit", "x", x, x_adv.dtype)
  check.one_of("eight_bit", "norm", norm, { "linf", "l2", "l1" })
  check.number("eight_bit", "eps", eps, 0)
  if norm == "linf" then return in_cube(x_adv, x, eps) end
  return in_ball(x_adv, x, norm, eps)
end

return M
