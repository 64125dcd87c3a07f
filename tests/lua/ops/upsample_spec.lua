local assert = require "luassert"
local check_op = require "support.check_op"
local cj = require "conjugate"
local layers = require "support.layers"
local misuse = require "support.misuse"

describe("upsample", function()
  it("repeats pixels", function()
    local x = layers.shaped({ 1, 2, 3, 4 }, { 1, 1, 2, 2 })
    layers.near({ 1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4 }, cj.upsample(x, 2))
    layers.near({ 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4 }, cj.upsample(x, { 1, 3 }))
    layers.same(x, cj.upsample(x, 1, "bilinear"))
  end)

  it("interpolates between pixel centres", function()
    local row = layers.shaped({ 0, 4 }, { 1, 1, 1, 2 })
    layers.near({ 0, 1, 3, 4 }, cj.upsample(row, { 1, 2 }, "bilinear"))
    layers.near({ 0, 0, 0.5, 1.5, 2.5, 3.5, 4, 4 }, cj.upsample(row, { 1, 4 }, "bilinear"))
    local x = layers.shaped({ 0, 4, 8, 12 }, { 1, 1, 2, 2 })
    layers.near({ 0, 1, 3, 4, 2, 3, 5, 6, 6, 7, 9, 10, 8, 9, 11, 12 },
      cj.upsample(x, 2, "bilinear"))
  end)

  it("has the slopes of central differences", function()
    local x = layers.random({ 2, 2, 3, 4 }, 1)
    for _, mode in ipairs { "nearest", "bilinear" } do
      layers.slopes(function(z) return cj.upsample(z, { 2, 3 }, mode) end, { x })
    end
  end)

  it("does not depend on batches or threads and survives failing allocations", function()
    local x = layers.random({ 64, 2, 3, 5 }, 1, "float32")
    local function up(z) return cj.upsample(z, 2, "bilinear") end
    layers.batches_agree(up, x)
    layers.threads_agree(function() return layers.gradients(up, { x }) end)
    layers.starves(function() layers.gradients(up, { x }) end)
  end)

  it("checks factors, and takes empty batches", function()
    misuse.raises("factor", cj.upsample, cj.zeros { 1, 1, 2, 2 }, 0)
    misuse.raises("[B, C, H, W]", cj.upsample, cj.zeros { 2, 2 }, 2)
    assert.same({ 0, 1, 4, 4 }, cj.upsample(cj.zeros { 0, 1, 2, 2 }, 2).shape)
  end)

  it("obeys the laws of every operator", function()
    for _, mode in ipairs { "nearest", "bilinear" } do
      check_op.laws(function(t) return cj.upsample(t, { 2, 3 }, mode) end,
        { layers.random({ 2, 1, 2, 3 }, 1) })
    end
  end)
end)
