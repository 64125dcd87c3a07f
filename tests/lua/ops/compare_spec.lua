local check_op = require "support.check_op"
local cj = require "conjugate"

local points = { { 1, 2 }, { 2, 2 }, { 3, 2 }, { 0, 0 }, { 200, 7 } }
local references = {
  eq = function(x, y) return x == y and 1 or 0 end,
  ne = function(x, y) return x ~= y and 1 or 0 end,
  lt = function(x, y) return x < y and 1 or 0 end,
  le = function(x, y) return x <= y and 1 or 0 end,
  gt = function(x, y) return x > y and 1 or 0 end,
  ge = function(x, y) return x >= y and 1 or 0 end,
}

describe("comparisons", function()
  for _, name in ipairs { "eq", "ne", "lt", "le", "gt", "ge" } do
    it(name .. " gives 1 or 0, in every shape and type, and false for NaN", function()
      check_op.every(name, {
        reference = references[name], points = points, gradient = false,
        nan = name == "ne" and 1 or 0,
      })
      check_op.every(name, {
        reference = references[name], points = points, types = { "int64", "uint8" },
      })
    end)
  end

  it("take numbers and refuse mixed types", function()
    local x = cj.tensor { 1, 2, 3 }
    assert.same({ 0, 0, 1 }, x:gt(2):table())
    assert.equal("uint8", x:gt(2).dtype)
    assert.error_matches(function() x:eq(cj.zeros({ 3 }, "int64")) end,
      "eq: expected tensors of one type, got float32 and int64")
  end)

  it("logical operators treat any number but 0 as true", function()
    local x, y = cj.tensor({ 0, 0, 2, 3 }, "uint8"), cj.tensor({ 0, 1, 0, 1 }, "uint8")
    assert.same({ 0, 0, 0, 1 }, cj.logical_and(x, y):table())
    assert.same({ 0, 1, 1, 1 }, cj.logical_or(x, y):table())
    assert.same({ 0, 1, 1, 0 }, cj.logical_xor(x, y):table())
    assert.same({ 1, 1, 0, 0 }, cj.logical_not(x):table())
    assert.error_matches(function() cj.logical_and(cj.ones { 1 }, cj.ones { 1 }) end,
      "logical_and: expected a uint8 tensor, got float32")
    assert.error_matches(function() cj.logical_not(cj.ones { 1 }) end,
      "logical_not: expected a uint8 tensor for x, got a float32 tensor")
  end)

  it("isnan finds NaN", function()
    assert.same({ 0, 1, 0 }, cj.isnan(cj.tensor { 1, 0 / 0, math.huge }):table())
  end)

  it("isinf finds infinities of both signs", function()
    assert.same({ 0, 0, 1, 1 }, cj.isinf(cj.tensor { 1, 0 / 0, math.huge, -math.huge }):table())
  end)
end)

describe("where", function()
  it("takes elements of one or the other", function()
    local x, y = cj.tensor { 1, 2, 3 }, cj.tensor { 10, 20, 30 }
    assert.same({ 1, 20, 3 }, cj.where(cj.tensor({ 1, 0, 7 }, "uint8"), x, y):table())
    assert.same({ 0, 0, 3 }, cj.where(x:gt(2), x, 0):table())
    assert.same({ 5, 5, 3 }, cj.where(x:gt(2), x, 5):table())
    assert.same({ -1, -1, 1 }, cj.where(x:gt(2), 1, -1):table())
    assert.same({ { 1, 1 }, { 20, 20 }, { 3, 3 } },
      cj.where(cj.tensor({ { 1 }, { 0 }, { 1 } }, "uint8"), x:unsqueeze(2):expand(3, 2),
        y:unsqueeze(2)):table())
    assert.same({ 1, 20 }, cj.where(cj.tensor({ 1, 0 }, "uint8"),
      cj.tensor({ 1, 2 }, "int64"), cj.tensor({ 10, 20 }, "int64")):table())
  end)

  it("fills by a mask", function()
    local x = cj.tensor { 1, 2, 3 }
    assert.same({ 1, 0, 0 }, x:masked_fill(x:gt(1), 0):table())
  end)

  it("does not let NaN of the other side through, nor into the gradient", function()
    local x = cj.tensor({ 1, 0 / 0 }, { requires_grad = true })
    local y = cj.where(cj.tensor({ 1, 0 }, "uint8"), x, 0)
    assert.same({ 1, 0 }, y:table())
    y:sum():backward()
    assert.same({ 1, 0 }, x.grad:table())
  end)

  it("keeps all laws, with operands that broadcast too", function()
    local function laws(sizes_c, sizes_x, sizes_y)
      local condition = check_op.numbers(sizes_c, -1, 1, 5):gt(0)
      check_op.laws(function(x, y) return cj.where(condition, x, y) end,
        { check_op.numbers(sizes_x), check_op.numbers(sizes_y, -1, 1, 2) })
    end
    laws({ 3, 5 }, { 3, 5 }, { 3, 5 })
    laws({ 3, 1 }, { 5 }, { 1, 5 })
    laws({ 2, 3 }, {}, { 3 })
    laws({}, { 17 }, {})
    laws({ 300, 101 }, { 101 }, { 1 })
  end)

  it("says what is wrong", function()
    assert.error_matches(function() cj.where(cj.ones { 2 }, 1, 2) end,
      "where: expected a uint8 tensor for condition, got a float32 tensor")
    assert.error_matches(function()
      cj.where(cj.ones({ 2 }, "uint8"), cj.zeros { 2 }, cj.zeros { 3 })
    end, "where: sizes %[2%] and %[3%] do not broadcast")
  end)
end)
