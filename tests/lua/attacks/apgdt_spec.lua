local cj = require "conjugate"
local check_attack = require "support.check_attack"

local apgdt = cj.attacks.apgdt

describe("apgdt", function()
  check_attack.laws(it, {
    make = apgdt, ball = "linf", steps = true, starts = true, scale_free = true,
    options = { eps = 0.06, steps = 8 },
    monotone = { { eps = 0.01 }, { eps = 0.03 }, { eps = 0.1 }, { eps = 0.3 } },
  })
end)

describe("apgdt in the Euclidean ball", function()
  check_attack.laws(it, {
    make = apgdt, ball = "l2", steps = true, starts = true, scale_free = true,
    options = { eps = 0.3, norm = "l2", steps = 8 },
    monotone = { { targets = 1 }, { targets = 2 }, { targets = 4 }, { targets = 4, eps = 2 } },
  })
end)

describe("apgdt in the l1 ball", function()
  check_attack.laws(it, {
    make = apgdt, ball = "l1", steps = true, starts = true, scale_free = true,
    options = { eps = 1, norm = "l1", steps = 15, targets = 2 },
  })
end)

describe("targeted auto-PGD", function()
  local model, x, y = check_attack.golden("float64")

  it("goes toward the rivals in the order of their clean logits", function()
    local r = apgdt { eps = 0.124, norm = "l2", steps = 60 } (model, x, y)
    assert.same({ "SUCCESS" }, r.status)
    assert.same({ 2 }, r.run) -- class 1 is .125 away, class 2 .12298
    assert.same({ 2 }, r.pred_adv)
    assert.equal(2, r.targets)
    r = apgdt { eps = 0.126, norm = "l2", steps = 60 } (model, x, y)
    assert.same({ 1 }, r.run)
    assert.same({ 1 }, r.pred_adv)
    r = apgdt { eps = 0.124, norm = "l2", steps = 60, targets = 1 } (model, x, y)
    assert.same({ "FAIL" }, r.status)
    assert.equal(1, r.targets)
  end)

  it("flips the golden model above its least distances only", function()
    for _, case in ipairs {
      { "linf", 0.062, 0.063 }, { "l2", 0.1229, 0.1233 }, { "l1", 0.183, 0.186 },
    } do
      for _, dtype in ipairs { "float32", "float64" } do
        local m, x0, label = check_attack.golden(dtype)
        local o = { norm = case[1], eps = case[2] }
        assert.equal("FAIL", apgdt(o)(m, x0, label, { seed = 1 }).status[1], case[1])
        o.eps = case[3]
        assert.equal("SUCCESS", apgdt(o)(m, x0, label, { seed = 1 }).status[1], case[1])
      end
    end
  end)

  it("says which loss stands in when there are few classes", function()
    assert.equal("dlr with the spread z1 - z3", apgdt { eps = 0.1, steps = 2 } (model, x, y).loss)
    local two = check_attack.two_classes({ 1, -2, 0.5, 0 }, 0.3, "float64")
    local r = apgdt { eps = 0.1, steps = 2, quiet = true } (two, x, y)
    assert.equal("margin", r.loss)
    assert.equal(1, r.targets)
    assert.is_truthy(r.warnings[1]:find("DLR needs 3 classes", 1, true))
  end)

  it("spends targets * restarts * (steps + 1) passes on a robust sample", function()
    local r = apgdt { eps = 0.05, steps = 10, restarts = 2 } (model, x, y)
    assert.same({ 40 }, r.backwards)
    assert.is_true(r.forwards[1] >= 45 and r.forwards[1] <= 46)
  end)

  it("is no targeted attack", function()
    for _, call in ipairs {
      function() apgdt { eps = 0.1, target = 1 } end,
      function() apgdt { eps = 0.1 } (model, x, y, { target = 1 }) end,
    } do
      local ok, message = pcall(call)
      assert.is_false(ok)
      assert.is_truthy(message:find("apgdt: expected no target", 1, true))
    end
    local ok, message = pcall(apgdt, { eps = 0.1, targets = 0 })
    assert.is_false(ok)
    assert.is_truthy(message:find("targets", 1, true))
  end)
end)
