local check_op = require "support.check_op"
local cj = require "conjugate"

local floats = { { 1.5, 2 }, { -2, 0.5 }, { 3, -4 }, { 0.25, 1 }, { -1.25, -3 }, { 7, 2.5 } }
local integers = { { 7, 2 }, { 3, 3 }, { 200, 55 }, { 0, 4 } }

local function arithmetic(name, reference)
  it(name .. " matches plain numbers, in every shape and type", function()
    check_op.every(name, { reference = reference, points = floats })
  end)
end

describe("arithmetic", function()
  arithmetic("add", function(x, y) return x + y end)
  arithmetic("sub", function(x, y) return x - y end)
  arithmetic("mul", function(x, y) return x * y end)
  arithmetic("div", function(x, y) return x / y end)
  arithmetic("minimum", math.min)
  arithmetic("maximum", math.max)

  it("pow matches plain numbers, in every shape and type", function()
    check_op.every("pow", {
      reference = function(x, y) return x ^ y end,
      points = { { 1.5, 2 }, { 2, 0.5 }, { 3, -1.5 }, { 0.25, 1 }, { 1.25, 0 }, { 2, 2 } },
      nan = false, -- 1 to the power NaN is 1, as is NaN to the power 0
    })
  end)

  for _, kind in ipairs { "int64", "uint8" } do
    it("works on " .. kind, function()
      local function every(name, reference)
        check_op.every(name, { reference = reference, points = integers, types = { kind } })
      end
      every("add", function(x, y) return x + y end)
      every("minimum", math.min)
      every("maximum", math.max)
      if kind == "int64" then
        every("sub", function(x, y) return x - y end)
        every("mul", function(x, y) return x * y end)
      end
    end)
  end

  it("lets integers wrap around", function()
    local x = cj.tensor({ 200, 3 }, "uint8")
    assert.same({ 144, 6 }, (x + x):table())
    assert.same({ 253, 200 },
      (cj.tensor({ 0, 250 }, "uint8") - cj.tensor({ 3, 50 }, "uint8")):table())
    local big = cj.tensor({ 2 ^ 62 }, "int64")
    assert.same({ -2 ^ 63 }, (big + big):table())
  end)

  it("has unary minus, abs and sign, of integers too", function()
    local smooth = { -3, -0.25, 0.5, 40 }
    check_op.every("neg", { reference = function(x) return -x end, points = smooth })
    check_op.every("abs", { reference = math.abs, points = { -3, 0, 0.5 }, smooth = smooth })
    local function sign(x) return x > 0 and 1 or x < 0 and -1 or 0 end
    check_op.every("sign", { reference = sign, points = { -3, 0, 0.5 }, smooth = smooth })
    for name, reference in pairs { neg = function(x) return -x end, abs = math.abs, sign = sign } do
      check_op.every(name, { reference = reference, points = { -3, 0, 9 }, types = { "int64" } })
    end
    assert.equal(0, cj.sign(cj.tensor(-0.0)):item())
    assert.has_error(function() cj.neg(cj.zeros({ 1 }, "uint8")) end)
  end)

  it("clamps", function()
    local function clamp(x) return math.max(-1, math.min(2, x)) end
    local points = { -5, -1, 0.5, 2, 7 }
    check_op.every("clamp", {
      reference = clamp, points = points, args = { -1, 2 }, smooth = { -5, -0.5, 0.5, 1.5, 7 },
    })
    check_op.every("clamp", {
      reference = clamp, points = { -5, 0, 9 }, args = { -1, 2 }, types = { "int64" },
    })
    local x = cj.tensor { -3, 0, 3 }
    assert.same({ -3, 0, 1 }, x:clamp(-math.huge, 1):table())
    assert.same({ -1, 0, 3 }, x:clamp(-1):table())
    assert.same({ 1, 1, 1 }, x:clamp(2, 1):table())
    assert.same({ 0, 0, 255 }, cj.tensor({ 0, 0, 255 }, "uint8"):clamp(-7, 999):table())
  end)

  it("passes the gradient of clamp on the limits, of ties by halves", function()
    local x = cj.tensor({ -1, 0, 2, 3 }, { requires_grad = true })
    x:clamp(-1, 2):sum():backward()
    assert.same({ 1, 1, 1, 0 }, x.grad:table())
    local p = cj.tensor({ 1, 2 }, { requires_grad = true })
    local q = cj.tensor({ 1, 3 }, { requires_grad = true })
    cj.maximum(p, q):sum():backward()
    assert.same({ 0.5, 0 }, p.grad:table())
    assert.same({ 0.5, 1 }, q.grad:table())
  end)

  it("keeps NaN and infinities", function()
    local huge, nan = math.huge, 0 / 0
    local x = cj.tensor { huge, -huge, 0 }
    assert.same({ huge, -huge, huge }, (x + cj.tensor { 1, 1, huge }):table())
    local y = (x - x):table()
    assert.is_true(y[1] ~= y[1] and y[2] ~= y[2] and y[3] == 0)
    assert.same({ huge, -huge }, (cj.tensor { 1, -1 } / 0):table())
    for _, z in ipairs { cj.maximum(cj.tensor { 1, nan }, cj.tensor { nan, 1 }),
      cj.minimum(cj.tensor { 1, nan }, cj.tensor { nan, 1 }), cj.tensor({ nan, nan }):clamp(0, 1),
      cj.tensor({ nan, nan }):clamp(1, 0) } do
      assert.same({ 1, 1 }, z:isnan():table())
    end
  end)

  it("takes numbers in the place of one operand", function()
    local x = cj.tensor { 1, 2 }
    assert.same({ 3, 4 }, (x + 2):table())
    assert.same({ 1, 0 }, (2 - x):table())
    assert.same({ 0.5, 1 }, (x / 2):table())
    assert.same({ 2, 1 }, (2 / x):table())
    assert.same({ 1, 4 }, (x ^ 2):table())
    assert.same({ -1, -2 }, (-x):table())
    assert.has_error(function() return cj.tensor({ 1 }, "int64") + 0.5 end)
  end)

  it("works in place, also with itself and with a part of itself", function()
    local x = cj.tensor { { 1, 2 }, { 3, 4 } }
    x:add_(x)
    assert.same({ { 2, 4 }, { 6, 8 } }, x:table())
    x:sub_(x[1])
    assert.same({ { 0, 0 }, { 4, 4 } }, x:table())
    x:add_(cj.tensor { { 1, 2 }, { 3, 4 } }):add_(x:t())
    assert.same({ { 2, 9 }, { 9, 16 } }, x:table())
    assert.has_error(function() x:add_(cj.zeros { 3, 2, 2 }) end)
  end)

  it("has slopes of pow where the formula breaks down", function()
    local x = cj.tensor({ 0, 0, -2 }, { requires_grad = true })
    local y = cj.tensor({ 0, 2, 2 }, { requires_grad = true })
    cj.pow(x, y):sum():backward()
    assert.same({ 0, 0, -4 }, x.grad:table())
    assert.same({ 0, 0 }, y.grad:narrow(1, 1, 2):table())
    local z = cj.tensor({ -3, 0, 2 }, { requires_grad = true })
    ; (z ^ 2):sum():backward()
    assert.same({ -6, 0, 4 }, z.grad:table())
  end)

  it("says what does not fit", function()
    assert.error_matches(function() return cj.zeros { 2 } + cj.zeros { 3 } end,
      "add: sizes %[2%] and %[3%] do not broadcast")
    assert.error_matches(function() return cj.zeros { 2 } + cj.zeros({ 2 }, "float64") end,
      "add: expected tensors of one type, got float32 and float64; convert one with :to")
    assert.error_matches(function() return cj.div(cj.ones({ 1 }, "int64"), 2) end,
      "div: expected a float tensor, got int64")
  end)

  it("sums broadcast gradients in a fixed order and in double", function()
    local n = 1000003
    local b = cj.tensor(0, { requires_grad = true })
    ; (cj.full({ n }, 1) + b):backward(cj.full({ n }, 0.1))
    assert.near(n * cj.tensor(0.1):item(), b.grad:item(), 0.01)
  end)
end)
