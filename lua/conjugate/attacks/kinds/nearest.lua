--- Attacks that look for the nearest misclassified input: options and settings they share.
-- Such an attack has no radius of its own. It succeeds when it finds a misclassified input at most
-- `eps` away, and returns the nearest it met; a FAIL returns x itself.
-- @module conjugate.attacks.kinds.nearest
local M = {}

--- Rules of the options besides the common ones.
-- `norm`: of the distance; `eps`: largest distance that counts as a success, any by default;
-- `steps`.
-- @string norm default norm
-- @tparam integer steps default number of steps
-- @tparam[opt] table more further rules
-- @treturn table
function M.options(norm, steps, more)
  local rules = {
    norm = { "string|number", norm },
    eps = { "number", math.huge },
    steps = { "integer", steps },
  }
  for key, rule in pairs(more or {}) do rules[key] = rule end
  return rules
end

--- Settings of the loop.
-- @tparam table o options
-- @tparam table s the attack's own settings: `method`, `numbers`; completed in place
-- @treturn table s
function M.settings(o, s)
  s.norm, s.eps, s.steps = o.norm, o.eps, o.steps
  s.untargeted = "any class but the label will do"
  return s
end

return M
