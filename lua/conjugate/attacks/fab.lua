--- Fast adaptive boundary attack: the nearest misclassified input, by steps along the boundary.
-- Each step goes onto the nearest linearised boundary inside the box, from the iterate and from x
-- itself, and a little beyond; the two ends are mixed so that the walk stays close to x. From a
-- misclassified iterate it turns back toward x. The nearest one met is returned; FAIL returns x
-- itself. Options besides the common ones: see `conjugate.attacks.kinds.boundary`. There is no
-- target; the gradient of every rival is taken at each step (`fabt` takes one). Distances are in
-- pixel units.
-- @module conjugate.attacks.fab
-- @usage local r = cj.attacks.fab { norm = "l2", eps = 0.5 } (net, x, y)
-- print(r:distortion "l2")
-- @source Croce & Hein, ICML 2020 (Minimally distorted adversarial examples), algorithm 1
local boundary = require "conjugate.attacks.kinds.boundary"
local define = require "conjugate.attacks.define"

return define {
  name = "fab",
  summary = "fast adaptive boundary attack",
  formula = "x <- (1 - a) (x_i + eta d_i) + a (x + eta d)",
  conjugate = "the ways of x_i and x onto the nearest linearised boundary",
  source = "Croce & Hein, ICML 2020",
  options = boundary.options(),
  prepare = function(o, name)
    return boundary.settings(o, name, 0)
  end,
}
