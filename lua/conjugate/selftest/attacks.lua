--- Golden cases of every attack.
-- @module conjugate.selftest.attacks
local golden = require "conjugate.selftest.golden"

-- How far a list of numbers is from another.
local function gap(a, b)
  local most = 0
  for i, v in ipairs(b) do most = math.max(most, math.abs(a[i] - v)) end
  return most
end

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

return function(report)
  for _, case in ipairs(golden.cases) do
    local found, name, within = golden.run(case), golden.name(case), case.within or 1e-12
    for _, key in ipairs(sorted_keys(case.expected)) do
      local expected = case.expected[key]
      if key == "x_adv" then
        report(name .. ": x_adv differs by", gap(found.x_adv, expected), 0, within)
      else
        report(name .. ": " .. key, found[key], expected, within)
      end
    end
  end
end
