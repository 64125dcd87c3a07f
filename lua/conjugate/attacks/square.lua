--- Square: random search over square-shaped changes; it sees logits only, never a gradient.
-- A restart is one query for the start and one for each proposal, `queries` in all. A proposal that
-- raises the loss is taken over; a wrong prediction (toward a target: the target) ends the sample.
-- For `norm` "linf" every value lies at a corner of ball and box: the start is vertical stripes, a
-- proposal one sign for each channel in a square window; signs that would change nothing are drawn
-- again. For "l2" the start is tiles of bumps, and a proposal moves the mass of one window into
-- another. Windows lie anywhere, the last row and column included. The side of a window is
-- sqrt(p H W), p halved after 10, 50, 200, 500, 1000, 2000, 4000, 6000 and 8000 proposals. Samples
-- that are not images [C, H, W] count as images of one row.
--
-- Options besides the common ones: `norm` "linf" (default) or "l2"; `queries` (5000); `p` (0.8),
-- the share of pixels of the first windows, above 0 and at most 1; `resc` (false): the schedule of
-- p is that of 10000 queries, brought to `queries`; `restarts` (1); `loss` "margin" (default), "ce"
-- or "dlr". Toward a target the margin is replaced by the cross entropy to the target, as in the
-- paper.
--
-- FAIL gives the query of highest loss (x itself where none was above it), ALREADY gives x, with
-- `paper` too. A sample costs at most restarts * queries + 2 forward passes: the clean input and
-- the confirmation of what is returned count too, but are no queries.
-- @module conjugate.attacks.square
-- @usage local square = cj.attacks.square { eps = 8 / 255, queries = 1000 }
-- print(square(net, x, y))
-- @source Andriushchenko, Croce, Flammarion and Hein, ECCV 2020, algorithms 1-3; defaults of
-- AutoAttack, Croce and Hein, ICML 2020
local check = require "conjugate.check"
local define = require "conjugate.attacks.define"

return define {
  name = "square",
  summary = "random search over squares, without gradients",
  formula = "x <- x + 2 eps s on a random window if the margin falls",
  conjugate = "none: accepted random changes of square windows",
  source = "Andriushchenko et al., ECCV 2020",
  options = {
    norm = { "string|number", "linf" },
    queries = { "integer", 5000 },
    p = 0.8,
    resc = false,
    restarts = { "integer", 1 },
    loss = "margin",
  },
  prepare = function(o, name)
    check.one_of(name, "norm", o.norm, { "linf", "l2" })
    check.integer(name, "queries", o.queries, 0)
    check.number(name, "p", o.p, 0, 1)
    if o.p == 0 then check.fail(name, "expected a number above 0 for p, got 0") end
    return {
      method = "square", norm = o.norm, eps = o.eps, steps = o.queries,
      restarts = o.restarts, numbers = { p = o.p, resc = o.resc and 1 or 0 },
      targeted_loss = o.loss == "margin" and "ce" or o.loss,
    }
  end,
}
