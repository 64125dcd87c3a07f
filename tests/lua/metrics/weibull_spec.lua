local assert = require "luassert"
local misuse = require "support.misuse"
local weibull = require "conjugate.metrics.weibull"

-- Quantiles of the reverse Weibull distribution with a = 10, b = 1.
local function quantiles(shape, n)
  local list = {}
  for i = 1, n do list[i] = 10 - (-math.log((i - 0.5) / n)) ^ (1 / shape) end
  return list
end

local function moved(list, factor, shift)
  local out = {}
  for i, v in ipairs(list) do out[i] = factor * v + shift end
  return out
end

-- log of the density, summed over the sample.
local function log_likelihood(list, a, b, c)
  local sum = 0
  for _, y in ipairs(list) do
    local t = (a - y) / b
    sum = sum + math.log(c / b) + (c - 1) * math.log(t) - t ^ c
  end
  return sum
end

describe("the fit of a reverse Weibull distribution", function()
  it("gives the golden values", function()
    local fit = weibull.fit(quantiles(3, 500))
    assert.near(2.9701, fit.shape, 5e-5)
    assert.near(0.9899, fit.scale, 5e-5)
    assert.near(9.9906, fit.location, 5e-5)
    assert.is_nil(fit.flag)
    assert.equal(fit.location, fit.end_point)
    fit = weibull.fit(quantiles(2, 500))
    assert.near(1.9828, fit.shape, 5e-5)
    assert.near(0.9918, fit.scale, 5e-5)
    assert.near(9.9932, fit.location, 5e-5)
  end)

  it("moves with its sample: fit(7 M + 3) = 7 fit(M) + 3", function()
    for _, shape in ipairs { 1.3, 2, 5 } do
      local list = quantiles(shape, 60)
      local one, two = weibull.fit(list), weibull.fit(moved(list, 7, 3))
      assert.near(7 * one.location + 3, two.location, 1e-6)
      assert.near(7 * one.scale, two.scale, 1e-6)
      assert.near(one.shape, two.shape, 1e-6)
      assert.near(one.ks, two.ks, 1e-8)
    end
  end)

  it("is the best of all parameters, and its likelihood that of the density", function()
    local list = quantiles(2.5, 40)
    local fit = weibull.fit(list)
    assert.near(log_likelihood(list, fit.location, fit.scale, fit.shape), fit.log_likelihood, 1e-8)
    for _, f in ipairs { 0.98, 0.995, 1.005, 1.02 } do
      local a = fit.max + (fit.location - fit.max) * f
      assert.is_true(log_likelihood(list, a, fit.scale, fit.shape) < fit.log_likelihood)
      assert.is_true(log_likelihood(list, fit.location, fit.scale * f, fit.shape)
        < fit.log_likelihood)
      assert.is_true(log_likelihood(list, fit.location, fit.scale, fit.shape * f)
        < fit.log_likelihood)
    end
  end)

  it("does not let the shape fall below 1, where the likelihood has no bound", function()
    local fit = weibull.fit(quantiles(0.5, 100))
    assert.equal(1, fit.shape)
    assert.is_true(fit.location > fit.max)
    assert.is_true(fit.location - fit.max <= 1.001e-6 * (fit.max - fit.min))
  end)

  it("does not depend on the order of the sample, and leaves it alone", function()
    local list = { 3, 1, 2, 5, 4 }
    local fit = weibull.fit(list)
    assert.same({ 3, 1, 2, 5, 4 }, list)
    assert.equal(fit.location, weibull.fit({ 1, 2, 3, 4, 5 }).location)
    assert.equal(1, fit.min)
    assert.equal(5, fit.max)
  end)

  it("takes the maximum, flagged, of samples without spread or of another kind", function()
    for _, list in ipairs { { 2 }, { 2, 2, 2 }, { 2, 2 + 1e-13 }, { 0, 0 }, { 1, math.huge } } do
      local fit = weibull.fit(list)
      assert.equal("DEGENERATE", fit.flag)
      assert.equal(math.max(unpack(list)), fit.end_point)
      assert.is_nil(fit.location)
    end
    local two_heaps = {} -- nothing of one Weibull distribution
    for i = 1, 400 do two_heaps[i] = (i % 2 == 0 and 1 or 9) + i * 1e-4 end
    local fit = weibull.fit(two_heaps)
    assert.equal("DEGENERATE", fit.flag)
    assert.is_true(fit.p < 0.001)
    assert.equal(fit.max, fit.end_point)
  end)

  it("takes the maximum, flagged, of samples whose likelihood finds no end", function()
    local list = {} -- quantiles of Frechet's distribution, which has a heavier tail than Gumbel's
    for i = 1, 60 do list[i] = (-math.log((i - 0.5) / 60)) ^ -0.2 end
    local fit = weibull.fit(list)
    assert.equal("UNBOUNDED", fit.flag)
    assert.equal(fit.max, fit.end_point)
    assert.near(fit.max + 1e3 * (fit.max - fit.min), fit.location, 1e-3)
    local literal = weibull.fit(list, "location")
    assert.equal("UNBOUNDED", literal.flag)
    assert.equal(fit.location, literal.end_point)
    for _, shape in ipairs { 1, 2, 5, 10 } do
      assert.is_nil(weibull.fit(quantiles(shape, 200)).flag)
    end
  end)

  it("knows Kolmogorov's distribution", function()
    -- critical values of the limit: 1.3581 (5 %), 1.6276 (1 %), 1.9495 (0.1 %)
    local n = 1e8
    assert.near(0.05, weibull.kolmogorov(1.3581 / math.sqrt(n), n), 2e-5)
    assert.near(0.01, weibull.kolmogorov(1.6276 / math.sqrt(n), n), 1e-5)
    assert.near(0.001, weibull.kolmogorov(1.9495 / math.sqrt(n), n), 1e-6)
    assert.near(0.05, weibull.kolmogorov(0.40925, 10), 1e-3) -- exact table of small samples
    assert.equal(1, weibull.kolmogorov(0, 10))
    assert.near(0, weibull.kolmogorov(1, 100), 1e-12)
  end)

  it("refuses what is no sample", function()
    misuse.raises("weibull: expected at least one value, got none", weibull.fit, {})
    misuse.raises("weibull: expected a number for values[2]", weibull.fit, { 1, 0 / 0 })
    misuse.raises("weibull: expected a table for values, got 3", weibull.fit, 3)
    misuse.raises('weibull: expected one of "max", "location"', weibull.fit, { 1, 2 }, "mean")
  end)
end)
