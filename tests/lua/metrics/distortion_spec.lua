local assert = require "luassert"
local cj = require "conjugate"
local misuse = require "support.misuse"

-- Images [1, 2, 2], margin w . x + b between classes 0 and 1; all labels are 0.
local W, BIAS = { 3, -4, 0, 12 }, -2
local NORM = 13

local function model(x)
  local w = cj.tensor({ W }, x.dtype)
  local m = cj.linear(x:reshape { x:size(1), -1 }, w, cj.tensor({ BIAS }, x.dtype))
  return cj.cat({ m, m * 0 }, 2)
end

local function constant(x)
  return cj.zeros { x:size(1), 2 } + cj.tensor { 2, 0 }
end

-- Six images; margins m, of which the last is negative.
local function set()
  local x = cj.full({ 6, 1, 2, 2 }, 0.5)
  local values = { 0.3, 0.35, 0.4, 0.45, 0.5, 0.1 }
  local margins = {}
  for i, v in ipairs(values) do
    x[i][1][2][2] = v
    margins[i] = 3 * 0.5 - 4 * 0.5 + 12 * v + BIAS
  end
  return cj.data.set {
    images = x, labels = cj.zeros({ 6 }, "int64"), classes = 2, name = "six",
  }, margins, x
end

local deepfool = cj.attacks.deepfool { classes = 2, overshoot = 1e-4, stab = 0 }

describe("distortion", function()
  it("is the mean distance of the successes, beside their rate", function()
    local data, margins = set()
    local d = cj.metrics.distortion(model, data, deepfool, { batch = 4, quiet = true })
    local sum = 0
    for i = 1, 5 do sum = sum + margins[i] / NORM / 5 end
    assert.near(sum, d.mean, 1e-3 * sum)
    assert.near(sum / 4, d.per_pixel, 1e-3 * sum)
    assert.near(margins[3] / NORM, d.median, 1e-4)
    assert.equal("l2", d.norm)
    assert.equal(6, d.n)
    assert.equal(5, d.tried)
    assert.equal(100, d.success_rate)
    assert.truthy(tostring(d):find("success rate 100.00 %", 1, true))
  end)

  it("counts failures in the rate and the median alone", function()
    local data, margins = set()
    local limit = (margins[2] + margins[3]) / 2 / NORM
    local near = cj.attacks.deepfool { classes = 2, overshoot = 1e-4, stab = 0, eps = limit }
    local d = cj.metrics.distortion(model, data, near, { quiet = true })
    assert.equal(2, d.successes)
    assert.near(40, d.success_rate, 1e-12)
    assert.near((margins[1] + margins[2]) / 2 / NORM, d.mean, 1e-4)
    assert.is_nil(d.median) -- three of five are infinitely far
  end)

  it("is undefined, not 0, where nothing succeeded", function()
    local data = set()
    local d = cj.metrics.distortion(constant, data, deepfool, { quiet = true })
    assert.is_nil(d.mean)
    assert.is_nil(d.per_pixel)
    assert.is_nil(d.relative)
    assert.is_nil(d.median)
    assert.equal(0, d.success_rate)
    assert.truthy(tostring(d):find("undefined", 1, true))
    local wrong = cj.metrics.distortion(function(x) return -constant(x) end, data, deepfool,
      { quiet = true })
    assert.equal(0, wrong.tried)
    assert.is_nil(wrong.success_rate)
  end)

  it("over the input's norm is the empirical robustness", function()
    local data, margins, x = set()
    local rho, d = cj.metrics.empirical_robustness(model, data, { attack = deepfool, quiet = true })
    local sum = 0
    for i = 1, 5 do
      sum = sum + margins[i] / NORM / (x[i] * x[i]):sum():sqrt():item() / 5
    end
    assert.near(sum, rho, 1e-3 * sum)
    assert.equal(100, d.success_rate)
    assert.is_nil((cj.metrics.empirical_robustness(constant, data, { quiet = true })))
  end)

  it("of Su et al. has all three for each kind of target", function()
    local data, margins = set()
    local su = cj.metrics.su(model, data, {
      quiet = true, seed = 1, clever = { batches = 2, samples = 3 },
      cw = { steps = 200, lr = 0.01, csteps = 6, c0 = 0.01 }, targets = { "second", "random" },
    })
    local mean = 0
    for i = 1, 5 do mean = mean + margins[i] / 5 end
    for _, target in ipairs { "second", "random" } do
      local row = su[target]
      assert.near(mean / 19, row.linf.mean, 0.05 * mean / 19) -- |w|_1 = 19
      assert.is_true(row.linf.mean >= mean / 19 - 1e-6)
      assert.near(mean / NORM / 4, row.cw.per_pixel, 0.1 * mean / NORM / 4)
      assert.near(mean / NORM, row.clever.mean, 1e-5)
      assert.near(mean / NORM / 4, row.clever.per_pixel, 1e-5)
      assert.equal(5, row.clever.n)
    end
    assert.is_nil(su.least)
    su = cj.metrics.su(model, data, { quiet = true, cw = false, clever = false,
      linf = { steps = 5 }, targets = { "least" } })
    assert.is_nil(su.least.cw)
    assert.is_nil(su.least.clever)
    assert.equal(100, su.least.linf.success_rate)
  end)

  it("says what is wrong", function()
    local data = set()
    misuse.raises("distortion: expected an attack", cj.metrics.distortion, model, data, 3)
    misuse.raises("distortion: expected a data set", cj.metrics.distortion, model, 3, deepfool)
    misuse.raises("distortion: expected something callable", cj.metrics.distortion, nil, data,
      deepfool)
    misuse.raises('for norm', cj.metrics.distortion, model, data, deepfool, { norm = "l7" })
    misuse.raises('su: expected one of "random"', cj.metrics.su, model, data,
      { targets = { "all" } })
    misuse.raises("expected at least one image", cj.metrics.distortion, model, data:take(0),
      deepfool)
  end)
end)
