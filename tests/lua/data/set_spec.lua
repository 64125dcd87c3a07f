local cj = require "conjugate"
local raises = require("support.misuse").raises
local sets = require "support.sets"
local starve = require "support.starve"

describe("a set", function()
  local set
  setup(function()
    set = sets.counted(10, 2, 3, 4, 3)
  end)

  it("gives batches as floats in [0, 1], a byte divided by 255", function()
    local x, y = set:batch(2, 3)
    assert.same({ 3, 2, 3, 4 }, x.shape)
    assert.equal("float32", x.dtype)
    assert.equal("int64", y.dtype)
    assert.same({ 1, 2, 0 }, y:table())
    local bytes = set.images:narrow(1, 2, 3):to "float32"
    assert.same((bytes / 255):table(), x:table())
    local all = cj.data.set {
      images = cj.arange(0, 256):to("uint8"):reshape { 1, 1, 16, 16 },
      labels = cj.zeros({ 1 }, "int64"), classes = 1,
    }
    local values = all:batch(1, 1)
    assert.equal(0, values:min():item())
    assert.equal(1, values:max():item())
  end)

  it("gives pictures by number, repeated ones too", function()
    local x, y = set:pick(cj.tensor({ 10, 1, 10 }, "int64"))
    assert.same({ 0, 0, 0 }, y:table())
    assert.same(set:batch(10, 1):table()[1], x[1]:table())
    assert.same(x[1]:table(), x[3]:table())
  end)

  it("may be cut, sharing memory", function()
    local part = set:subset(4, 5)
    assert.equal(5, part:size())
    assert.same(set:batch(5, 2):table(), part:batch(2, 2):table())
    assert.equal(3, part:take(3):size())
    assert.equal(5, part:take(99):size())
    assert.equal(0, part:take(0):size())
    assert.equal(2, part:subset(4, 2):subset(1, 2):size())
    assert.equal(3, part.classes)
  end)

  it("may hold floats, which are left as they are", function()
    local images = cj.randn { 4, 1, 2, 2 }
    local floats = cj.data.set { images = images, labels = cj.zeros({ 4 }, "int64"), classes = 2 }
    assert.same(images:narrow(1, 2, 2):table(), floats:batch(2, 2):table())
    assert.same({ "0", "1" }, floats.class_names)
  end)

  it("prints what it is", function()
    assert.equal("counted: 10 pictures 2x3x4, 3 classes", tostring(set))
  end)

  it("leaves nothing behind when memory runs out", function()
    starve.every_allocation(function() set:batch(1, 5) end)
  end)

  it("refuses wrong calls", function()
    raises("batch: expected indices from 1 to 10, got 11", set.batch, set, 10, 2)
    raises("batch: expected a whole number from 1", set.batch, set, 0, 2)
    raises("batch: expected 0 or more for count, got -1", set.batch, set, 1, -1)
    raises("batch: expected indices from 1 to 10, got 0", set.pick, set, cj.tensor({ 0 }, "int64"))
    raises("batch: expected an int64 tensor [B] for indices", set.pick, set, cj.tensor { 1 })
    raises("subset: expected a whole number from 0 to 1 for count", set.subset, set, 10, 2)
    raises("set: expected as many labels as images, got 2 and 1", cj.data.set,
      { images = cj.zeros({ 1, 1, 2, 2 }), labels = cj.zeros({ 2 }, "int64"), classes = 2 })
    raises("set: expected an int64 tensor of 1 dimension for labels", cj.data.set,
      { images = cj.zeros({ 1, 1, 2, 2 }), labels = cj.zeros { 1 }, classes = 2 })
    raises("set: expected uint8 or float32 images", cj.data.set,
      { images = cj.zeros({ 1, 1, 2, 2 }, "int64"), labels = cj.zeros({ 1 }, "int64") })
  end)
end)
