local assert = require "luassert"
local check_attack = require "support.check_attack"
local cj = require "conjugate"
local misuse = require "support.misuse"

local RADII = { 0.3, 0.02, 0.08 }

describe("an attack at several radii", function()
  local net, x, y = check_attack.network(24)

  it("carries successes upward: robust accuracy does not rise", function()
    -- one step of FGSM may fail at a larger radius where it succeeded at a smaller one
    local cases = {
      cj.attacks.fgsm { eps = RADII, quiet = true },
      cj.attacks.pgd { eps = RADII, rel_step = 0.25, quiet = true },
      cj.attacks.fgsm { eps = { 0.1, 0.2, 0.4, 0.6, 0.8, 1 }, quiet = true },
    }
    for _, attack in ipairs(cases) do
      local r = attack(net, x, y)
      local before = 100
      for i, p in ipairs(r:curve()) do
        assert.is_true(p.ra <= before)
        assert.is_true(p.interval[1] <= p.ra and p.ra <= p.interval[2])
        assert.equal(100 * p.count / 24, p.ra)
        before = p.ra
        assert.equal(r.eps[i], p.eps)
        check_attack.feasible(r.results[i], x, "linf", p.eps, 0, 1)
      end
    end
  end)

  it("equals the attack at each radius but for what was broken below", function()
    local several = cj.attacks.pgd { eps = RADII, rel_step = 0.25, quiet = true }(net, x, y)
    assert.same({ 0.02, 0.08, 0.3 }, several.eps)
    local broken = {}
    for k, eps in ipairs(several.eps) do
      local one = cj.attacks.pgd { eps = eps, rel_step = 0.25, quiet = true } (net, x, y)
      local r = several.results[k]
      for i = 1, 24 do
        if broken[i] then
          assert.equal("SUCCESS", r.status[i])
          assert.equal(several.results[k - 1].linf[i], r.linf[i])
        else
          assert.equal(one.status[i], r.status[i])
          assert.equal(one.x_adv[i]:bytes(), r.x_adv[i]:bytes())
        end
        broken[i] = broken[i] or r.status[i] == "SUCCESS"
      end
    end
    assert.is_true(net.training)
  end)

  it("does not attack again what is broken", function()
    local counted = check_attack.counting(net:eval())
    local r = cj.attacks.pgd { eps = { 0.06, 0.08 }, rel_step = 0.25, quiet = true } (counted, x, y)
    local left = 0
    for i = 1, 24 do
      if r.results[1].status[i] == "FAIL" then left = left + 1 end
    end
    assert.is_true(left > 0 and left < 20, left)
    assert.is_true(r.results[2].forwards_total <= 6 * left)
    assert.equal(counted.forwards, r.results[1].forwards_total + r.results[2].forwards_total)
  end)

  it("works for attacks of least distance, and toward given targets", function()
    local model, input = check_attack.golden()
    local attack = cj.attacks.pgd { eps = { 0.06, 0.065, 0.07 }, rel_step = 0.25, quiet = true }
    local r = attack(model, cj.cat({ input, input }, 1), { 0, 0 }, { target = { 1, 2 } })
    local statuses = {}
    for k = 1, 3 do statuses[k] = table.concat(r.results[k].status, " ") end
    assert.same({ "FAIL FAIL", "SUCCESS FAIL", "SUCCESS SUCCESS" }, statuses)
  end)

  it("prints its curve", function()
    local attack = cj.attacks.pgd { eps = { 0.1, 0.05 } }
    assert.equal("pgd at 2 radii", tostring(attack))
    assert.truthy(tostring(attack(net, x, y)):find("eps 0.05", 1, true))
  end)

  it("says what is wrong", function()
    local pgd = cj.attacks.pgd
    misuse.raises("pgd: expected at least one radius for eps, got none", pgd, { eps = {} })
    misuse.raises("pgd: expected a number of at least 0 for eps[2]", pgd, { eps = { 1, -1 } })
    misuse.raises("pgd: expected different radii for eps, got 1 twice", pgd, { eps = { 1, 1 } })
    misuse.raises("pgd: expected 24 labels", pgd { eps = { 0.1 } }, net, x, { 1 })
  end)
end)
