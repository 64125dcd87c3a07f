local assert = require "luassert"
local check_attack = require "support.check_attack"
local cj = require "conjugate"
local misuse = require "support.misuse"

local su_linf = cj.attacks.su_linf

describe("su_linf", function()
  check_attack.laws(it, {
    make = su_linf, ball = "linf", steps = true, losses = true, minimum = true,
    ratio = 1.5, median = 1.03,
    options = { eps = 0.5, steps = 6, target = false },
    monotone = { { eps = 0.01 }, { eps = 0.1 }, { eps = 0.5 } },
  })
end)

describe("su_linf toward a random class", function()
  check_attack.laws(it, {
    make = su_linf, ball = "linf", steps = true,
    options = { eps = 0.5, steps = 6, target = "random" },
  })
end)

describe("su_linf", function()
  local model, x, y = check_attack.golden("float64")

  it("comes near the distance of the golden model from above", function()
    local exact = { 0.0625, 0.06875 }
    for target, d in ipairs(exact) do
      local r = su_linf { target = target, quiet = true } (model, x, y)
      assert.equal(target, r.pred_adv[1])
      assert.is_true(r.linf[1] > d - 1e-12 and r.linf[1] < 1.05 * d)
      assert.is_true(r.failed[1] <= d and d < r.radius[1] + 1e-12)
      -- .02 .04 .08, then six bisections of [.04, .08]: the bracket is .04 / 2^6 wide
      assert.near(0.04 / 64, r.radius[1] - r.failed[1], 1e-12)
    end
  end)

  it("is never below the closed form on random affine models, nor far above", function()
    local attack, near = su_linf { target = false, loss = "margin", quiet = true }, 0
    for key = 1, 12 do
      local affine, point, label, least = check_attack.affine(key, 3, 12)
      local r = attack(affine, point, label)
      assert.equal("SUCCESS", r.status[1])
      assert.is_true(r.linf[1] >= least.linf * (1 - 1e-5))
      assert.is_true(r.linf[1] <= 2 * least.linf) -- it may end at the other class
      if r.linf[1] <= 1.06 * least.linf then near = near + 1 end
    end
    assert.is_true(near >= 8)
  end)

  it("has the values of the paper's run", function()
    local o = su_linf {}.options
    assert.equal(50, o.steps)
    assert.equal(0.02, o.eps0)
    assert.equal(9, o.tries)
    assert.equal("random", o.target)
  end)

  it("spends at most tries * (steps (F + B) + F), and a look at the clean input each", function()
    local r = su_linf { early = false, target = 1, quiet = true } (model, x, y)
    assert.equal(9 * 50, r.backwards[1])
    assert.is_true(r.forwards[1] <= 9 * 52)
  end)

  it("says what is wrong", function()
    misuse.raises("for steps, got -1", su_linf, { steps = -1 })
    misuse.raises("su_linf: expected a finite number above 0 for eps0, got inf", su_linf,
      { eps0 = math.huge })
    misuse.raises("su_linf: expected targets in 0..2, got 5", su_linf {}, model, x, y,
      { target = 5 })
  end)
end)
