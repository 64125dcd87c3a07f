--- Jacobian saliency map attack (JSMA), with pairs: few elements are moved, each by theta.
-- With `a = sum of dz_t/dx_i` and `b = sum of dz_j/dx_i over j ~= t`, both over the two elements of
-- a pair, each turn moves the pair of largest `-a b` that raises the logit of the class t and
-- lowers the others together: `a > 0, b < 0` for theta > 0, `a < 0, b > 0` for theta < 0. Among
-- equals it is the first pair. Elements at the bound they would move to stay out; so do those that
-- were moved before, unless `reuse`.
--
-- Options besides the common ones: `theta` (1, pixel units, either sign), `gamma` (0.145, largest
-- share of elements that may change: there are at most floor(gamma D / 2) turns), `reuse` (false:
-- an element moves once; true: until it is at a bound), `jacobian` ("logits" or "softmax", of which
-- the derivatives are), `eps` (infinite): at most so many elements may change.
--
-- Without a target all classes but the label are tried in turn, each from x, until the label is
-- lost; the success that changes fewest elements is returned, among equals that of highest loss.
-- With a target SUCCESS means that it is predicted. FAIL, also when no pair is left to move,
-- returns the iterate of highest loss. A turn costs a forward pass and two backward passes
-- (softmax: one), whatever the number of classes.
-- @module conjugate.attacks.jsma
-- @usage local result = cj.attacks.jsma { theta = 1, gamma = 0.145, target = 3 }(net, x, y)
-- @source Papernot et al., EuroS&P 2016, sections III and IV, algorithm 3
local check = require "conjugate.check"
local define = require "conjugate.attacks.define"

local function check_theta(name, theta)
  check.number(name, "theta", theta)
  if theta == 0 or math.abs(theta) == math.huge then
    check.fail(name, "expected a finite number other than 0 for theta, got %.14g", theta)
  end
end

return define {
  name = "jsma",
  summary = "Jacobian saliency map: pairs of elements toward a class",
  formula = "x_p, x_q <- clamp(x_p + theta, x_q + theta), the pair of largest -a b",
  conjugate = "the saliency map S",
  source = "Papernot et al., EuroS&P 2016",
  options = {
    eps = { "number", math.huge },
    theta = { "number", 1 },
    gamma = { "number", 0.145 },
    reuse = false,
    jacobian = "logits",
  },
  prepare = function(o, name)
    check_theta(name, o.theta)
    check.number(name, "gamma", o.gamma, 0, 1)
    check.one_of(name, "jacobian", o.jacobian, { "logits", "softmax" })
    return {
      method = "jsma", norm = "linf", eps = o.eps, steps = 1,
      numbers = {
        theta = o.theta, gamma = o.gamma, reuse = o.reuse and 1 or 0,
        softmax = o.jacobian == "softmax" and 1 or 0,
      },
    }
  end,
}
