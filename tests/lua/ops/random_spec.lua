local check_op = require "support.check_op"
local cj = require "conjugate"

describe("bernoulli", function()
  it("draws ones with the probability asked for", function()
    local x = cj.zeros { 200, 101 }
    for _, p in ipairs { 0, 0.1, 0.5, 1 } do
      local y = cj.bernoulli(x, p, 3)
      assert.near(p, y:mean():item(), 4 * math.sqrt(p * (1 - p) / x:numel()))
      assert.same({ 1 }, cj.logical_or(y:eq(0), y:eq(1)):reshape(-1):min(1, true):table())
    end
  end)

  it("depends on the key alone, not on threads or what stands behind", function()
    local large, small = cj.zeros { 30000 }, cj.zeros { 100 }
    assert.equal(cj.bernoulli(large, 0.3, 5):narrow(1, 1, 100):bytes(),
      cj.bernoulli(small, 0.3, 5):bytes())
    assert.not_equal(cj.bernoulli(small, 0.3, 5):bytes(), cj.bernoulli(small, 0.3, 6):bytes())
    check_op.laws(function(x) return cj.bernoulli(x, 0.3, 5) end, { small },
      { gradient = false, large = { large } })
  end)

  it("takes the next key of the global generator", function()
    local x = cj.zeros { 64 }
    cj.seed(1)
    local a, b = cj.bernoulli(x), cj.bernoulli(x)
    cj.seed(1)
    assert.equal(a:bytes(), x:bernoulli_():bytes())
    assert.equal(b:bytes(), x:bernoulli_(0.5):bytes())
    assert.not_equal(a:bytes(), b:bytes())
  end)

  it("works for all types and says what is wrong", function()
    assert.equal(5, cj.zeros({ 5 }, "uint8"):bernoulli_(1):sum():item())
    assert.equal(5, cj.zeros({ 5 }, "int64"):bernoulli(1):sum():item())
    assert.error_matches(function() cj.bernoulli(cj.zeros { 1 }, 2) end,
      "bernoulli: expected a probability from 0 to 1, got 2")
    assert.error_matches(function() cj.bernoulli(cj.zeros { 1 }, 0 / 0) end, "probability")
  end)
end)

describe("rand_like and randn_like", function()
  it("have the sizes and type of their model", function()
    local x = cj.zeros({ 400, 50 }, "float64")
    cj.seed(2)
    local u, n = cj.rand_like(x), cj.randn_like(x)
    assert.same(x.shape, u.shape)
    assert.equal("float64", n.dtype)
    assert.near(0.5, u:mean():item(), 0.01)
    assert.near(0, n:mean():item(), 0.03)
    assert.near(1, n:std():item(), 0.03)
    assert.equal(cj.rand_like(x, 9):bytes(), cj.rand_like(x, 9):bytes())
  end)
end)
