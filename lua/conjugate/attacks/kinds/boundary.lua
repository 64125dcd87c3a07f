--- The fast adaptive boundary attack: options and settings that FAB and FAB-T share.
-- @module conjugate.attacks.kinds.boundary
local check = require "conjugate.check"
local nearest = require "conjugate.attacks.kinds.nearest"

local M = {}

--- Rules of the options besides the common ones.
-- `norm` ("linf"), `eps` (largest distance that counts, any by default), `steps` (100), `restarts`
-- (1; the later ones begin at random points), `alpha_max` (0.1: largest share of the way from x
-- itself in a step), `eta` (1.05: steps go beyond the boundary by this factor), `beta` (0.9: what
-- is left of a misclassified iterate's way), `final` (false: search between x and the best by three
-- secant steps at the end), `early` (false: stop a sample at its first success).
-- @tparam[opt] table more further rules
-- @treturn table
function M.options(more)
  local rules = {
    restarts = { "integer", 1 },
    alpha_max = { "number", 0.1 },
    eta = { "number", 1.05 },
    beta = { "number", 0.9 },
    final = false,
    early = false,
  }
  for key, rule in pairs(more or {}) do rules[key] = rule end
  return nearest.options("linf", 100, rules)
end

--- Settings of the loop.
-- @tparam table o options
-- @string name of the attack
-- @tparam integer targets rivals with a run of their own; 0: all in one run
-- @treturn table
function M.settings(o, name, targets)
  check.number(name, "alpha_max", o.alpha_max, 0, 1)
  check.number(name, "eta", o.eta, 1, 1e6)
  check.number(name, "beta", o.beta, 0, 1)
  return nearest.settings(o, {
    method = "fab", restarts = o.restarts, early = o.early,
    numbers = {
      alpha_max = o.alpha_max, eta = o.eta, beta = o.beta, targets = targets,
      final = o.final and 1 or 0,
    },
  })
end

return M
