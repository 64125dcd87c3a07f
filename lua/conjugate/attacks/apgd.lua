--- Auto-PGD (APGD-CE, APGD-DLR): projected gradient ascent whose step adapts itself.
-- From a random start, `z = P(x_k + eta s(g))` and `x_(k+1) = P(x_k + a (z - x_k) + (1 - a)(x_k -
-- x_(k-1)))` with a = .75. eta begins at 2 eps and is halved, and the best point taken up again, at
-- checkpoints (after 22, 41, 57, 70, 80, 87, 93 and 99 of 100 steps) at which too few steps rose or
-- the best loss stands still. For `norm = "l1"` steps are sparse, and the radius is 3 eps, 2 eps,
-- then eps for 30, 30 and 40 % of the steps.
--
-- Options besides the common ones: `norm` ("linf", "l2", "l1"), `steps` (100), `restarts` (1, for
-- samples that are still robust), `rho` (0.75), `avg` (1; passes whose gradients are averaged, for
-- random models), `early` (false: a run goes on after a success). `loss` is "ce" or "dlr"; with 2
-- classes DLR is the margin. SUCCESS gives the last misclassified iterate, FAIL the one of highest
-- loss, ALREADY x itself. A sample costs at most restarts * avg * (steps + 1) forward passes and
-- restarts * avg * steps backward passes, and one forward pass each on the clean input and the
-- result; in the l1 ball every restart has two more points.
-- @module conjugate.attacks.apgd
-- @usage local result = cj.attacks.apgd { eps = 8 / 255, loss = "dlr" }(net, x, y)
-- @source Croce and Hein, ICML 2020, algorithm 1; l1: Croce and Hein, ICML 2021, section 4
local define = require "conjugate.attacks.define"
local auto_pgd = require "conjugate.attacks.kinds.auto_pgd"

return define {
  name = "apgd",
  summary = "auto-PGD: the step adapts itself",
  formula = "x <- P(x + a (z - x) + (1 - a)(x - x_old)), z = P(x + eta sign(grad l(x, y)))",
  conjugate = "eta_N sign(grad l(X_N, y))",
  source = "Croce and Hein, ICML 2020",
  options = auto_pgd.options(),
  prepare = function(o, name)
    return auto_pgd.settings(o, name, 0)
  end,
  call = auto_pgd.call,
}
