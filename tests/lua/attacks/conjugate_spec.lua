local cj = require "conjugate"
local check_attack = require "support.check_attack"
local misuse = require "support.misuse"

local sign = cj.conjugate {
  name = "sign in Lua",
  direction = function(g) return g:sign() end,
}

local function follow_sign(o)
  local given = { conjugate = sign }
  for key, v in pairs(o) do given[key] = v end
  return cj.attacks.follow(given)
end

describe("a conjugate made in Lua and followed", function()
  check_attack.laws(it, {
    make = follow_sign, options = { eps = 0.06 }, ball = "linf", steps = true, losses = true,
    monotone = { { eps = 0.01 }, { eps = 0.03 }, { eps = 0.1 }, { eps = 0.3 }, { eps = 1 } },
  })
end)

describe("a conjugate with memory, stopping early", function()
  local momentum = cj.conjugate {
    name = "momentum in Lua",
    scale = "linf",
    direction = function(g, state)
      local flat = g:reshape { g:size(1), -1 }
      local size = flat:abs():sum(2, true) + 1e-30
      local unit = (flat / size):reshape(g.shape)
      state.sum = state.sum and state.sum + unit or unit
      return state.sum
    end,
  }
  check_attack.laws(it, {
    make = function(o) return momentum:attack(o) end,
    options = { eps = 0.08, early = true, steps = 6 }, ball = "linf", losses = true,
  })
end)

describe("a conjugate given as a field, stopping early", function()
  -- another place has another direction, and no gradient is needed
  local bright = cj.conjugate {
    name = "brighter or darker",
    scale = "linf",
    field = function(x) return x * x - 0.2 end,
  }

  it("is followed from where each sample stands", function()
    local net, x, y = check_attack.network(9)
    local options = { eps = 1, alpha = 0.05, steps = 20, early = true, best = false }
    local r = bright:attack(options)(net, x, y)
    assert.is_true(r.counts.SUCCESS > 0 and r.counts.FAIL > 0)
    for i = 1, r.n do
      local at = x:narrow(1, i, 1)
      for _ = 1, r.iters[i] do
        local d = at * at - 0.2
        at = (at + d / d:abs():max():item() * 0.05):clamp(0, 1)
      end
      assert.near(0, (at - r.x_adv:narrow(1, i, 1)):abs():max():item(), 1e-5)
    end
  end)

  it("is what field() gives", function()
    local net, x, y = check_attack.network(4)
    assert.near(0, (bright:field(net, x, y) - (x * x - 0.2)):abs():max():item(), 1e-6)
  end)

  it("is told the labels and numbers of the samples that go on, and the model", function()
    local net, x, y = check_attack.network(9)
    local labels, seen = y:table(), 0
    local curious = cj.conjugate {
      name = "curious",
      direction = function(g, state)
        local at = state.x
        assert.equal(net, state.model)
        assert.is_false(net.training)
        assert.equal(at:size(1), state.y:size(1))
        for k, number in ipairs(state.rows:table()) do
          assert.equal(labels[number], state.y:get(k))
          if state.step == 1 then
            assert.near(0, (at:select(1, k) - x:select(1, number)):abs():max():item(), 0)
          end
        end
        seen = seen + at:size(1)
        return g:sign()
      end,
    }
    local o = { eps = 0.08, steps = 6, early = true, batch = 4, quiet = true }
    local r = curious:attack(o)(net, x, y)
    local steps = 0
    for i = 1, r.n do steps = steps + r.iters[i] end
    assert.equal(steps, seen)
    assert.is_true(steps < 6 * r.counts.SUCCESS)
  end)

  it("is either a direction or a field", function()
    local f = function(x) return x end
    misuse.raises("got both", cj.conjugate, { name = "two", direction = f, field = f })
    misuse.raises("expected a function for field, got 3", cj.conjugate, { name = "n", field = 3 })
    misuse.raises("expected a function for direction, got nil", cj.conjugate, { name = "none" })
  end)
end)

describe("conjugate", function()
  local model, x, y = check_attack.golden("float64")

  it("does what the built-in direction of the same formula does", function()
    local net, images, labels = check_attack.network(6)
    local a = sign:attack { eps = 0.05 } (net, images, labels).x_adv
    local b = cj.attacks.pgd { eps = 0.05 } (net, images, labels).x_adv
    local c = cj.attacks.follow { conjugate = "sign", eps = 0.05 } (net, images, labels).x_adv
    assert.same(b:table(), a:table())
    assert.same(b:table(), c:table())
  end)

  it("is told the step, and gets a new state for every chunk and restart", function()
    local log = {}
    local counter = cj.conjugate {
      name = "counter",
      direction = function(g, state)
        state.calls = (state.calls or 0) + 1
        log[#log + 1] = state.step
        assert.equal(state.step, state.calls)
        assert.equal(3, state.steps)
        assert.equal(0.01, state.eps)
        return g
      end,
    }
    counter:attack { eps = 0.01, steps = 3, random = true, restarts = 2, batch = 1, quiet = true }(
      model, cj.cat({ x, x }, 1), { 0, 0 })
    assert.same({ 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3 }, log)
  end)

  it("scales the direction as asked", function()
    local odd = cj.conjugate { name = "odd", direction = function(g) return g * 17 end }
    local o = { eps = 0.1, alpha = 0.05, steps = 1, paper = true, quiet = true }
    o.scale = "linf"
    assert.near(0.05, odd:attack(o)(model, x, y).linf[1], 1e-14)
    o.scale, o.norm = "l2", "l2"
    assert.near(0.05, odd:attack(o)(model, x, y).l2[1], 1e-14)
  end)

  it("gives its field without moving anything", function()
    local net, images, labels = check_attack.network(5)
    local raw = cj.conjugate.find "raw":field(net, images, labels, { batch = 2 })
    net:eval()
    local leaf = images:detach():clone()
    leaf.requires_grad = true
    local g = cj.grad(cj.cross_entropy(net(leaf), labels, "sum"), leaf)
    assert.near(0, (raw - g):abs():max():item(), 1e-6)
    assert.same(g:sign():table(), sign:field(net, images, labels):table())
  end)

  it("stops a sample whose direction is NaN", function()
    local bad = cj.conjugate { name = "bad", direction = function(g) return g * 0 / 0 end }
    local r = bad:attack { eps = 0.1 } (model, x, y)
    assert.same({ "NAN" }, r.status)
    assert.equal(0, r.linf[1])
  end)

  it("is listed with name, formula and source", function()
    local by_name = {}
    for _, row in ipairs(cj.conjugate.list()) do
      assert.is_string(row.formula)
      assert.is_string(row.source)
      by_name[row.name] = row
    end
    assert.is_table(by_name.sign)
    assert.is_table(by_name["sign in Lua"])
    assert.is_table(by_name["of pgd"])
  end)

  it("refuses what is no conjugate, and directions of other sizes", function()
    misuse.raises("conjugate: expected", cj.conjugate, { name = "x" })
    misuse.raises("conjugate: expected a name", cj.conjugate, { name = "", direction = print })
    misuse.raises("follow: expected a conjugate or the name of one", cj.attacks.follow,
      { eps = 0.1, conjugate = "nothing" })
    local wrong = cj.conjugate { name = "wrong", direction = function(g) return g:select(1, 1) end }
    misuse.raises("like the gradient, for the direction, got", wrong:attack { eps = 0.1 }, model,
      x, y)
    local fails = cj.conjugate { name = "fails", direction = function() error("mine", 0) end }
    misuse.raises("mine", fails:attack { eps = 0.1 }, model, x, y)
  end)
end)

describe("blur", function()
  it("keeps sums inside, spreads as a Gaussian and is smooth in its input", function()
    local x = cj.zeros { 2, 3, 21, 21 }
    x:set(1, 2, 11, 11, 1)
    local y = cj.blur(x, 1.5)
    assert.near(1, y:sum():item(), 1e-5)
    assert.near(math.exp(-0.5 * 4 / 1.5 ^ 2), y:get(1, 2, 11, 13) / y:get(1, 2, 11, 11), 1e-5)
    assert.near(y:get(1, 2, 13, 11), y:get(1, 2, 11, 13), 1e-8)
    assert.equal(0, y:select(1, 2):abs():max():item())
    local leaf = cj.rand { 5, 5 }
    leaf.requires_grad = true
    cj.blur(leaf, 0.7):sum():backward()
    assert.near(1, leaf.grad:get(3, 3), 0.02)
  end)

  it("with sigma 0 gives x", function()
    local x = cj.rand { 1, 1, 4, 4 }
    assert.same(x:table(), cj.blur(x, 0):table())
  end)

  it("refuses other things than float images", function()
    misuse.raises("blur: expected", cj.blur, cj.zeros { 3 }, 1)
    misuse.raises("sigma", cj.blur, cj.zeros { 3, 3 }, -1)
  end)
end)

describe("study", function()
  local net, images, labels = check_attack.network(12)
  local set = {
    size = function() return 12 end,
    batch = function(_, from, count)
      return images:narrow(1, from, count), labels:narrow(1, from, count)
    end,
  }

  it("of the sign finds what FGSM and PGD find", function()
    local s = cj.study("sign", net, set, { eps = 0.1, points = 2, quiet = true })
    assert.equal(4, #s.rows)
    for _, row in ipairs(s.rows) do
      assert.equal(row.fgsm, row["one step"])
      if row.norm == "linf" then assert.equal(row.pgd, row.iterated) end
    end
    assert.near(0.1, s.rows[2].eps, 1e-15)
    assert.near(0.6, s.rows[4].eps, 1e-12) -- .1 * sqrt(36)
    assert.is_false(s.mixes)
    assert.matches("conjugate sign", tostring(s))
  end)

  it("notices a direction that mixes samples", function()
    local mixing = cj.conjugate {
      name = "mixing",
      direction = function(g) return g / (g:abs():sum() + 1e-30) end,
    }
    assert.is_true(cj.study(mixing, net, set, { eps = 0.1, points = 1, quiet = true }).mixes)
  end)
end)
