local cj = require "conjugate"
local check_attack = require "support.check_attack"

local ofgsm = cj.attacks.ofgsm

describe("opposite fgsm", function()
  check_attack.laws(it, { make = ofgsm, options = { eps = 0.06 }, ball = "linf", every = true })

  it("is the mirror image of fgsm", function()
    local model, x, y = check_attack.golden("float64")
    local there = cj.attacks.fgsm { eps = 0.1 } (model, x, y).x_adv
    local back = ofgsm { eps = 0.1 } (model, x, y).x_adv
    assert.near(0, (there + back - 1):abs():max():item(), 1e-15)
  end)

  it("mends a sample that is wrong", function()
    local model, x = check_attack.golden("float64")
    local r = ofgsm { eps = 0.1 } (model, x, { 1 })
    assert.same({ 0, 1, "SUCCESS" }, { r.pred_clean[1], r.pred_adv[1], r.status[1] })
  end)

  it("takes no target", function()
    assert.error_matches(function() ofgsm { eps = 0.1, target = 1 } end, "no target")
  end)
end)
