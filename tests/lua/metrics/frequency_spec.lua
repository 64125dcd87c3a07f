local cj = require "conjugate"
local frequency = require "conjugate.metrics.frequency"
local misuse = require "support.misuse"

-- An image [1, 1, n, n] of f(row, column), both from 0.
local function image(n, f, dtype)
  local rows = {}
  for r = 1, n do
    rows[r] = {}
    for c = 1, n do rows[r][c] = f(r - 1, c - 1) end
  end
  return cj.tensor({ { rows } }, dtype)
end

local function ratio(x, opts)
  return frequency.ratio(x, opts).mean
end

local function wave(n, k)
  return image(n, function(_, c) return math.cos(2 * math.pi * k * c / n) end)
end

local function impulse(n)
  return image(n, function(r, c) return r == 3 and c == 5 and 1 or 0 end)
end

describe("high-frequency ratio", function()
  it("is 0 for a constant and 1 for a checkerboard", function()
    for _, n in ipairs { 32, 28 } do
      assert.near(0, ratio(image(n, function() return 0.3 end)), 1e-5)
      assert.near(1, ratio(image(n, function(r, c) return (r + c) % 2 * 2 - 1 end)), 1e-5)
    end
  end)

  it("is 1 - 16/1024 and 1 - 36/784 for a single pixel, in both types", function()
    assert.near(0.984375, ratio(impulse(32)), 1e-6)
    assert.near(0.954081632653, ratio(impulse(28)), 1e-6)
    assert.near(0.984375, ratio(impulse(32):to "float64"), 1e-6)
  end)

  it("cuts cosines where the paper's window ends, which is not symmetric", function()
    for k, v in ipairs { 0, 0.5, 1, 1 } do assert.near(v, ratio(wave(32, k)), 1e-5) end
    for k, v in ipairs { 0, 0, 0.5, 1 } do assert.near(v, ratio(wave(28, k)), 1e-5) end
    local o = { window = "symmetric" }
    for k, v in ipairs { 0, 0, 1, 1 } do assert.near(v, ratio(wave(32, k), o), 1e-5) end
    for k, v in ipairs { 0, 0, 0, 1 } do assert.near(v, ratio(wave(28, k), o), 1e-5) end
    assert.near(0.5, ratio(wave(32, 3), { window = { -3, 2 } }), 1e-5)
    assert.near(0, ratio(wave(8, 1), { window = { -1, 1 } }), 1e-5)
  end)

  it("is about .984 and .954 for random signs", function()
    cj.seed(1)
    local r = frequency.ratio((cj.rand { 600, 1, 32, 32 } - 0.5):sign())
    assert.near(0.984375, r.mean, 5 * 0.0026 / math.sqrt(600))
    assert.near(0.0026, r.sd, 0.0006)
    r = frequency.ratio((cj.rand { 600, 1, 28, 28 } - 0.5):sign())
    assert.near(0.954082, r.mean, 5 * 0.0051 / math.sqrt(600))
    assert.near(0.0051, r.sd, 0.001)
  end)

  it("has the known value for a half-plane of signs", function()
    for n, v in pairs { [32] = 0.532481314683, [28] = 0.435382849726 } do
      local half = image(n, function(_, c) return c < n / 2 and -1 or 1 end)
      assert.near(v, ratio(half), 1e-5)
    end
  end)

  it("does not depend on the length or the place of a perturbation", function()
    local x = cj.rand { 1, 1, 28, 28 } - 0.5
    assert.near(ratio(x), ratio(x * 17), 1e-5)
    local rolled = cj.cat({ x:narrow(4, 10, 19), x:narrow(4, 1, 9) }, 4)
    assert.near(ratio(x), ratio(rolled), 1e-5)
  end)

  it("leaves out and counts images that are zero", function()
    local x = cj.cat({ cj.zeros { 2, 1, 32, 32 }, impulse(32) }, 1)
    local r = frequency.ratio(x)
    assert.near(0.984375, r.mean, 1e-6)
    assert.same({ 1, 2 }, { r.count, r.undefined })
    assert.same({ false, false }, { r.ratios[1], r.ratios[2] })
    r = frequency.ratio(cj.zeros { 1, 1, 32, 32 })
    assert.is_nil(r.mean)
  end)

  it("also counts energy, or Frobenius norms", function()
    local x = wave(32, 0) * 3 + wave(32, 3) * 2 -- moduli: 3 at 0; 1 at 3 and -3
    assert.near(2 / 5, ratio(x), 1e-5)
    assert.near(2 / 11, ratio(x, { measure = "energy" }), 1e-5)
    assert.near(1 - 3 / math.sqrt(11), ratio(x, { measure = "frobenius" }), 1e-5)
  end)

  it("mixes colours by BT.601, the mean, or weights", function()
    local zero = cj.zeros { 1, 1, 32, 32 }
    local x = cj.cat({ wave(32, 0), wave(32, 3), zero }, 2) -- red flat, green a wave
    assert.near(0.587 / (0.299 + 0.587), ratio(x), 1e-5)
    assert.near(0.5, ratio(x, { grey = "mean" }), 1e-5)
    assert.near(0.75, ratio(x, { grey = { 1, 3, 0 } }), 1e-5)
  end)

  it("goes through many images in parts without a seam", function()
    local x = cj.cat({ impulse(28):expand { 520, 1, 28, 28 }, wave(28, 3) }, 1)
    local r = frequency.ratio(x)
    assert.equal(521, r.count)
    assert.near(0.954082, r.ratios[520], 1e-5)
    assert.near(0.5, r.ratios[521], 1e-5)
  end)

  it("refuses sizes without a window, and wrong options", function()
    misuse.raises("known for sides of 28 and 32, not 16", frequency.ratio, cj.ones { 1, 1, 16, 16 })
    misuse.raises("does not fit", frequency.ratio, cj.ones { 1, 1, 4, 4 }, { window = { -1, 3 } })
    misuse.raises("for 3 channels", frequency.ratio, cj.ones { 1, 2, 28, 28 })
    misuse.raises("measure", frequency.ratio, cj.ones { 1, 1, 28, 28 }, { measure = "mass" })
    misuse.raises("delta", frequency.ratio, cj.ones { 28, 28 })
  end)
end)

describe("profile", function()
  it("is flat for a single pixel and has one peak for a wave", function()
    for _, v in ipairs(frequency.profile(impulse(28))) do assert.near(1, v, 1e-5) end
    local p = frequency.profile(wave(28, 5))
    for ring, v in ipairs(p) do
      if ring == 6 then assert.is_true(v > 10) else assert.near(0, v, 1e-3) end
    end
  end)
end)
