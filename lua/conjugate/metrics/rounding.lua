--- Perturbed pictures as files keep them: 256 levels a value.
-- @module conjugate.metrics.rounding
local check = require "conjugate.check"

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

-- Rounded, and pulled back along a straight line where that left the ball.
local function in_ball(x_adv, x, eps)
  local delta = (x_adv * 255):round():clamp(0, 255) / 255 - x
  local flat = delta:reshape { x:size(1), -1 }
  local length = (flat * flat):sum(2, true):sqrt()
  local shrink = (eps / (length + 1e-30)):clamp(0, 1)
  return (flat * shrink):reshape(x.shape) + x
end

--- Rounds perturbed inputs to k / 255, and sees to it that they stay in the ball around x.
-- For "linf" the level next to each value that lies in the ball is taken; for "l2" the rounded
-- perturbation is shortened to eps where rounding made it longer, which leaves the grid.
-- @tparam Tensor x_adv floats [B, ...] in [0, 1]
-- @tparam Tensor x clean inputs, like x_adv
-- @tparam string norm "linf" or "l2"
-- @tparam number eps radius
-- @treturn Tensor like x_adv
-- @raise wrong arguments
function M.eight_bit(x_adv, x, norm, eps)
  check.tensor("eight_bit", "x_adv", x_adv, "float")
  check.tensor("eight_bit", "x", x, "float")
  check.one_of("eight_bit", "norm", norm, { "linf", "l2" })
  check.number("eight_bit", "eps", eps, 0)
  return (norm == "linf" and in_cube or in_ball)(x_adv, x, eps)
end

return M
