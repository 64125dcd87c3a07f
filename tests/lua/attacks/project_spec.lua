local cj = require "conjugate"
local core = require "conjugate.core"

local function project(norm, x, v, eps, dtype, low, high)
  dtype = dtype or "float64"
  return core.attack_project(norm, cj.tensor(x, dtype), cj.tensor(v, dtype), eps, low or 0,
    high or 1)
end

local function same(expected, t, x, tolerance)
  for i, v in ipairs(expected) do assert.near(v, t[i] - x[i], tolerance or 1e-12) end
end

-- Nearest point of the l1 ball and the box by bisection on lambda.
local function l1_reference(x, v, eps)
  local function shrunk(lambda)
    local out, sum = {}, 0
    for i = 1, #x do
      local room = v[i] > 0 and 1 - x[i] or x[i]
      local size = math.min(math.max(math.abs(v[i]) - lambda, 0), room)
      out[i], sum = v[i] > 0 and size or -size, sum + size
    end
    return out, sum
  end
  local out, sum = shrunk(0)
  if sum <= eps then return out end
  local low, high = 0, 10
  for _ = 1, 200 do
    local mid = (low + high) / 2
    out, sum = shrunk(mid)
    if sum > eps then low = mid else high = mid end
  end
  return out
end

describe("projection", function()
  it("onto the l1 ball in the box gives the golden value", function()
    local x = { 0.9, 0.5, 0.2 }
    same({ 0.1, -0.2, 0 }, project("l1", x, { 0.4, -0.3, 0.1 }, 0.3), x)
    same({ 0.1, -0.2, 0 }, project("l1", x, { 0.4, -0.3, 0.1 }, 0.3, "float32"), x, 1e-7)
  end)

  it("onto the l1 ball is the nearest point, for random points and radii", function()
    cj.seed(3)
    for n = 1, 40 do
      local x, v = cj.rand({ n }, "float64"):table(), cj.randn({ n }, "float64"):table()
      local eps = 0.02 * n * n / 10
      local got, sum = project("l1", x, v, eps), 0
      same(l1_reference(x, v, eps), got, x, 1e-9)
      for i = 1, n do sum = sum + math.abs(got[i] - x[i]) end
      assert.is_true(sum <= eps * (1 + 1e-6) + 1e-7)
    end
  end)

  it("onto the Euclidean ball scales, then clamps", function()
    local x = { 0.5, 0.9 }
    same({ 0.06, 0.08 }, project("l2", x, { 0.3, 0.4 }, 0.1), x)
    same({ 0.12, 0.1 }, project("l2", x, { 0.3, 0.4 }, 0.2), x)
    same({ 0.01, -0.02 }, project("l2", x, { 0.01, -0.02 }, 0.2), x)
  end)

  it("onto the max-norm ball clamps twice", function()
    local x = { 0.5, 0.95, 0.02 }
    same({ 0.1, 0.05, -0.02 }, project("linf", x, { 0.7, 0.4, -0.3 }, 0.1), x)
    local inf = math.huge
    same({ 0.1, 0.1, -0.1 }, project("linf", x, { 0.7, 0.4, -0.3 }, 0.1, nil, -inf, inf), x)
    same({ 0.7, 0.4, -0.3 }, project("linf", x, { 0.7, 0.4, -0.3 }, math.huge, nil, -9, 9), x)
  end)

  it("keeps the radius also after rounding to float32", function()
    cj.seed(4)
    for _, norm in ipairs { "l1", "l2", "linf" } do
      for _, eps in ipairs { 0.001, 0.3, 2 } do
        local x = cj.full({ 3072 }, 0.7, "float32")
        local v = cj.randn({ 3072 })
        local delta = (core.attack_project(norm, x, v, eps, 0, 1):to "float64" - x:to "float64")
        local size = delta:abs():max():item()
        if norm == "l1" then size = delta:abs():sum():item() end
        if norm == "l2" then size = math.sqrt((delta * delta):sum():item()) end
        assert.is_true(size <= eps * (1 + 1e-6) + 1e-7)
        assert.is_true(size >= 0.99 * math.min(eps, norm == "linf" and 0.7 or eps)) -- the box
      end
    end
  end)
end)

describe("random starts", function()
  -- The start shows as the result of a step that cannot move: a constant model.
  local function constant(x)
    return cj.zeros({ x:size(1), 2 }) + cj.tensor { 1, 0 }
  end

  local function starts(norm, d, eps, n)
    local x, labels = cj.full({ n, d }, 0.5, "float64"), {}
    for i = 1, n do labels[i] = 0 end
    local attack = cj.attacks.pgd {
      eps = eps, norm = norm, random = true, best = false, quiet = true,
    }
    return attack(function(t) return constant(t):to "float64" end, x, labels, { seed = 2 }), x
  end

  it("are uniform in the cube", function()
    local r, x = starts("linf", 4, 0.2, 500)
    local delta = r.x_adv - x
    assert.near(0, delta:mean():item(), 0.01)
    assert.near(0.2 / math.sqrt(3), math.sqrt((delta * delta):mean():item()), 0.005)
    assert.is_true(delta:max():item() > 0.198)
  end)

  it("are uniform in the Euclidean ball, not crowded at its centre", function()
    local r = starts("l2", 4, 0.2, 500)
    local inside = 0
    for _, size in ipairs(r.l2) do
      assert.is_true(size <= 0.2 + 1e-7)
      if size < 0.2 * 0.5 ^ 0.25 then inside = inside + 1 end -- half of the volume
    end
    assert.near(250, inside, 45)
  end)

  it("are uniform in the l1 ball", function()
    local r = starts("l1", 4, 0.2, 500)
    local inside = 0
    for _, size in ipairs(r.l1) do
      assert.is_true(size <= 0.2 + 1e-7)
      if size < 0.2 * 0.5 ^ 0.25 then inside = inside + 1 end
    end
    assert.near(250, inside, 45)
  end)
end)
