local assert = require "luassert"
local cj = require "conjugate"
local misuse = require "support.misuse"

local pareto = cj.metrics.pareto

local function law(acc)
  return 0.5 * math.log(1 - acc) + 2
end

describe("the Pareto frontier", function()
  it("and its law give the golden value", function()
    local points = { { acc = 0.2, rob = 0.5 } }
    for _, acc in ipairs { 0.9, 0.1, 0.5, 0.7, 0.3 } do
      points[#points + 1] = { acc = acc, rob = law(acc) }
    end
    local fit = pareto.fit(points)
    assert.equal(5, fit.n_frontier)
    assert.equal(6, fit.n)
    for i, acc in ipairs { 0.1, 0.3, 0.5, 0.7, 0.9 } do assert.equal(acc, fit.frontier[i].acc) end
    assert.near(0.5, fit.A, 1e-12)
    assert.near(2, fit.B, 1e-12)
    assert.near(1, fit.r2, 1e-12)
  end)

  it("leaves out the dominated alone, and passes the points through", function()
    local a, b, c = { 0.5, 1, name = "a" }, { 0.5, 2 }, { 0.4, 2 }
    local d, e, f = { 0.6, 0 }, { 0.5, 2 }, { 0.6, -1 }
    local kept = pareto.frontier { a, b, c, d, e, f }
    assert.equal(3, #kept)
    assert.equal(b, kept[1])
    assert.equal(e, kept[2]) -- equal points do not dominate each other
    assert.equal(d, kept[3])
  end)

  it("agrees with brute force on random points", function()
    local v = cj.random.rand({ 40, 2 }, "float64", 3):table()
    local kept = {}
    for _, p in ipairs(pareto.frontier(v)) do kept[p] = true end
    for _, p in ipairs(v) do
      local free = true
      for _, q in ipairs(v) do
        if q ~= p and q[1] >= p[1] and q[2] >= p[2] then free = false end
      end
      assert.equal(free, kept[p] or false)
    end
  end)

  it("fits by least squares", function()
    -- frontier x = ln(1 - acc) = -1, -2, -3 with y = 3, 1.5, 1: A = 1, B = 23/6, R2 = 12/13
    local points = {}
    for i, y in ipairs { 3, 1.5, 1 } do points[i] = { 1 - math.exp(-i), y } end
    local fit = pareto.fit(points)
    assert.near(1, fit.A, 1e-12)
    assert.near(23 / 6, fit.B, 1e-12)
    assert.near(12 / 13, fit.r2, 1e-12)
  end)

  it("has no law below two accuracies, and survives an accuracy of 1", function()
    for _, points in ipairs { {}, { { 0.5, 1 } }, { { 0.5, 1 }, { 0.5, 0.5 } },
      { { 0.5, 1 }, { 0.5, 1 } } } do
      local fit = pareto.fit(points)
      assert.is_nil(fit.A)
      assert.is_nil(fit.B)
      assert.is_nil(fit.r2)
    end
    local fit = pareto.fit { { 1, 0 }, { 0, 1 } }
    assert.near(1 / -math.log(1e-6), fit.A, 1e-9)
  end)

  it("refuses percent and what is no point", function()
    misuse.raises("expected a share from 0 to 1 for points[1].acc, got 98: divide percent by 100",
      pareto.fit, { { 98, 1 } })
    misuse.raises("pareto: expected a number for points[2].rob, got nil", pareto.frontier,
      { { 0.5, 1 }, { acc = 0.1 } })
    misuse.raises("pareto: expected a table for points[1], got 1", pareto.fit, { 1 })
    misuse.raises("pareto: expected a table for points", pareto.fit)
  end)
end)
