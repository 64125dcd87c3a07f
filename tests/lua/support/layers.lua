--- What the specs of network operators share: flat lists, slopes and invariance.
local cj = require "conjugate"
local starve = require "support.starve"

local M = {}

--- All elements in row-major order.
function M.flat(t)
  local n = t:numel()
  if n == 0 then return {} end
  return t:detach():contiguous():reshape({ n }):table()
end

--- A tensor of these sizes from a flat list.
function M.shaped(list, sizes, dtype)
  return cj.tensor(list, dtype or "float64"):reshape(sizes)
end

--- Normal numbers of these sizes, float64 unless said otherwise; the same in every run.
function M.random(sizes, seed, dtype)
  cj.seed(seed or 1)
  return cj.randn(sizes, dtype or "float64")
end

--- Raises unless t's elements are those of the list, to tol relative to the largest of them.
function M.near(expected, t, tol)
  local got = M.flat(t)
  if #got ~= #expected then
    error(("expected %d elements, got %d"):format(#expected, #got), 2)
  end
  local scale = 1
  for _, v in ipairs(expected) do scale = math.max(scale, math.abs(v)) end
  for i, v in ipairs(expected) do
    if math.abs(v - got[i]) > (tol or 1e-12) * scale or got[i] ~= got[i] then
      error(("element %d: expected %.17g, got %.17g"):format(i, v, got[i]), 2)
    end
  end
end

-- The same number, signs of zeros included; a NaN is the same as any NaN.
local function identical(p, q)
  if p ~= p or q ~= q then return p ~= p and q ~= q end
  return p == q and 1 / p == 1 / q
end

--- Raises unless both have the same elements to the last bit (a NaN equals a NaN).
function M.same(a, b, what)
  local p, q = M.flat(a), M.flat(b)
  if #p ~= #q then error("numbers of elements differ", 2) end
  for i = 1, #p do
    if not identical(p[i], q[i]) then
      error(("%s: element %d is %.17g and %.17g"):format(what or "same", i, p[i], q[i]), 2)
    end
  end
end

local function dot(a, b)
  local sum = 0
  for i = 1, #a do sum = sum + a[i] * b[i] end
  return sum
end

-- Every k-th element only, so that large inputs stay quick.
local function places(n, most)
  local step, list = math.max(1, math.floor(n / most)), {}
  for i = 1, n, step do list[#list + 1] = i end
  return list
end

-- A leaf for each input; false stays nil.
local function leaves_of(inputs)
  local leaves = {}
  for i, x in ipairs(inputs) do
    if x then
      leaves[i] = x:detach():clone()
      leaves[i].requires_grad = true
    end
  end
  return leaves
end

-- The largest difference between slopes of f at input i and the list `got`.
local function worst_slope(f, inputs, i, weights, got, opts)
  local h, base, worst = opts.h or 1e-4, M.flat(inputs[i]), 0
  local args = {}
  for j, z in ipairs(inputs) do args[j] = z and z:detach() or nil end
  local function at(k, v)
    local old = base[k]
    base[k] = v
    args[i] = M.shaped(base, inputs[i].shape)
    base[k] = old
    return dot(M.flat(f(unpack(args, 1, #inputs))), weights)
  end
  for _, k in ipairs(places(#base, opts.most or 40)) do
    local slope = (at(k, base[k] + h) - at(k, base[k] - h)) / (2 * h)
    worst = math.max(worst, math.abs(slope - got[k]))
  end
  return worst
end

--- Gradients of f at the float64 inputs, with a random upstream gradient, against central
-- differences: relative error (to the largest slope of each input) at most 1e-6.
-- @tparam function f tensors -> tensor
-- @tparam table inputs float64 tensors; false for those to leave alone (given as nil)
-- @tparam[opt] table opts h: step (1e-4); most: elements tried per input (40)
function M.slopes(f, inputs, opts)
  local leaves = leaves_of(inputs)
  local y = f(unpack(leaves, 1, #inputs))
  cj.seed(99)
  local gy = cj.randn(y.shape, "float64")
  y:backward(gy)
  local weights = M.flat(gy)
  for i, x in ipairs(inputs) do
    if x then
      local got, scale = M.flat(leaves[i].grad), 1e-3
      for _, v in ipairs(got) do scale = math.max(scale, math.abs(v)) end
      local worst = worst_slope(f, inputs, i, weights, got, opts or {})
      if worst > 1e-6 * scale then
        error(("input %d: gradients differ from differences by %.3g of %.3g"):format(
          i, worst, scale), 2)
      end
    end
  end
end

--- f(count) -> list of tensors must give the same bytes with 1, 2 and 3 threads.
function M.threads_agree(f)
  local before, first = cj.threads(), nil
  for count = 1, 3 do
    cj.threads(count)
    local results = f()
    cj.threads(before)
    first = first or results
    for i = 1, #first do M.same(first[i], results[i], count .. " threads, result " .. i) end
  end
end

--- f(x) for a batch x of 64 samples: each sample's result must be the same bytes in batches of 1, 7
-- and 64.
function M.batches_agree(f, x)
  local whole = f(x)
  for _, size in ipairs { 1, 7 } do
    for from = 1, 64 - size + 1, 19 do
      local part = f(x:narrow(1, from, size):contiguous())
      M.same(whole:narrow(1, from, size), part, "batch of " .. size)
    end
  end
end

--- f() must survive every failing allocation, forward and backward.
function M.starves(f)
  return starve.every_allocation(f)
end

--- The element types of floats.
M.floats = { "float32", "float64" }

--- f(inputs...) and its gradients for a random upstream gradient: a list, without those of inputs
-- that are false.
function M.gradients(f, inputs)
  local leaves = leaves_of(inputs)
  local y = f(unpack(leaves, 1, #inputs))
  cj.seed(98)
  y:backward(cj.randn(y.shape, y.dtype))
  local list = { y:detach() }
  for i = 1, #inputs do list[#list + 1] = leaves[i] and leaves[i].grad end
  return list
end

return M
