-- Attacks on plans: as without them, but for gradients that round to the other side of zero.
local check_plan = require "support.check_plan"
local starve = require "support.starve"
local cj = require "conjugate"
local core = require "conjugate.core"
local plans = require "conjugate.plan"

local function small(dtype)
  cj.seed(12)
  local net = cj.nn.sequential {
    { "conv1", cj.nn.conv2d(1, 8, 3, { padding = 1 }) }, { "bn1", cj.nn.batch_norm2d(8) },
    cj.nn.relu(), cj.nn.max_pool2d(2), cj.nn.flatten(), { "fc", cj.nn.linear(128, 5) },
  }
  return net:to(dtype or "float32"):eval()
end

local function samples(n, dtype)
  local x = cj.random.rand({ n, 1, 8, 8 }, dtype or "float32", 4)
  local labels = {}
  for i = 1, n do labels[i] = i % 5 end
  return x, cj.tensor(labels, "int64")
end

-- Calls f with plans switched off.
local function without(f)
  plans.enabled = false
  local ok, result = pcall(f)
  plans.enabled = true
  if not ok then error(result, 0) end
  return result
end

local columns = { "pred_clean", "pred_adv", "status", "iters", "forwards", "backwards", "zeros" }

local attacks = {
  pgd = cj.attacks.pgd { eps = 0.1, alpha = 0.025, steps = 4 },
  early = cj.attacks.pgd { eps = 0.2, steps = 6, early = true },
  restarts = cj.attacks.pgd { eps = 0.1, steps = 3, random = true, restarts = 3, seed = 5 },
  l2 = cj.attacks.pgd { eps = 1, steps = 4, norm = "l2" },
  targeted = cj.attacks.pgd { eps = 0.1, steps = 4, target = "least" },
  fgsm = cj.attacks.fgsm { eps = 0.1 },
  ifa = cj.attacks.ifa { eps = 0.05, steps = 5 },
  margin = cj.attacks.pgd { eps = 0.1, steps = 4, loss = "margin" },
}

describe("an attack on a plan", function()
  for name, attack in pairs(attacks) do
    it("ends where it ends without one, in double precision: " .. name, function()
      local net = small "float64"
      local x, y = samples(40, "float64")
      local r = attack(net, x, y, { quiet = true })
      local own = without(function() return attack(net, x, y, { quiet = true }) end)
      assert.is_true(r.report.planned)
      assert.is_false(own.report.planned)
      check_plan.near(1e-9, own.x_adv, r.x_adv, name)
      for _, column in ipairs(columns) do assert.same(own[column], r[column], column) end
      assert.equal(own.forwards_total, r.forwards_total)
      assert.is_true(own.backwards_total >= r.backwards_total) -- a piece may be done earlier
      assert.equal(own.classes, r.classes)
      for step, sums in ipairs(own.trace) do
        assert.equal(sums.samples, r.trace[step].samples)
        assert.equal(sums.correct, r.trace[step].correct)
        assert.near(sums.loss, r.trace[step].loss, 1e-9 * math.abs(sums.loss))
      end
    end)
  end

  it("differs from it in few pixels, those whose slope rounds to the other side", function()
    cj.seed(2)
    local net = cj.models.ygcnn():eval()
    local x = cj.random.rand({ 16, 1, 28, 28 }, "float32", 3)
    local y = cj.predict(net, x)
    local attack = cj.attacks.pgd { eps = 0.1, alpha = 0.025, steps = 4, paper = true }
    local own = without(function() return attack(net, x, y).x_adv end)
    for _, exact in ipairs { true, false } do
      local got = attack(cj.compile(net, x, { exact = exact }), x, y).x_adv
      local share = (got - own):abs():gt(1e-5):to("float64"):mean():item()
      assert.is_true(share < (exact and 0.01 or 0.03), ("%.4f of the pixels"):format(share))
    end
  end)

  it("gives the same bytes for 1, 7 and 128 samples at a time, on any threads", function()
    local net, was = small(), cj.threads()
    local x, y = samples(128)
    local attack = attacks.restarts
    local whole = attack(net, x, y, { quiet = true, seed = 3 })
    for _, threads in ipairs { 1, 2, 4 } do
      cj.threads(threads)
      for _, piece in ipairs { 1, 7, 128 } do
        local bytes = {}
        for from = 1, 128, piece do
          local n = math.min(piece, 129 - from)
          local r = attack(net, x:narrow(1, from, n), y:narrow(1, from, n),
            { quiet = true, seed = 3, index = from - 1 })
          bytes[#bytes + 1] = r.x_adv:bytes()
        end
        assert.is_true(table.concat(bytes) == whole.x_adv:bytes())
      end
    end
    cj.threads(was)
  end)

  it("takes directions and watchers in Lua", function()
    local net = small "float64"
    local x, y = samples(40, "float64")
    local mine = cj.conjugate {
      name = "half of it",
      direction = function(g, state)
        state.sum = (state.sum or g * 0) + g
        return state.sum:sign() * 0.5
      end,
    }
    local attack = mine:attack { eps = 0.1, steps = 4, early = true }
    local r = attack(net, x, y)
    local own = without(function() return attack(net, x, y) end)
    assert.is_true(r.report.planned)
    check_plan.near(1e-9, own.x_adv, r.x_adv, "direction")
    local seen = {}
    local walk = cj.attacks.ifa { eps = 0.05, steps = 3, at = { 0, 3 },
      hook = function(n, at) seen[#seen + 1] = { n, at:size(1) } end,
      probe = cj.attacks.pgd { eps = 0.1, steps = 2, clip_box = false },
    }
    local walked = walk(net, x, y, { quiet = true })
    assert.same({ { 0, 40 }, { 3, 40 } }, seen)
    local plain = without(function() return walk(net, x, y, { quiet = true }) end)
    check_plan.near(1e-9, plain.x_adv, walked.x_adv, "walk")
    assert.same(plain.robust_at, walked.robust_at)
    local boom = cj.conjugate { name = "boom", direction = function() error("boom", 0) end }
    local ok, message = pcall(function() return boom:attack { eps = 0.1 }(net, x, y) end)
    assert.is_false(ok)
    assert.equal("boom", message)
  end)

  it("takes a plan that was made before, and functions without one", function()
    local net = small()
    local x, y = samples(20)
    local attack = attacks.pgd
    local r = attack(cj.compile(net, x), x, y)
    assert.is_true(r.report.planned)
    local same = attack(net, x, y)
    assert.is_true(r.x_adv:bytes() == same.x_adv:bytes())
    assert.is_false(attack(function(v) return net(v) end, x, y).report.planned)
    local looks = cj.nn.class "Looks"
    function looks:init() self.net = net end
    function looks:forward(v) return self.net(v) * (v:max():item() > 2 and 2 or 1) end
    assert.is_false(attack(looks():eval(), x, y).report.planned)
  end)

  it("does without a plan where the network does not repeat itself", function()
    local net, Moody = small(), cj.nn.class "Moody"
    function Moody:init() self.net, self.calls = net, 0 end
    function Moody:forward(v)
      self.calls = self.calls + 1
      return self.net(v) * self.calls
    end
    local x, y = samples(20)
    assert.is_false(attacks.pgd(Moody():eval(), x, y).report.planned)
  end)

  it("names the first sample that is wrong, as without a plan", function()
    local net = small()
    local x, y = samples(100)
    y[57], y[90] = 9, 11
    for _, call in ipairs { function(f) return f() end, without } do
      local ok, message = pcall(call, function() return attacks.pgd(net, x, y) end)
      assert.is_false(ok)
      assert.truthy(message:find("expected labels in 0..4, got 9 for sample 57", 1, true), message)
    end
    x:select(1, 71):fill_(2)
    local ok, message = pcall(attacks.pgd, net, x, y)
    assert.is_false(ok)
    assert.truthy(message:find("expected x in 0..1, got 2 in sample 71", 1, true), message)
    ok, message = pcall(attacks.pgd, cj.compile(net, x), cj.zeros { 4, 1, 9, 9 }, 0)
    assert.is_false(ok)
    assert.truthy(message:find("plan: expected a float32 tensor like", 1, true), message)
  end)

  it("gives its memory back, also when allocations fail", function()
    local net = small()
    local x, y = samples(20)
    starve.every_allocation(function()
      attacks.early(net, x, y, { quiet = true })
    end, 6000)
  end)

  it("needs no more memory for more samples than these take themselves", function()
    local net = small()
    local plan = cj.compile(net, (samples(1)))
    local function peak(n)
      local x, y = samples(n)
      attacks.pgd(plan, x, y)
      starve.settle()
      return plan:about().frames * plan:about().bytes
    end
    assert.equal(peak(200), peak(2000))
  end)

  it("stops on Ctrl-C", function()
    local net = small()
    local x, y = samples(500)
    local long = cj.attacks.pgd { eps = 0.1, steps = 100000, alpha = 0.01 }
    local ok, message = core.interrupt_call(false, nil, function()
      local watched = 0
      return long(net, x, y, { quiet = true, watch = function()
        watched = watched + 1
        if watched == 3 then core.interrupt_signal() end
      end })
    end)
    assert.is_false(ok)
    assert.truthy(tostring(message):find("interrupted", 1, true))
    assert.is_true(attacks.pgd(net, x, y).report.planned)
  end)
end)
