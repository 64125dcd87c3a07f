--- Iterated steepest ascent with projection: options and settings that PGD, BIM and the iterative
-- least-likely attack share.
-- @module conjugate.attacks.kinds.iterated
local check = require "conjugate.check"
local options = require "conjugate.attacks.kinds.options"

local M = {}

--- Steepest direction under a norm, by the names of the core.
M.directions = { linf = "sign", l2 = "l2_unit", l1 = "l1_top" }

--- Rules of the options besides the common ones.
-- `alpha`: length of a step; `rel_step`: the same as a multiple of eps; `steps`; `restarts`;
-- `random`: start at a random point of the ball; `best`: return the best iterate instead of the
-- last; `early`: stop a sample at its first success.
-- @tparam[opt] table changed rules that replace these
-- @treturn table
function M.options(changed)
  local rules = {
    norm = { "string|number", "linf" },
    alpha = { "number" },
    rel_step = { "number" },
    steps = { "integer", 4 },
    restarts = { "integer", 1 },
    random = false,
    best = true,
    early = false,
  }
  for key, rule in pairs(changed or {}) do rules[key] = rule end
  return rules
end

--- Settings of the loop.
-- @tparam table o options; `alpha` is filled in
-- @string name of the attack
-- @tparam number alpha default step
-- @treturn table
function M.settings(o, name, alpha)
  if o.alpha and o.rel_step then check.fail(name, "expected alpha or rel_step, got both") end
  if o.rel_step then o.alpha = options.positive(name, "rel_step", o.rel_step) * o.eps end
  o.alpha = o.alpha or alpha
  return {
    direction = M.directions[o.norm], norm = o.norm, eps = o.eps, alpha = o.alpha, steps = o.steps,
    restarts = o.restarts, random = o.random, best = o.best, early = o.early,
  }
end

--- Kurakin's number of steps: floor(min(255 eps + 4, 1.25 * 255 eps)), but at least one.
-- @tparam number eps in [0, 1] units
-- @treturn integer
function M.kurakin_steps(eps)
  local levels = 255 * eps
  return math.max(math.floor(math.min(levels + 4, 1.25 * levels) + 1e-9), 1)
end

return M
