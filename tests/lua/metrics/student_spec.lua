local assert = require "luassert"
local student = require "conjugate.metrics.student"

describe("Student's t", function()
  it("has the quantiles of the tables", function()
    for degrees, value in pairs {
      [1] = 12.7062, [2] = 4.30265, [9] = 2.26216, [10] = 2.22814, [12] = 2.17881, [20] = 2.08596,
      [31] = 2.03951, [1000] = 1.96234,
    } do
      assert.near(value, student.quantile(degrees), 2e-4 * value)
    end
  end)

  it("goes with a normal quantile far out, too", function()
    assert.near(4.284789, student.from_normal(3.998387, 63), 1e-3) -- P(|t| > ..) = 0.05 / 784
  end)

  it("falls with the degrees of freedom towards the normal quantile", function()
    for degrees = 1, 40 do
      assert.is_true(student.quantile(degrees) > student.quantile(degrees + 1))
    end
    assert.near(1.95996, student.quantile(1e9), 1e-5)
  end)

  it("tells the interval of a few runs", function()
    local mean, half = student.mean { 1, 2, 3 }
    assert.equal(2, mean)
    assert.near(4.30265 / math.sqrt(3), half, 1e-4)
    assert.same({ 7 }, { student.mean { 7 } })
    assert.is_nil((student.mean {}))
  end)

  it("needs a degree of freedom", function()
    assert.has_error(function() student.quantile(0) end,
      "student: expected at least one degree of freedom, got 0")
  end)
end)
