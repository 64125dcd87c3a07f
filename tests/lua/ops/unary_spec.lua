local check_op = require "support.check_op"
local cj = require "conjugate"

local huge = math.huge

local function every(name, reference, points, more)
  it(name .. " matches plain numbers, and its slope central differences", function()
    local spec = { reference = reference, points = points }
    for k, v in pairs(more or {}) do spec[k] = v end
    check_op.every(name, spec)
  end)
end

-- Lua has neither log1p nor expm1: short series near 0.
local function log1p(x)
  return math.abs(x) < 1e-4 and x - x * x / 2 + x ^ 3 / 3 or math.log(1 + x)
end
local function expm1(x)
  return math.abs(x) < 1e-4 and x + x * x / 2 + x ^ 3 / 6 or math.exp(x) - 1
end

-- Maclaurin series of the error function.
local function erf(x)
  local term, sum = x, x
  for n = 1, 200 do
    term = -term * x * x / n
    sum = sum + term / (2 * n + 1)
  end
  return sum * 2 / math.sqrt(math.pi)
end

local smooth = { -3, -0.5, 0.25, 2, 5 }
local positive = { 0.25, 1, 2, 9, 100 }

describe("element functions", function()
  every("exp", math.exp, { -80, -40, -0.5, 0, 0.5, 20 }, { smooth = smooth })
  every("expm1", expm1, { -40, -0.5, 1e-7, 0.5, 20 }, { smooth = smooth, tolerance = 1e-6 })
  every("log", math.log, { 0, 1e-9, 0.5, 2, 1e9 }, { smooth = positive })
  every("log1p", log1p, { -0.5, 1e-7, 0.5, 20 }, { smooth = positive, tolerance = 1e-6 })
  every("sqrt", math.sqrt, { 0, 1e-9, 0.5, 2, 1e9, huge }, { smooth = positive })
  every("rsqrt", function(x) return 1 / math.sqrt(x) end, { 0, 1e-9, 0.5, 2, 1e9, huge },
    { smooth = positive })
  every("square", function(x) return x * x end, { -3, 0, 0.5, 1e10 }, { smooth = smooth })
  every("reciprocal", function(x) return 1 / x end, { -3, 0, 0.5, 1e10, huge }, { smooth = smooth })
  every("sin", math.sin, { -3, 0, 0.5, 30 })
  every("cos", math.cos, { -3, 0, 0.5, 30 })
  every("tanh", math.tanh, { -40, -0.5, 0, 1e-3, 0.5, 40 }, { smooth = smooth })
  every("sigmoid", function(x) return 1 / (1 + math.exp(-x)) end,
    { -80, -20, -0.5, 0, 0.5, 20, 800 }, { smooth = smooth })
  every("softplus", function(x) return math.max(x, 0) + log1p(math.exp(-math.abs(x))) end,
    { -40, -0.5, 0, 0.5, 40, 1000 }, { smooth = smooth })
  every("erf", erf, { -2, -0.5, 0, 0.25, 1.5 }, { tolerance = 1e-6 })
  every("relu", function(x) return math.max(x, 0) end, { -3, 0, 0.5, huge }, { smooth = smooth })
  every("leaky_relu", function(x) return x > 0 and x or 0.2 * x end, { -3, 0, 0.5 },
    { args = { 0.2 }, smooth = smooth })

  every("floor", math.floor, { -2.5, -2, -0.2, 0, 0.5, 7.9, huge }, { smooth = { -2.5, 0.5, 1.3 } })
  every("ceil", math.ceil, { -2.5, -2, -0.2, 0, 0.5, 7.9, huge }, { smooth = { -2.5, 0.5, 1.3 } })
  every("round", function(x) return (x + 2 ^ 52 + 2 ^ 51) - 2 ^ 52 - 2 ^ 51 end,
    { -2.5, -1.5, -0.2, 0, 0.5, 1.5, 7.9 }, { smooth = { -2.4, 0.6, 1.3 } })

  it("leaky_relu has a slope of 0.01 unless told otherwise", function()
    assert.near(-0.02, cj.leaky_relu(cj.tensor(-2)):item(), 1e-8)
  end)

  it("stay finite where the plain formula overflows", function()
    local x = cj.tensor({ -1000, 1000 }, { requires_grad = true })
    x:softplus():sum():backward()
    assert.same({ 0, 1 }, x.grad:table())
    x.grad = nil
    x:sigmoid():sum():backward()
    assert.same({ 0, 0 }, x.grad:table())
    assert.same({ 0, 1000 }, x:softplus():table())
  end)

  it("have the slopes of PyTorch at kinks and NaN", function()
    local x = cj.tensor({ 0, -0.0, 0 / 0 }, { requires_grad = true })
    x:relu():sum():backward()
    assert.same({ 0, 0, 1 }, x.grad:table())
    x.grad = nil
    x:leaky_relu(0.5):narrow(1, 1, 2):sum():backward()
    assert.same({ 0.5, 0.5, 0 }, x.grad:table())
  end)

  it("take floats only", function()
    assert.error_matches(function() cj.exp(cj.zeros({ 1 }, "int64")) end,
      "exp: expected a float tensor, got int64")
  end)
end)
