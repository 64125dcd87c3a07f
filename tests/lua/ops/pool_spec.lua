local assert = require "luassert"
local check_op = require "support.check_op"
local cj = require "conjugate"
local layers = require "support.layers"
local misuse = require "support.misuse"

-- Values of the window of output (i, j) of one plane, outside as `outside` (nil: left out).
local function window(s, x, plane, i, j, outside)
  local values = {}
  for r = 0, s.kh - 1 do
    for c = 0, s.kw - 1 do
      local row, col = i * s.sh - s.ph + r, j * s.sw - s.pw + c
      local inside = row >= 0 and row < s.h and col >= 0 and col < s.w
      values[#values + 1] = inside and x[(plane * s.h + row) * s.w + col + 1] or outside
    end
  end
  return values
end

local function reference(s, x, fold, outside)
  local oh = math.floor((s.h + 2 * s.ph - s.kh) / s.sh) + 1
  local ow = math.floor((s.w + 2 * s.pw - s.kw) / s.sw) + 1
  local y = {}
  for plane = 0, s.planes - 1 do
    for i = 0, oh - 1 do
      for j = 0, ow - 1 do y[#y + 1] = fold(window(s, x, plane, i, j, outside)) end
    end
  end
  return y
end

local function largest(values) return math.max(unpack(values)) end

local function mean(values)
  local sum = 0
  for _, v in ipairs(values) do sum = sum + v end
  return sum / #values
end

-- { planes, h, w, kh, kw, sh, sw, ph, pw }; every window lies within the padded image.
local cases = {
  { 6, 6, 6, 2, 2, 2, 2, 0, 0 },
  { 6, 7, 9, 2, 2, 2, 2, 0, 0 },
  { 2, 7, 8, 3, 3, 2, 2, 1, 1 },
  { 2, 5, 6, 3, 2, 1, 1, 1, 1 },
  { 2, 9, 9, 2, 3, 4, 5, 0, 1 },
  { 4, 1, 1, 1, 1, 1, 1, 0, 0 },
  { 4, 8, 8, 8, 8, 8, 8, 0, 0 },
  { 2, 18, 20, 17, 18, 1, 1, 0, 1 },
}

local function case(list)
  local s = {}
  for i, name in ipairs { "planes", "h", "w", "kh", "kw", "sh", "sw", "ph", "pw" } do
    s[name] = list[i]
  end
  return s, layers.random({ 2, s.planes / 2, s.h, s.w }, 5)
end

local function call(f, s)
  return function(x) return f(x, { s.kh, s.kw }, { s.sh, s.sw }, { s.ph, s.pw }) end
end

describe("max_pool2d", function()
  it("is the largest value of each window", function()
    for _, list in ipairs(cases) do
      local s, x = case(list)
      layers.near(reference(s, layers.flat(x), largest), call(cj.max_pool2d, s)(x))
      layers.slopes(call(cj.max_pool2d, s), { x }, { h = 1e-6 })
    end
  end)

  it("steps by the kernel unless told otherwise", function()
    local x = layers.random({ 1, 1, 6, 6 }, 1)
    layers.same(cj.max_pool2d(x, 3, 3), cj.max_pool2d(x, 3))
  end)

  it("gives the first of equal values the gradient, and lets NaN win", function()
    local x = cj.zeros { 1, 1, 2, 4 }
    x:set(1, 1, 2, 4, 0 / 0)
    x.requires_grad = true
    local y = cj.max_pool2d(x, 2)
    assert.equal(0, y:get(1, 1, 1, 1))
    assert.is_true(y:get(1, 1, 1, 2) ~= y:get(1, 1, 1, 2))
    y:backward(cj.ones { 1, 1, 1, 2 })
    layers.near({ 1, 0, 0, 0, 0, 0, 0, 1 }, x.grad)
  end)

  it("does so in long lines too, for every kind of window", function()
    cj.seed(3)
    local list = layers.flat(cj.rand({ 20 * 40 }, "float64"))
    for i, v in ipairs(list) do list[i] = math.floor(3 * v) end
    list[333] = 0 / 0
    local function better(v, best) return v > best or (v ~= v and best == best) end
    for _, c in ipairs { { 2, 2, 0 }, { 3, 2, 1 }, { 3, 1, 1 }, { 5, 3, 2 }, { 2, 1, 0 } } do
      local k, step, pad = unpack(c)
      local x = layers.shaped(list, { 1, 1, 20, 40 })
      x.requires_grad = true
      local y = cj.max_pool2d(x, k, step, pad)
      y:backward(cj.ones(y.shape, "float64"))
      local gx = {}
      for i = 1, #list do gx[i] = 0 end
      for i = 0, y:size(3) - 1 do
        for j = 0, y:size(4) - 1 do
          local best, place = -math.huge, nil
          for r = math.max(0, i * step - pad), math.min(20, i * step - pad + k) - 1 do
            for t = math.max(0, j * step - pad), math.min(40, j * step - pad + k) - 1 do
              local v = list[r * 40 + t + 1]
              if better(v, best) then best, place = v, r * 40 + t + 1 end
            end
          end
          gx[place] = gx[place] + 1
        end
      end
      layers.near(gx, x.grad)
    end
  end)

  it("adds up where windows overlap", function()
    local x = cj.zeros { 1, 1, 3, 3 }
    x:set(1, 1, 2, 2, 1)
    x.requires_grad = true
    cj.max_pool2d(x, 2, 1):backward(cj.ones { 1, 1, 2, 2 })
    layers.near({ 0, 0, 0, 0, 4, 0, 0, 0, 0 }, x.grad)
  end)

  it("takes empty batches; says which sizes do not fit", function()
    assert.same({ 0, 2, 2, 2 }, cj.max_pool2d(cj.zeros { 0, 2, 4, 4 }, 2).shape)
    local x = cj.zeros { 1, 1, 3, 3 }
    misuse.raises("kernel 4x4 is larger than the image 3x3", cj.max_pool2d, x, 4)
    misuse.raises("padding 2x2 for kernel 3x3", cj.max_pool2d, x, 3, 1, 2)
    misuse.raises("kernel", cj.max_pool2d, x, 0)
  end)

  it("does not depend on batches or threads, and survives failing allocations", function()
    local x = layers.random({ 64, 3, 9, 9 }, 1, "float32")
    layers.batches_agree(function(part) return cj.max_pool2d(part, 3, 2, 1) end, x)
    local function pool(z) return cj.max_pool2d(z, 3, 2, 1) end
    layers.threads_agree(function() return layers.gradients(pool, { x }) end)
    layers.starves(function() layers.gradients(pool, { x }) end)
  end)
end)

describe("avg_pool2d", function()
  it("is the mean of each window, with zeros outside", function()
    for _, list in ipairs(cases) do
      local s, x = case(list)
      layers.near(reference(s, layers.flat(x), mean, 0), call(cj.avg_pool2d, s)(x))
      layers.slopes(call(cj.avg_pool2d, s), { x })
    end
  end)
end)

describe("adaptive_avg_pool2d", function()
  it("is the global mean at size 1", function()
    local x = layers.random({ 2, 3, 5, 4 }, 1)
    local y = cj.adaptive_avg_pool2d(x)
    assert.same({ 2, 3, 1, 1 }, y.shape)
    layers.near(layers.flat(x:reshape({ 6, 20 }):mean(2)), y)
    layers.slopes(cj.adaptive_avg_pool2d, { x })
  end)

  it("cuts into windows that may overlap, or repeat", function()
    local x = layers.shaped({ 1, 2, 3, 4, 5 }, { 1, 1, 1, 5 })
    layers.near({ 2, 4 }, cj.adaptive_avg_pool2d(x, { 1, 2 }))
    layers.near({ 1.5, 3, 4.5 }, cj.adaptive_avg_pool2d(x, { 1, 3 }))
    layers.near({ 1, 1.5, 2.5, 3, 3.5, 4.5, 5 }, cj.adaptive_avg_pool2d(x, { 1, 7 }))
    layers.slopes(function(z) return cj.adaptive_avg_pool2d(z, { 3, 2 }) end,
      { layers.random({ 1, 2, 5, 7 }, 1) })
  end)
end)

describe("pooling", function()
  it("obeys the laws of every operator", function()
    local list = {}
    for i = 1, 84 do list[i] = i * 37 % 84 / 10 end -- no two values are near each other
    local x = layers.shaped(list, { 2, 1, 6, 7 })
    check_op.laws(function(z) return cj.max_pool2d(z, 3, 2, 1) end, { x })
    check_op.laws(function(z) return cj.avg_pool2d(z, 3, 2, 1) end, { x })
    check_op.laws(function(z) return cj.adaptive_avg_pool2d(z, { 4, 2 }) end, { x })
  end)
end)
