local assert = require "luassert"
local check_op = require "support.check_op"
local cj = require "conjugate"
local layers = require "support.layers"
local misuse = require "support.misuse"

local function labels(list) return cj.tensor(list, "int64") end

describe("cross_entropy", function()
  it("is minus the logarithm of the label's probability", function()
    local x, y = layers.random({ 5, 4 }, 1), { 0, 3, 1, 1, 2 }
    local logs, expected, sum = cj.log_softmax(x), {}, 0
    for i, label in ipairs(y) do
      expected[i] = -logs:get(i, label + 1)
      sum = sum + expected[i]
    end
    layers.near(expected, cj.cross_entropy(x, labels(y), "none"))
    layers.near({ sum }, cj.cross_entropy(x, labels(y), "sum"))
    layers.near({ sum / 5 }, cj.cross_entropy(x, labels(y)))
    assert.same({}, cj.cross_entropy(x, labels(y)).shape)
  end)

  it("has the slopes of central differences", function()
    local x, y = layers.random({ 5, 4 }, 1), labels { 0, 3, 1, 1, 2 }
    for _, how in ipairs { "none", "mean", "sum" } do
      layers.slopes(function(z) return cj.cross_entropy(z, y, how) end, { x })
    end
  end)

  it("keeps the digits of a confident answer's loss and slope", function()
    local x = cj.tensor({ { 60, 0, 0 } }, "float32")
    x.requires_grad = true
    local loss = cj.cross_entropy(x, labels { 0 })
    assert.near(2 * math.exp(-60), loss:item(), 1e-5 * math.exp(-60))
    loss:backward()
    assert.near(-2 * math.exp(-60), x.grad:get(1, 1), 1e-5 * math.exp(-60))
    assert.near(math.exp(-60), x.grad:get(1, 2), 1e-5 * math.exp(-60))
    assert.near(2e6, cj.cross_entropy(cj.tensor { { 1e6, -1e6 } }, labels { 1 }):item(), 1)
  end)

  it("checks labels, sizes and types", function()
    local x = cj.zeros { 2, 3 }
    misuse.raises("expected labels from 0 to 2, got 3 for sample 2", cj.cross_entropy, x,
      labels { 0, 3 })
    misuse.raises("got -1 for sample 1", cj.cross_entropy, x, labels { -1, 0 })
    misuse.raises("logits [2, 3], got labels [3]", cj.cross_entropy, x, labels { 0, 1, 2 })
    misuse.raises("int64 for labels, got float32", cj.cross_entropy, x, cj.zeros { 2 })
    misuse.raises("reduction", cj.cross_entropy, x, labels { 0, 1 }, "average")
  end)

  it("takes an empty batch", function()
    local y = cj.zeros({ 0 }, "int64")
    assert.equal(0, cj.cross_entropy(cj.zeros { 0, 3 }, y, "sum"):item())
    assert.same({ 0 }, cj.cross_entropy(cj.zeros { 0, 3 }, y, "none").shape)
  end)

  it("obeys the laws of every operator", function()
    local x, y = layers.random({ 5, 4 }, 1), labels { 0, 3, 1, 1, 2 }
    for _, how in ipairs { "none", "mean", "sum" } do
      check_op.laws(function(z, t) return cj.cross_entropy(z, t, how) end, { x, y })
    end
  end)
end)

local function bce(x, t)
  local p = 1 / (1 + math.exp(-x))
  return -t * math.log(p) - (1 - t) * math.log(1 - p)
end

local pairs_of = {
  { "bce_with_logits", cj.bce_with_logits, bce },
  { "mse_loss", cj.mse_loss, function(x, t) return (x - t) ^ 2 end },
  { "l1_loss", cj.l1_loss, function(x, t) return math.abs(x - t) end },
}

for _, entry in ipairs(pairs_of) do
  local name, loss, formula = unpack(entry)
  describe(name, function()
    local x, t = layers.random({ 3, 5 }, 1), layers.random({ 3, 5 }, 2)

    it("is the formula, with each reduction", function()
      local p, q, expected, sum = layers.flat(x), layers.flat(t), {}, 0
      for i = 1, 15 do
        expected[i] = formula(p[i], q[i])
        sum = sum + expected[i]
      end
      layers.near(expected, loss(x, t, "none"))
      layers.near({ sum }, loss(x, t, "sum"))
      layers.near({ sum / 15 }, loss(x, t))
    end)

    it("has the slopes of central differences in both arguments", function()
      for _, how in ipairs { "none", "mean", "sum" } do
        layers.slopes(function(a, b) return loss(a, b, how) end, { x, t }, { h = 1e-5 })
      end
    end)

    it("sums long inputs the same way with any number of threads", function()
      local long, other = layers.random({ 20011 }, 1), layers.random({ 20011 }, 2)
      local sum = 0
      local p, q = layers.flat(long), layers.flat(other)
      for i = 1, #p do sum = sum + formula(p[i], q[i]) end
      layers.near({ sum }, loss(long, other, "sum"), 1e-11)
      layers.threads_agree(function() return layers.gradients(loss, { long, other }) end)
    end)

    it("checks sizes and types", function()
      misuse.raises("expected sizes [2, 3] for target, got [3]", loss, cj.zeros { 2, 3 },
        cj.zeros { 3 })
      misuse.raises("for target, got float64", loss, cj.zeros { 2 }, cj.zeros({ 2 }, "float64"))
    end)

    it("obeys the laws of every operator", function()
      for _, how in ipairs { "none", "mean", "sum" } do
        check_op.laws(function(a, b) return loss(a, b, how) end, { x, t })
      end
    end)
  end)
end

describe("bce_with_logits", function()
  it("neither overflows nor rounds small losses away", function()
    local x, t = cj.tensor({ 800, -800, 40 }, "float64"), cj.tensor({ 1, 1, 1 }, "float64")
    local y = cj.bce_with_logits(x, t, "none"):table()
    assert.equal(0, y[1])
    assert.equal(800, y[2])
    assert.near(math.exp(-40), y[3], 1e-12 * math.exp(-40))
  end)
end)
