local cj = require "conjugate"
local core = require "conjugate.core"
local def = require "conjugate.ops.define"
local raises = require("support.misuse").raises

describe("an operator's function", function()
  local x = cj.tensor { { 1, 2, 3 }, { 4, 5, 6 } }

  it("takes dimensions from 1, or from the end", function()
    assert.same({ 5, 7, 9 }, x:sum(1):table())
    assert.same({ 6, 15 }, x:sum(-1):table())
    assert.same({ 6, 15 }, cj.sum(x, { 2 }):table())
    raises("sum: dims counts from 1 (or -1, from the end), got 0", x.sum, x, 0)
    raises("sum: expected a whole number for dims, got 1.5", x.sum, x, 1.5)
  end)

  it("takes sizes as a table or one by one", function()
    assert.same({ 3, 2 }, x:reshape({ 3, 2 }).shape)
    assert.same({ 3, 2 }, x:reshape(3, -1).shape)
    assert.same({ 3, 2 }, x:permute(2, 1).shape)
  end)

  it("takes options by name in a last table", function()
    assert.same({ 2, 1 }, x:sum({ dims = 2, keepdim = true }).shape)
    assert.same({ 2, 1 }, x:sum(2, { keepdim = true }).shape)
    raises('sum: there is no option "keepdims"', x.sum, x, { keepdims = true })
    raises("sum: expected true or false for keepdim, got 1", x.sum, x, 2, 1)
  end)

  it("counts its arguments", function()
    raises("add: expected at most 2 arguments, got 3", cj.add, x, x, x)
    raises("add: expected a tensor for y, got nothing", cj.add, x)
    raises("add: expected a tensor for x, got nothing", cj.add)
    raises("transpose: expected a whole number for dim2, got nothing", x.transpose, x, 1)
  end)

  it("names what is wrong with each kind of argument", function()
    raises("add: expected a tensor for y, got a function", cj.add, x, print)
    raises("add: expected a tensor for x, got 1", cj.add, 1, 2)
    raises("leaky_relu: expected a number for ", cj.leaky_relu, x, "much")
    raises("cat: expected a list of tensors for ", cj.cat, x)
    raises("cat: expected at least one tensor for ", cj.cat, {})
    raises("cat: expected a tensor for ", cj.cat, { x, 1 })
    raises("reshape: expected a whole number for sizes, got the text \"2\"", x.reshape, x, { "2" })
    raises("relu: expected a float tensor", cj.relu, cj.zeros({ 2 }, "int64"))
  end)

  it("survives any value in any place", function()
    local values = { 1, -1, 0, 1e300, 0 / 0, "s", true, {}, { {} }, { x }, { a = 1 }, print, x,
      io.stdout, coroutine.create(print), cj.zeros({ 0 }), cj.tensor({ 1, 2 }, "int64") }
    local thrown = 0
    for name, f in pairs(def.functions) do
      for i = 1, #values do
        for j = 1, #values do
          local ok, message = pcall(f, values[i], values[j], values[(i * 7 + j * 3) % #values + 1])
          if not ok then
            thrown = thrown + 1
            assert.is_string(message, name)
          end
        end
      end
    end
    assert.is_true(thrown > 100)
  end)
end)

describe("def", function()
  it("refuses what the core does not know", function()
    raises("def: the core has no operator named nonsense", def, { name = "nonsense", args = {} })
    raises("no such kind of argument: wish", core.operator, "add",
      { { name = "x", kind = "wish" } })
    raises("an argument has no name", core.operator, "add", { { kind = "tensor" } })
  end)

  it("makes in-place forms of what is no view", function()
    assert.is_function(core.methods.add_)
    assert.is_nil(core.methods.transpose_)
  end)
end)

describe("core.apply", function()
  it("calls operators by name, counted from 0", function()
    local x = cj.tensor { { 1, 2 }, { 3, 4 } }
    assert.same({ 2, 4 }, core.apply("select", x, 1, 1):table())
    assert.same({ { 2, 4 }, { 6, 8 } }, core.apply("add", x, x):table())
    core.apply_into("add", x, x)
    assert.same({ { 2, 4 }, { 6, 8 } }, x:table())
    raises('apply: the core has no operator "nonsense"', core.apply, "nonsense", x)
    raises("add: expected a tensor", core.apply, "add")
    raises("add: expected 2 tensors, got 1", core.apply, "add", x)
    raises("add: expected tensors and numbers, got the text \"x\"", core.apply, "add", "x")
  end)
end)
