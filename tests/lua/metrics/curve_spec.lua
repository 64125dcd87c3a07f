local assert = require "luassert"
local check_attack = require "support.check_attack"
local cj = require "conjugate"
local misuse = require "support.misuse"

describe("a curve of robust accuracy", function()
  local net, x, y = check_attack.network(24)
  local set = cj.data.set { images = x, labels = y, classes = 5, name = "made" }

  it("from several radii is that of the attack at each, monotone", function()
    local attack = cj.attacks.fgsm { eps = { 0.2, 0.02, 0.08, 0.9 }, quiet = true }
    local curve = cj.metrics.curve(net, set, attack, { batch = 7, quiet = true })
    local whole = attack(net, x, y):curve()
    assert.equal(4, #curve)
    for k, p in ipairs(curve) do
      assert.same(whole[k], p)
      assert.is_true(k == 1 or p.ra <= curve[k - 1].ra)
    end
    assert.is_true(curve[4].ra < curve[1].ra)
  end)

  it("from least distances counts the samples that are farther", function()
    local attack = cj.attacks.deepfool { classes = 5, quiet = true }
    local eps = { 0.4, 0, 0.1, 0.2 }
    local curve = cj.metrics.curve(net, set, attack, { eps = eps, quiet = true })
    local r = attack(net, x, y)
    table.sort(eps)
    for k, p in ipairs(curve) do
      local count = 0
      for i = 1, 24 do
        local there = r.status[i] == "ALREADY"
        if not there and (r.status[i] == "FAIL" or r.l2[i] > eps[k]) then count = count + 1 end
      end
      assert.equal(eps[k], p.eps)
      assert.equal(count, p.count)
      assert.near(100 * count / 24, p.ra, 1e-12)
    end
    assert.equal(22, curve[1].count) -- two labels are wrong
  end)

  it("is exact on the golden model", function()
    local model, gx, gy = check_attack.golden()
    local one = cj.data.set { images = gx:reshape { 1, 1, 1, 4 }, classes = 3, name = "one",
      labels = cj.tensor(gy, "int64") }
    local function flat(v) return model(v:reshape { v:size(1), 4 }) end
    local attack = cj.attacks.pgd { eps = { 0.05, 0.062, 0.063, 0.1 }, rel_step = 0.25 }
    local counts = {}
    for k, p in ipairs(cj.metrics.curve(flat, one, attack, { quiet = true })) do
      counts[k] = p.count
    end
    assert.same({ 1, 1, 0, 0 }, counts)
  end)

  it("says what is wrong", function()
    local curve = cj.metrics.curve
    misuse.raises("but pgd has the one radius 0.1", curve, net, set, cj.attacks.pgd { eps = 0.1 })
    misuse.raises("curve: expected radii in opts.eps", curve, net, set, cj.attacks.deepfool {})
    misuse.raises("curve: expected an attack", curve, net, set, {})
    misuse.raises("for eps[1], got -1", curve, net, set, cj.attacks.deepfool {}, { eps = { -1 } })
  end)
end)
