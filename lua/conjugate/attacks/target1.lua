--- One-step target class: one step toward a chosen class.
-- `clamp(x - eps * sign(grad_x CE(z(x), t)))`. The option `target` is a label, a list of labels,
-- int64 [N], "random" (a class other than the label), "least" (likely; the default) or "second"
-- (likeliest besides the label). SUCCESS means that t is predicted; `broken` tells whether the
-- label is not.
-- @module conjugate.attacks.target1
-- @usage local result = cj.attacks.target1 { eps = 0.1, target = "random" }(net, x, y)
-- @source Kurakin, Goodfellow and Bengio, ICLR 2017, section 2
local define = require "conjugate.attacks.define"
local one_step = require "conjugate.attacks.kinds.one_step"

local options = one_step.options "linf"
options.target = { "integer|string|tensor|table", "least" }

return define {
  name = "target1",
  summary = "one step toward a target class",
  formula = "x - eps sign(grad CE(x, t))",
  conjugate = "sign(grad l(X, y_t))",
  source = "Kurakin et al., ICLR 2017",
  options = options,
  prepare = one_step.settings,
}
