local assert = require "luassert"
local check_op = require "support.check_op"
local cj = require "conjugate"
local layers = require "support.layers"
local misuse = require "support.misuse"

describe("dropout", function()
  it("drops about p of the elements and scales the others", function()
    for _, p in ipairs { 0.1, 0.5, 0.9 } do
      local y = cj.dropout(cj.ones { 10, 1000 }, p, true, 7)
      local dropped = 0
      for _, v in ipairs(layers.flat(y)) do
        if v == 0 then dropped = dropped + 1 else assert.near(1 / (1 - p), v, 1e-5) end
      end
      assert.near(p, dropped / 1e4, 5 * math.sqrt(p * (1 - p) / 1e4))
    end
  end)

  it("is the identity in evaluation and for p = 0, and zero for p = 1", function()
    local x = layers.random({ 3, 5 }, 1)
    layers.same(x, cj.dropout(x, 0.5, false))
    layers.same(x, cj.dropout(x, 0))
    layers.near(layers.flat(x * 0), cj.dropout(x, 1))
    layers.slopes(function(z) return cj.dropout(z, 0.5, false) end, { x })
  end)

  it("follows key and generator", function()
    local x = cj.ones { 4, 33 }
    layers.same(cj.dropout(x, 0.5, true, 3), cj.dropout(x, 0.5, true, 3))
    assert.is_false(pcall(layers.same, cj.dropout(x, 0.5, true, 3), cj.dropout(x, 0.5, true, 4)))
    cj.seed(5)
    local first, second = cj.dropout(x), cj.dropout(x)
    assert.is_false(pcall(layers.same, first, second))
    cj.seed(5)
    layers.same(first, cj.dropout(x))
  end)

  it("draws the mask from the Philox stream of each sample", function()
    local x = cj.ones({ 2, 200 }, "float64")
    local y = cj.dropout(x, 0.25, true, 11)
    layers.same(y:narrow(1, 1, 1), cj.dropout(x:narrow(1, 1, 1), 0.25, true, 11))
    assert.is_false(pcall(layers.same, y:narrow(1, 1, 1), y:narrow(1, 2, 1)))
    layers.same(y:narrow(2, 1, 70), cj.dropout(cj.ones({ 2, 70 }, "float64"), 0.25, true, 11))
  end)

  it("gives the gradient the same mask", function()
    local x = layers.random({ 5, 41 }, 1)
    layers.slopes(function(z) return cj.dropout(z, 0.3, true, 9) end, { x })
  end)

  it("does not depend on threads and survives failing allocations", function()
    local x = layers.random({ 9, 5000 }, 1, "float32")
    local function drop(z) return cj.dropout(z, 0.5, true, 2) end
    layers.threads_agree(function() return layers.gradients(drop, { x }) end)
    layers.starves(function() layers.gradients(drop, { x }) end)
  end)

  it("checks p, and takes scalars and empty batches", function()
    misuse.raises("from 0 to 1 for p", cj.dropout, cj.ones { 2 }, 1.5)
    misuse.raises("from 0 to 1 for p", cj.dropout, cj.ones { 2 }, 0 / 0)
    assert.same({}, cj.dropout(cj.tensor(1), 0.5).shape)
    assert.same({ 0, 3 }, cj.dropout(cj.zeros { 0, 3 }, 0.5).shape)
  end)

  it("obeys the laws of every operator", function()
    check_op.laws(function(z) return cj.dropout(z, 0.4, true, 5) end,
      { layers.random({ 3, 7 }, 1) })
  end)
end)
