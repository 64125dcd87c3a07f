local cj = require "conjugate"
local check_attack = require "support.check_attack"

local fab = cj.attacks.fab
local norms = { "linf", "l2", "l1" }

for _, norm in ipairs(norms) do
  describe("fab under " .. norm, function()
    check_attack.laws(it, {
      make = fab, ball = norm, steps = true, minimum = true, scale_free = true,
      options = { norm = norm, steps = 10 },
      monotone = {
        { { eps = 0 }, { eps = 0.02 }, { eps = 0.1 }, { eps = 0.5 }, { eps = 50 } },
        { { eps = 0.05, restarts = 1 }, { eps = 0.05, restarts = 2 },
          { eps = 0.05, restarts = 4 } },
      },
    })
  end)
end

describe("fab with restarts and a final search", function()
  check_attack.laws(it, {
    make = fab, ball = "l2", steps = true, minimum = true, scale_free = true,
    options = { norm = "l2", steps = 5, restarts = 3, final = true, eps = 0.4 },
  })
end)

describe("fab", function()
  local model, x, y = check_attack.golden("float64")
  local golden = { l2 = 0.123625, linf = 0.062826, l1 = 0.184289 }

  it("gives the golden values after 100 steps", function()
    for _, dtype in ipairs { "float64", "float32" } do
      local m, x0, label = check_attack.golden(dtype)
      for norm, value in pairs(golden) do
        local r = fab { norm = norm } (m, x0, label)
        assert.same({ "SUCCESS", 100 }, { r.status[1], r.iters[1] })
        assert.near(value, r[norm][1], 1e-6)
      end
    end
  end)

  it("first goes 1.05 d, then comes as near as 1.0052133 d, under any norm", function()
    for _, norm in ipairs(norms) do
      for key = 1, 5 do
        local m, x0, label, least = check_attack.affine(key, 2, 12)
        local first = fab { norm = norm, steps = 1 } (m, x0, label)[norm][1]
        assert.near(1.05, first / least[norm], 1e-9)
        local best = fab { norm = norm } (m, x0, label)[norm][1]
        assert.near(1.0052133, best / least[norm], 1e-7)
      end
    end
  end)

  it("comes within 1.0062 d of the nearest of five planes, and never nearer than d", function()
    for _, dtype in ipairs { "float64", "float32" } do
      for _, norm in ipairs(norms) do
        for key = 1, 8 do
          local m, x0, label, least = check_attack.affine(key, 6, 12, dtype)
          local r = fab { norm = norm } (m, x0, label)
          assert.equal("SUCCESS", r.status[1])
          local ratio = r[norm][1] / least[norm]
          assert.is_true(ratio >= 1 - 1e-5 and ratio <= 1.0062)
        end
      end
    end
  end)

  it("comes within 1.0002 d with the final search", function()
    for _, norm in ipairs(norms) do
      for key = 1, 8 do
        local m, x0, label, least = check_attack.affine(key, 6, 12)
        local r = fab { norm = norm, final = true } (m, x0, label)
        local ratio = r[norm][1] / least[norm]
        assert.is_true(ratio > 1 and ratio <= 1.0002)
      end
    end
  end)

  it("counts the final search's result too when it judges the distance", function()
    local o = { norm = "l2", eps = 1.002 * 0.1229837 }
    assert.equal("FAIL", fab(o)(model, x, y).status[1])
    o.final = true
    assert.equal("SUCCESS", fab(o)(model, x, y).status[1])
  end)

  it("succeeds within eps only, and returns x itself otherwise", function()
    for norm, value in pairs(golden) do
      local r = fab { norm = norm, eps = value - 1e-3 } (model, x, y)
      assert.equal("FAIL", r.status[1])
      assert.equal(0, r.linf[1])
      assert.is_false(r.broken[1])
      assert.equal("SUCCESS", fab { norm = norm, eps = value + 1e-3 } (model, x, y).status[1])
    end
  end)

  it("takes K - 1 gradients and one or two passes a step", function()
    local r = fab { steps = 7, final = false } (model, x, y)
    assert.equal(7 * 2, r.backwards[1])
    assert.is_true(r.forwards[1] > 7 and r.forwards[1] <= 2 * 7 + 2)
    assert.equal(21, fab { steps = 7, restarts = 3 } (model, x, y).iters[1])
  end)

  it("stops at the first success when told to", function()
    local r = fab { norm = "l2", early = true, restarts = 3 } (model, x, y)
    assert.same({ "SUCCESS", 1 }, { r.status[1], r.iters[1] })
    assert.near(1.05 * 0.1229837, r.l2[1], 1e-6)
  end)

  it("projects inside the box, where the nearest plane can be out of reach", function()
    local two = check_attack.two_classes({ -4, -2, -1 }, 5.1, "float64")
    local start = cj.tensor({ { 0.9, 0.2, 0.1 } }, "float64") -- margin 1
    for norm, want in pairs {
      linf = 0.2, -- 4 * .1 + (2 + 1) * .2 = 1
      l2 = math.sqrt(0.01 + 0.24 ^ 2 + 0.12 ^ 2), -- 4 * .1 + 2 * .24 + .12 = 1
      l1 = 0.1 + 0.3, -- 4 * .1 + 2 * .3 = 1
    } do
      local r = fab { norm = norm } (two, start, { 0 })
      assert.equal("SUCCESS", r.status[1])
      assert.is_true(r[norm][1] >= want and r[norm][1] <= 1.0062 * want)
      assert.near(1, r.x_adv:get(1, 1), 0)
      assert.is_true(fab { norm = norm, final = true } (two, start, { 0 })[norm][1] < r[norm][1])
    end
    local out_of_reach = check_attack.two_classes({ -4, -2, -1 }, 7.5, "float64")
    local r = fab {} (out_of_reach, start, { 0 })
    assert.same({ "FAIL", 0 }, { r.status[1], r.linf[1] })
  end)

  it("begins later restarts at random, within half of what it has", function()
    local points
    local function spy(input)
      points[#points + 1] = input:clone()
      return model(input)
    end
    local function size(norm, d)
      if norm == "l2" then return (d * d):sum():sqrt():item() end
      return (norm == "l1" and d:abs():sum() or d:abs():max()):item()
    end
    for _, norm in ipairs(norms) do
      points = {}
      fab { norm = norm, steps = 1, restarts = 4 } (spy, x, y, { seed = 5 })
      -- passes: x, its step's end; then three times a start and its step's end
      local first, last = size(norm, points[2] - x), x
      for k = 3, 7, 2 do
        local away = size(norm, points[k] - x)
        assert.is_true(away > 0 and away <= first / 2 + 1e-12)
        assert.is_true(size(norm, points[k] - last) > 1e-6)
        last = points[k]
      end
    end
  end)

  it("starts anywhere in the box when it has found nothing, and not at all without one", function()
    local function constant(input)
      return cj.zeros({ input:size(1), 2 }, "float64") + cj.tensor({ 1, 0 }, "float64")
    end
    for _, clip in ipairs { true, false } do
      local r = fab { steps = 2, restarts = 5, clip_box = clip } (constant, x, y)
      assert.same({ "FAIL", clip and 5 or 1 }, { r.status[1], r.backwards[1] })
    end
  end)

  it("refuses targets and wrong options", function()
    local function message(o)
      return select(2, pcall(fab, o))
    end
    assert.matches("fab: expected no target", message { target = 1 }, 1, true)
    for key, v in pairs { alpha_max = 1.5, eta = 0.9, beta = -0.1, restarts = 0, steps = -1,
      eps = -1, norm = "l0" } do
      assert.matches("fab: expected .* for " .. key, message { [key] = v })
    end
  end)
end)
