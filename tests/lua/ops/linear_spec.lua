local assert = require "luassert"
local check_op = require "support.check_op"
local cj = require "conjugate"
local layers = require "support.layers"
local misuse = require "support.misuse"

local function reference(rows, inputs, outputs, x, w, b)
  local y = {}
  for r = 0, rows - 1 do
    for o = 0, outputs - 1 do
      local sum = 0
      for i = 1, inputs do sum = sum + x[r * inputs + i] * w[o * inputs + i] end
      y[#y + 1] = sum + (b and b[o + 1] or 0)
    end
  end
  return y
end

local cases = {
  { 1, 1, 1 }, { 3, 5, 2 }, { 15, 17, 33 }, { 29, 40, 10 }, { 7, 1, 64 }, { 2, 300, 3 },
}

describe("linear", function()
  it("is a row by row product with the weights, plus the bias", function()
    for _, c in ipairs(cases) do
      local rows, inputs, outputs = c[1], c[2], c[3]
      local x, w = layers.random({ rows, inputs }, 1), layers.random({ outputs, inputs }, 2)
      local b = layers.random({ outputs }, 3)
      local p, q, r = layers.flat(x), layers.flat(w), layers.flat(b)
      layers.near(reference(rows, inputs, outputs, p, q, r), cj.linear(x, w, b))
      layers.near(reference(rows, inputs, outputs, p, q), cj.linear(x, w))
      layers.near(reference(rows, inputs, outputs, p, q, r),
        cj.linear(x:to "float32", w:to "float32", b:to "float32"), 1e-5)
      layers.slopes(cj.linear, { x, w, b }, { most = 20 })
    end
  end)

  it("takes any number of leading dimensions", function()
    local x, w = layers.random({ 2, 3, 4 }, 1), layers.random({ 5, 4 }, 2)
    local y = cj.linear(x, w)
    assert.same({ 2, 3, 5 }, y.shape)
    layers.same(cj.linear(x:reshape { 6, 4 }, w), y)
    assert.same({ 5 }, cj.linear(x:select(1, 1):select(1, 1), w).shape)
    assert.same({ 0, 5 }, cj.linear(cj.zeros({ 0, 4 }, "float64"), w).shape)
  end)

  it("gives each row the same bytes in every batch", function()
    for _, dtype in ipairs(layers.floats) do
      local x, w = layers.random({ 64, 50 }, 1, dtype), layers.random({ 37, 50 }, 2, dtype)
      layers.batches_agree(function(part) return cj.linear(part, w) end, x)
      layers.batches_agree(function(part)
        return layers.gradients(function(z) return cj.linear(z, w):sum() end, { part })[2]
      end, x)
    end
  end)

  it("gives the same bytes for any number of threads", function()
    local x, w = layers.random({ 130, 200 }, 1, "float32"), layers.random({ 90, 200 }, 2, "float32")
    local b = layers.random({ 90 }, 3, "float32")
    layers.threads_agree(function() return layers.gradients(cj.linear, { x, w, b }) end)
  end)

  it("says which sizes do not fit", function()
    misuse.raises("expected x [..., 3] for weight [2, 3] ([out, in]), got [1, 4]", cj.linear,
      cj.zeros { 1, 4 }, cj.zeros { 2, 3 })
    misuse.raises("for bias, got [3]", cj.linear, cj.zeros { 1, 3 }, cj.zeros { 2, 3 },
      cj.zeros { 3 })
  end)

  it("survives failing allocations", function()
    local x, w = layers.random({ 3, 4 }, 1), layers.random({ 2, 4 }, 2)
    layers.starves(function() layers.gradients(cj.linear, { x, w }) end)
  end)

  it("obeys the laws of every operator", function()
    check_op.laws(cj.linear, {
      layers.random({ 3, 2, 5 }, 1), layers.random({ 4, 5 }, 2), layers.random({ 4 }, 3),
    })
  end)
end)
