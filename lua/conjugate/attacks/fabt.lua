--- Targeted form of the fast adaptive boundary attack: FAB with one rival at a time.
-- It is not a targeted attack: any misclassification counts. Each restart makes `targets` (9) runs,
-- one for each of the rivals of the highest clean logits, and a step takes one gradient. Options
-- besides these and the common ones: see `conjugate.attacks.kinds.boundary`. The nearest
-- misclassified input met is returned; FAIL returns x itself. Distances are in pixel units.
-- @module conjugate.attacks.fabt
-- @usage local r = cj.attacks.fabt { norm = "linf", eps = 8 / 255 } (net, x, y)
-- @source Croce & Hein, ICML 2020 (Reliable evaluation of adversarial robustness), section 5
local boundary = require "conjugate.attacks.kinds.boundary"
local check = require "conjugate.check"
local define = require "conjugate.attacks.define"

return define {
  name = "fabt",
  summary = "fast adaptive boundary attack, rival by rival",
  formula = "x <- (1 - a) (x_i + eta d_i) + a (x + eta d)",
  conjugate = "the ways of x_i and x onto one rival's linearised boundary",
  source = "Croce & Hein, ICML 2020",
  options = boundary.options { targets = { "integer", 9 } },
  prepare = function(o, name)
    check.integer(name, "targets", o.targets, 1)
    return boundary.settings(o, name, o.targets)
  end,
}
