local cj = require "conjugate"
local check_attack = require "support.check_attack"

local apgd = cj.attacks.apgd

describe("apgd", function()
  check_attack.laws(it, {
    make = apgd, options = { eps = 0.06, steps = 12 }, ball = "linf", steps = true, losses = true,
    starts = true, monotone = {
      { { eps = 0.01 }, { eps = 0.03 }, { eps = 0.1 }, { eps = 0.3 } },
      { { eps = 0.03, restarts = 1 }, { eps = 0.03, restarts = 2 }, { eps = 0.03, restarts = 4 } },
    },
  })
end)

describe("apgd on DLR in the Euclidean ball", function()
  check_attack.laws(it, {
    make = apgd, ball = "l2", steps = true, losses = true, starts = true, scale_free = true,
    options = { eps = 0.3, norm = "l2", steps = 12, loss = "dlr" },
    monotone = { { eps = 0.05 }, { eps = 0.2 }, { eps = 0.8 }, { eps = 2 } },
  })
end)

describe("apgd in the l1 ball", function()
  check_attack.laws(it, {
    make = apgd, ball = "l1", steps = true, losses = true, starts = true,
    options = { eps = 1, norm = "l1", steps = 15 },
    monotone = { { eps = 0.2 }, { eps = 0.8 }, { eps = 3 }, { eps = 10 } },
  })
end)

describe("apgd toward a target", function()
  check_attack.laws(it, {
    make = apgd, ball = "linf", steps = true, losses = true, starts = true,
    options = { eps = 0.1, steps = 12, target = "random" },
  })
end)

-- Remembers the points a model is asked about, as lists. Looking at elements keeps it from being
-- compiled.
local function remembering(model)
  local points = {}
  return function(x)
    points[#points + 1] = x:detach():reshape({ -1 }):table()
    return model(x)
  end, points
end

-- Logits that never change, with slopes that make every coordinate grow.
local function level(x)
  local rise = (x - x:detach()):sum(2)
  return cj.stack({ 3 - rise, rise }, 2)
end

local function size_of(point, p)
  local sum, most = 0, 0
  for _, v in ipairs(point) do
    local d = math.abs(v - 0.5)
    sum, most = sum + d ^ p, math.max(most, d)
  end
  return p == math.huge and most or sum ^ (1 / p)
end

describe("auto-PGD", function()
  local model, x, y = check_attack.golden("float64")

  it("has the defaults of the paper", function()
    local o = apgd { eps = 0.1 }.options
    assert.same({ "linf", 100, 1, 0.75, 1, "ce" },
      { o.norm, o.steps, o.restarts, o.rho, o.avg, o.loss })
  end)

  it("flips the golden model above its least distances only", function()
    for _, case in ipairs {
      { "linf", "ce", 0.062, 0.063 }, { "linf", "dlr", 0.062, 0.063 },
      { "l2", "ce", 0.1229, 0.13 }, -- the highest CE at radius .1233 is at no boundary
      { "l2", "dlr", 0.1229, 0.1233 },
      { "l1", "ce", 0.183, 0.186 }, { "l1", "dlr", 0.183, 0.186 },
    } do
      for _, dtype in ipairs { "float32", "float64" } do
        local m, x0, label = check_attack.golden(dtype)
        local o = { norm = case[1], loss = case[2], quiet = true, restarts = 4 } -- maxima are local
        o.eps = case[3]
        assert.equal("FAIL", apgd(o)(m, x0, label, { seed = 1 }).status[1], case[1] .. case[2])
        o.eps = case[4]
        assert.equal("SUCCESS", apgd(o)(m, x0, label, { seed = 1 }).status[1], case[1] .. case[2])
      end
    end
  end)

  it("reaches the nearest plane of affine models to two percent", function()
    for _, norm in ipairs { "linf", "l2", "l1" } do
      for key = 1, 6 do
        local m, x0, label, least = check_attack.affine(key)
        local o = { norm = norm, loss = "dlr", quiet = true, restarts = 3 }
        o.eps = 0.98 * least[norm]
        assert.equal("FAIL", apgd(o)(m, x0, label, { seed = 2 }).status[1])
        o.eps = 1.02 * least[norm]
        assert.equal("SUCCESS", apgd(o)(m, x0, label, { seed = 2 }).status[1], norm .. key)
      end
    end
  end)

  it("takes up the best point after 22, 41, 57, 70, 80, 87, 93 and 99 steps", function()
    local still, points = remembering(level)
    local found
    for seed = 1, 4 do -- from the lower end of the interval, every step goes up
      for i = #points, 1, -1 do points[i] = nil end
      apgd { eps = 0.1 } (still, cj.full({ 1, 1 }, 0.5, "float64"), { 0 }, { seed = seed })
      if points[2][1] < 0.5 then
        found = {}
        for k = 3, 102 do -- the clean input and the start come first
          if points[k][1] < points[k - 1][1] then found[#found + 1] = k - 3 end
        end
        break
      end
    end
    assert.same({ 22, 41, 57, 70, 80, 87, 93, 99 }, found)
  end)

  it("starts at the edge of the ball", function()
    for _, case in ipairs { { "linf", math.huge }, { "l2", 2 } } do
      local still, points = remembering(level)
      apgd { eps = 0.1, norm = case[1], steps = 1 } (still, cj.full({ 1, 30 }, 0.5), { 0 })
      assert.near(0.1, size_of(points[2], case[2]), 1e-6)
      assert.is_true(size_of(points[2], 1) < 0.1 * 30 ^ (1 - 1 / case[2]) - 1e-3)
    end
  end)

  it("shrinks the l1 ball from 3 eps to 2 eps to eps after 30 and 60 of 100 steps", function()
    local still, points = remembering(level)
    local r = apgd { eps = 0.2, norm = "l1" } (still, cj.full({ 1, 30 }, 0.5, "float64"), { 0 })
    local most = { 0, 0, 0 }
    for k = 2, 104 do
      local phase = k <= 32 and 1 or k <= 63 and 2 or 3
      most[phase] = math.max(most[phase], size_of(points[k], 1))
    end
    for phase, radius in ipairs { 0.6, 0.4, 0.2 } do
      assert.near(radius, most[phase], 1e-9)
    end
    assert.same({ 100 }, r.backwards)
    assert.is_true(r.forwards[1] >= 104 and r.forwards[1] <= 105)
  end)

  it("does not count what it met outside the l1 ball", function()
    local r = apgd { eps = 0.1, norm = "l1", quiet = true } (model, x, y)
    assert.same({ "FAIL" }, r.status)
    assert.same({ false }, r.broken)
  end)

  it("spends restarts * (steps + 1) passes, and less after a success", function()
    local o = { eps = 0.05, steps = 10, restarts = 3 }
    local r = apgd(o)(model, x, y)
    assert.same({ 30 }, r.backwards)
    assert.is_true(r.forwards[1] >= 34 and r.forwards[1] <= 35)
    assert.same({ 0 }, r.run)
    o.eps = 0.2
    r = apgd(o)(model, x, y)
    assert.same({ 10 }, r.backwards)
    assert.same({ 1 }, r.run)
    o.early = true
    assert.is_true(apgd(o)(model, x, y).backwards[1] < 10)
  end)

  it("averages the gradients of a random model", function()
    local calls = 0
    local function noisy(input) -- two calls cancel each other's noise
      calls = calls + 1
      local noise = (input - input:detach()):sum(2) * (calls % 2 == 0 and 50 or -50)
      local z = model(input)
      return cj.stack({ z:select(2, 1) + noise, z:select(2, 2), z:select(2, 3) }, 2)
    end
    local o = { eps = 0.064, loss = "margin", quiet = true, steps = 30, restarts = 4 }
    assert.equal("FAIL", apgd(o)(noisy, x, y, { seed = 1 }).status[1])
    o.avg = 2
    local r = apgd(o)(noisy, x, y, { seed = 1 })
    assert.equal("SUCCESS", r.status[1])
    assert.equal(0, r.backwards[1] % 60)
  end)

  it("warns of zero gradients at the start, and says what stands in for DLR", function()
    local function constant(input)
      return cj.zeros({ input:size(1), 2 }) + cj.tensor { 1, 0 }
    end
    local r = apgd { eps = 0.1, loss = "dlr", steps = 3, quiet = true } (constant,
      cj.full({ 2, 4 }, 0.5), { 0, 0 })
    assert.equal("margin", r.loss)
    assert.same({ true, true }, r.zero_start)
    local text = table.concat(r.warnings, "\n")
    assert.is_truthy(text:find("DLR needs 3 classes", 1, true))
    assert.is_truthy(text:find("zero everywhere at the start of some samples", 1, true))
  end)

  it("ends a sample whose gradient is infinite", function()
    local function steep(input)
      local s = input:sum(2)
      return cj.stack({ 1 - (s - s:detach()):sqrt(), s * 0 }, 2)
    end
    assert.same({ "NAN" }, apgd { eps = 0.1, quiet = true } (steep, x, y).status)
  end)

  it("refuses what it cannot do", function()
    for _, case in ipairs {
      { { rho = 1.5 }, "rho" }, { { rho = -0.1 }, "rho" }, { { avg = 0 }, "avg" },
      { { steps = -1 }, "steps" }, { { steps = 1.5 }, "steps" }, { { restarts = 0 }, "restarts" },
      { { norm = "l3" }, "norm" }, { { eps = math.huge }, "eps" }, { { loss = "x" }, "loss" },
    } do
      case[1].eps = case[1].eps or 0.1
      local ok, message = pcall(apgd, case[1])
      assert.is_false(ok)
      assert.is_truthy(message:find("apgd: ", 1, true))
      assert.is_truthy(message:find(case[2], 1, true))
    end
  end)
end)
