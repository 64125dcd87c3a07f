local assert = require "luassert"
local check_op = require "support.check_op"
local cj = require "conjugate"
local layers = require "support.layers"
local misuse = require "support.misuse"

local function softmax(row)
  local most, sum, y = math.max(unpack(row)), 0, {}
  for i, v in ipairs(row) do
    y[i] = math.exp(v - most)
    sum = sum + y[i]
  end
  for i in ipairs(row) do y[i] = y[i] / sum end
  return y
end

describe("softmax", function()
  it("is the formula along any dimension", function()
    local x = layers.random({ 3, 4, 5 }, 1)
    local last = cj.softmax(x)
    for i = 1, 3 do
      for j = 1, 4 do layers.near(softmax(layers.flat(x[i][j])), last[i][j]) end
    end
    for dim = 1, 3 do
      local turned = x:transpose(dim, 3):contiguous()
      layers.same(cj.softmax(turned):transpose(dim, 3), cj.softmax(x, dim))
      layers.same(cj.softmax(x, dim), cj.softmax(x, dim - 4))
    end
  end)

  it("neither overflows nor loses a constant", function()
    layers.near({ 0.5, 0.5, 0 }, cj.softmax(cj.tensor({ 1e300, 1e300, -1e300 }, "float64")))
    layers.near({ 0, 1 }, cj.softmax(cj.tensor { -math.huge, 3 }))
    layers.near({ 0, -1e4 }, cj.log_softmax(cj.tensor { 1e4, 0 }))
    layers.near({ -1e-20, math.log(1e-20) },
      cj.log_softmax(cj.tensor({ 0, math.log(1e-20) }, "float64")))
  end)

  it("has the slopes of central differences", function()
    local x = layers.random({ 2, 3, 4 }, 1)
    for dim = 1, 3 do
      layers.slopes(function(z) return cj.softmax(z, dim) end, { x })
      layers.slopes(function(z) return cj.log_softmax(z, dim) end, { x })
    end
  end)

  it("does not depend on batches or threads, and survives failing allocations", function()
    local x = layers.random({ 64, 10 }, 1, "float32")
    layers.batches_agree(cj.log_softmax, x)
    layers.threads_agree(function() return layers.gradients(cj.softmax, { x }) end)
    layers.starves(function() layers.gradients(cj.log_softmax, { x }) end)
  end)

  it("checks the dimension", function()
    misuse.raises("dim", cj.softmax, cj.zeros { 2, 2 }, 3)
    assert.same({ 0, 3 }, cj.softmax(cj.zeros { 0, 3 }).shape)
  end)
end)

describe("log_softmax", function()
  it("is the logarithm of softmax", function()
    local x = layers.random({ 4, 6 }, 1)
    layers.near(layers.flat(cj.softmax(x):log()), cj.log_softmax(x))
  end)
end)

describe("predict", function()
  it("is the smallest label among the largest logits", function()
    local x = cj.tensor { { 1, 3, 2 }, { 5, 5, 1 }, { -1, -2, -1 }, { 1, 0 / 0, 2 } }
    local labels = x:predict()
    assert.equal("int64", labels.dtype)
    assert.same({ 1, 0, 0, 1 }, labels:table())
    assert.equal(2, cj.tensor({ 0, 1, 2 }):predict():item())
    misuse.raises("[..., K]", function() cj.tensor(1):predict() end)
  end)
end)

describe("softmax and log_softmax", function()
  it("obey the laws of every operator", function()
    local x = layers.random({ 3, 4, 2 }, 1)
    for dim = 1, 3 do
      check_op.laws(function(t) return cj.softmax(t, dim) end, { x })
      check_op.laws(function(t) return cj.log_softmax(t, dim) end, { x })
    end
  end)
end)
