local cj = require "conjugate"
local check_attack = require "support.check_attack"

local ill = cj.attacks.ill

describe("ill", function()
  check_attack.laws(it, {
    make = ill, options = { eps = 24 / 255 }, ball = "linf", steps = true, losses = true,
    monotone = { { steps = 2 }, { steps = 8 }, { steps = 40, eps = 0.3 } },
  })

  it("keeps the target of the clean input", function()
    local model, x = check_attack.golden("float64")
    local r = ill { eps = 0.3, paper = true } (model, cj.cat({ x, x }, 1), { 0, 2 })
    assert.same({ 2, 1 }, r.target)
    assert.equal(2, r.pred_adv[1])
    assert.same({ "SUCCESS", "SUCCESS" }, r.status)
    assert.near(0.3, r.linf[1], 1e-12)
  end)

  it("reaches any class of the golden model that the box allows", function()
    local model, x = check_attack.golden("float64")
    local r = ill { eps = 0.4, target = 1, steps = 200 } (model, x, { 0 })
    assert.same({ "SUCCESS" }, r.status)
  end)
end)
