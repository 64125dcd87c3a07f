-- Attacks against tests/golden/attacks.json, which make_attacks.py wrote: every attack once more,
-- in numpy, on a tiny smooth network.
local cj = require "conjugate"
local golden = require "support.golden"

local SHAPE, HIDDEN, CLASSES, SAMPLES = { 1, 3, 4 }, 8, 5, 4
local PIXELS = 12

local function part(name, ...)
  return golden.numbers("attacks/" .. name, { ... })
end

local function network()
  local w, b = part("w", HIDDEN, PIXELS), part("b", HIDDEN)
  local v, c = part("v", CLASSES, HIDDEN), part("c", CLASSES)
  return function(x)
    return cj.linear(cj.linear(x:reshape { -1, PIXELS }, w, b):tanh(), v, c)
  end
end

-- An option as Lua has it: JSON's null means none.
local function without_null(options)
  local o = { quiet = true }
  for key, value in pairs(options) do o[key] = value end
  return o
end

local function title(case)
  local words = {}
  for key, value in pairs(case.options) do words[#words + 1] = ("%s = %s"):format(key, value) end
  table.sort(words)
  return ("%s(%s)%s"):format(case.attack, table.concat(words, ", "),
    case.targets and " toward targets" or "")
end

describe("attacks in float64 give what numpy gives:", function()
  local file = golden.read "attacks"
  local net = network()
  local x = ((part("x", SAMPLES, PIXELS) + 1) / 2):reshape { SAMPLES, unpack(SHAPE) }

  it("the network's logits", function()
    local off = net(x) - cj.tensor(file.logits, "float64")
    assert.is_true(off:abs():max():item() < 1e-13)
  end)

  for _, case in ipairs(file.cases) do
    it(title(case), function()
      local attack = cj.attacks[case.attack](without_null(case.options))
      local r = attack(net, x, file.labels, { target = case.targets })
      assert.same(case.status, r.status)
      local off = r.x_adv:reshape { SAMPLES, PIXELS } - cj.tensor(case.x_adv, "float64")
      assert.is_true(off:abs():max():item() < 1e-9, ("off by %g"):format(off:abs():max():item()))
    end)
  end
end)
