local cj = require "conjugate"
local check_attack = require "support.check_attack"

local ifa = cj.attacks.ifa

describe("ifa, clipped", function()
  check_attack.laws(it, {
    make = ifa, options = { eps = 0.05, steps = 5, clip = "box" }, steps = true, every = true,
  })
end)

describe("ifa", function()
  check_attack.laws(it, {
    make = ifa, options = { eps = 0.05, steps = 5 }, steps = true, every = true,
    low = -0.25, high = 1.25,
  })

  it("adds n eps ||w||_1 to the margin of two affine classes in n steps, unclamped", function()
    local w = { 1, -2, 0.5, 0.25 }
    local two, n = check_attack.two_classes(w, -0.3, "float64"), 40
    local x = cj.full({ 1, 4 }, 0.5, "float64")
    local function margin(t)
      local z = two(t):table()[1]
      return z[1] - z[2]
    end
    local at = {}
    local function hook(k, x_n)
      at[k] = margin(x_n)
    end
    local r = ifa { eps = 0.1, steps = n, hook = hook } (two, x, { 0 })
    for k = 0, n do assert.near(margin(x) + k * 0.1 * 3.75, at[k], 1e-11) end
    assert.near(n * 0.1, r.linf[1], 1e-12)
    assert.near(0, (x + r.delta - r.x_adv):abs():max():item(), 0)
    assert.equal("none", r.clip)
    assert.same({ n + 1, n }, { r.forwards[1], r.backwards[1] })
  end)

  it("stays in the box when told to, and says so", function()
    local model, x = check_attack.golden()
    local r = ifa { eps = 0.1, steps = 20, clip = "box" } (model, x, { 1 })
    assert.equal("box", r.clip)
    for i = 1, 4 do
      local v = r.x_adv:get(1, i)
      assert.is_true(v >= 0 and v <= 1)
    end
    assert.near(0.5, r.linf[1], 1e-6)
  end)

  it("is one step of opposite fgsm for N = 1", function()
    local net, x, y = check_attack.network(6)
    local a = ifa { eps = 0.05, steps = 1, clip = "box" } (net, x, y).x_adv
    local b = cj.attacks.ofgsm { eps = 0.05 } (net, x, y).x_adv
    assert.same(a:table(), b:table())
  end)

  it("counts accuracy, loss and standing samples for n = 0..N", function()
    local net, x, y = check_attack.network(12)
    local r = ifa { eps = 0.1, steps = 6 } (net, x, y, { batch = 5 })
    assert.equal(7, #r.accuracy_at)
    assert.equal(7, #r.loss_at)
    assert.equal(6, #r.frozen_at)
    assert.near(100 * 10 / 12, r.accuracy_at[1], 1e-9)
    assert.near(100, r.accuracy_at[7], 0)
    for k = 2, 7 do assert.is_true(r.loss_at[k] < r.loss_at[k - 1]) end
    net:eval()
    local hits = cj.predict(net, r.x_adv):eq(y):to("int64"):sum():item()
    assert.near(100 * hits / 12, r.accuracy_at[7], 1e-9)
  end)

  it("stops moving a sample whose cross entropy has no gradient left, and logs it", function()
    local two = check_attack.two_classes({ 400, 0 }, 0, "float32") -- margin 200: e^-200 underflows
    local x = cj.tensor { { 0.5, 0.5 }, { -0.1, 0.5 } }
    local r = ifa { eps = 0.1, steps = 3 } (two, x, { 0, 0 })
    assert.equal(0, r.linf[1])
    assert.equal(3, r.zeros[1])
    assert.is_true(r.linf[2] > 0.25)
    assert.near(50, r.frozen_at[1], 0)
    assert.is_true(r.frozen >= 50)
  end)

  it("tells its hook the asked n only, chunk by chunk, with labels and places", function()
    local net, x, y = check_attack.network(7)
    local told, rows = {}, {}
    local r = ifa {
      eps = 0.05, steps = 4, at = { 0, 4 },
      hook = function(n, x_n, labels, places)
        told[#told + 1] = n
        assert.equal(x_n:size(1), labels:size(1))
        for i, place in ipairs(places:table()) do
          assert.equal(y[place], labels[i])
          if n == 4 then rows[place] = x_n[i]:reshape({ -1 }):table() end
        end
      end,
    } (net, x, y, { batch = 3 })
    assert.same({ 0, 4, 0, 4, 0, 4 }, told)
    for i = 1, 7 do assert.same(rows[i], r.x_adv[i]:reshape({ -1 }):table()) end
  end)

  it("measures the accuracy under a probe that starts at X_n, for any batch", function()
    local net, x, y = check_attack.network(8)
    local pgd = cj.attacks.pgd { eps = 0.04, clip_box = false }
    local o = { eps = 0.05, steps = 4, at = { 0, 2, 4 }, probe = pgd }
    local r = cj.attacks.ifa(o)(net, x, y)
    assert.is_nil(r.robust_at[1])
    assert.near(pgd(net, x, y, { paper = true }):accuracy(), r.robust_at[0], 1e-9)
    assert.is_true(r.robust_at[2] >= r.robust_at[0])
    assert.is_true(r.robust_at[4] >= r.robust_at[2])
    local parts = cj.attacks.ifa(o)(net, x, y, { batch = 3 })
    for n, v in pairs(r.robust_at) do assert.near(v, parts.robust_at[n], 1e-9) end
  end)

  it("may attack from inside its hook", function()
    local net, x, y = check_attack.network(4)
    local pgd, robust = cj.attacks.pgd { eps = 0.03, clip_box = false, paper = true }, {}
    ifa {
      eps = 0.1, steps = 3,
      hook = function(n, x_n, labels) robust[n] = pgd(net, x_n, labels):accuracy() end,
    } (net, x, y)
    assert.is_true(robust[3] >= robust[0])
    assert.near(100, robust[3], 0)
  end)

  it("refuses what it does not have", function()
    assert.error_matches(function() ifa { eps = 0.1, clip = "ball" } end, "none")
    assert.error_matches(function() ifa { eps = 0.1, steps = 2, at = { 3 } } end, "at")
    assert.error_matches(function() ifa { eps = 0.1, loss = "margin" } end, "loss")
  end)
end)
