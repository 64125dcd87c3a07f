--- Iterative least-likely class: PGD toward the class that the clean input makes least likely.
-- `t = argmin_k z_k(x)`, once, on the clean input (the second least likely if that is the label);
-- `x_(n+1) = P(x_n - alpha * sign(grad CE(z(x_n), t)))`. Step and number of steps as for `bim`.
-- SUCCESS means that t is predicted; `broken` tells whether the label is not. Other options as for
-- `pgd`.
-- @module conjugate.attacks.ill
-- @usage local result = cj.attacks.ill { eps = 8 / 255 }(net, x, y)
-- @source Kurakin, Goodfellow and Bengio, ICLR 2017 (workshop), section 2.3
local define = require "conjugate.attacks.define"
local iterated = require "conjugate.attacks.kinds.iterated"

local options = iterated.options { steps = { "integer" } }
options.random, options.restarts = nil, nil
options.target = { "integer|string|tensor|table", "least" }

return define {
  name = "ill",
  summary = "iterative least-likely class",
  formula = "x <- P(x - alpha sign(grad CE(x, t))), t = argmin z(x_0)",
  conjugate = "alpha sign(grad l(X_N, y_LL))",
  source = "Kurakin et al., ICLR 2017",
  options = options,
  prepare = function(o, name)
    o.steps = o.steps or iterated.kurakin_steps(o.eps)
    return iterated.settings(o, name, 1 / 255)
  end,
}
