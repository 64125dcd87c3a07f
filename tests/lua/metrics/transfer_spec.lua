local assert = require "luassert"
local cj = require "conjugate"
local misuse = require "support.misuse"

-- Two inputs; a model's margin is w . x + b.
local function model(w1, w2, b)
  return function(x)
    local m = cj.linear(x:reshape { x:size(1), 2 }, cj.tensor { { w1, w2 } }, cj.tensor { b })
    return cj.cat({ m, m * 0 }, 2)
  end
end

local images = cj.tensor { { 0.6, 0.5 }, { 0.9, 0.5 }, { 0.45, 0.5 } }
local set = cj.data.set {
  images = images:reshape { 3, 1, 1, 2 }, labels = cj.zeros({ 3 }, "int64"), classes = 2,
  name = "three",
}
-- a and b look at the first input, c at the second; c classifies everything correctly
local models = { a = model(1, 0, -0.5), b = model(1, 0, -0.35), c = model(0, 1, -0.45) }

describe("transfer", function()
  it("counts what both classify correctly, and what the other then misses", function()
    local t = cj.metrics.transfer(models, set, cj.attacks.fgsm { eps = 0.2 }, { quiet = true })
    assert.same({ "a", "b", "c" }, t.names)
    assert.equal(3, t.n)
    -- a gets images 1 and 2 right, b and c all
    assert.same({ { 2, 2, 2 }, { 2, 3, 3 }, { 2, 3, 3 } }, t.both)
    -- against a: (.4, .5), (.7, .5): a misses the first; b (.35) none; c none
    -- against b: (.4), (.7), (.25): a misses the first, b the third
    -- against c: the second input falls to .3: c misses all
    assert.same({ { 1, 0, 0 }, { 1, 1, 0 }, { 0, 0, 3 } }, t.successes)
    assert.near(50, t.rates[1][1], 1e-9)
    assert.near(100 / 3, t.rates[2][2], 1e-9)
    assert.near(100, t.rates[3][3], 1e-9)
    assert.truthy(tostring(t):find("transfer of fgsm, n = 3", 1, true))
  end)

  it("is undefined where no image is classified correctly by both", function()
    local never = model(0, 0, -1)
    local t = cj.metrics.transfer({ models.a, never }, set, cj.attacks.fgsm { eps = 0.2 },
      { quiet = true, batch = 2 })
    assert.same({ "model 1", "model 2" }, t.names)
    assert.is_nil(t.rates[1][2])
    assert.is_nil(t.rates[2][2])
    assert.near(50, t.rates[1][1], 1e-9)
  end)

  it("says what is wrong", function()
    local fgsm = cj.attacks.fgsm { eps = 0.1 }
    misuse.raises("transfer: expected at least one model", cj.metrics.transfer, {}, set, fgsm)
    misuse.raises("transfer: expected something callable for a", cj.metrics.transfer, { a = 3 },
      set, fgsm)
    misuse.raises("transfer: expected an attack", cj.metrics.transfer, models, set, nil)
  end)
end)
