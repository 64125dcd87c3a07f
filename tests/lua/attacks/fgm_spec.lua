local cj = require "conjugate"
local check_attack = require "support.check_attack"

local fgm = cj.attacks.fgm

describe("fgm", function()
  check_attack.laws(it, { make = fgm, options = { eps = 0.3 }, ball = "l2", losses = true })

  it("moves by eps in the Euclidean norm along the gradient", function()
    local two = check_attack.two_classes({ 3, -4 }, 1, "float64")
    local r = fgm { eps = 0.1 } (two, cj.full({ 1, 2 }, 0.5, "float64"), { 0 })
    assert.near(0.1, r.l2[1], 1e-14)
    assert.near(0.44, r.x_adv:get(1, 1), 1e-14)
    assert.near(0.58, r.x_adv:get(1, 2), 1e-14)
  end)
end)

describe("raw fgm", function()
  check_attack.laws(it, { make = fgm, options = { eps = 0.3, raw = true } })

  it("moves by eps times the gradient of the cross entropy, whatever the batch", function()
    local w, b, n = { 3, -4 }, 0.1, 5
    local two = check_attack.two_classes(w, b, "float64")
    local x = cj.full({ n, 2 }, 0.5, "float64")
    local margin = 0.5 * (w[1] + w[2]) + b
    local p = 1 / (1 + math.exp(-margin)) -- of class 0
    local r = fgm { eps = 0.05, raw = true } (two, x, { 1, 1, 1, 1, 1 }, { paper = true })
    for i = 1, n do
      for k = 1, 2 do assert.near(0.5 + 0.05 * p * w[k], r.x_adv:get(i, k), 1e-14) end
    end
  end)

  it("has no radii: there is no ball", function()
    local net, x, y = check_attack.network(2)
    local ok, message = pcall(fgm { eps = 0.1, raw = true }, net, x, y, { radii = { 0.1, 0.2 } })
    assert.is_false(ok)
    assert.matches("fgm: expected no radii", message)
  end)

  it("hardly moves on a confident model, and says so", function()
    local two = check_attack.two_classes({ 60, 0 }, 0, "float64")
    local r = fgm { eps = 0.1, raw = true } (two, cj.full({ 1, 2 }, 0.5, "float64"), { 0 })
    assert.same({ "FAIL" }, r.status)
    assert.is_true(r.l2[1] < 1e-9)
  end)
end)
