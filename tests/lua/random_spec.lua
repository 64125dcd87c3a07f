local cj = require "conjugate"
local raises = require("support.misuse").raises

describe("the global generator", function()
  it("repeats after the same seed", function()
    cj.seed(7)
    local a, b = cj.rand { 5 }, cj.randn { 5 }
    cj.seed(7)
    assert.same(a:table(), cj.rand({ 5 }):table())
    assert.same(b:table(), cj.randn({ 5 }):table())
    assert.is_false((a:allclose(cj.rand { 5 })))
  end)

  it("goes on exactly where a state was taken", function()
    cj.seed(3)
    cj.rand { 2 }
    local state = cj.random.state()
    local a = cj.rand { 4 }
    cj.seed(9)
    cj.random.restore(state)
    assert.same(a:table(), cj.rand({ 4 }):table())
    assert.same({ seed = 3, counter = 2 }, cj.random.state())
  end)

  it("does not depend on threads", function()
    local threads = cj.threads()
    local sums = {}
    for n = 1, 2 do
      cj.threads(n)
      cj.seed(1)
      sums[n] = cj.randn({ 100000 }):bytes()
    end
    cj.threads(threads)
    assert.equal(sums[1], sums[2])
  end)

  it("makes uniform and normal numbers", function()
    cj.seed(2)
    local u, n = cj.rand({ 20000 }, "float64"), cj.randn({ 20000 }, "float64")
    local low, high = u:summary()
    assert.is_true(low >= 0 and high < 1)
    assert.near(0.5, u:mean():item(), 0.01)
    assert.near(0, n:mean():item(), 0.03)
    assert.near(1, (n * n):mean():item(), 0.05)
    local v = cj.zeros({ 1000 }):uniform_(-2, -1)
    low, high = v:summary()
    assert.is_true(low >= -2 and high <= -1)
  end)

  it("permutes 1..n", function()
    cj.seed(4)
    local p = cj.randperm(50)
    assert.equal("int64", p.dtype)
    local seen = {}
    for _, v in ipairs(p:table()) do seen[v] = true end
    for i = 1, 50 do assert.is_true(seen[i]) end
    assert.same({}, cj.randperm(0):table())
  end)

  it("gives numbers of a key", function()
    local key = cj.random.key "test"
    assert.equal(cj.random.uniform(key, 3), cj.random.uniform(key, 3))
    assert.not_equal(cj.random.uniform(key, 3), cj.random.uniform(key, 4))
    assert.same(cj.random.rand({ 3 }, nil, key):table(), cj.random.rand({ 3 }, nil, key):table())
  end)

  it("refuses misuse", function()
    raises("seed: expected a whole number for n, got 1.5", cj.seed, 1.5)
    raises("seed: expected a whole number from 0 to 9007199254740992 for n, got -1", cj.seed, -1)
    raises("rand", cj.rand, { 2 }, "int64")
    local x = cj.zeros { 2 }
    raises("uniform_: expected low <= high, got 1 and 0", x.uniform_, x, 1, 0)
    raises("normal_: expected sd >= 0, got -1", x.normal_, x, 0, -1)
    raises("restore: expected a table for state, got nil", cj.random.restore)
    raises("restore: expected a whole number for seed, got nil", cj.random.restore, {})
  end)
end)
