--- Options under which an attack is quick: what it needs, and small budgets.
local cj = require "conjugate"

local budgets = {
  follow = { conjugate = "sign" },
  ifa = { steps = 3, clip = "box" },
  onepixel = { pop = 8, gens = 2 },
  square = { queries = 20 },
}

--- @tparam string name attack
-- @treturn table options, to be changed at will
return function(name)
  local o, rules = { quiet = true }, cj.attacks[name].defaults or {}
  if rules.eps == nil or rules.eps.required then o.eps = 0.1 end
  for key, v in pairs(budgets[name] or {}) do o[key] = v end
  return o
end
