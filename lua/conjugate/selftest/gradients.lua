--- Gradients of operators against central differences in double.
-- @module conjugate.selftest.gradients
local cj = require "conjugate"

local STEP, LIMIT = 1e-5, 1e-6

local function input(...)
  return cj.random.rand({ ... }, "float64", 12345):mul(2):sub(1)
end

-- Largest difference between the gradient and central differences, relative to the largest
-- gradient. The function is made a number by a fixed weighting of its results.
local function worst_error(f, x)
  local weights
  local function value(at)
    local y = f(at)
    weights = weights or cj.random.rand(y.shape, "float64", 54321)
    return (y * weights):sum()
  end
  local leaf = x:clone()
  leaf.requires_grad = true
  local gradient = cj.grad(value(leaf), { leaf })[1]:reshape { -1 }
  local flat = x:clone():reshape { -1 }
  local gap, scale = 0, 1e-30
  for i = 1, flat:numel() do
    local middle = flat:get(i)
    flat:set(i, middle + STEP)
    local above = value(flat:reshape(x.shape)):item()
    flat:set(i, middle - STEP)
    local below = value(flat:reshape(x.shape)):item()
    flat:set(i, middle)
    local slope = (above - below) / (2 * STEP)
    gap = math.max(gap, math.abs(slope - gradient:get(i)))
    scale = math.max(scale, math.abs(slope))
  end
  return gap / scale
end

return function(report)
  local labels = cj.tensor({ 0, 2, 1 }, "int64")
  local kernel, matrix = input(3, 2, 3, 3), input(4, 5)
  local cases = {
    { "mul", function(x) return x * x end, { 3, 4 } },
    { "exp", function(x) return x:exp() end, { 3, 4 } },
    { "tanh", function(x) return x:tanh() end, { 3, 4 } },
    { "sigmoid", function(x) return x:sigmoid() end, { 3, 4 } },
    { "matmul", function(x) return x:matmul(matrix) end, { 3, 4 } },
    { "softmax", function(x) return x:softmax(2) end, { 3, 4 } },
    { "log_softmax", function(x) return x:log_softmax(2) end, { 3, 4 } },
    { "cross_entropy", function(x) return cj.cross_entropy(x, labels) end, { 3, 4 } },
    { "conv2d", function(x) return cj.conv2d(x, kernel) end, { 2, 2, 5, 5 } },
    { "avg_pool2d", function(x) return cj.avg_pool2d(x, 2) end, { 1, 2, 4, 4 } },
    { "max_pool2d", function(x) return cj.max_pool2d(x, 2) end, { 1, 2, 4, 4 } },
  }
  for _, case in ipairs(cases) do
    local name, f, sizes = case[1], case[2], case[3]
    report("relative error of " .. name, worst_error(f, input(unpack(sizes))), 0, LIMIT)
  end
end
