local assert = require "luassert"
local cj = require "conjugate"
local checks = require "conjugate.metrics.battery.checks"
local folder = require "support.folder"
local html = require "support.html"
local markup = require "conjugate.report.markup"
local misuse = require "support.misuse"
local toy = require "support.toy"

local OPTIONS = { eps = 0.1, steps = 20, queries = 200, draws = 4, seed = 3, quiet = true }

local function with(more)
  local o = {}
  for key, value in pairs(OPTIONS) do o[key] = value end
  for key, value in pairs(more) do o[key] = value end
  return o
end

-- A small network that was trained honestly, on pictures of 2 x 2.
local function trained(seed)
  cj.seed(seed)
  local nn = cj.nn
  local net = nn.sequential { nn.flatten(), nn.linear(4, 8), nn.tanh(), nn.linear(8, 2) }
  cj.fit(net, toy.set(512, 1), { epochs = 12, batch = 32, lr = 0.02, quiet = true })
  return net:eval()
end

local function by_key(result)
  local all = {}
  for _, c in ipairs(result.checks) do all[c.key] = c end
  return all
end

describe("the battery", function()
  local net, set = trained(1), toy.set(80, 2)

  it("trusts a small network that was trained honestly", function()
    local r = cj.battery(net, set, with { transfer = trained(2) })
    assert.equal("trustworthy", r.verdict, tostring(r))
    for _, c in ipairs(r.checks) do
      assert.equal(c.key == "rounding" and "reported" or "pass", c.status, c.key)
      assert.is_true(#c.measured > 0)
    end
    assert.equal(80, r.n)
    assert.is_true(r.ta > 90)
    assert.is_truthy(tostring(r):find("trustworthy", 1, true))
  end)

  it("trusts it in the Euclidean ball too", function()
    local r = cj.battery(net, set, with { norm = "l2", eps = 0.15 })
    assert.equal("trustworthy", r.verdict, tostring(r))
  end)

  it("catches saturated logits", function()
    local function saturated(x) return net(x) * 1e4 end
    local r = cj.battery(saturated, set, OPTIONS)
    assert.equal("masked", r.verdict)
    assert.equal("fail", by_key(r).gradients.status)
    assert.is_true(by_key(r).gradients.measured[1].value > 10)
  end)

  it("catches an input layer that quantises and has no gradient", function()
    local function quantised(x) return net((x * 16):round() / 16) end
    local r = cj.battery(quantised, set, OPTIONS)
    assert.equal("masked", r.verdict)
    local found = by_key(r)
    for _, key in ipairs { "gradients", "loss", "large", "square" } do
      assert.equal("fail", found[key].status, key)
    end
    assert.equal(100, found.gradients.measured[1].value)
  end)

  it("catches a model that answers differently each time", function()
    local function moody(x) return net(x) + cj.rand { x:size(1), 2 } * 0.1 end
    local r = cj.battery(moody, set, OPTIONS)
    assert.equal("random", r.verdict)
    assert.equal("fail", by_key(r).passes.status)
  end)

  it("says why it left a check out", function()
    local transfer = by_key(cj.battery(net, set, OPTIONS)).transfer
    assert.equal("skipped", transfer.status)
    assert.is_truthy(transfer.reason:find("--transfer", 1, true))
  end)

  it("counts against the network: transferred, rounded and noisy examples", function()
    local r = by_key(cj.battery(net, set, with { transfer = net }))
    -- the same PGD on the same model: transferred examples do what PGD's own do
    assert.near(r.iterated.measured[2].value, r.transfer.measured[1].value, 1e-9)
    assert.near(r.rounding.measured[1].value, r.iterated.measured[2].value, 1e-9)
  end)

  it("does not depend on the batch size", function()
    local a, b = cj.battery(net, set, OPTIONS), cj.battery(net, set, with { batch = 7 })
    for i, c in ipairs(a.checks) do
      assert.equal(c.status, b.checks[i].status)
      for k, m in ipairs(c.measured) do
        assert.near(m.value, b.checks[i].measured[k].value, 1e-6, c.key)
      end
    end
  end)

  it("writes a page and a summary", function()
    local dir = folder.make()
    local r = cj.battery(net, set, with { out = dir .. "/b", about = { checkpoint = "<x>" } })
    local page = folder.read(dir .. "/b/report.html")
    assert.is_nil(html.fault(page))
    assert.same({}, html.fetched(page))
    local rows = html.rows(page)
    for i, c in ipairs(r.checks) do
      assert.equal(c.status, rows[i + 1][2])
      for _, m in ipairs(c.measured) do
        local text = require("conjugate.metrics.battery").measured_text(m)
        assert.is_truthy(rows[i + 1][3]:find(markup.escape(text), 1, true), text)
      end
    end
    local summary = assert(require("conjugate.run.files").read_json(dir .. "/b/summary.json"))
    assert.equal(r.verdict, summary.verdict)
    assert.equal(#r.checks, #summary.checks)
    folder.remove(dir)
  end)

  it("leaves the mode of the network as it was", function()
    net:train()
    cj.battery(net, set:take(4), OPTIONS)
    assert.is_true(net.training)
    net:eval()
  end)

  it("stops where an evaluation stops", function()
    local function probabilities(x) return net(x):softmax(2) end
    misuse.raises("leave the last softmax out", cj.battery, probabilities, set, OPTIONS)
    local bytes = cj.data.set { images = cj.full({ 3, 1, 2, 2 }, 255), classes = 2,
      labels = cj.zeros({ 3 }, "int64"), name = "bytes" }
    misuse.raises("pixels must lie in [0, 1]", cj.battery, net, bytes, OPTIONS)
    local stuck = setmetatable({ training = true }, { __call = function(_, x) return net(x) end })
    misuse.raises("train mode", cj.battery, stuck, set, OPTIONS)
  end)

  it("says what is wrong with its arguments", function()
    misuse.raises("expected something callable for net", cj.battery, 3, set, OPTIONS)
    misuse.raises("expected a data set for set", cj.battery, net, {}, OPTIONS)
    misuse.raises("expected a number for eps, got nil", cj.battery, net, set, {})
    misuse.raises("above 0 for eps", cj.battery, net, set, { eps = 0 })
    misuse.raises('"linf", "l2" for norm', cj.battery, net, set, { eps = 0.1, norm = "l1" })
    misuse.raises("at least 2 for steps", cj.battery, net, set, { eps = 0.1, steps = 1 })
    misuse.raises("callable for transfer", cj.battery, net, set, { eps = 0.1, transfer = 5 })
  end)
end)

-- Ten samples, all right; each list names the samples that something broke.
local function work_of(broken)
  local function list(numbers)
    local flags = {}
    for _, i in ipairs(numbers or {}) do flags[i] = true end
    return flags
  end
  local work = {
    n = 1000, classes = 10, right = {}, tallies = {}, by_key = {}, gap = 0, changed = 0,
    o = { draws = 1, transfer = print }, noise = list(broken.noise),
    transferred = list(broken.transferred), kept = {}, rounded = {},
  }
  for i = 1, work.n do work.right[i] = i <= 990 end
  for _, key in ipairs { "one", "iterated", "longer", "large", "apgd", "dlr", "square" } do
    local tally = { key = key, white = key ~= "large" and key ~= "square", zeros = 0,
      gradients = 1000, broken = list(broken[key]), trace = {} }
    for k = 0, 4 do tally.trace[k + 1] = { samples = 990, correct = 990, loss = 990 * k } end
    work.tallies[#work.tallies + 1], work.by_key[key] = tally, tally
  end
  return work
end

local function up_to(n)
  local list = {}
  for i = 1, n do list[i] = i end
  return list
end

describe("the judgement", function()
  local function sound()
    return work_of { one = up_to(100), iterated = up_to(200), longer = up_to(200),
      large = up_to(990), noise = up_to(5), square = up_to(200), transferred = up_to(190) }
  end

  -- The work with one thing changed; the check that fails, and the verdict.
  local function judged(change)
    local work = sound()
    change(work)
    local list, verdict = checks.judge(work)
    local failed = {}
    for _, c in ipairs(list) do
      if c.status == "fail" then failed[#failed + 1] = c.key end
    end
    return table.concat(failed, " "), verdict
  end

  it("passes what holds every limit", function()
    assert.same({ "", "trustworthy" }, { judged(function() end) })
  end)

  it("fails each check at its own limit and no other", function()
    local function broken(key, i)
      return function(work) work.by_key[key].broken[i] = true end
    end
    local cases = {
      { "passes", "random", function(w) w.gap = 1.1e-4 end },
      { "passes", "random", function(w) w.changed = 1 end },
      { "gradients", "masked", function(w) w.by_key.iterated.zeros = 10 end },
      { "loss", "masked", function(w) w.by_key.iterated.trace[4].loss = 990 * 1.9 end },
      { "square", "masked", function(w)
        for i = 201, 203 do w.by_key.square.broken[i] = true end
      end },
      { "noise", "masked", function(w) w.noise[201] = true end },
      { "transfer", "masked", function(w)
        for i = 191, 201 do w.transferred[i] = true end
      end },
      { "large", "masked", function(w)
        for i = 1, 101 do w.by_key.large.broken[i] = nil end
      end },
      { "iterated", "masked", function(w)
        for i = 1, 201 do w.by_key.one.broken[i] = true end
      end },
      { "steps", "unconverged", function(w)
        for i = 201, 206 do w.by_key.longer.broken[i] = true end
      end },
    }
    for _, case in ipairs(cases) do
      assert.same({ case[1], case[2] }, { judged(case[3]) })
    end
    -- and just inside
    for _, change in ipairs {
      function(w) w.gap = 0.9e-4 end,
      function(w) w.by_key.iterated.zeros = 9 end,
      function(w) w.by_key.square.broken[201], w.by_key.square.broken[202] = true, true end,
      function(w) w.noise[200] = true end,
      broken("longer", 201),
    } do
      assert.same({ "", "trustworthy" }, { judged(change) })
    end
  end)

  it("counts only samples that were right", function()
    assert.same({ "", "trustworthy" }, { judged(function(w) w.noise[995] = true end) })
  end)

  it("is incomplete without Square, and says what is missing", function()
    local function without(work)
      work.by_key.square = nil
      work.tallies[#work.tallies] = nil
    end
    assert.same({ "", "incomplete" }, { judged(without) })
  end)
end)

describe("eight_bit", function()
  local eight_bit = cj.metrics.eight_bit

  it("takes the next level inside the cube", function()
    local x = cj.tensor({ { 100 / 255, 0.5, 0, 1 } }, "float64")
    local a = cj.tensor({ { 108.4 / 255, 0.51, 0.001, 0.97 } }, "float64")
    local levels = (eight_bit(a, x, "linf", 8 / 255) * 255):table()[1]
    for i, expected in ipairs { 108, 130, 0, 247 } do assert.near(expected, levels[i], 1e-9) end
    -- 108.6 would be 109, beyond the cube
    local edge = cj.tensor({ { 108.6 / 255, 0.5, 0, 1 } }, "float64")
    assert.near(108 / 255, eight_bit(edge, x, "linf", 8 / 255):get(1, 1), 1e-12)
  end)

  it("keeps a pixel that has no level within eps", function()
    local x = cj.tensor({ { 100.5 / 255 } }, "float64")
    assert.near(100.5 / 255, eight_bit(x + 1e-4, x, "linf", 2e-4):get(1, 1), 1e-12)
  end)

  it("stays in both balls", function()
    for _, norm in ipairs { "linf", "l2" } do
      local x = cj.random.rand({ 5, 30 }, "float32", 1)
      local d = cj.random.rand({ 5, 30 }, "float32", 2) - 0.5
      local length = norm == "l2" and (d * d):sum(2, true):sqrt() or 0.5
      local r = eight_bit((x + d / length * 0.05):clamp(0, 1), x, norm, 0.05)
      local delta = r - x
      local size = norm == "l2" and (delta * delta):sum(2):sqrt() or delta:abs()
      assert.is_true(size:max():item() <= 0.05 * (1 + 1e-5))
      assert.is_true(r:min():item() >= 0 and r:max():item() <= 1)
      assert.is_true(size:max():item() > 0.03)
    end
  end)

  it("says what is wrong with its arguments", function()
    local x = cj.zeros { 1, 2 }
    misuse.raises('for norm, got the text "l0"', eight_bit, x, x, "l0", 0.1)
    misuse.raises("for eps", eight_bit, x, x, "l2", -1)
  end)
end)
