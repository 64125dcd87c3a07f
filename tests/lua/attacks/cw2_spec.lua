local cj = require "conjugate"
local check_attack = require "support.check_attack"
local misuse = require "support.misuse"

local cw2 = cj.attacks.cw2

describe("cw2", function()
  check_attack.laws(it, {
    make = cw2, ball = "l2", minimum = true, steps = true, queries = 26,
    options = { csteps = 4, steps = 60, lr = 0.05, c0 = 0.1 },
    monotone = { { csteps = 1 }, { csteps = 2 }, { csteps = 4 } },
  })
end)

describe("cw2 toward a target, with room to spare", function()
  check_attack.laws(it, {
    make = cw2, ball = "l2", minimum = true, steps = true, queries = 26, samples = 9,
    options = { csteps = 4, steps = 60, lr = 0.05, c0 = 0.1, target = "random", kappa = 0.1 },
  })
end)

local function ratios(r, least, from)
  local list = {}
  for i = 1, r.n do
    assert.equal("SUCCESS", r.status[i])
    if least.l2[i] >= from then list[#list + 1] = r.l2[i] / least.l2[i] end
  end
  table.sort(list)
  return list
end

-- A model of two classes with one plane: z_0 - z_1 = w . (x - 1/2) + 0.1, |w| = 1, at x = 1/2, so
-- c* = 2 (0.1 + kappa). And the list of the points it was asked about.
local function one_plane()
  local model = check_attack.two_classes({ 0.6, 0, -0.8, 0 }, 0.2, "float64") -- w . x = -0.1
  local asked = {}
  return function(x)
    asked[#asked + 1] = x:clone()
    return model(x)
  end, cj.full({ 1, 4 }, 0.5, "float64"), asked
end

-- How far a point has gone toward the plane, and aside.
local function progress(point)
  local d = point - 0.5
  local along = -0.6 * d:get(1, 1) + 0.8 * d:get(1, 3)
  return along, math.abs(0.8 * d:get(1, 1) + 0.6 * d:get(1, 3)) + math.abs(d:get(1, 2))
end

describe("cw2 with one plane", function()
  it("goes as far as c / 2 when c < c*, and to the plane, with kappa to spare, beyond", function()
    for _, case in ipairs {
      { c = 0.05, kappa = 0, goes = 0.025 }, { c = 0.15, kappa = 0, goes = 0.075 },
      { c = 0.4, kappa = 0, goes = 0.1, status = "SUCCESS" },
      { c = 0.25, kappa = 0.05, goes = 0.125 },
      { c = 0.4, kappa = 0.05, goes = 0.15, status = "SUCCESS" },
    } do
      local model, x, asked = one_plane()
      local o = { csteps = 1, steps = 400, lr = 0.004, abort = false, c0 = case.c,
        kappa = case.kappa }
      local r = cw2(o)(model, x, { 0 })
      assert.same({ case.status or "FAIL" }, r.status)
      local along, aside = progress(asked[402])
      assert.near(case.goes, along, 0.004)
      assert.near(0, aside, 0.004)
      if case.status then
        assert.is_true(r.l2[1] >= case.goes - 1e-9 and r.l2[1] <= 1.05 * case.goes)
      else
        assert.near(0, r.l2[1], 0) -- merely misclassified is not enough for kappa
      end
    end
  end)

  it("multiplies c by ten until it succeeds, then bisects", function()
    local model, x, asked = one_plane()
    local o = { csteps = 5, steps = 300, lr = 0.004, abort = false, c0 = 0.004 }
    cw2(o)(model, x, { 0 })
    local c = {}
    for run = 1, 5 do c[run] = 2 * progress(asked[300 * run + 2]) end
    -- 0.4 succeeds, and 0.22: these end at the plane, where c would be 0.2
    for run, expected in ipairs { 0.004, 0.04, 0.2, 0.2, 0.13 } do
      assert.near(expected, c[run], 0.006)
    end
  end)

  it("from ten values of c on, ends with the least that has succeeded", function()
    local function blocks(csteps)
      local model, x, asked = one_plane()
      cw2 { csteps = csteps, steps = 40, lr = 0.02, abort = false, c0 = 0.01 } (model, x, { 0 })
      local list = {}
      for run = 1, csteps do list[run] = asked[40 * run + 2]:bytes() end
      return list
    end
    local nine, ten = blocks(9), blocks(10)
    for run = 1, 9 do assert.equal(nine[run], ten[run]) end
    local same = 0
    for run = 1, 9 do
      if ten[run] == ten[10] then same = same + 1 end
      for other = 1, run - 1 do assert.is_true(nine[run] ~= nine[other]) end
    end
    assert.equal(1, same)
  end)
end)

describe("cw2 on affine models", function()
  it("comes within 5 % of the least distance with two classes", function()
    for _, dtype in ipairs { "float32", "float64" } do
      local model, x, y, least = check_attack.affine_batch(24, 2, 32, dtype)
      local list = ratios(cw2 { steps = 1000 } (model, x, y), least, 0.03)
      assert.is_true(#list > 10)
      assert.is_true(list[1] >= 1 - 1e-5 and list[#list] <= 1.05)
    end
  end)

  it("comes within 15 % in the median, and a factor of two, with six", function()
    local model, x, y, least = check_attack.affine_batch(24, 6, 32, "float32")
    local list = ratios(cw2 { steps = 1000 } (model, x, y), least, 0)
    assert.is_true(list[1] >= 1 - 1e-5 and list[12] <= 1.15 and list[24] <= 2)
  end)

  it("finds .1250 on the golden model, which is nearer than that only at class 2", function()
    for _, dtype in ipairs { "float32", "float64" } do
      local model, x, y = check_attack.golden(dtype)
      local r = cw2 { steps = 1000 } (model, x, y)
      assert.near(0.1250, r.l2[1], 0.0005)
      assert.equal(1, r.pred_adv[1])
    end
    local model, x, y = check_attack.golden "float64"
    local r = cw2 { steps = 1000, target = 2 } (model, x, y)
    assert.same({ "SUCCESS" }, r.status)
    assert.is_true(r.l2[1] >= 0.1229836 and r.l2[1] <= 1.05 * 0.1229837)
  end)

  it("counts successes within eps only", function()
    local model, x, y = check_attack.golden "float64"
    local r = cw2 { steps = 300, eps = 0.124 } (model, x, y)
    assert.same({ "FAIL" }, r.status)
    assert.equal(x:bytes(), r.x_adv:bytes())
    assert.same({ "SUCCESS" }, cw2 { steps = 300, eps = 0.127 } (model, x, y).status)
  end)

  it("measures in units of the pixels, whatever the box", function()
    local model, x, y = check_attack.golden "float64"
    local function shifted(input)
      return model((input + 3) / 4)
    end
    local r = cw2 { steps = 600, bounds = { -3, 1 } } (shifted, x * 4 - 3, y)
    assert.near(0.5, r.l2[1], 0.004)
  end)
end)

describe("cw2 in its box", function()
  it("can attack images of exact zeros and ones", function()
    local w = cj.random.randn({ 2, 64 }, "float32", 4)
    local x = cj.random.rand({ 8, 64 }, "float32", 5):round()
    local y = cj.linear(x - 0.5, w):predict():table()
    local r = cw2 { steps = 400, csteps = 4, c0 = 0.1, lr = 0.05 } (function(input)
      return cj.linear(input - 0.5, w)
    end, x, y)
    for i = 1, 8 do assert.equal("SUCCESS", r.status[i]) end
    assert.is_true(r.x_adv:min():item() >= 0 and r.x_adv:max():item() <= 1)
    assert.is_true((r.x_adv - x):abs():max():item() > 0.01)
  end)

  it("starts at x shrunk by 1e-6, exactly to rounding, for all x", function()
    for dtype, tolerance in pairs { float32 = 1.5e-7, float64 = 1e-13 } do
      local levels = {}
      for i = 0, 255 do levels[i + 1] = i / 255 end
      local x, asked = cj.tensor({ levels }, dtype), {}
      cw2 { steps = 1, csteps = 1, lr = 1e-30 } (function(input)
        asked[#asked + 1] = input:clone()
        return cj.stack({ input:sum(2), input:sum(2) * 0 }, 2)
      end, x, { 0 })
      local start = (x - 0.5) * 0.999999 + 0.5
      assert.near(0, (asked[2] - start):abs():max():item(), tolerance)
      assert.is_true(asked[2]:max():item() < 1 and asked[2]:min():item() > 0)
    end
  end)

  it("gives a c up for the sample whose loss has stopped falling, and for no other", function()
    -- the second sample is where the slope is 0
    local function model(x)
      local z = x:sum(2) * x:narrow(2, 1, 1):reshape { -1 }
      return cj.stack({ z - 0.2, z * 0 }, 2)
    end
    local x = cj.tensor { { 0.5, 0.5, 0.5 }, { 0, 0, 0 } }
    local o = { steps = 200, csteps = 3, c0 = 1 }
    local both = cw2(o)(model, x, { 0, 1 })
    local alone = cw2(o)(model, x:narrow(1, 1, 1), { 0 })
    assert.equal(alone.forwards[1], both.forwards[1])
    assert.is_true(both.forwards[2] < both.forwards[1])
    o.abort = false
    local patient = cw2(o)(model, x, { 0, 1 })
    assert.equal(3 * 200 + 2, patient.forwards[2])
    assert.is_true(patient.forwards[1] > both.forwards[1])
    assert.is_true(patient.forwards[1] <= 3 * 200 + 3)
    assert.same({ "SUCCESS", "FAIL" }, both.status)
  end)

  it("asks for no gradient where the goal is reached", function()
    local model, x, y = check_attack.golden "float64"
    local r = cw2 { steps = 300, csteps = 5, c0 = 10, abort = false } (model, x, y)
    assert.equal(1500, r.iters[1])
    assert.is_true(r.backwards[1] < 1200 and r.backwards[1] > 100)
  end)

  it("stops where a slope is infinite", function()
    local function root(x)
      return cj.stack({ (x - x:detach()):sqrt():sum(2) + 2, x:sum(2) * 0 }, 2)
    end
    local x = cj.full({ 2, 3 }, 0.5)
    local r = cw2 { steps = 20 } (root, x, { 0, 0 })
    assert.same({ "NAN", "NAN" }, r.status)
    assert.equal(x:bytes(), r.x_adv:bytes())
    assert.same({ 1, 1 }, r.backwards)
  end)

  it("says what is wrong with its options", function()
    for message, o in pairs {
      ["expected a number from 0 to 1000000000 for kappa, got -1"] = { kappa = -1 },
      ["expected a finite number above 0 for c0, got 0"] = { c0 = 0 },
      ["expected a finite number above 0 for lr, got inf"] = { lr = math.huge },
      ["expected a whole number of at least 1 for csteps, got 0"] = { csteps = 0 },
      ["of at least 0 for steps, got -1"] = { steps = -1 },
      ["expected a box"] = { clip_box = false },
    } do
      misuse.raises(message, cw2, o)
    end
  end)
end)
