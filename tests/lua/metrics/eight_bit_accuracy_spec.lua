local assert = require "luassert"
local check_attack = require "support.check_attack"
local cj = require "conjugate"
local misuse = require "support.misuse"

describe("accuracy with 8 bits", function()
  it("gives whole steps inside the ball, and moves no pixel by more than half a step", function()
    for _, dtype in ipairs { "float32", "float64" } do
      local x = cj.rand({ 5, 1, 3, 3 }, dtype, 1)
      local x_adv = (x + 0.05 * cj.randn({ 5, 1, 3, 3 }, dtype, 2)):clamp(0, 1)
      local out = cj.metrics.eight_bit(x_adv, x, "l2", math.huge)
      local steps = out:to "float64" * 255
      assert.is_true((steps - (steps + 0.5):floor()):abs():max():item() < 1e-4)
      assert.is_true((out - x_adv):abs():max():item() <= 0.5 / 255 + 1e-6)
      local limits = { linf = 0.02, l2 = 0.1, l1 = 0.2 }
      for norm, eps in pairs(limits) do
        local inside = cj.metrics.eight_bit(x_adv, x, norm, eps)
        local d = (inside:to "float64" - x:to "float64"):reshape { 5, 9 }
        local sizes = { linf = d:abs():max(2), l2 = (d * d):sum(2):sqrt(), l1 = d:abs():sum(2) }
        assert.is_true(sizes[norm]:max():item() <= eps * (1 + 1e-6) + 1e-7)
        assert.is_true(inside:min():item() >= 0 and inside:max():item() <= 1)
      end
    end
  end)

  it("changes nothing where clean pixels and radius are whole steps", function()
    local x = (cj.rand({ 4, 1, 2, 2 }, "float64", 3) * 255):floor() / 255
    local x_adv = (x + 8 / 255):clamp(0, 1)
    local out = cj.metrics.eight_bit(x_adv, x, "linf", 8 / 255)
    assert.is_true((out - x_adv):abs():max():item() < 1e-12)
  end)

  it("undoes an attack that lives between the steps, and says by how much", function()
    -- margin (x - 100/255) of one pixel at 100.2 steps; .3 steps down cross the boundary
    local function model(x)
      local m = x:reshape { x:size(1), 1 } - 100 / 255
      return cj.cat({ m * 1000, m * 0 }, 2)
    end
    local images = cj.full({ 3, 1, 1, 1 }, 100.2 / 255)
    images[3][1][1][1] = 0.2 -- wrong before
    local set = cj.data.set {
      images = images, labels = cj.zeros({ 3 }, "int64"), classes = 2, name = "fine",
    }
    local r = cj.metrics.eight_bit_accuracy(model, set, cj.attacks.fgsm { eps = 0.3 / 255 },
      { quiet = true })
    assert.equal(3, r.n)
    assert.near(0, r.ra, 1e-12)
    assert.near(200 / 3, r.ra_8bit, 1e-9)
    assert.near(200 / 3, r.change, 1e-9)
    assert.truthy(tostring(r):find("+66.67 points", 1, true))
  end)

  it("counts as the attack does", function()
    local net, x, y = check_attack.network(12)
    local set = cj.data.set { images = x, labels = y, classes = 5, name = "made" }
    local attack = cj.attacks.pgd { eps = 0.06, quiet = true }
    local r = cj.metrics.eight_bit_accuracy(net, set, attack, { batch = 5, quiet = true })
    assert.near(attack(net, x, y):robust_accuracy(), r.ra, 1e-9)
    assert.is_true(net.training)
  end)

  it("says what is wrong", function()
    local net, x, y = check_attack.network(2)
    local set = cj.data.set { images = x, labels = y, classes = 5, name = "made" }
    misuse.raises("eight_bit_accuracy: expected an attack of one radius",
      cj.metrics.eight_bit_accuracy, net, set, cj.attacks.pgd { eps = { 0.1, 0.2 } })
    misuse.raises("for eps", cj.metrics.eight_bit, x, x, "linf", -1)
  end)
end)
