local kendall = require "conjugate.metrics.kendall"

describe("Kendall's tau", function()
  it("is 1, -1 or between them", function()
    assert.equal(1, kendall.tau({ 1, 2, 3 }, { 10, 20, 90 }))
    assert.equal(-1, kendall.tau({ 1, 2, 3 }, { 3, 2, 1 }))
    assert.near(1 / 3, kendall.tau({ 1, 2, 3 }, { 1, 3, 2 }), 1e-15)
  end)

  it("corrects for ties and leaves holes out", function()
    -- 6 pairs, one tie in a: (5 - 0) / sqrt(5 * 6)
    assert.near(5 / math.sqrt(30), kendall.tau({ 1, 1, 2, 3 }, { 1, 2, 3, 4 }), 1e-15)
    assert.equal(1, kendall.tau({ 1, nil, 3 }, { 1, 5, 9 }, 3))
    assert.is_nil(kendall.tau({ 1, 1, 1 }, { 1, 2, 3 }))
  end)
end)
