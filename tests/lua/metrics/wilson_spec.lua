local assert = require "luassert"
local wilson = require "conjugate.metrics.wilson"

describe("wilson.interval", function()
  it("gives the published values", function()
    -- Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3: four places
    local cases = {
      { 81, 263, 0.2553, 0.3662 },
      { 15, 148, 0.0624, 0.1605 },
      { 0, 20, 0, 0.1611 },
      { 1, 29, 0.0061, 0.1718 },
    }
    for _, case in ipairs(cases) do
      local low, high = wilson.interval(case[1], case[2])
      assert.near(case[3], low, 5e-5)
      assert.near(case[4], high, 5e-5)
    end
  end)

  it("touches 0 and 1 exactly at the ends", function()
    local low = wilson.interval(0, 1000)
    local _, high = wilson.interval(1000, 1000)
    assert.equal(0, low)
    assert.equal(1, high)
  end)

  it("is the same from both sides", function()
    local low, high = wilson.interval(30, 100)
    local other_low, other_high = wilson.interval(70, 100)
    assert.near(1 - high, other_low, 1e-15)
    assert.near(1 - low, other_high, 1e-15)
  end)

  it("refuses impossible counts and names them", function()
    assert.error_matches(function() wilson.interval(3, 2) end, "got 3 of 2")
    assert.error_matches(function() wilson.interval(0, 0) end, "n >= 1")
  end)
end)
