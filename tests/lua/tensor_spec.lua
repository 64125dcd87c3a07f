local cj = require "conjugate"
local core = require "conjugate.core"
local starve = require "support.starve"
local raises = require("support.misuse").raises

describe("making tensors", function()
  it("takes nested tables", function()
    local x = cj.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
    assert.same({ 2, 3 }, x.shape)
    assert.equal("float32", x.dtype)
    assert.same({ { 1, 2, 3 }, { 4, 5, 6 } }, x:table())
    assert.equal(6, x:numel())
    assert.equal(2, x:dim())
  end)

  it("takes numbers, booleans and tensors", function()
    assert.equal(2.5, cj.tensor(2.5):item())
    assert.same({}, cj.tensor(2.5).shape)
    assert.same({ 1, 0 }, cj.tensor({ true, false }, "uint8"):table())
    local x = cj.tensor { 1, 2 }
    local y = cj.tensor(x)
    y[1] = 9
    assert.equal(1, x[1])
  end)

  it("knows four element types", function()
    for _, dtype in ipairs { "float32", "float64", "int64", "uint8" } do
      local x = cj.tensor({ 0, 1, 200 }, dtype)
      assert.equal(dtype, x.dtype)
      assert.same({ 0, 1, 200 }, x:table())
    end
    assert.equal(2 ^ 52 + 1, cj.tensor({ 2 ^ 52 + 1 }, "int64")[1])
    assert.equal(0.1, cj.tensor({ 0.1 }, "float64")[1])
  end)

  it("takes empty tables and sizes of zero", function()
    assert.same({ 0 }, cj.tensor({}).shape)
    assert.same({ 0, 3 }, cj.zeros({ 0, 3 }).shape)
    assert.equal(0, cj.zeros({ 0, 3 }):numel())
    assert.same({ 2, 0 }, cj.tensor({ {}, {} }).shape)
  end)

  it("refuses ragged tables, naming the lengths", function()
    raises("tensor: tables of one level differ in length, 2 and 3, at depth 2", cj.tensor,
      { { 1, 2 }, { 3, 4, 5 } })
    raises("tensor: expected a number for every element, got a table", cj.tensor, { 1, { 2 } })
    raises("tensor: expected a table of 1 values at depth 2, got 2", cj.tensor, { { 1 }, 2 })
    raises('got the text "x"', cj.tensor, { 1, "x" })
  end)

  it("refuses what does not fit the type", function()
    raises("tensor: 1.5 is no int64 value", cj.tensor, { 1.5 }, "int64")
    raises("tensor: 256 is no uint8 value", cj.tensor, { 256 }, "uint8")
    raises("tensor: -1 is no uint8 value", cj.tensor, { -1 }, "uint8")
    raises("for dtype", cj.tensor, { 1 }, "float16")
  end)

  it("fills", function()
    assert.same({ { 0, 0 } }, cj.zeros({ 1, 2 }):table())
    assert.same({ 1, 1 }, cj.ones(2):table())
    assert.same({ { 7 }, { 7 } }, cj.full({ 2, 1 }, 7):table())
    assert.equal("int64", cj.zeros({ 2 }, "int64").dtype)
    assert.equal("uint8", cj.ones(2, 3, "uint8").dtype)
    assert.equal("float64", cj.zeros({ 2, dtype = "float64" }).dtype)
    assert.is_true(cj.zeros({ 2, requires_grad = true }).requires_grad)
    assert.same({ { 1, 0 }, { 0, 1 } }, cj.eye(2):table())
    local like = cj.ones_like(cj.zeros({ 2, 2 }, "int64"))
    assert.equal("int64", like.dtype)
    assert.same({ { 1, 1 }, { 1, 1 } }, like:table())
  end)

  it("counts", function()
    assert.same({ 0, 1, 2 }, cj.arange(3):table())
    assert.same({ 2, 3 }, cj.arange(2, 4):table())
    assert.same({ 5, 3, 1 }, cj.arange(5, 0, -2):table())
    assert.same({}, cj.arange(3, 1):table())
    assert.equal("int64", cj.arange(3, "int64").dtype)
    assert.same({ 0, 0.5, 1 }, cj.linspace(0, 1, 3):table())
    raises("arange: expected a step other than 0", cj.arange, 1, 2, 0)
    raises("is no int64 value", cj.arange, 0, 2, 0.5, "int64")
  end)

  it("refuses wrong sizes", function()
    raises("zeros: expected 0 or more for a size, got -1", cj.zeros, { -1 })
    raises("zeros: expected a whole number for a size, got 1.9", cj.zeros, { 1.9 })
    raises("zeros: expected a whole number of at least 0 for a size, got 1.9", cj.zeros, 1.9)
    raises("at most 8 sizes", cj.zeros, { 1, 1, 1, 1, 1, 1, 1, 1, 1 })
    raises("zeros: expected a list of sizes, got nothing", cj.zeros)
    raises("zeros: the sizes ask for more elements than memory can hold", cj.zeros,
      { 2 ^ 40, 2 ^ 40 })
  end)

  it("goes through bytes and back", function()
    local x = cj.tensor({ { 1, 2 }, { 3, 4 } }, "uint8")
    assert.equal("\1\2\3\4", x:bytes())
    assert.same(x:table(), cj.from_bytes(x:bytes(), "uint8", { 2, 2 }):table())
    raises("from_bytes: expected 16 bytes for these sizes, got 4", cj.from_bytes, "1234", "float32",
      { 4 })
  end)
end)

describe("elements", function()
  it("are read and written, counted from 1 or from the end", function()
    local x = cj.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
    assert.equal(6, x:get(2, 3))
    assert.equal(6, x:get(-1, -1))
    x:set(1, 2, 20)
    assert.equal(20, x:get(1, 2))
    x[2] = 0
    assert.same({ { 1, 20, 3 }, { 0, 0, 0 } }, x:table())
    x[-1] = cj.tensor { 7, 8, 9 }
    assert.same({ 7, 8, 9 }, x[2]:table())
    assert.equal(2, #x)
    assert.equal(3, x:size(2))
    assert.equal(3, x:size(-1))
    assert.same({ 2, 3 }, x:size())
  end)

  it("of one dimension are numbers", function()
    local x = cj.tensor { 4, 5 }
    assert.equal(5, x[2])
    x[2] = 6
    assert.equal(6, x[-1])
  end)

  it("refuse wrong indices", function()
    local x = cj.zeros { 2, 3 }
    raises("index: expected 1..2 (or from the end, -1..-2) for x[i], got 3", function()
      return x[3]
    end)
    raises("got 0", function() return x[0] end)
    raises("a whole number for x[i], got 1.5", function() return x[1.5] end)
    raises("get: expected 2 indices, one per dimension, got 1", x.get, x, 1)
    raises("get: expected a whole number for index 2, got nil", x.get, x, 1, nil)
    raises("set: expected a number for value, got a table", x.set, x, 1, 1, {})
    raises("no field or method named \"shap\"", function() return x.shap end)
    raises("no field \"shape\" to assign", function() x.shape = {} end)
    raises("a tensor without dimensions", function() return cj.tensor(1)[1] end)
    raises("a tensor without dimensions has no length", function() return #cj.tensor(1) end)
    raises("nothing to index", function() return cj.zeros({ 0 })[1] end)
    raises("item: expected a tensor of one element, got sizes [2, 3]", x.item, x)
    raises("is no uint8 value", function() cj.zeros({ 2 }, "uint8")[1] = 0.5 end)
  end)

  it("can be filled and copied", function()
    local x = cj.zeros { 2, 2 }
    assert.equal(x, x:fill_(3))
    assert.same({ { 3, 3 }, { 3, 3 } }, x:table())
    x:copy_(cj.tensor({ { 1, 2 }, { 3, 4 } }, "int64"))
    assert.same({ { 1, 2 }, { 3, 4 } }, x:table())
    x:zero_()
    assert.same({ { 0, 0 }, { 0, 0 } }, x:table())
    raises("copy_: expected a tensor for source, got 1", x.copy_, x, 1)
    raises("copy_: expected a source of sizes [2, 2], got [3]", x.copy_, x, cj.zeros { 3 })
  end)
end)

describe("released tensors", function()
  it("raise when used, and may be released twice", function()
    local x = cj.zeros { 2 }
    x:release()
    x:release()
    raises("numel: the tensor given for self was released", function() return x:numel() end)
    raises("add: the tensor given for x was released", cj.add, x, cj.zeros { 2 })
    raises("was released", function() return x[1] end)
    assert.equal("released tensor", tostring(x))
  end)

  it("give their memory back at once", function()
    local before = starve.settle()
    local x = cj.zeros { 1000 }
    assert.is_true(starve.settle() >= before + 4000)
    x:release()
    assert.equal(before, starve.settle())
  end)

  it("leave views of the same memory alone", function()
    local x = cj.tensor { { 1, 2 }, { 3, 4 } }
    local row = x[2]
    x:release()
    assert.same({ 3, 4 }, row:table())
  end)
end)

describe("operators of the language", function()
  it("take tensors and numbers", function()
    local x, y = cj.tensor { 1, 2 }, cj.tensor { 10, 20 }
    assert.same({ 11, 22 }, (x + y):table())
    assert.same({ 2, 3 }, (x + 1):table())
    assert.same({ 3, 2 }, (4 - x):table())
    assert.same({ 0.5, 1 }, (x / 2):table())
    assert.same({ -1, -2 }, (-x):table())
    assert.same({ 1, 4 }, (x ^ 2):table())
    assert.same({ 10, 40 }, (x * y):table())
  end)

  it("let numbers adapt to the tensor, and refuse those that do not", function()
    local n = cj.tensor({ 1, 2 }, "int64")
    assert.equal("int64", (n + 1).dtype)
    raises("add: 0.5 is no int64 value", function() return n + 0.5 end)
    raises("add: ", function() return n + cj.zeros { 2 } end)
    raises("add: expected a tensor for y, got the text \"3\"", function() return n + "3" end)
  end)
end)

describe("in-place forms", function()
  it("store the result in the first tensor", function()
    local x = cj.tensor { 1, 2 }
    local same = x:add_(1)
    assert.equal(x, same)
    assert.same({ 2, 3 }, x:table())
    local m = cj.tensor { { 1, 2 }, { 3, 4 } }
    m:t():mul_(cj.tensor { 1, 10 })
    assert.same({ { 1, 2 }, { 30, 40 } }, m:table())
  end)

  it("refuse results of other sizes", function()
    local x = cj.tensor { 1, 2 }
    raises("add_: ", x.add_, x, cj.zeros { 2, 2 })
  end)

  it("copy between overlapping views as if by way of a copy", function()
    local x = cj.arange(6)
    x:narrow(1, 2, 5):copy_(x:narrow(1, 1, 5))
    assert.same({ 0, 0, 1, 2, 3, 4 }, x:table())
    local m = cj.tensor { { 1, 2 }, { 3, 4 } }
    m:copy_(m:t())
    assert.same({ { 1, 3 }, { 2, 4 } }, m:table())
    core.apply_into("transpose", m, 0, 1)
    assert.same({ { 1, 2 }, { 3, 4 } }, m:table())
  end)
end)

describe("composed methods", function()
  it("compare, split and transpose", function()
    local x = cj.tensor { { 1, 2 }, { 3, 4 }, { 5, 6 } }
    assert.is_true(x:allclose(x + 1e-7))
    local close, worst = x:allclose(x + 1)
    assert.is_false(close)
    assert.near(1, worst, 1e-6)
    raises("allclose: sizes differ, [3, 2] and [2]", x.allclose, x, cj.zeros { 2 })
    local parts = x:split(2)
    assert.equal(2, #parts)
    assert.same({ { 5, 6 } }, parts[2]:table())
    assert.same({ { 1, 3, 5 }, { 2, 4, 6 } }, x:t():table())
  end)

  it("convert", function()
    local x = cj.tensor { 1.7, -2.2 }
    assert.same({ 1, -2 }, x:to("int64"):table())
    assert.equal("float64", x:to("float64").dtype)
    raises("dtype", x.to, x, "half")
  end)

  it("clone into memory of their own", function()
    local x = cj.tensor { 1, 2 }
    local y = x:clone()
    y[1] = 5
    assert.equal(1, x[1])
    assert.is_true(cj.eye(3):t():contiguous():is_contiguous())
  end)
end)

describe("when memory runs out", function()
  local cases = {
    tensor = function() return cj.tensor { { 1, 2 }, { 3, 4 } } end,
    zeros = function() return cj.zeros { 4, 4 } end,
    table = function() return cj.eye(3):t():table() end,
    bytes = function() return cj.eye(3):t():bytes() end,
    ["x[i]"] = function() return cj.eye(3)[2] end,
    ["x + y"] = function() return cj.eye(3) + cj.ones(3) end,
    ["x + 1"] = function() return cj.eye(3) + 1 end,
    add_ = function() return cj.eye(3):t():add_(1) end,
    copy_ = function() return cj.eye(3):copy_(cj.ones(3, 3)) end,
    requires_grad = function() return cj.zeros { 2, requires_grad = true } end,
    tostring = function() return tostring(cj.eye(3)) end,
    randn = function() return cj.randn { 5 } end,
    randperm = function() return cj.randperm(5) end,
  }
  for name, f in pairs(cases) do
    it(name .. " raises and leaks nothing", function()
      starve.every_allocation(f)
    end)
  end
end)
