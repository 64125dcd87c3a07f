--- Fast gradient sign method: one step of eps along the sign of the gradient.
-- `x_adv = clamp(x + eps * sign(grad_x CE(z(x), y)))`, from x itself. eps is in pixel units; the
-- paper uses 0.1 on MNIST and 8/255 on CIFAR-10. Options besides the common ones: `norm` ("linf"),
-- `raw`. Success need not grow with eps.
-- @module conjugate.attacks.fgsm
-- @usage local result = cj.attacks.fgsm { eps = 0.1 }(net, x, y)
-- @source Goodfellow, Shlens and Szegedy, ICLR 2015, section 4
local define = require "conjugate.attacks.define"
local one_step = require "conjugate.attacks.kinds.one_step"

return define {
  name = "fgsm",
  summary = "fast gradient sign method",
  formula = "x + eps sign(grad CE(x, y))",
  conjugate = "sign(grad l(X, y))",
  source = "Goodfellow et al., ICLR 2015",
  options = one_step.options "linf",
  prepare = one_step.settings,
}
