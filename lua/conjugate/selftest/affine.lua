--- The affine model with known distances: three classes, four inputs; and the building blocks of
-- attacks on small numbers.
-- @module conjugate.selftest.affine
local cj = require "conjugate"
local core = require "conjugate.core"
local golden = require "conjugate.selftest.golden"

local function attacked(attack, model, x, label)
  return attack(model, x, cj.tensor({ label }, "int64"), { quiet = true })
end

local function margin(model, x)
  local z = model(x)
  return z:get(1, 1) - z:get(1, 2)
end

-- K = 2: every step of opposite FGSM raises the margin by eps times the l1 norm of w_y - w_k.
local function ifa_margin()
  local weight = cj.tensor({ { 1, -2, 0.5 }, { -1, 1, 0.25 } }, "float64")
  local function model(x) return cj.linear(x, weight, cj.zeros({ 2 }, "float64")) end
  local x = cj.full({ 1, 3 }, 0.5, "float64")
  local ifa = cj.attacks.ifa { eps = 0.1, steps = 3, clip = "none" }
  local moved = attacked(ifa, model, x, 0).x_adv
  return margin(model, moved) - margin(model, x), 3 * 0.1 * (2 + 3 + 0.25)
end

-- Slope of the cross entropy to another class's logit in float32: its softmax, 0 where that is too
-- small for the type.
local function slope_of_ce(z)
  local logits = cj.tensor { { z, 0, 0 } }
  logits.requires_grad = true
  return cj.grad(cj.cross_entropy(logits, cj.tensor({ 0 }, "int64"), "sum"), logits):get(1, 2)
end

local function projection_gap(norm, v, eps, expected)
  local x = cj.tensor({ 0.9, 0.5, 0.2 }, "float64")
  local y = core.attack_project(norm, x, cj.tensor(v, "float64"), eps, 0, 1)
  return (y - x - cj.tensor(expected, "float64")):abs():max():item()
end

local function check_blocks(report)
  report("slope of CE at logits (120, 0, 0)", slope_of_ce(120), 0)
  report("slope of CE at logits (80, 0, 0)", slope_of_ce(80), 1.8e-35, 0.01e-35)
  report("DLR of logits (3, 1, 0)", (core.attack_loss("dlr", { 3, 1, 0 }, 0)), -2 / 3, 1e-12)
  report("margin of logits (-3, -1, -2) for label 1",
    (core.attack_loss("margin", { -3, -1, -2 }, 1)), -1, 1e-12)
  local v = { 0.4, -0.3, 0.1 }
  report("projection onto the l1 ball and the box is off by",
    projection_gap("l1", v, 0.3, { 0.1, -0.2, 0 }), 0, 1e-12)
  report("projection onto the linf ball and the box is off by",
    projection_gap("linf", v, 0.3, { 0.1, -0.3, 0.1 }), 0, 1e-12)
  report("projection onto the l2 ball and the box is off by",
    projection_gap("l2", { 0.06, -0.08, 0 }, 0.05, { 0.03, -0.04, 0 }), 0, 1e-12)
end

return function(report)
  local model, x = golden.models.plane "float64"
  local z = model(x)
  for k, value in ipairs { 1, 0.5, 0.45 } do
    report(("logit %d of the golden model"):format(k - 1), z:get(1, k), value, 1e-12)
  end
  check_blocks(report)
  local rise, expected = ifa_margin()
  report("IFA raises the margin by n eps |w|_1", rise, expected, 1e-9)
  local still = attacked(cj.attacks.pgd { eps = 0, alpha = 0, steps = 4 }, model, x, 0)
  report("eps = 0 moves nothing", (still.x_adv - x):abs():max():item(), 0)
end
