local core = require "conjugate.core"
local misuse = require "support.misuse"

local loss = core.attack_loss

-- Central differences of a loss at z.
local function slopes(kind, z, y, target)
  local out = {}
  for k = 1, #z do
    local up, down = { unpack(z) }, { unpack(z) }
    up[k], down[k] = z[k] + 1e-6, z[k] - 1e-6
    out[k] = (loss(kind, up, y, target) - loss(kind, down, y, target)) / 2e-6
  end
  return out
end

local function log_softmax(z, y)
  local sum = 0
  for _, v in ipairs(z) do sum = sum + math.exp(v) end
  return z[y + 1] - math.log(sum)
end

describe("the losses that attacks climb", function()
  local z = { 0.3, 1.7, -0.4, 0.9, -2.1 }

  it("have the values of their formulas", function()
    for y = 0, 4 do
      assert.near(-log_softmax(z, y), loss("ce", z, y), 1e-12)
      assert.near(log_softmax(z, y), loss("ce", z, 0, y), 1e-12)
    end
    assert.near(1.7 - 0.3, loss("margin", z, 0), 1e-15)
    assert.near(0.9 - 1.7, loss("margin", z, 1), 1e-15)
    assert.near(0.9 - 1.7, loss("cw", z, 0, 3), 1e-15)
    assert.near(-(1.7 - 0.9) / (1.7 - 0.3 + 1e-12), loss("dlr", z, 1), 1e-12)
    assert.near(-(1.7 + 0.4) / (1.7 - 0.5 * (0.3 - 0.4) + 1e-12), loss("dlr", z, 1, 2), 1e-12)
  end)

  it("have the slopes of central differences", function()
    for _, kind in ipairs { "ce", "margin", "dlr" } do
      for y = 0, 4 do
        for target = -1, 4 do
          local t = target >= 0 and target ~= y and target or nil
          local _, slope = loss(kind, z, y, t)
          for k, expected in ipairs(slopes(kind, z, y, t)) do
            assert.near(expected, slope[k], 1e-8)
          end
        end
      end
    end
  end)

  it("mask the label with -infinity: rivals may all be negative", function()
    assert.near(-3 + 5, loss("margin", { -5, -3, -4 }, 0), 0)
    assert.near(-8, loss("margin", { 5, -3, -4 }, 0), 0)
  end)

  it("keep the digits of confident logits, until nothing is left", function()
    local value, slope = loss("ce", { 80, 0, 0 }, 0)
    assert.near(1, value / (2 * math.exp(-80)), 1e-12)
    assert.near(1, slope[2] / 1.8048513878454153e-35, 1e-12)
    assert.near(1, slope[1] / -3.6097027756908306e-35, 1e-12)
    value = loss("ce", { -700, 700 }, 0)
    assert.near(1400, value, 1e-9)
    value = loss("ce", { 1e4, 0 }, 0)
    assert.equal(0, value)
  end)

  it("fall back where there are too few classes", function()
    assert.equal(loss("margin", { 1, 3 }, 0), loss("dlr", { 1, 3 }, 0))
    assert.near(-(3 - 1) / (3 - 0.5 + 1e-12), loss("dlr", { 1, 3, 0.5 }, 1, 0), 1e-12)
  end)

  it("refuse unknown names and labels", function()
    misuse.raises('expected "ce", "margin" (or "cw") or "dlr" for loss, got "mse"', loss, "mse",
      z, 0)
    misuse.raises("from 0 to 4 for y, got 5", loss, "ce", z, 5)
  end)
end)

describe("the gradient in float32", function()
  local cj = require "conjugate"

  it("is zero for logits (120, 0, 0) and 1.8e-35 for (80, 0, 0)", function()
    local seen
    local follow = cj.attacks.follow {
      conjugate = cj.conjugate {
        name = "look",
        direction = function(g)
          seen = g:table()[1]
          return g
        end,
      }, eps = 1, clip_box = false, paper = true, quiet = true, steps = 1, alpha = 1,
    }
    follow(function(x) return x * 1 end, cj.tensor { { 120, 0, 0 } }, { 0 })
    assert.same({ 0, 0, 0 }, seen)
    local r = follow(function(x) return x * 1 end, cj.tensor { { 80, 0, 0 } }, { 0 })
    assert.near(1, seen[2] / 1.8e-35, 0.01)
    assert.near(1, seen[3] / 1.8e-35, 0.01)
    assert.equal(0, r.zeros[1])
  end)
end)
