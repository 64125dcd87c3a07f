local cj = require "conjugate"
local check_attack = require "support.check_attack"

local sparsefool = cj.attacks.sparsefool

-- Elements of sample i that were moved, and how many of them stand at a bound of [0, 1].
local function moved(r, x, i)
  local before = x:select(1, i):contiguous():reshape({ -1 }):table()
  local after = r.x_adv:select(1, i):contiguous():reshape({ -1 }):table()
  local count, bound = 0, 0
  for k, v in ipairs(after) do
    if v ~= before[k] then
      count = count + 1
      if v == 0 or v == 1 then bound = bound + 1 end
    end
  end
  return count, bound
end

describe("sparsefool", function()
  check_attack.laws(it, {
    make = sparsefool, steps = true, minimum = true, scale_free = true, options = {},
    idle = { { eps = 0 }, { steps = 0 }, { outer = 0 } },
    monotone = {
      { { eps = 0 }, { eps = 2 }, { eps = 6 }, { eps = 36 } },
      { { outer = 0 }, { outer = 1, lambda = 0.9 }, { outer = 3, lambda = 0.9 }, { outer = 20 } },
    },
  })
end)

describe("sparsefool with lambda 1", function()
  check_attack.laws(it, {
    make = sparsefool, steps = true, minimum = true, scale_free = true, options = { lambda = 1 },
  })
end)

describe("sparsefool", function()
  it("on an affine model moves the steepest element as far as the l1 distance", function()
    for key = 1, 10 do
      local m, x, y, least = check_attack.affine(key, 2, 12)
      for _, lambda in ipairs { 1, 2 } do
        local r = sparsefool { lambda = lambda } (m, x, y)
        -- lambda (d + stab) + .001 along the unit normal, and .02 more
        local along = lambda * (least.l2 + 1e-4) + 1e-3
        assert.same({ "SUCCESS", 1, 1 }, { r.status[1], r.iters[1], r.pixels[1] })
        assert.near(1.02 * along * least.l1 / least.l2, r.l1[1], 1e-9)
        assert.equal(r.linf[1], r.l1[1])
      end
    end
  end)

  it("on the golden model goes to class 2 by the first of two equal elements", function()
    for _, dtype in ipairs { "float64", "float32" } do
      local m, x, y = check_attack.golden(dtype)
      local r = sparsefool { lambda = 1 } (m, x, y)
      assert.same({ "SUCCESS", 2, 1 }, { r.status[1], r.pred_adv[1], r.l0[1] })
      local size = math.sqrt(20)
      assert.near(1.02 * (0.55 / size + 1e-4 + 1e-3) * size / 3, 0.5 - r.x_adv:get(1, 1), 1e-6)
    end
  end)

  it("leaves every element that it changes but the last at a bound, within a turn", function()
    local net, x, y = check_attack.network(24)
    local several = 0
    for _, lambda in ipairs { 1, 3, 10 } do
      local r = sparsefool { lambda = lambda, outer = 1 } (net, x, y)
      for i = 1, 24 do
        local count, bound = moved(r, x, i)
        assert.is_true(bound >= count - 1)
        if count > 2 then several = several + 1 end
      end
    end
    assert.is_true(several > 5)
  end)

  it("takes the next element where the box ends the first one's way", function()
    local two = check_attack.two_classes({ -4, -2, -1 }, 5.1, "float64")
    local x = cj.tensor({ { 0.9, 0.2, 0.1 } }, "float64") -- margin 1; .4 of it in the first
    local r = sparsefool { lambda = 1, stab = 0, overshoot = 0.01 } (two, x, { 0 })
    assert.same({ "SUCCESS", 2 }, { r.status[1], r.pixels[1] })
    assert.near(1, r.x_adv:get(1, 1), 0)
    local size = math.sqrt(21)
    assert.near(0.2 + 1.01 * (0.6 + 1e-3 * size) / 2, r.x_adv:get(1, 2), 1e-9)
    assert.near(0.1, r.x_adv:get(1, 3), 0)
  end)

  it("begins the next turn at x_i when its candidate fails", function()
    local m, x, y, least = check_attack.affine(3, 2, 12)
    -- with lambda = 1/2 a turn goes half of the way and .001; the candidate .02 further
    local d, way, turns = least.l2, 0, 0
    repeat
      way, turns = way + 0.5 * (d - way + 1e-4) + 1e-3, turns + 1
    until 1.02 * way > d
    local r = sparsefool { lambda = 0.5 } (m, x, y)
    assert.is_true(turns > 2)
    assert.same({ "SUCCESS", turns }, { r.status[1], r.iters[1] })
    assert.near(1.02 * way * least.l1 / least.l2, r.l1[1], 1e-9)
    assert.equal("FAIL", sparsefool { lambda = 0.5, outer = turns - 1 } (m, x, y).status[1])
  end)

  it("takes gradients where DeepFool has not overshot", function()
    local m, x, y, least = check_attack.affine(3, 2, 12)
    local sizes = {}
    local function spy(input)
      sizes[#sizes + 1] = (input - x):abs():max():item()
      return m(input)
    end
    local r = sparsefool { lambda = 1, overshoot = 0.5 } (spy, x, y)
    -- x, DeepFool's end, the same without its overshoot, the candidate
    assert.equal(4, r.forwards[1])
    assert.equal(2, r.backwards[1])
    local flat = (least.l2 + 1e-4) * least.l1 ^ -1 * least.l2 -- largest part of the unit normal
    assert.near(1.5 * flat, sizes[2], 1e-9)
    assert.near(flat, sizes[3], 1e-9)
  end)

  it("counts pixels, whatever number of their channels moved", function()
    local w = cj.tensor({ { 0, 3, 0, 0, 3, 0, 0, 3 }, { 0, 0, 0, 0, 0, 0, 0, 0 } }, "float64")
    local function two(input) -- [N, 2, 2, 2]: elements 2 and 8 are place (0, 1), 5 is (0, 0)
      return cj.linear(input:reshape { -1, 8 }, w, cj.tensor({ -1, 0 }, "float64"))
    end
    local x = cj.full({ 1, 2, 2, 2 }, 0.3, "float64")
    local r = sparsefool { lambda = 1 } (two, x, { 0 }) -- 3 * (.3 + .3 + .3) - 1: 1.7 to lose
    assert.same({ "SUCCESS", 2, 2 }, { r.status[1], r.l0[1], r.pixels[1] })
    w:copy_(cj.tensor({ { 0, 4, 0, 0, 1, 4, 0, 0 }, { 0, 0, 0, 0, 0, 0, 0, 0 } }, "float64"))
    r = sparsefool { lambda = 1 } (two, x, { 0 })
    assert.same({ "SUCCESS", 2, 1 }, { r.status[1], r.l0[1], r.pixels[1] })
    assert.equal("FAIL", sparsefool { lambda = 1, eps = 0 } (two, x, { 0 }).status[1])
    assert.equal("SUCCESS", sparsefool { lambda = 1, eps = 1 } (two, x, { 0 }).status[1])
  end)

  it("refuses targets and wrong options", function()
    local function message(o)
      return select(2, pcall(sparsefool, o))
    end
    assert.matches("sparsefool: expected no target", message { target = 1 }, 1, true)
    for key, v in pairs { lambda = -1, outer = 0.5, overshoot = -1, classes = 1, stab = -1,
      eps = -1 } do
      assert.matches("sparsefool: expected .* for " .. key, message { [key] = v })
    end
    assert.matches('there is no option "norm"', message { norm = "l2" }, 1, true)
  end)
end)
