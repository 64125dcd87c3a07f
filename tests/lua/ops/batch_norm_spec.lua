local assert = require "luassert"
local check_op = require "support.check_op"
local cj = require "conjugate"
local layers = require "support.layers"
local misuse = require "support.misuse"

-- Normalised values in the order of a flat [n, c, p] list, and each channel's mean, biased variance
-- and count.
local function reference(n, c, p, x, w, b, eps)
  local y, means, vars = {}, {}, {}
  for channel = 0, c - 1 do
    local sum, squares = 0, 0
    local function each(f)
      for image = 0, n - 1 do
        for i = 1, p do f((image * c + channel) * p + i) end
      end
    end
    each(function(at) sum = sum + x[at] end)
    local mean = sum / (n * p)
    each(function(at) squares = squares + (x[at] - mean) ^ 2 end)
    local var = squares / (n * p)
    means[channel + 1], vars[channel + 1] = mean, var
    each(function(at)
      y[at] = (x[at] - mean) / math.sqrt(var + eps) * w[channel + 1] + b[channel + 1]
    end)
  end
  return y, means, vars, n * p
end

describe("batch_norm in training", function()
  local x = layers.random({ 3, 4, 5, 7 }, 1)
  local w, b = layers.random({ 4 }, 2), layers.random({ 4 }, 3)

  it("normalises by the batch and moves the running values", function()
    local mean, var = layers.random({ 4 }, 4), layers.random({ 4 }, 5):abs()
    local m, v = mean:table(), var:table()
    local y = cj.batch_norm(x, w, b, mean, var, true, 0.1, 1e-5)
    local expected, means, vars, count =
      reference(3, 4, 35, layers.flat(x), w:table(), b:table(), 1e-5)
    layers.near(expected, y, 1e-11)
    for c = 1, 4 do
      assert.near(0.9 * m[c] + 0.1 * means[c], mean:get(c), 1e-12)
      assert.near(0.9 * v[c] + 0.1 * vars[c] * count / (count - 1), var:get(c), 1e-12)
    end
  end)

  it("has the slopes of central differences", function()
    local function norm(z, weight, bias)
      return cj.batch_norm(z, weight, bias, nil, nil, { training = true })
    end
    layers.slopes(norm, { x, w, b })
    layers.slopes(norm, { layers.random({ 6, 3 }, 1), false, false })
  end)

  it("keeps its digits far from zero in float32", function()
    local z = (x + 1000):to "float32"
    local expected = reference(3, 4, 35, layers.flat(z), { 1, 1, 1, 1 }, { 0, 0, 0, 0 }, 1e-5)
    layers.near(expected, cj.batch_norm(z, nil, nil, nil, nil, true), 1e-4)
  end)

  it("does not depend on threads and survives failing allocations", function()
    local z = layers.random({ 9, 5, 11, 3 }, 1, "float32")
    local function norm(t) return cj.batch_norm(t, nil, nil, nil, nil, true) end
    layers.threads_agree(function() return layers.gradients(norm, { z }) end)
    layers.starves(function() layers.gradients(norm, { z }) end)
  end)

  it("wants two values per channel", function()
    misuse.raises("at least two values per channel in training, got x [1, 3, 1, 1]", cj.batch_norm,
      cj.zeros { 1, 3, 1, 1 }, nil, nil, nil, nil, true)
  end)
end)

describe("batch_norm in evaluation", function()
  local x = layers.random({ 64, 3, 4, 4 }, 1)
  local mean, var = layers.random({ 3 }, 4), layers.random({ 3 }, 5):abs()
  local w, b = layers.random({ 3 }, 2), layers.random({ 3 }, 3)

  it("uses the running values and leaves them alone", function()
    local m, v = layers.flat(mean), layers.flat(var)
    local y = cj.batch_norm(x, w, b, mean, var)
    for c = 1, 3 do
      local one = x:select(2, c)
      local scale = w:get(c) / math.sqrt(v[c] + 1e-5)
      layers.near(layers.flat((one - m[c]) * scale + b:get(c)), y:select(2, c))
    end
    layers.near(m, mean, 0)
    layers.near(v, var, 0)
  end)

  it("has the slopes of central differences", function()
    layers.slopes(function(z, weight, bias) return cj.batch_norm(z, weight, bias, mean, var) end,
      { x:narrow(1, 1, 2), w, b })
  end)

  it("remembers what it used when the running values change before the way back", function()
    local m, v = mean:clone(), var:clone()
    local z = x:clone()
    z.requires_grad = true
    local y = cj.batch_norm(z, w, b, m, v)
    local function norm(t) return cj.batch_norm(t, w, b, mean, var) end
    local expected = layers.gradients(norm, { x })
    cj.batch_norm(x, w, b, m, v, true)
    cj.seed(98)
    y:backward(cj.randn(y.shape, "float64"))
    layers.same(expected[2], z.grad)
  end)

  it("does not depend on the batch", function()
    layers.batches_agree(function(part) return cj.batch_norm(part, w, b, mean, var) end, x)
    assert.same({ 0, 3, 4, 4 },
      cj.batch_norm(cj.zeros({ 0, 3, 4, 4 }, "float64"), w, b, mean, var).shape)
  end)

  it("says what is missing or does not fit", function()
    misuse.raises("running_mean and running_var", cj.batch_norm, x)
    misuse.raises("expected sizes [3] for weight, got [2]", cj.batch_norm, x,
      cj.zeros({ 2 }, "float64"), nil, mean, var)
    misuse.raises("expected x [B, C, ...], got [3]", cj.batch_norm, cj.zeros { 3 })
  end)

  it("obeys the laws of every operator, in both modes", function()
    local z = layers.random({ 4, 3, 2, 2 }, 6)
    check_op.laws(function(t, weight, bias)
      return cj.batch_norm(t, weight, bias, nil, nil, true)
    end, { z, w, b }, { float32 = 1e-4 })
    check_op.laws(function(t, weight, bias)
      return cj.batch_norm(t, weight, bias, mean:to(t.dtype), var:to(t.dtype))
    end, { z, w, b })
  end)
end)
