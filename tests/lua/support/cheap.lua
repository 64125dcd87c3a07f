--- Options under which an attack is quick: what it needs, and small budgets.
local cj = require "conjugate"

local budgets = {
  apgd = { steps = 6 },
  apgdt = { steps = 6 },
  autoattack = { steps = 3, queries = 10, targets = 2 },
  cw2 = { csteps = 3, steps = 20, lr = 0.05, c0 = 0.1 },
  fab = { steps = 6 },
  fabt = { steps = 6 },
  follow = { conjugate = "sign" },
  ifa = { steps = 3, clip = "box" },
  minimum = { tries = 4 },
  onepixel = { pop = 8, gens = 4 },
  square = { queries = 20 },
  su_linf = { tries = 4, steps = 5 },
}

--- @tparam string name attack
-- @treturn table options, to be changed at will
return function(name)
  local o, rules = { quiet = true }, cj.attacks[name].defaults or {}
  if rules.eps == nil or rules.eps.required then o.eps = 0.1 end
  for key, v in pairs(budgets[name] or {}) do o[key] = v end
  return o
end
