local cj = require "conjugate"
local check_attack = require "support.check_attack"

local target1 = cj.attacks.target1

describe("target1", function()
  check_attack.laws(it, { make = target1, options = { eps = 0.06 }, ball = "linf", losses = true })
end)

describe("target1 with random targets", function()
  check_attack.laws(it, {
    make = target1, options = { eps = 0.06, target = "random" }, ball = "linf", losses = true,
  })

  it("draws every class but the label, the same for the same seed", function()
    local model, x = check_attack.golden()
    local n, labels = 60, {}
    for i = 1, n do labels[i] = 1 end
    local many = x:expand { n, 4 }
    local attack = target1 { eps = 0.1, target = "random" }
    local a = attack(model, many, labels, { seed = 4 })
    local b = attack(model, many, labels, { seed = 4, batch = 7 })
    local seen = {}
    for i = 1, n do seen[a.target[i]] = (seen[a.target[i]] or 0) + 1 end
    assert.is_nil(seen[1])
    assert.is_true(seen[0] > 10 and seen[2] > 10)
    assert.same(a.target, b.target)
  end)
end)

describe("the target of target1", function()
  local model, x = check_attack.golden("float64") -- logits 1, .5, .45

  it("is the least likely class, or the second least if that is the label", function()
    local r = target1 { eps = 0.1 } (model, cj.cat({ x, x }, 1), { 0, 2 }, { paper = true })
    assert.same({ 2, 1 }, r.target)
  end)

  it("may be the likeliest class besides the label", function()
    local r = target1 { eps = 0.1, target = "second" } (model, cj.cat({ x, x }, 1), { 0, 1 })
    assert.same({ 1, 0 }, r.target)
    assert.same({ "SUCCESS", "ALREADY" }, r.status)
  end)

  it("is descended along the sign of its own cross entropy", function()
    local r = target1 { eps = 0.01, target = 2 } (model, x, { 0 })
    -- grad CE(t) = sum_k p_k w_k - w_t
    local z = { 1, 0.5, 0.45 }
    local w = { { 2, -1, 0, 1 }, { 0, 1, 2, -1 }, { -1, 2, 1, 2 } }
    local sum = math.exp(z[1]) + math.exp(z[2]) + math.exp(z[3])
    for i = 1, 4 do
      local g = -w[3][i]
      for k = 1, 3 do g = g + math.exp(z[k]) / sum * w[k][i] end
      assert.near(0.5 - 0.01 * (g > 0 and 1 or -1), r.x_adv:get(1, i), 1e-15)
    end
  end)

  it("counts as reached only if it is predicted", function()
    local r = target1 { eps = 0.1, target = 2, loss = "margin" } (model, x, { 0 })
    assert.equal(r.pred_adv[1] == 2 and "SUCCESS" or "FAIL", r.status[1])
    assert.equal(r.pred_adv[1] ~= 0, r.broken[1])
  end)
end)
