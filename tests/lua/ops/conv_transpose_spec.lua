local assert = require "luassert"
local check_op = require "support.check_op"
local cj = require "conjugate"
local layers = require "support.layers"
local misuse = require "support.misuse"

-- A case: { n, c, h, w, o, kh, kw, sh, sw, ph, pw, eh, ew, g, dh, dw }.
local names = { "n", "c", "h", "w", "o", "kh", "kw", "sh", "sw", "ph", "pw", "eh", "ew", "g", "dh",
  "dw" }

local function sizes(list)
  local s = {}
  for i, name in ipairs(names) do s[name] = list[i] end
  return s
end

-- Every input pixel adds its share to the pixels under the kernel.
local function reference(s, x, w, b)
  local oh = (s.h - 1) * s.sh - 2 * s.ph + s.dh * (s.kh - 1) + s.eh + 1
  local ow = (s.w - 1) * s.sw - 2 * s.pw + s.dw * (s.kw - 1) + s.ew + 1
  local ci, co, y = s.c / s.g, s.o / s.g, {}
  for i = 1, s.n * s.o * oh * ow do
    y[i] = b and b[math.floor((i - 1) / (oh * ow)) % s.o + 1] or 0
  end
  local function spread(n, c, i, j, o)
    local from = x[((n * s.c + c) * s.h + i) * s.w + j + 1]
    local channel = math.floor(c / ci) * co + o
    for r = 0, s.kh - 1 do
      for t = 0, s.kw - 1 do
        local row, col = i * s.sh - s.ph + r * s.dh, j * s.sw - s.pw + t * s.dw
        if row >= 0 and row < oh and col >= 0 and col < ow then
          local at = ((n * s.o + channel) * oh + row) * ow + col + 1
          y[at] = y[at] + from * w[((c * co + o) * s.kh + r) * s.kw + t + 1]
        end
      end
    end
  end
  for n = 0, s.n - 1 do
    for c = 0, s.c - 1 do
      for i = 0, s.h * s.w - 1 do
        for o = 0, co - 1 do spread(n, c, math.floor(i / s.w), i % s.w, o) end
      end
    end
  end
  return y, { s.n, s.o, oh, ow }
end

local function operands(s, dtype)
  return layers.random({ s.n, s.c, s.h, s.w }, 1, dtype),
    layers.random({ s.c, s.o / s.g, s.kh, s.kw }, 2, dtype), layers.random({ s.o }, 3, dtype)
end

local function conv(s)
  return function(x, w, b)
    return cj.conv_transpose2d(x, w, b, { s.sh, s.sw }, { s.ph, s.pw }, { s.eh, s.ew }, s.g,
      { s.dh, s.dw })
  end
end

local cases = {
  { 2, 3, 4, 4, 2, 2, 2, 2, 2, 0, 0, 0, 0, 1, 1, 1 },
  { 1, 2, 5, 4, 3, 3, 3, 1, 1, 1, 1, 0, 0, 1, 1, 1 },
  { 2, 2, 4, 5, 3, 4, 3, 2, 3, 1, 0, 1, 2, 1, 1, 1 },
  { 1, 4, 4, 4, 6, 3, 3, 2, 2, 1, 1, 1, 1, 2, 1, 1 },
  { 1, 2, 5, 5, 2, 3, 2, 2, 1, 2, 0, 0, 0, 1, 2, 3 },
  { 1, 1, 3, 3, 2, 1, 2, 3, 3, 0, 0, 2, 1, 1, 1, 1 },
  { 2, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1 },
  { 1, 20, 2, 17, 17, 2, 2, 2, 2, 0, 0, 0, 0, 1, 1, 1 },
}

describe("conv_transpose2d", function()
  it("spreads every pixel over its kernel", function()
    for _, list in ipairs(cases) do
      local s = sizes(list)
      local x, w, b = operands(s)
      local y = conv(s)(x, w, b)
      local expected, shape = reference(s, layers.flat(x), layers.flat(w), layers.flat(b))
      assert.same(shape, y.shape)
      layers.near(expected, y)
      layers.near(reference(s, layers.flat(x), layers.flat(w)), conv(s)(x, w))
    end
  end)

  it("has the slopes of central differences", function()
    for _, list in ipairs(cases) do
      local s = sizes(list)
      layers.slopes(conv(s), { operands(s) }, { most = 25 })
    end
  end)

  it("is the adjoint of conv2d", function()
    local w = layers.random({ 4, 3, 3, 3 }, 2)
    local x, z = layers.random({ 2, 3, 9, 9 }, 1), layers.random({ 2, 4, 5, 5 }, 3)
    local left = (cj.conv2d(x, w, nil, 2, 1) * z):sum():item()
    local right = (x * cj.conv_transpose2d(z, w, nil, 2, 1)):sum():item()
    assert.near(left, right, 1e-10 * math.abs(left))
  end)

  it("does not depend on batches or threads", function()
    local w = layers.random({ 5, 6, 2, 2 }, 2, "float32")
    local x = layers.random({ 64, 5, 7, 7 }, 1, "float32")
    layers.batches_agree(function(part) return cj.conv_transpose2d(part, w, nil, 2) end, x)
    layers.threads_agree(function()
      return layers.gradients(function(a, b) return cj.conv_transpose2d(a, b, nil, 2) end, { x, w })
    end)
  end)

  it("takes empty batches and empty borders", function()
    local y = cj.conv_transpose2d(cj.zeros { 0, 2, 3, 3 }, cj.ones { 2, 3, 2, 2 }, nil, 2)
    assert.same({ 0, 3, 6, 6 }, y.shape)
    local one = cj.ones { 1 }
    local holes = cj.conv_transpose2d(cj.ones { 1, 1, 2, 2 }, cj.ones { 1, 1, 1, 1 }, one, 2)
    layers.near({ 2, 1, 2, 1, 1, 1, 2, 1, 2 }, holes)
  end)

  it("says which sizes do not fit", function()
    local x, w = cj.zeros { 1, 2, 4, 4 }, cj.zeros { 2, 3, 3, 3 }
    misuse.raises("x [1, 2, 4, 4], weight [3, 3, 3, 3]", cj.conv_transpose2d, x,
      cj.zeros { 3, 3, 3, 3 })
    misuse.raises("output_padding", cj.conv_transpose2d, x, w, nil, 2, 0, 2)
    misuse.raises("image 4x4 becomes 0x0", cj.conv_transpose2d, x, w, nil, 1, 3)
    misuse.raises("for bias, got [2]", cj.conv_transpose2d, x, w, cj.zeros { 2 })
  end)

  it("survives failing allocations", function()
    local s = sizes(cases[3])
    local x, w, b = operands(s)
    layers.starves(function() layers.gradients(conv(s), { x, w, b }) end)
  end)

  it("obeys the laws of every operator", function()
    for _, at in ipairs { 2, 3, 4 } do
      local s = sizes(cases[at])
      check_op.laws(conv(s), { operands(s) }, { step = 0.1 })
    end
  end)
end)
