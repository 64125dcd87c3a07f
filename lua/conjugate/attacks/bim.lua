--- Basic iterative method: PGD from x itself with Kurakin's step and number of steps.
-- alpha = 1/255 and floor(min(255 eps + 4, 1.25 * 255 eps)) steps (10 for eps = 8/255) unless
-- given; an eps of less than one grey level gets one step. Other options as for `pgd`.
-- @module conjugate.attacks.bim
-- @usage local result = cj.attacks.bim { eps = 8 / 255 }(net, x, y)
-- @source Kurakin, Goodfellow and Bengio, ICLR 2017 (workshop), section 2.2
local define = require "conjugate.attacks.define"
local iterated = require "conjugate.attacks.kinds.iterated"

local options = iterated.options { steps = { "integer" } }
options.random, options.restarts = nil, nil

return define {
  name = "bim",
  summary = "basic iterative method",
  formula = "x <- P(x + alpha sign(grad CE(x, y))), x_0 = x",
  conjugate = "alpha sign(grad l(X_N, y))",
  source = "Kurakin et al., ICLR 2017",
  options = options,
  prepare = function(o, name)
    o.steps = o.steps or iterated.kurakin_steps(o.eps)
    return iterated.settings(o, name, 1 / 255)
  end,
}
