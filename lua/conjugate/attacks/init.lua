--- Attacks, each loaded on first use by its file name.
--
--     local pgd = cj.attacks.pgd { eps = 0.1, alpha = 0.025, steps = 4 }
--     local result = pgd(net, x, y)
--
-- @module conjugate.attacks
local M = {}

-- The attacks, in the order they are listed.
local names = {
  "fgsm", "fgm", "ofgsm", "target1", "pgd", "bim", "ill", "ifa",
  "apgd", "apgdt", "autoattack",
  "deepfool",
  "fab", "fabt",
  "jsma", "onepixel", "sparsefool",
  "square", "cw2",
  "follow",
  "minimum", "su_linf",
}

-- Fields that are no attacks: name -> module.
local parts = { conjugate = "conjugate.attacks.conjugate", blur = "conjugate.attacks.kinds.blur" }

--- Names of the attacks.
-- @treturn {string,...}
function M.names()
  local list = {}
  for i, name in ipairs(names) do list[i] = name end
  return list
end

--- What attacks there are.
-- @treturn {table,...} each with `name`, `summary`, `formula`, `conjugate`, `source`
function M.list()
  local list = {}
  for i, name in ipairs(names) do
    local a = M[name]
    list[i] = {
      name = name, summary = a.summary, formula = a.formula, conjugate = a.conjugate,
      source = a.source,
    }
  end
  return list
end

return setmetatable(M, {
  __index = function(self, name)
    if type(name) ~= "string" then return nil end
    local module = parts[name]
    for _, known in ipairs(names) do
      if known == name then module = "conjugate.attacks." .. name end
    end
    if not module and not name:find "[./]" then -- a file that is not listed is an attack too
      local path = "conjugate.attacks." .. name
      module = package.searchpath(path, package.path) and path
    end
    if not module then return nil end
    local value = require(module)
    rawset(self, name, value)
    return value
  end,
})
