local check_op = require "support.check_op"
local cj = require "conjugate"

local types = { "float32", "float64", "int64", "uint8" }

describe("to", function()
  it("converts between all types", function()
    for _, from in ipairs(types) do
      for _, into in ipairs(types) do
        local x = cj.tensor({ { 0, 1, 2 }, { 3, 200, 255 } }, from)
        local y = x:to(into)
        assert.equal(into, y.dtype)
        assert.same(x:table(), y:table())
        assert.same(x:t():table(), x:t():to(into):table())
      end
    end
  end)

  it("cuts fractions off, saturates, and turns NaN into 0", function()
    local huge = math.huge
    local x = cj.tensor({ 1.9, -1.9, 300, -3, huge, -huge, 0 / 0 }, "float64")
    assert.same({ 1, 0, 255, 0, 255, 0, 0 }, x:to("uint8"):table())
    local y = x:to("int64"):table()
    assert.same({ 1, -1, 300, -3, 2 ^ 63, -2 ^ 63, 0 }, y)
    assert.same({ 0, 255, 7 }, cj.tensor({ -5, 256, 7 }, "int64"):to("uint8"):table())
    assert.equal(huge, cj.tensor(1e300, "float64"):to("float32"):item())
  end)

  it("gives the tensor itself when nothing changes", function()
    local x = cj.zeros { 2 }
    assert.equal(x, x:to "float32")
  end)

  it("carries gradients between the float types only", function()
    check_op.laws(function(x) return x:to("float64"):square():to(x.dtype) end,
      { check_op.numbers { 3, 5 } }, { large = { check_op.numbers { 300, 200 } } })
    local x = cj.tensor({ 1, 2 }, { requires_grad = true })
    x:to("float64"):square():sum():backward()
    assert.same({ 2, 4 }, x.grad:table())
    assert.is_false(x:to("int64").requires_grad)
  end)

  it("names the types there are", function()
    assert.error_matches(function() cj.zeros({ 1 }):to "int32" end,
      'to: expected "float32", "float64", "int64" or "uint8" for dtype, got the text "int32"')
  end)
end)

describe("clone", function()
  it("copies, scattered elements too, and carries gradients", function()
    for _, dtype in ipairs(types) do
      local x = cj.arange(0, 6, 1, dtype):reshape(2, 3)
      local y = x:t():clone()
      assert.is_true(y:is_contiguous())
      assert.same(x:t():table(), y:table())
      y:zero_()
      assert.equal(5, x:get(2, 3))
    end
    check_op.laws(function(x) return cj.clone(x) end, { check_op.numbers { 2, 3, 4 } },
      { large = { check_op.numbers { 300, 200 } } })
  end)
end)

describe("copy", function()
  it("takes a source in the type of a tensor, scattered ones and views of itself too", function()
    for _, from in ipairs(types) do
      for _, into in ipairs(types) do
        local source = cj.arange(0, 6, 1, from):reshape(2, 3)
        local y = cj.copy(cj.ones({ 3, 2 }, into), source:t())
        assert.equal(into, y.dtype)
        assert.same(source:t():table(), y:table())
        local wide = cj.zeros({ 3, 4 }, into)
        wide:narrow(2, 2, 2):copy_(source:t())
        assert.same({ { 0, 0, 3, 0 }, { 0, 1, 4, 0 }, { 0, 2, 5, 0 } }, wide:table())
      end
    end
    local x = cj.arange(0, 6)
    x:narrow(1, 2, 5):copy_(x:narrow(1, 1, 5))
    assert.same({ 0, 0, 1, 2, 3, 4 }, x:table())
  end)

  it("is cut from the tape, and wants equal sizes", function()
    local x = cj.tensor({ 1, 2 }, { requires_grad = true })
    assert.is_false(cj.copy(cj.zeros { 2 }, x).requires_grad)
    assert.error_matches(function() cj.copy(x, cj.zeros { 3 }) end,
      "copy: expected a source of sizes %[2%], got %[3%]")
  end)
end)
