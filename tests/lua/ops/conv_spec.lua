local assert = require "luassert"
local check_op = require "support.check_op"
local cj = require "conjugate"
local layers = require "support.layers"
local misuse = require "support.misuse"

-- The defining sum, in plain Lua. s: sizes and options; x, w, b flat lists.
local function reference(s, x, w, b)
  local oh = math.floor((s.h + 2 * s.ph - s.dh * (s.kh - 1) - 1) / s.sh) + 1
  local ow = math.floor((s.w + 2 * s.pw - s.dw * (s.kw - 1) - 1) / s.sw) + 1
  local ci, co, y = s.c / s.g, s.o / s.g, {}
  local function tap(n, o, i, j, c, r, t)
    local row, col = i * s.sh - s.ph + r * s.dh, j * s.sw - s.pw + t * s.dw
    if row < 0 or row >= s.h or col < 0 or col >= s.w then return 0 end
    local channel = math.floor(o / co) * ci + c
    return x[((n * s.c + channel) * s.h + row) * s.w + col + 1]
      * w[((o * ci + c) * s.kh + r) * s.kw + t + 1]
  end
  local function one(n, o, i, j)
    local sum = 0
    for c = 0, ci - 1 do
      for r = 0, s.kh - 1 do
        for t = 0, s.kw - 1 do sum = sum + tap(n, o, i, j, c, r, t) end
      end
    end
    return sum + (b and b[o + 1] or 0)
  end
  for n = 0, s.n - 1 do
    for o = 0, s.o - 1 do
      for i = 0, oh - 1 do
        for j = 0, ow - 1 do y[#y + 1] = one(n, o, i, j) end
      end
    end
  end
  return y, { s.n, s.o, oh, ow }
end

-- A case: { n, c, h, w, o, kh, kw, sh, sw, ph, pw, dh, dw, g }.
local function sizes(list)
  local names = { "n", "c", "h", "w", "o", "kh", "kw", "sh", "sw", "ph", "pw", "dh", "dw", "g" }
  local s = {}
  for i, name in ipairs(names) do s[name] = list[i] end
  return s
end

local function operands(s, dtype)
  return layers.random({ s.n, s.c, s.h, s.w }, 1, dtype),
    layers.random({ s.o, s.c / s.g, s.kh, s.kw }, 2, dtype), layers.random({ s.o }, 3, dtype)
end

local function conv(s)
  return function(x, w, b)
    return cj.conv2d(x, w, b, { s.sh, s.sw }, { s.ph, s.pw }, { s.dh, s.dw }, s.g)
  end
end

local cases = {
  { 2, 1, 6, 6, 3, 3, 3, 1, 1, 0, 0, 1, 1, 1 },
  { 1, 3, 7, 5, 2, 3, 2, 1, 1, 1, 1, 1, 1, 1 },
  { 2, 2, 9, 8, 4, 3, 3, 2, 2, 1, 1, 1, 1, 1 },
  { 1, 2, 9, 11, 3, 3, 3, 3, 2, 0, 2, 1, 1, 1 },
  { 1, 2, 12, 11, 2, 3, 3, 1, 1, 2, 2, 2, 3, 1 },
  { 2, 2, 13, 12, 2, 3, 4, 2, 3, 3, 1, 2, 1, 1 },
  { 2, 4, 6, 6, 6, 3, 3, 1, 1, 1, 1, 1, 1, 2 },
  { 1, 4, 5, 5, 4, 3, 3, 2, 1, 1, 1, 1, 1, 4 },
  { 3, 5, 1, 1, 7, 1, 1, 1, 1, 0, 0, 1, 1, 1 },
  { 2, 3, 4, 4, 5, 1, 1, 2, 2, 0, 0, 1, 1, 1 },
  { 1, 1, 9, 9, 1, 2, 2, 5, 4, 0, 0, 1, 1, 1 },
  { 1, 1, 3, 3, 2, 3, 3, 1, 1, 0, 0, 1, 1, 1 },
  { 1, 2, 2, 2, 3, 5, 5, 1, 1, 2, 2, 1, 1, 1 },
  { 1, 1, 4, 4, 1, 1, 1, 1, 1, 3, 2, 1, 1, 1 },
  { 1, 3, 9, 40, 20, 3, 3, 1, 1, 1, 1, 1, 1, 1 },
  { 1, 2, 3, 33, 31, 2, 5, 1, 2, 0, 2, 1, 1, 1 },
}

describe("conv2d", function()
  it("is the defining sum, for strides, paddings, dilations and groups", function()
    for _, list in ipairs(cases) do
      local s = sizes(list)
      local x, w, b = operands(s)
      local expected, shape = reference(s, layers.flat(x), layers.flat(w), layers.flat(b))
      local y = conv(s)(x, w, b)
      assert.same(shape, y.shape)
      layers.near(expected, y)
    end
  end)

  it("does without a bias, and in float32", function()
    for _, list in ipairs(cases) do
      local s = sizes(list)
      local x, w = operands(s, "float32")
      local y = conv(s)(x, w)
      assert.equal("float32", y.dtype)
      layers.near(reference(s, layers.flat(x), layers.flat(w)), y, 2e-6)
    end
  end)

  it("has the slopes of central differences", function()
    for _, list in ipairs(cases) do
      local s = sizes(list)
      layers.slopes(conv(s), { operands(s) }, { most = 25 })
    end
  end)

  -- Convolution is linear in x and in w, so <y, g> = <x, gx> = <w, gw>.
  it("agrees with its gradients for random sizes and options", function()
    local sum = function(p, q) return (p:detach() * q):sum():item() end
    cj.seed(17)
    local words = cj.rand({ 150, 13 }, "float64"):table()
    for _, r in ipairs(words) do
      local function whole(i, low, high) return low + math.floor(r[i] * (high - low + 1)) end
      local g = whole(1, 1, 2)
      local s = {
        n = whole(2, 1, 9), c = g * whole(3, 1, 4), h = whole(4, 1, 15), w = whole(5, 1, 36),
        o = g * whole(6, 1, 17), kh = whole(7, 1, 4), kw = whole(8, 1, 4), sh = whole(9, 1, 3),
        sw = whole(10, 1, 3), ph = whole(11, 0, 3), pw = whole(12, 0, 3), dh = whole(13, 1, 2),
        dw = 1, g = g,
      }
      if s.h + 2 * s.ph > s.dh * (s.kh - 1) and s.w + 2 * s.pw >= s.kw then
        local x, w = operands(s)
        x.requires_grad, w.requires_grad = true, true
        local y = conv(s)(x, w)
        local gy = cj.randn(y.shape, "float64")
        y:backward(gy)
        local expected, size = sum(y, gy), math.sqrt(sum(y, y:detach()) * sum(gy, gy))
        assert.near(expected, sum(x, x.grad), 1e-12 * size + 1e-300)
        assert.near(expected, sum(w, w.grad), 1e-12 * size + 1e-300)
      end
    end
  end)

  it("gives each image the same bytes in every batch", function()
    for _, dtype in ipairs(layers.floats) do
      local x = layers.random({ 64, 3, 8, 7 }, 1, dtype)
      local w = layers.random({ 9, 3, 3, 3 }, 2, dtype)
      layers.batches_agree(function(part) return cj.conv2d(part, w, nil, 1, 1) end, x)
      layers.batches_agree(function(part)
        local function f(z) return cj.conv2d(z, w, nil, 2, 1):sum() end
        return layers.gradients(f, { part })[2]
      end, x)
    end
  end)

  it("gives the same bytes for any number of threads", function()
    local s = sizes { 19, 4, 14, 14, 10, 5, 5, 1, 1, 2, 2, 1, 1, 2 }
    for _, dtype in ipairs(layers.floats) do
      layers.threads_agree(function() return layers.gradients(conv(s), { operands(s, dtype) }) end)
    end
  end)

  it("adds gradients and computes only those that are wanted", function()
    local s = sizes(cases[3])
    local x, w, b = operands(s)
    local all = layers.gradients(conv(s), { x, w, b })
    for wanted = 1, 3 do
      local inputs = { x, w, b }
      local leaf = inputs[wanted]:clone()
      leaf.requires_grad = true
      inputs[wanted] = leaf
      for _ = 1, 2 do
        local y = conv(s)(unpack(inputs))
        cj.seed(98)
        y:backward(cj.randn(y.shape, "float64"))
      end
      layers.near(layers.flat(all[wanted + 1] * 2), leaf.grad)
    end
  end)

  it("takes empty batches", function()
    local x, w = cj.zeros { 0, 2, 5, 5 }, cj.ones { 3, 2, 3, 3 }
    x.requires_grad, w.requires_grad = true, true
    local y = cj.conv2d(x, w)
    assert.same({ 0, 3, 3, 3 }, y.shape)
    y:backward(cj.zeros { 0, 3, 3, 3 })
    layers.near(layers.flat(cj.zeros { 3, 2, 3, 3 }), w.grad)
  end)

  it("takes views", function()
    local x, w = layers.random({ 2, 5, 6, 3 }, 1), layers.random({ 2, 3, 3, 3 }, 2)
    local turned = x:permute { 1, 4, 2, 3 }
    layers.same(cj.conv2d(turned:contiguous(), w), cj.conv2d(turned, w))
    layers.slopes(function(z) return cj.conv2d(z:permute { 1, 4, 2, 3 }, w) end, { x })
  end)

  it("keeps NaN and infinity where they belong", function()
    local x = cj.zeros { 1, 1, 5, 5 }
    x:set(1, 1, 1, 1, 0 / 0)
    x:set(1, 1, 5, 5, math.huge)
    local y = cj.conv2d(x, cj.ones { 1, 1, 2, 2 })
    local nan, infinite = 0, 0
    for _, v in ipairs(layers.flat(y)) do
      if v ~= v then nan = nan + 1 elseif v == math.huge then infinite = infinite + 1 end
    end
    assert.equal(1, nan)
    assert.equal(1, infinite)
  end)

  it("says which sizes do not fit", function()
    local x, w = cj.zeros { 1, 2, 4, 4 }, cj.zeros { 3, 2, 5, 5 }
    misuse.raises("kernel 5x5 with dilation 1x1 is larger than the image 4x4", cj.conv2d, x, w)
    misuse.raises("x [1, 2, 4, 4], weight [3, 1, 3, 3]", cj.conv2d, x, cj.zeros { 3, 1, 3, 3 })
    misuse.raises("expected sizes [3] for bias, got [2]", cj.conv2d, x, cj.zeros { 3, 2, 3, 3 },
      cj.zeros { 2 })
    misuse.raises("expected sizes [B, C, H, W] for x, got [4]", cj.conv2d, cj.zeros { 4 }, w)
    misuse.raises("float32 for weight, got float64", cj.conv2d, x,
      cj.zeros({ 3, 2, 3, 3 }, "float64"))
    misuse.raises("stride", cj.conv2d, x, cj.zeros { 3, 2, 3, 3 }, nil, 0)
    misuse.raises("groups", cj.conv2d, x, cj.zeros { 3, 2, 3, 3 }, nil, { groups = 2 })
    misuse.raises("padding", cj.conv2d, x, cj.zeros { 3, 2, 3, 3 }, nil, 1, -1)
  end)

  it("survives failing allocations", function()
    local s = sizes(cases[3])
    local x, w, b = operands(s)
    layers.starves(function() layers.gradients(conv(s), { x, w, b }) end)
  end)

  it("obeys the laws of every operator", function()
    for _, at in ipairs { 2, 3, 6, 7 } do
      local s = sizes(cases[at])
      check_op.laws(conv(s), { operands(s) }, { step = 0.1 })
    end
  end)
end)
