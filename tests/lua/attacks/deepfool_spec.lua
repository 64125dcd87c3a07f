local cj = require "conjugate"
local check_attack = require "support.check_attack"

local deepfool = cj.attacks.deepfool
local norms = { "linf", "l2", "l1" }

for _, norm in ipairs(norms) do
  local stab = norm == "linf" and 1e-5 or 1e-4 -- the planes are only .006 away there
  describe("deepfool under " .. norm, function()
    check_attack.laws(it, {
      make = deepfool, ball = norm, steps = true, minimum = true, scale_free = true, ratio = 1.03,
      options = { norm = norm, stab = stab },
      monotone = { { eps = 0 }, { eps = 0.02 }, { eps = 0.1 }, { eps = 0.5 }, { eps = 50 } },
    })
  end)
end

describe("deepfool", function()
  local model, x, y = check_attack.golden("float64")

  it("gives the golden values, with the nearest class of each norm", function()
    local cases = {
      { { stab = 0 }, "l2", 1.02 * 0.1229837, 2 }, { {}, "l2", 0.125545, 2 },
      { { norm = "linf" }, "linf", 0.063852, 1 },
      { { norm = "l1" }, "l1", 1.02 * (0.55 / 3 + 1e-4), 2 },
    }
    for _, dtype in ipairs { "float64", "float32" } do
      local m, x0, label = check_attack.golden(dtype)
      for _, case in ipairs(cases) do
        local r = deepfool(case[1])(m, x0, label)
        assert.equal("SUCCESS", r.status[1])
        assert.near(case[3], r[case[2]][1], 1e-6)
        assert.equal(case[4], r.pred_adv[1])
        assert.same({ 1, 2, 2 }, { r.iters[1], r.forwards[1], r.backwards[1] })
      end
    end
  end)

  it("goes (1 + overshoot)(d + stab) over the boundary of an affine model, in one step", function()
    for _, norm in ipairs(norms) do
      for _, s in ipairs { { 0, 0.02 }, { 1e-4, 0.02 }, { 1e-3, 0.1 } } do
        local attack = deepfool { norm = norm, stab = s[1], overshoot = s[2] }
        for key = 1, 10 do
          local m, point, label, least = check_attack.affine(key, 6, 12)
          local r = attack(m, point, label)
          assert.same({ "SUCCESS", 1 }, { r.status[1], r.iters[1] })
          assert.near((1 + s[2]) * (least[norm] + s[1]), r[norm][1], 1e-9)
        end
      end
    end
  end)

  it("looks at the rivals of the highest clean logits only", function()
    local r = deepfool { classes = 2, stab = 0 } (model, x, y)
    assert.near(1.02 * 0.125, r.l2[1], 1e-9)
    assert.equal(1, r.backwards[1])
    assert.equal(2, deepfool { classes = 99 } (model, x, y).backwards[1])
  end)

  it("takes these from each sample's own logits, once", function()
    local net, images, labels = check_attack.network(9)
    local attack = deepfool { classes = 2 }
    local r = attack(net, images, labels)
    for i = 1, 9 do
      local alone = attack(net, images:narrow(1, i, 1), labels:narrow(1, i, 1))
      assert.equal(r.pred_adv[i], alone.pred_adv[1])
      assert.near(r.l2[i], alone.l2[1], 0)
    end
    -- after a step along a, the third class is nearer than the second: its slope would move b
    local function late(input)
      local a, b = input:narrow(2, 1, 1), input:narrow(2, 2, 1)
      local third = b * 9 - 4.6 + (a - 0.5):relu() * 2.5
      return cj.cat({ a * 0 + 1, a + 0.1 - (a - 0.5) ^ 2 * 0.5, third }, 2)
    end
    local start = cj.full({ 1, 2 }, 0.5, "float64")
    local two = deepfool { classes = 2, bounds = { 0, 2 } } (late, start, { 0 })
    assert.same({ "SUCCESS", 2 }, { two.status[1], two.iters[1] })
    assert.near(0.5, two.x_adv:get(1, 2), 0)
    local three = deepfool { classes = 3, bounds = { 0, 2 } } (late, start, { 0 })
    assert.is_true(three.x_adv:get(1, 2) > 0.5)
  end)

  it("counts (classes - 1) gradients a step and one pass more than steps", function()
    local function curved(input) -- z_1 - z_0 is concave: some steps
      local s = input:sum(2):reshape { -1, 1 }
      return cj.cat({ s * 0, s:sqrt() - 2, s * 0 - 100 }, 2)
    end
    local start = cj.full({ 1, 2 }, 0.1, "float64")
    for _, steps in ipairs { 50, 2 } do
      local r = deepfool { bounds = { 0, 9 }, steps = steps } (curved, start, { 0 })
      assert.equal(steps == 50 and "SUCCESS" or "FAIL", r.status[1])
      assert.equal(steps == 50 and 4 or 2, r.iters[1])
      assert.equal(2 * r.iters[1], r.backwards[1])
      assert.equal(r.iters[1] + 1, r.forwards[1])
    end
  end)

  it("succeeds within eps only, and returns x itself otherwise", function()
    for _, case in ipairs { { 0.1255, "FAIL" }, { 0.1256, "SUCCESS" } } do
      local r = deepfool { eps = case[1] } (model, x, y)
      assert.equal(case[2], r.status[1])
      assert.equal(case[2] == "FAIL", (r.x_adv - x):abs():max():item() == 0)
      assert.equal(case[2] == "SUCCESS", r.broken[1])
    end
    local two = cj.cat({ x, x }, 1)
    local r = deepfool {} (model, two, { 0, 0 }, { radii = { 0.1, 0.2 } })
    assert.same({ "FAIL", "SUCCESS" }, r.status)
  end)

  it("leaves out a rival without a gradient, and divides by nothing", function()
    local function flat(input)
      local s = input:sum(2):reshape { -1, 1 }
      return cj.cat({ s * 0 + 1, s * 0 + 0.999, s }, 2)
    end
    local r = deepfool { stab = 0 } (flat, cj.full({ 1, 4 }, 0.125, "float64"), { 0 })
    assert.same({ "SUCCESS", 2 }, { r.status[1], r.pred_adv[1] })
    assert.near(1.02 * 0.25, r.l2[1], 1e-9)
  end)

  it("stops at an infinite gradient", function()
    local function steep(input)
      local s = (input:sum(2) - 1):reshape { -1, 1 }
      return cj.cat({ s * 0 + 1, (s ^ 2) ^ 0.25 }, 2)
    end
    local start = cj.tensor({ { 0.5, 0.5 + 1e-300 } }, "float64")
    local r = deepfool {} (steep, start, { 0 })
    assert.equal("NAN", r.status[1])
    assert.near(0, (r.x_adv - start):abs():max():item(), 0)
  end)

  it("passes over elements at their bound under the l1 norm", function()
    local two = check_attack.two_classes({ -4, -2, -1 }, 3, "float64")
    local start = cj.tensor({ { 0.4, 0.1, 0.1 } }, "float64") -- margin 1.1
    assert.near(1.02 * 1.1 / 4, deepfool { norm = "l1", stab = 0 } (two, start, { 0 }).l1[1], 1e-9)
    start = cj.tensor({ { 0, 0.2, 0.3 } }, "float64") -- margin 2.3
    local r = deepfool { norm = "l1", stab = 0, bounds = { 0, 0.5 } } (two, start, { 0 })
    assert.equal("SUCCESS", r.status[1])
    assert.near(0.5, r.x_adv:get(1, 1), 0)
    assert.near(0.2 + 1.02 * 0.3 / 2, r.x_adv:get(1, 2), 1e-9)
    assert.near(0.3, r.x_adv:get(1, 3), 0)
  end)

  it("refuses targets and wrong options", function()
    local function message(f)
      return select(2, pcall(f))
    end
    local no_target = "any class but the label will do"
    assert.matches(no_target, message(function() deepfool { target = 1 } end), 1, true)
    assert.matches(no_target, message(function()
      deepfool {} (model, x, y, { target = "least" })
    end), 1, true)
    for key, v in pairs { overshoot = -1, classes = 1, stab = 0 / 0, eps = -1, norm = "l3",
      steps = 1.5 } do
      assert.matches("^[^ ]+ ?deepfool: expected .* for " .. key, message(function()
        deepfool { [key] = v }
      end))
    end
  end)
end)
