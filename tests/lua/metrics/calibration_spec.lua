local assert = require "luassert"
local check_attack = require "support.check_attack"
local cj = require "conjugate"
local misuse = require "support.misuse"

local of = cj.metrics.calibration_of

-- Logits of two classes with given probabilities of class 1.
local function logits(list)
  local rows = {}
  for i, p in ipairs(list) do rows[i] = { 0, math.log(p / (1 - p)) } end
  return cj.tensor(rows, "float64")
end

describe("calibration", function()
  it("gives the error of hand-made confidences", function()
    -- confidence .9 three times, right twice; .7 twice, right once: bins 14 and 11
    local c = of(logits { 0.9, 0.9, 0.9, 0.3, 0.7 }, { 1, 1, 0, 0, 0 })
    local ece = 3 / 5 * math.abs(2 / 3 - 0.9) + 2 / 5 * math.abs(1 / 2 - 0.7)
    assert.near(ece, c.ece, 1e-12)
    assert.near(3 / 5, c.accuracy, 1e-12)
    assert.near((2.7 + 1.4) / 5, c.confidence, 1e-12)
    local brier = (2 * 0.01 + 0.81 + 0.09 + 0.49) * 2 / 5
    assert.near(brier, c.brier, 1e-12)
    assert.equal(15, #c.bins)
    assert.equal(3, c.bins[14].n)
    assert.near(2 / 3, c.bins[14].accuracy, 1e-12)
    assert.near(0.7, c.bins[11].confidence, 1e-12)
    assert.equal(0, c.bins[1].n)
    assert.is_nil(c.bins[1].accuracy)
  end)

  it("is 0 for honest models, 1 for certain and wrong ones", function()
    local list, labels = {}, {}
    for i = 1, 100 do list[i], labels[i] = 0.75, i <= 75 and 1 or 0 end
    assert.near(0, of(logits(list), labels).ece, 1e-12)
    local sure = of(cj.tensor { { 0, 200 }, { 0, 200 } }, { 0, 0 })
    assert.near(1, sure.ece, 1e-12)
    assert.near(2, sure.brier, 1e-12)
    sure = of(cj.tensor { { 0, 200 } }, { 1 })
    assert.near(0, sure.ece, 1e-12)
    assert.near(0, sure.brier, 1e-12)
  end)

  it("has bins whose upper ends belong to them", function()
    local c = of(cj.tensor { { 0, 0 }, { 0, 0 } }, { 0, 1 }, 2) -- confidence exactly 1/2
    assert.equal(2, c.bins[1].n)
    assert.near(0, c.ece, 1e-12)
  end)

  it("agrees with softmax and labels of a network, clean and attacked", function()
    local net, x, y = check_attack.network(8)
    local set = cj.data.set { images = x, labels = y, classes = 5, name = "made" }
    local attack = cj.attacks.fgsm { eps = 0.1, quiet = true }
    local c = cj.metrics.calibration(net, set, { attack = attack, batch = 3, quiet = true })
    assert.is_true(net.training)
    net:eval()
    assert.near(of(net(x), y).ece, c.clean.ece, 1e-6)
    assert.near(of(net(x), y).brier, c.clean.brier, 1e-6)
    local after = net(attack(net, x, y).x_adv)
    assert.near(of(after, y).ece, c.attacked.ece, 1e-6)
    assert.near(6 / 8, c.clean.accuracy, 1e-12)
    assert.is_true(c.attacked.accuracy < c.clean.accuracy)
    assert.is_nil(cj.metrics.calibration(net, set, { quiet = true }).attacked)
  end)

  it("says what is wrong", function()
    local z = cj.zeros { 2, 3 }
    misuse.raises("expected as many labels as rows of logits", of, z, { 0 })
    misuse.raises("for labels, got 3", of, z, { 0, 3 })
    misuse.raises("for bins, got 0", of, z, { 0, 1 }, 0)
    misuse.raises("float tensor of 2 dimensions for z", of, cj.zeros { 3 }, { 0 })
    misuse.raises("calibration: expected a data set", cj.metrics.calibration, print, 3)
    local set = cj.data.set { images = cj.zeros { 1, 1, 2, 2 }, labels = cj.tensor({ 0 }, "int64"),
      classes = 2, name = "one" }
    misuse.raises("calibration: expected an attack", cj.metrics.calibration, print, set,
      { attack = {} })
  end)
end)
