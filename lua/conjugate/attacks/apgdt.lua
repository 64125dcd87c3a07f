--- Targeted auto-PGD (APGD-T): one run of `apgd` toward each of the likeliest rival classes.
-- The loss is the targeted DLR loss `-(z_y - z_t) / (z_(1) - (z_(3) + z_(4)) / 2)`, for the rivals
-- t of highest clean logit, one after the other while the sample is robust. It is not a targeted
-- attack: any misclassification is a SUCCESS. FAIL gives the iterate of highest untargeted DLR
-- loss, which is also what `loss_first`, `loss_best` and `loss_adv` are.
--
-- Options as for `apgd`, and `targets` (9): the number of rivals, at most K - 1; how many there
-- were is `targets` of the result. With 3 classes the denominator is `z_(1) - z_(3)`, with 2
-- the loss is the margin; `loss` of the result says so.
-- @module conjugate.attacks.apgdt
-- @usage local result = cj.attacks.apgdt { eps = 8 / 255 }(net, x, y)
-- @source Croce and Hein, ICML 2020, section 4
local check = require "conjugate.check"
local define = require "conjugate.attacks.define"
local auto_pgd = require "conjugate.attacks.kinds.auto_pgd"

local function call(attack, model, x, y, opts)
  local r = auto_pgd.call(attack, model, x, y, opts)
  if r.n == 0 then return r end
  r.targets = math.min(attack.options.targets, r.classes - 1)
  if attack.options.loss == "dlr" and r.classes == 3 then r.loss = "dlr with the spread z1 - z3" end
  return r
end

return define {
  name = "apgdt",
  summary = "auto-PGD toward each of several classes",
  formula = "apgd with the loss -(z_y - z_t) / (z_(1) - (z_(3) + z_(4)) / 2), t = rivals of y",
  conjugate = "eta_N sign(grad DLR(X_N, y, t))",
  source = "Croce and Hein, ICML 2020",
  options = auto_pgd.options { loss = "dlr", targets = { "integer", 9 } },
  prepare = function(o, name)
    check.integer(name, "targets", o.targets, 1)
    local settings = auto_pgd.settings(o, name, o.targets)
    settings.untargeted = "it goes toward several in turn"
    return settings
  end,
  call = call,
}
