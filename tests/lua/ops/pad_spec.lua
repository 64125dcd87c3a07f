local assert = require "luassert"
local check_op = require "support.check_op"
local cj = require "conjugate"
local layers = require "support.layers"
local misuse = require "support.misuse"

describe("pad", function()
  local x = layers.shaped({ 1, 2, 3, 4, 5, 6 }, { 2, 3 })

  it("adds a value around the last dimensions", function()
    local y = cj.pad(x, { 1, 0, 0, 1 }, "constant", 9)
    assert.same({ 3, 4 }, y.shape)
    layers.near({ 9, 1, 2, 3, 9, 4, 5, 6, 9, 9, 9, 9 }, y)
    layers.near({ 0, 1, 2, 3, 0, 4, 5, 6 }, cj.pad(x, { 1, 0 }))
  end)

  it("reflects and replicates", function()
    layers.near({ 3, 2, 1, 2, 3, 2, 6, 5, 4, 5, 6, 5 }, cj.pad(x, { 2, 1 }, "reflect"))
    layers.near({ 6, 5, 4, 5, 6, 5, 3, 2, 1, 2, 3, 2, 6, 5, 4, 5, 6, 5 },
      cj.pad(x, { 2, 1, 1, 0 }, "reflect"))
    layers.near({ 1, 1, 1, 2, 3, 3, 4, 4, 4, 5, 6, 6 }, cj.pad(x, { 2, 1 }, "replicate"))
  end)

  it("cuts with negative amounts", function()
    layers.near({ 2, 5 }, cj.pad(x, { -1, -1 }))
    layers.near({ 5, 6, 7 }, cj.pad(x, { -1, 1, -1, 0 }, "constant", 7))
    assert.same({ 2, 0 }, cj.pad(x, { -1, -2 }).shape)
  end)

  it("pads channels of images, as a shortcut does", function()
    local z = layers.random({ 2, 3, 4, 4 }, 1)
    local y = cj.pad(z, { 0, 0, 0, 0, 1, 2 })
    assert.same({ 2, 6, 4, 4 }, y.shape)
    layers.same(z, y:narrow(2, 2, 3))
    assert.equal(0, y:narrow(2, 1, 1):abs():sum():item() + y:narrow(2, 5, 2):abs():sum():item())
  end)

  it("has the slopes of central differences", function()
    local z = layers.random({ 2, 2, 3, 4 }, 1)
    for _, mode in ipairs { "constant", "reflect", "replicate" } do
      layers.slopes(function(t) return cj.pad(t, { 2, 1, 1, 2 }, mode) end, { z })
      layers.slopes(function(t) return cj.pad(t, { 1, -1, 0, 0, 1, 1, 1, 1 }, mode) end, { z })
    end
  end)

  it("does not depend on batches or threads and survives failing allocations", function()
    local z = layers.random({ 64, 2, 5, 5 }, 1, "float32")
    local function reflect(t) return cj.pad(t, { 2, 2, 2, 2 }, "reflect") end
    layers.batches_agree(reflect, z)
    layers.threads_agree(function() return layers.gradients(reflect, { z }) end)
    layers.starves(function() layers.gradients(reflect, { z }) end)
  end)

  it("says which amounts do not fit", function()
    misuse.raises("a pair of amounts for up to 2 dimensions of x [2, 3], got 3 numbers", cj.pad, x,
      { 1, 2, 3 })
    misuse.raises("got 6 numbers", cj.pad, x, { 1, 1, 1, 1, 1, 1 })
    misuse.raises("amounts 3 and 0 are too large", cj.pad, x, { 3, 0 }, "reflect")
    misuse.raises("amounts -2 and -2 cut more than the 3 elements", cj.pad, x, { -2, -2 })
    misuse.raises("amounts", cj.pad, x, { 0.5, 1 })
  end)

  it("obeys the laws of every operator", function()
    for _, mode in ipairs { "constant", "reflect", "replicate" } do
      check_op.laws(function(t) return cj.pad(t, { 1, 2, -1, 1, 1, 1 }, mode) end,
        { layers.random({ 2, 3, 4 }, 1) })
    end
  end)
end)
