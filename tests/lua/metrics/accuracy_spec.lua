local assert = require "luassert"
local cj = require "conjugate"
local toy = require "support.toy"

describe("accuracy", function()
  local set = toy.set(30, 4)

  -- Knows the answer: compares the two rows of the picture.
  local function oracle(x)
    return cj.linear(x:flatten(2), cj.tensor { { 1, 1, 0, 0 }, { 0, 0, 1, 1 } })
  end

  it("is 100 percent for a model that knows, 0 for its opposite", function()
    assert.equal(100, cj.metrics.accuracy(oracle, set, { quiet = true }))
    assert.equal(0, cj.metrics.accuracy(function(x) return -oracle(x) end, set, { quiet = true }))
  end)

  it("counts the same for every batch size", function()
    for _, batch in ipairs { 1, 7, 30, 100 } do
      local hits, n = cj.metrics.count(oracle, set, { quiet = true, batch = batch })
      assert.equal(30, hits)
      assert.equal(30, n)
    end
  end)

  it("records nothing on the tape", function()
    local weight = cj.ones { 2, 4 }
    weight.requires_grad = true
    local seen
    cj.metrics.count(function(x)
      seen = cj.linear(x:flatten(2), weight)
      return seen
    end, set, { quiet = true })
    assert.is_false(seen.requires_grad)
  end)
end)
