local cj = require "conjugate"
local core = require "conjugate.core"
local misuse = require "support.misuse"

-- |fftshift(FFT2(x))| by the definition.
local function reference(rows)
  local h, w, out = #rows, #rows[1], {}
  for a = 1, h do
    out[a] = {}
    for b = 1, w do
      local u, v, re, im = a - 1 - math.floor(h / 2), b - 1 - math.floor(w / 2), 0, 0
      for r = 1, h do
        for c = 1, w do
          local angle = -2 * math.pi * (u * (r - 1) / h + v * (c - 1) / w)
          re, im = re + rows[r][c] * math.cos(angle), im + rows[r][c] * math.sin(angle)
        end
      end
      out[a][b] = math.sqrt(re * re + im * im)
    end
  end
  return out
end

describe("spectrum", function()
  it("is the modulus of the shifted transform, for even, odd and unequal sides", function()
    cj.seed(2)
    local sizes = { { 4, 4 }, { 5, 7 }, { 1, 6 }, { 6, 1 }, { 1, 1 }, { 9, 14 }, { 11, 3 } }
    for _, size in ipairs(sizes) do
      for _, dtype in ipairs { "float32", "float64" } do
        local x = cj.rand({ 2, 3, size[1], size[2] }, dtype)
        local y = cj.spectrum(x)
        assert.equal(dtype, y.dtype)
        assert.same(x.shape, y.shape)
        local expected, got = reference(x[2][3]:table()), y[2][3]:table()
        for r, row in ipairs(expected) do
          for c, v in ipairs(row) do assert.near(v, got[r][c], 2e-5) end
        end
      end
    end
  end)

  it("keeps the energy (Parseval)", function()
    local x = cj.randn { 3, 28, 28 }
    local y = x:spectrum()
    assert.near(1, (y * y):sum():item() / ((x * x):sum():item() * 784), 1e-5)
  end)

  it("takes views, and images without elements", function()
    local x = cj.rand { 6, 8 }
    local view = x:transpose(1, 2)
    assert.near(0, (view:spectrum() - view:contiguous():spectrum()):abs():max():item(), 0)
    assert.same({ 0, 4, 4 }, cj.zeros({ 0, 4, 4 }):spectrum().shape)
    assert.same({ 3, 0, 4 }, cj.zeros({ 3, 0, 4 }):spectrum().shape)
  end)

  it("gives the same bytes for any number of threads", function()
    local x, was = cj.randn { 40, 28, 28 }, cj.threads()
    cj.threads(1)
    local one = x:spectrum():bytes()
    cj.threads(3)
    assert.equal(one, x:spectrum():bytes())
    cj.threads(was)
  end)

  it("has no gradient and needs two dimensions", function()
    assert.is_false(core.operator_info("spectrum").differentiable)
    misuse.raises("spectrum: expected images [..., H, W] for x, got [3]", cj.spectrum,
      cj.zeros { 3 })
  end)
end)
