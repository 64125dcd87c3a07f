local cj = require "conjugate"
local core = require "conjugate.core"
local check_attack = require "support.check_attack"

local pgd = cj.attacks.pgd

describe("pgd", function()
  check_attack.laws(it, {
    make = pgd, options = { eps = 0.06 }, ball = "linf", steps = true, losses = true,
    monotone = { { eps = 0.01 }, { eps = 0.03 }, { eps = 0.1 }, { eps = 0.3 }, { eps = 1 } },
  })
end)

describe("pgd with random restarts", function()
  check_attack.laws(it, {
    make = pgd, ball = "linf", steps = true, losses = true,
    options = { eps = 0.06, random = true, restarts = 3, early = true },
    monotone = { { restarts = 1 }, { restarts = 2 }, { restarts = 5 } },
  })
end)

describe("pgd in the Euclidean ball", function()
  check_attack.laws(it, {
    make = pgd, ball = "l2", steps = true, losses = true,
    options = { eps = 0.3, norm = "l2", random = true },
    monotone = { { steps = 1, random = false }, { steps = 4, random = false },
      { steps = 16, random = false } },
  })
end)

describe("pgd in the l1 ball", function()
  check_attack.laws(it, {
    make = pgd, ball = "l1", steps = true, losses = true,
    options = { eps = 1, norm = "l1", steps = 8, random = true },
  })
end)

describe("pgd toward a target", function()
  check_attack.laws(it, {
    make = pgd, ball = "linf", steps = true, losses = true,
    options = { eps = 0.1, target = "random" },
  })
end)

describe("pgd of the paper", function()
  local model, x, y = check_attack.golden("float64")

  it("takes 4 steps of eps/4 from x itself", function()
    local a = pgd { eps = 0.1 }
    assert.near(0.025, a.options.alpha, 1e-15)
    assert.equal(4, a.options.steps)
    assert.is_false(a.options.random)
    assert.equal("pgd(alpha = 0.025, eps = 0.1)", tostring(a))
  end)

  it("ends at exactly +-eps where the sign never changes, whether or not the ball acts", function()
    for _, dtype in ipairs { "float32", "float64" } do
      for _, s in ipairs { { 0.1, 0.025 }, { 8 / 255, 2 / 255 } } do
        local m, x0, label = check_attack.golden(dtype)
        local o = { eps = s[1], alpha = s[2], steps = 4, paper = true, quiet = true }
        local r = pgd(o)(m, x0, label)
        o.eps = 0.5
        local free = pgd(o)(m, x0, label)
        local tolerance = dtype == "float32" and 1e-6 or 1e-14
        for i, sign in ipairs { -1, 1, 1, -1 } do
          assert.near(0.5 + sign * s[1], r.x_adv:get(1, i), tolerance)
          assert.near(0.5 + sign * s[1], free.x_adv:get(1, i), tolerance)
        end
      end
    end
  end)

  it("flips the golden model above eps = .0625 only", function()
    assert.equal("FAIL", pgd { eps = 0.062 } (model, x, y).status[1])
    assert.equal("SUCCESS", pgd { eps = 0.063 } (model, x, y).status[1])
  end)

  it("needs the Euclidean distance .1229837 of the golden model", function()
    local far = { norm = "l2", steps = 200, loss = "margin" }
    far.eps, far.alpha = 0.1225, 0.02
    assert.equal("FAIL", pgd(far)(model, x, y).status[1])
    far.eps = 0.13
    assert.equal("SUCCESS", pgd(far)(model, x, y).status[1])
  end)

  it("needs the l1 distance .1833333 of the golden model", function()
    local o = { norm = "l1", steps = 400, alpha = 0.01, loss = "margin" }
    o.eps = 0.183
    assert.equal("FAIL", pgd(o)(model, x, y).status[1])
    o.eps = 0.19
    assert.equal("SUCCESS", pgd(o)(model, x, y).status[1])
  end)

  it("equals FGSM on two affine classes when N alpha >= eps", function()
    local two = check_attack.two_classes({ 1, -2, 0.5, 0 }, 0.3, "float64")
    local a = pgd { eps = 0.1 } (two, x, y).x_adv
    local b = cj.attacks.fgsm { eps = 0.1 } (two, x, y).x_adv
    assert.near(0, (a - b):abs():max():item(), 1e-14)
    assert.near(0.5, a:get(1, 4), 0) -- sign(0) = 0
  end)

  it("in paper mode attacks wrong samples too and returns the last iterate", function()
    local r = pgd { eps = 0.05, paper = true } (model, cj.cat({ x, x }, 1), { 0, 1 })
    assert.same({ "FAIL", "ALREADY" }, r.status)
    assert.near(0.05, r.linf[2], 1e-12)
    assert.same({ 4, 4 }, r.backwards)
    assert.same({ 5, 5 }, r.forwards)
  end)

  it("spends steps * (F + B) + F a sample, and less when stopping early", function()
    local o = { eps = 0.2, steps = 8, alpha = 0.02, quiet = true }
    local r = pgd(o)(model, x, y)
    assert.same({ 9 }, r.forwards)
    assert.same({ 8 }, r.backwards)
    o.early = true
    r = pgd(o)(model, x, y)
    assert.same({ "SUCCESS" }, r.status)
    assert.same({ 4 }, r.backwards) -- .08 > .0625 >= .06
    assert.same({ 5 }, r.forwards)
  end)

  it("returns the iterate of highest loss when it fails", function()
    -- a model whose loss falls again after one step: z depends on a tent of x
    local function tent(input)
      local height = (input - 0.6):abs():sum(2):reshape { -1, 1 }
      return cj.cat({ height, height * 0 - 5 }, 2)
    end
    local x1 = cj.full({ 1, 1 }, 0.5, "float64")
    local o = { eps = 0.45, alpha = 0.15, steps = 3, quiet = true }
    local best = pgd(o)(tent, x1, { 0 })
    assert.equal("FAIL", best.status[1])
    assert.near(best.loss_best[1], best.loss_adv[1], 1e-12)
    o.best = false
    local last = pgd(o)(tent, x1, { 0 })
    assert.is_true(last.loss_adv[1] <= last.loss_best[1])
    assert.near(0.65, best.x_adv:get(1, 1), 1e-12)
  end)

  it("raises the best loss with more steps, and beats FGSM in mean", function()
    local net, images, labels = check_attack.network(20)
    local function mean_best(attack)
      local sum = 0
      local r = attack(net, images, labels, { paper = true })
      for _, v in ipairs(r.loss_best) do sum = sum + v end
      return sum / 20
    end
    local before = mean_best(cj.attacks.fgsm { eps = 0.1 })
    for _, steps in ipairs { 5, 10, 20 } do
      local now = mean_best(pgd { eps = 0.1, alpha = 0.025, steps = steps })
      assert.is_true(now >= before - 1e-6)
      before = now
    end
  end)

  it("with the label as target is the opposite attack", function()
    local a = pgd {
      eps = 0.1, alpha = 0.1, steps = 1, target = 0, same_target = true, paper = true,
    }
    local b = cj.attacks.ofgsm { eps = 0.1 }
    assert.near(0, (a(model, x, y).x_adv - b(model, x, y).x_adv):abs():max():item(), 0)
  end)

  it("keeps the first success of its restarts, per sample", function()
    local net, images, labels = check_attack.network(24)
    local one = pgd { eps = 0.05, random = true } (net, images, labels, { seed = 9 })
    local five = pgd { eps = 0.05, random = true, restarts = 5 } (net, images, labels, { seed = 9 })
    for i = 1, 24 do
      if one.status[i] == "SUCCESS" then
        assert.equal("SUCCESS", five.status[i])
        assert.equal(one.forwards[i], five.forwards[i])
      elseif one.status[i] == "FAIL" then
        assert.is_true(five.forwards[i] > one.forwards[i])
        assert.is_true(five.loss_best[i] >= one.loss_best[i])
      end
    end
    assert.is_true(five:success_rate() >= one:success_rate())
  end)

  it("stops at NaN and returns a finite iterate", function()
    local function breaks(input) -- finite logits, NaN slope away from the start
      local far = (input - 0.5):abs():sum(2)
      local root = (far * 0):sqrt() -- slope 0 / 0
      return cj.stack({ input:sum(2), -input:sum(2) + root }, 2)
    end
    local r = pgd { eps = 0.1 } (breaks, cj.full({ 2, 3 }, 0.5), { 0, 0 })
    assert.same({ "NAN", "NAN" }, r.status)
    assert.is_true((r.x_adv - 0.5):abs():max():item() <= 0.05)
    assert.is_true(r.backwards[1] < 4)
  end)

  it("takes a radius for each sample, and steps in proportion", function()
    local net, images, labels = check_attack.network(9)
    local radii = {}
    for i = 1, 9 do radii[i] = 0.02 * (i - 1) end
    local a = pgd { eps = 0.1, quiet = true }
    local r = a(net, images, labels, { radii = radii, paper = true })
    for i = 1, 9 do
      local own = pgd { eps = radii[i], alpha = radii[i] / 4, quiet = true } (net,
        images:narrow(1, i, 1), labels:narrow(1, i, 1), { index = i - 1, paper = true })
      assert.near(radii[i], r.linf[i], 1e-6)
      assert.near(0, (own.x_adv - r.x_adv:narrow(1, i, 1)):abs():max():item(), 1e-7)
    end
    local misuse = require "support.misuse"
    misuse.raises("pgd: expected 9 radii, one a sample, got 2", a, net, images, labels,
      { radii = { 0.1, 0.2 } })
    misuse.raises("for radii, got -1", a, net, images:narrow(1, 1, 1), { 0 }, { radii = { -1 } })
    misuse.raises("for radii, got nan", a, net, images:narrow(1, 1, 1), { 0 },
      { radii = { 0 / 0 } })
  end)

  it("gives an error of the model on as it is, and leaks nothing", function()
    local message = { "an error value" }
    local ok, got = pcall(pgd { eps = 0.1 }, function() error(message) end, x, y)
    assert.is_false(ok)
    assert.equal(message, got)
    collectgarbage()
    collectgarbage()
    local before = core.memory_used()
    for k = 1, 30 do
      local calls = 0
      pcall(pgd { eps = 0.1 }, function(input)
        calls = calls + 1
        if calls > k % 6 then error "stop" end
        return model(input)
      end, x, y)
    end
    collectgarbage()
    collectgarbage()
    assert.is_true(core.memory_used() <= before)
    assert.is_true(core.grad_enabled())
  end)

  it("gives every byte back when memory runs out at any moment", function()
    local net, images, labels = check_attack.network(3)
    local attack = pgd { eps = 0.1, norm = "l1", steps = 2, random = true, quiet = true }
    attack(net, images, labels)
    collectgarbage()
    collectgarbage()
    local before, failed = core.memory_used(), 0
    for n = 0, 300, 7 do
      core.memory_fail_after(n)
      local ok = pcall(attack, net, images, labels)
      core.memory_fail_after(-1)
      if not ok then failed = failed + 1 end
    end
    assert.is_true(failed > 5)
    collectgarbage()
    collectgarbage()
    assert.is_true(core.memory_used() <= before)
  end)
end)
