-- Every attack while memory runs out: an error, every byte given back, and the model as it was.
local cj = require "conjugate"
local core = require "conjugate.core"
local check_attack = require "support.check_attack"
local cheap = require "support.cheap"
local starve = require "support.starve"

local net, x, y = check_attack.network(3)

local still = check_attack.network(3)
still:eval()

local function eager(input)
  return still(input)
end

describe("memory that runs out in", function()
  for _, name in ipairs(cj.attacks.names()) do
    for what, model in pairs { ["as a plan"] = net, ["called from Lua"] = eager } do
      it(("%s, on a model %s, is an error that costs nothing"):format(name, what), function()
        local attack = cj.attacks[name](cheap(name))
        local function found()
          return attack(model, x, y, { seed = 1 }).x_adv:bytes()
        end
        local expected = found()
        assert.is_true(starve.some_allocations(found) > 5)
        assert.is_true(net.training)
        assert.is_true(core.grad_enabled())
        assert.is_true(expected == found())
      end)
    end
  end
end)
