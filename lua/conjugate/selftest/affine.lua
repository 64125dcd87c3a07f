--- The affine model with known distances: three classes, four inputs.
-- @module conjugate.selftest.affine
local cj = require "conjugate"

local W = { { 2, -1, 0, 1 }, { 0, 1, 2, -1 }, { -1, 2, 1, 2 } }
local BIAS = { 0, -0.5, -1.55 }

--- The golden model: logits W x + b of x [B, 4].
-- @tparam string dtype "float32" or "float64"
-- @treturn function x [B, 4] -> z [B, 3]
local function golden(dtype)
  local weight, bias = cj.tensor(W, dtype), cj.tensor(BIAS, dtype)
  return function(x) return cj.linear(x, weight, bias) end
end

local function attacked(attack, model, x, label)
  return attack(model, x, cj.tensor({ label }, "int64"), { quiet = true })
end

-- Does the one-step attack of that radius change the prediction?
local function fgsm_flips(model, x, eps)
  return attacked(cj.attacks.fgsm { eps = eps }, model, x, 0).records[1].pred_adv ~= 0
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

return function(report)
  local model = golden "float64"
  local x = cj.full({ 1, 4 }, 0.5, "float64")
  local z = model(x)
  for k, value in ipairs { 1, 0.5, 0.45 } do
    report(("logit %d of the golden model"):format(k - 1), z:get(1, k), value, 1e-12)
  end
  report("FGSM at eps 0.062 changes the prediction", fgsm_flips(model, x, 0.062), false)
  report("FGSM at eps 0.063 changes the prediction", fgsm_flips(model, x, 0.063), true)
  local pgd = cj.attacks.pgd { eps = 0.1, alpha = 0.025, steps = 4 }
  local result = attacked(pgd, model, x, 0)
  report("PGD of the paper stays inside eps", (result.x_adv - x):abs():max():item(), 0.1, 1e-9)
  report("PGD of the paper succeeds", result.records[1].status, "SUCCESS")
  report("BIM at 8/255 takes 10 steps", cj.attacks.bim { eps = 8 / 255 }.settings.steps, 10)
  local rise, expected = ifa_margin()
  report("IFA raises the margin by n eps |w|_1", rise, expected, 1e-9)
  local still = attacked(cj.attacks.pgd { eps = 0, alpha = 0, steps = 4 }, model, x, 0)
  report("eps = 0 moves nothing", (still.x_adv - x):abs():max():item(), 0)
end
