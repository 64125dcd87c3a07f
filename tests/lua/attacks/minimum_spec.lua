local assert = require "luassert"
local check_attack = require "support.check_attack"
local cj = require "conjugate"
local misuse = require "support.misuse"

local minimum = cj.attacks.minimum

describe("minimum", function()
  check_attack.laws(it, {
    make = minimum, ball = "linf", options = { eps = 0.3, eps0 = 0.05 }, losses = true,
    minimum = true,
    monotone = { { eps = 0.01 }, { eps = 0.03 }, { eps = 0.1 }, { eps = 0.3 } },
  })
end)

describe("minimum of a function", function()
  local function maker(eps)
    return cj.attacks.pgd { eps = eps, norm = "l2", early = true, quiet = true }
  end
  check_attack.laws(it, {
    make = minimum, ball = "l2", options = { eps = 2, attack = maker }, minimum = true,
  })

  it("finds what it finds for the attack itself", function()
    local net, x, y = check_attack.network(9)
    local a = minimum { attack = maker, eps0 = 0.3, quiet = true } (net, x, y, { seed = 3 })
    local b = minimum { attack = maker(0.3), quiet = true } (net, x, y, { seed = 3 })
    assert.same(a.radius, b.radius)
    assert.same(a.status, b.status)
    for i = 1, 9 do assert.near(a.l2[i], b.l2[i], 1e-6) end
  end)
end)

describe("minimum of PGD on the margin", function()
  for norm, ratio in pairs { linf = 1.5, l2 = 1.2, l1 = 1.3 } do
    it("comes near the least distance in " .. norm, function()
      local options = { norm = norm, loss = "margin", steps = 20, rel_step = 0.1 }
      check_attack.law("finds_the_nearest_plane", {
        make = minimum, ball = norm, minimum = true, ratio = ratio, median = 1.001,
        options = { attack = "pgd", options = options, tries = 16 },
      })
    end)
  end
end)

describe("minimum", function()
  local model, x, y = check_attack.golden("float64")

  it("closes in on the distance of the golden model", function()
    for norm, d in pairs { linf = 0.06875, l2 = 0.1229837 } do -- of class 2
      local o = { norm = norm, steps = 100, loss = "margin", early = false, rel_step = 0.1 }
      local attack = minimum { options = o, tries = 20, eps0 = 0.5, quiet = true }
      local r = attack(model, x, y, { target = 2 })
      assert.equal("SUCCESS", r.status[1])
      assert.is_true(r.radius[1] > d and r.radius[1] < 1.001 * d)
      assert.is_true(r.failed[1] <= d and r.failed[1] > 0.99 * d)
      assert.is_true(r[norm][1] <= r.radius[1] * (1 + 1e-6))
    end
  end)

  -- one step of eps flips the golden model exactly above .0625
  local function radii(o)
    local tried = {}
    o.attack, o.quiet = function(eps)
      tried[#tried + 1] = eps
      return cj.attacks.fgsm { eps = eps }
    end, true
    return tried, minimum(o)(model, x, y)
  end

  it("halves while it succeeds, doubles while it fails, then bisects", function()
    local tried, r = radii { eps0 = 0.5, tries = 6 }
    assert.same({ 0.5, 0.25, 0.125, 0.0625, 0.09375, 0.078125 }, tried)
    assert.equal(0.078125, r.radius[1])
    assert.equal(0.0625, r.failed[1])
    tried = radii { eps0 = 0.02, tries = 5 }
    for i, eps in ipairs { 0.02, 0.04, 0.08, 0.06, 0.07 } do assert.near(eps, tried[i], 1e-15) end
    assert.equal(9, #radii { eps0 = 0.02 })
  end)

  it("goes no further than eps, and returns x where nothing succeeded", function()
    local tried, r = radii { eps0 = 0.02, eps = 0.05 }
    assert.same({ 0.02, 0.04, 0.05 }, tried)
    assert.equal("FAIL", r.status[1])
    assert.equal(math.huge, r.radius[1])
    assert.equal(0, r.linf[1])
    assert.equal(x:bytes(), r.x_adv:bytes())
    assert.equal(0, r.pred_adv[1])
    assert.is_nil(r:distortion "linf")
  end)

  it("leaves samples that are there already alone", function()
    local r = minimum { quiet = true } (model, x, { 2 })
    assert.equal("ALREADY", r.status[1])
    assert.equal(0, r.radius[1])
    assert.equal(1, r.forwards[1])
  end)

  it("says NAN when a gradient is none, unless it succeeded before", function()
    -- the gradient ends at the second try: the root of 0 has none
    local tried = 0
    local function broken(input)
      return model(input) + (tried > 1 and (input * 0):sqrt():sum(2, true) or 0)
    end
    for eps0, status in pairs { [0.02] = "NAN", [0.3] = "SUCCESS" } do
      tried = 0
      local r = minimum {
        eps0 = eps0, quiet = true, attack = function(eps)
          tried = tried + 1
          return cj.attacks.fgsm { eps = eps, quiet = true }
        end,
      } (broken, x, y)
      assert.equal(status, r.status[1])
      assert.equal(2, tried)
    end
  end)

  it("searches toward targets, sample by sample", function()
    local two = cj.cat({ x, x }, 1)
    local o = { early = false, loss = "margin" }
    local attack = minimum { tries = 25, options = o, quiet = true }
    local r = attack(model, two, { 0, 0 }, { target = { 1, 2 } })
    assert.same({ 1, 2 }, r.pred_adv)
    assert.near(0.0625, r.radius[1], 1e-4)
    assert.near(0.06875, r.radius[2], 1e-4)
  end)

  it("says what is wrong", function()
    misuse.raises('minimum: expected an attack or the name of one for attack, got "pdg"', minimum,
      { attack = "pdg" })
    misuse.raises('pgd: there is no option "stesp"', minimum, { options = { stesp = 1 } })
    misuse.raises("minimum: expected a finite number above 0 for eps0", minimum, { eps0 = 0 })
    misuse.raises("for tries, got 0", minimum, { tries = 0 })
    misuse.raises("minimum: options go with the name", minimum,
      { attack = cj.attacks.fgsm { eps = 0.1 }, options = {} })
    misuse.raises("minimum: expected an attack for attack", minimum, { attack = {} })
    misuse.raises("minimum: expected 1 labels", minimum {}, model, x, { 0, 1 })
    misuse.raises("minimum: expected labels in 0..2, got 3", minimum {}, model, x, { 3 })
    misuse.raises("minimum: expected targets other than the labels", minimum {}, model, x, y,
      { target = 0 })
    misuse.raises("minimum: expected x in 0..1", minimum {}, model, x * 3, y)
  end)
end)
