--- Metrics on inputs whose values are known.
-- @module conjugate.selftest.metrics
local cj = require "conjugate"
local golden = require "conjugate.selftest.golden"

local SPECTRUM = 1e-6 -- spectra are computed in float32

-- By the number of waves in the image: 1, 2, 3, 4.
local WAVES = {
  { side = 28, ratios = { 0, 0, 0.5, 1 } },
  { side = 32, ratios = { 0, 0.5, 1, 1 } },
}

-- One image [1, 1, n, n] of f(row, column), counted from 0.
local function image(n, f)
  local rows = {}
  for i = 1, n do
    rows[i] = {}
    for j = 1, n do rows[i][j] = f(i - 1, j - 1) end
  end
  return cj.tensor({ { rows } }, "float64")
end

local function ratio(n, f)
  return cj.metrics.frequency.ratio(image(n, f)).mean
end

local function impulse(i, j)
  return i == 3 and j == 5 and 1 or 0
end

local function check_frequency(report)
  local known = {
    { "a constant", 32, function() return 1 end, 0 },
    { "a checkerboard", 32, function(i, j) return (-1) ^ (i + j) end, 1 },
    { "an impulse of 32 x 32", 32, impulse, 1 - 16 / 1024 },
    { "an impulse of 28 x 28", 28, impulse, 1 - 36 / 784 },
  }
  for _, case in ipairs(known) do
    report("high-frequency ratio of " .. case[1], ratio(case[2], case[3]), case[4], SPECTRUM)
  end
  for _, wave in ipairs(WAVES) do
    local n = wave.side
    for k, value in ipairs(wave.ratios) do
      report(("high-frequency ratio of a wave, %d in %d"):format(k, n),
        ratio(n, function(i) return math.cos(2 * math.pi * k * i / n) end), value, SPECTRUM)
    end
  end
end

local function check_weibull(report)
  local fits = { { 2, 1.9828, 0.9918, 9.9932 }, { 3, 2.9701, 0.9899, 9.9906 } }
  for _, values in ipairs(fits) do
    local shape = values[1]
    local maxima = {}
    for i = 1, 500 do maxima[i] = 10 - (-math.log((i - 0.5) / 500)) ^ (1 / shape) end
    local fit = cj.metrics.weibull.fit(maxima)
    local name = ("of a Weibull fit to shape %d"):format(shape)
    report("shape " .. name, fit.shape, values[2], 5e-5)
    report("scale " .. name, fit.scale, values[3], 5e-5)
    report("end " .. name, fit.location, values[4], 5e-5)
  end
end

local function check_pareto(report)
  local points = { { acc = 0.2, rob = 0.5 } }
  for _, acc in ipairs { 0.1, 0.3, 0.5, 0.7, 0.9 } do
    points[#points + 1] = { acc = acc, rob = 0.5 * math.log(1 - acc) + 2 }
  end
  local fit = cj.metrics.pareto.fit(points)
  report("points of a Pareto frontier", fit.n_frontier, 5)
  report("slope of a Pareto frontier", fit.A, 0.5, 1e-9)
  report("offset of a Pareto frontier", fit.B, 2, 1e-9)
end

-- On an affine model every gradient is the same, and the score is the least distance.
local function check_clever(report)
  local model, x = golden.models.plane "float64"
  for _, case in ipairs { { "l2", 0.1229837 }, { "linf", 0.0625 }, { "l1", 0.1833333 } } do
    local r = cj.clever(model, x, {
      norm = case[1], radius = 1, batches = 3, samples = 3, labels = { 0 }, quiet = true, seed = 1,
    })
    report(("CLEVER of the golden model, %s"):format(case[1]), r.mean, case[2], 1e-7)
  end
end

return function(report)
  check_clever(report)
  check_frequency(report)
  check_weibull(report)
  check_pareto(report)
end
