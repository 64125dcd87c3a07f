--- DeepFool: from plane to plane, the nearest of the linearised boundaries each time.
-- `x_(i+1) = clip(x + (1 + overshoot) r)`, where r grows by the shortest way onto the nearest of
-- the planes `f_k + <w_k, d> = 0`, `f_k = z_k - z_y`, `w_k = grad f_k`, and by `stab` beyond it; it
-- ends at the first misclassified iterate. Under `norm` "l1" one element moves per step, and
-- elements at their bound are passed over. Options besides the common ones: `norm` ("l2"), `eps`
-- (largest distance that counts, any by default), `steps` (50), `overshoot` (0.02), `classes` (10:
-- the rivals are among that many highest logits of x), `stab` (1e-4). There is no target, and the
-- label is the given one. FAIL returns x itself. Distances are in pixel units.
-- @module conjugate.attacks.deepfool
-- @usage local r = cj.attacks.deepfool {} (net, x, y)
-- print(r:distortion "l2")
-- @source Moosavi-Dezfooli, Fawzi & Frossard, CVPR 2016, algorithm 2
local check = require "conjugate.check"
local define = require "conjugate.attacks.define"
local nearest = require "conjugate.attacks.kinds.nearest"

return define {
  name = "deepfool",
  summary = "DeepFool, the way over the nearest linearised boundary",
  formula = "x <- x + (1 + o) sum |f| w / ||w||^2",
  conjugate = "|f_l| grad f_l / ||grad f_l||^2, l the nearest rival",
  source = "Moosavi-Dezfooli et al., CVPR 2016",
  options = nearest.options("l2", 50, {
    overshoot = { "number", 0.02 },
    classes = { "integer", 10 },
    stab = { "number", 1e-4 },
  }),
  prepare = function(o, name)
    check.number(name, "overshoot", o.overshoot, 0, 1e6)
    check.integer(name, "classes", o.classes, 2)
    check.number(name, "stab", o.stab, 0, 1e6)
    return nearest.settings(o, {
      method = "deepfool",
      numbers = { overshoot = o.overshoot, classes = o.classes, stab = o.stab },
    })
  end,
}
