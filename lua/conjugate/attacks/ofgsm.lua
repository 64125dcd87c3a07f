--- Opposite fast gradient sign method: one step that makes the true label more likely.
-- `clamp(x - eps * sign(grad_x CE(z(x), y)))`. It needs the true label and moves every sample,
-- right or wrong; SUCCESS means that the result is predicted as the label. Iterated, it is `ifa`.
-- @module conjugate.attacks.ofgsm
-- @usage local better = cj.attacks.ofgsm { eps = 0.1 }(net, x, y).x_adv
-- @source Zhang et al., arXiv 2205.01493, supplement
local define = require "conjugate.attacks.define"
local one_step = require "conjugate.attacks.kinds.one_step"

return define {
  name = "ofgsm",
  summary = "opposite fast gradient sign method",
  formula = "x - eps sign(grad CE(x, y))",
  conjugate = "-sign(grad l(X, y))",
  source = "Zhang et al., arXiv 2205.01493",
  options = one_step.options "linf",
  prepare = function(o)
    local settings = one_step.settings(o)
    settings.goal, settings.every, settings.untargeted = "label", true, "it goes toward the label"
    return settings
  end,
}
