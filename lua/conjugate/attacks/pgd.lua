--- Projected gradient descent: iterated steepest steps, each projected onto the ball and the box.
-- `x_(n+1) = P(x_n + alpha * sign(grad CE(z(x_n), y)))`, for `norm` "l2" with the gradient at unit
-- length, for "l1" one coordinate at a time. eps and alpha are in pixel units. The defaults are the
-- paper's: 4 steps of eps/4, no random start (MNIST: eps 0.1, alpha 0.025; CIFAR-10: eps 8/255,
-- alpha 2/255). Options besides the common ones: `alpha` or `rel_step`, `steps`, `norm`,
-- `restarts`, `random`, `best` (true), `early`. `paper = true` attacks every sample and returns the
-- last iterate.
-- @module conjugate.attacks.pgd
-- @usage local pgd = cj.attacks.pgd { eps = 0.1, alpha = 0.025, steps = 4 }
-- print(pgd(net, x, y))
-- @source Madry et al., ICLR 2018, section 2.1; Zhang et al., arXiv 2205.01493, eq. 23
local define = require "conjugate.attacks.define"
local iterated = require "conjugate.attacks.kinds.iterated"

return define {
  name = "pgd",
  summary = "projected gradient descent",
  formula = "x <- P(x + alpha sign(grad CE(x, y)))",
  conjugate = "alpha sign(grad l(X_N, y))",
  source = "Madry et al., ICLR 2018",
  options = iterated.options(),
  prepare = function(o, name)
    return iterated.settings(o, name, o.eps / 4)
  end,
}
