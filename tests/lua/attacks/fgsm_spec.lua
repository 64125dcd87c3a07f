local cj = require "conjugate"
local check_attack = require "support.check_attack"

local fgsm = cj.attacks.fgsm

describe("fgsm", function()
  check_attack.laws(it, { make = fgsm, options = { eps = 0.06 }, ball = "linf", losses = true })

  it("moves every pixel by eps along the sign, in both types", function()
    for _, dtype in ipairs { "float32", "float64" } do
      local model, x, y = check_attack.golden(dtype)
      local r = fgsm { eps = 0.1 } (model, x, y)
      for i, v in ipairs { 0.4, 0.6, 0.6, 0.4 } do assert.near(v, r.x_adv:get(1, i), 1e-7) end
    end
  end)

  it("flips the golden model above eps = .0625; there two logits are equal", function()
    local model, x, y = check_attack.golden("float64")
    assert.same({ "FAIL" }, fgsm { eps = 0.0624 } (model, x, y).status)
    assert.same({ "SUCCESS" }, fgsm { eps = 0.0626 } (model, x, y).status)
    local z = model(fgsm { eps = 0.0625 } (model, x, y).x_adv):table()[1]
    for k, v in ipairs { 0.75, 0.75, 0.575 } do assert.near(v, z[k], 1e-14) end
  end)

  it("costs two forward passes and one backward", function()
    local model, x, y = check_attack.golden()
    local r = fgsm { eps = 0.1 } (model, x, y)
    assert.same({ 2, 1, 1 }, { r.forwards[1], r.backwards[1], r.iters[1] })
  end)

  it("clamps to the box, or not", function()
    local two = check_attack.two_classes({ -1, 1 }, 1.5)
    local x = cj.tensor { { 0.95, 0.02 } }
    local r = fgsm { eps = 0.1 } (two, x, { 0 })
    assert.near(1, r.x_adv:get(1, 1), 0)
    assert.near(0, r.x_adv:get(1, 2), 0)
    r = fgsm { eps = 0.1, clip_box = false } (two, x, { 0 })
    assert.near(1.05, r.x_adv:get(1, 1), 1e-6)
    assert.near(-0.08, r.x_adv:get(1, 2), 1e-6)
    r = fgsm { eps = 0.1, bounds = { 0.02, 0.99 } } (two, x, { 0 })
    assert.near(0.99, r.x_adv:get(1, 1), 1e-7)
  end)

  it("takes labels as a list or a tensor, and norms by name or number", function()
    local model, x = check_attack.golden()
    local a = fgsm { eps = 0.1, norm = math.huge } (model, x, cj.tensor({ 0 }, "int64"))
    local b = fgsm { eps = 0.1, norm = "inf" } (model, x, { 0 })
    assert.same(a.x_adv:table(), b.x_adv:table())
    assert.near(0.3, fgsm { eps = 0.3, norm = 2 } (model, x, { 0 }).l2[1], 1e-6)
    assert.near(0.3, fgsm { eps = 0.3, norm = 1 } (model, x, { 0 }).linf[1], 1e-6)
  end)
end)
