local check_op = require "support.check_op"
local cj = require "conjugate"

describe("cat", function()
  it("joins along any dimension, in any type", function()
    local x, y = cj.tensor { { 1, 2 }, { 3, 4 } }, cj.tensor { { 5, 6 } }
    assert.same({ { 1, 2 }, { 3, 4 }, { 5, 6 } }, cj.cat({ x, y }, 1):table())
    assert.same({ { 1, 2 }, { 3, 4 }, { 5, 6 } }, cj.cat({ x, y }):table())
    assert.same({ { 1, 2, 5 }, { 3, 4, 6 } }, cj.cat({ x, y:t() }, -1):table())
    assert.same({ { 1, 2 }, { 3, 4 } }, cj.cat({ x }, 2):table())
    assert.same({ { 1, 2 }, { 3, 4 } }, cj.cat({ x, cj.zeros { 0, 2 } }):table())
    for _, dtype in ipairs { "float64", "int64", "uint8" } do
      assert.same({ 1, 2, 3 },
        cj.cat({ cj.tensor({ 1, 2 }, dtype), cj.tensor({ 3 }, dtype) }):table())
    end
  end)

  it("takes more tensors than fit on a stack", function()
    local list = {}
    for i = 1, 300 do list[i] = cj.full({ 2 }, i) end
    local y = cj.cat(list)
    assert.equal(600, y:numel())
    assert.equal(300, y:get(600))
  end)

  it("keeps all laws", function()
    local x, y, z = check_op.numbers { 2, 3, 4 }, check_op.numbers({ 2, 1, 4 }, -1, 1, 2),
      check_op.numbers({ 2, 2, 4 }, -1, 1, 3)
    check_op.laws(function(a, b, c) return cj.cat({ a, b, c, a }, 2) end, { x, y, z },
      { large = { check_op.numbers { 300, 3, 40 }, check_op.numbers { 300, 1, 40 },
        check_op.numbers { 300, 2, 40 } } })
    check_op.laws(function(a, b) return cj.cat({ a, b }, -1) end, { x, x })
  end)

  it("says which tensor does not fit", function()
    local x = cj.zeros { 2, 3 }
    assert.error_matches(function() cj.cat({ x, cj.zeros { 2, 4 } }, 1) end,
      "cat: expected sizes that differ in dimension 1 only, got %[2, 3%] and, .* 2, %[2, 4%]")
    assert.error_matches(function() cj.cat({ x, cj.zeros { 2 } }, 1) end, "as number 2, %[2%]")
    assert.error_matches(function() cj.cat({ x, x:to "float64" }) end,
      "cat: expected tensors of one type, got float32 and, as number 2, float64")
    assert.error_matches(function() cj.cat { 1, 2 } end, "cat: expected a tensor for list%[1%]")
    assert.error_matches(function() cj.cat {} end, "cat: expected at least one tensor")
    assert.error_matches(function() cj.cat({ x }, 3) end, "expected a dimension from 1 to 2")
  end)
end)

describe("stack", function()
  it("puts tensors side by side along a new dimension", function()
    local x, y = cj.tensor { 1, 2 }, cj.tensor { 3, 4 }
    assert.same({ { 1, 2 }, { 3, 4 } }, cj.stack({ x, y }):table())
    assert.same({ { 1, 3 }, { 2, 4 } }, cj.stack({ x, y }, 2):table())
    assert.same({ { 1, 3 }, { 2, 4 } }, cj.stack({ x, y }, -1):table())
    assert.same({ 1, 2 }, cj.stack({ cj.tensor(1), cj.tensor(2) }):table())
    check_op.laws(function(a, b) return cj.stack({ a, b }, 2) end,
      { check_op.numbers { 2, 3 }, check_op.numbers({ 2, 3 }, -1, 1, 2) })
  end)
end)
