local assert = require "luassert"
local check_attack = require "support.check_attack"
local cj = require "conjugate"
local folder = require "support.folder"
local log = require "conjugate.run.log"
local wilson = require "conjugate.metrics.wilson"

-- Pictures [1, 1, 2]; the logit of class 1 is first - second pixel, so distances are known.
local function model(x)
  local flat = x:flatten(2)
  return cj.linear(flat, cj.tensor { { 0, 0 }, { 4, -4 } })
end

-- margins: first minus second pixel, one a picture; labels as given.
local function set_of(margins, labels)
  local images = {}
  for i, m in ipairs(margins) do images[i] = { { { 0.5 + m / 2, 0.5 - m / 2 } } } end
  return cj.data.set {
    images = cj.tensor(images), labels = cj.tensor(labels, "int64"), classes = 2, name = "known",
  }
end

describe("evaluate", function()
  local quiet = { quiet = true }
  -- FGSM of eps moves the margin by 2 eps. Samples 1, 2, 3 and 5 are right; 1 and 2 are within
  -- 2 eps = 0.2 of the boundary.
  local set = set_of({ 0.1, -0.15, 0.5, 0.3, -0.9 }, { 1, 0, 1, 0, 0 })
  local fgsm = cj.attacks.fgsm { eps = 0.1 }

  it("counts TA and both robust accuracies of n, never of the correct", function()
    local r = cj.evaluate(model, set, { fgsm }, quiet)
    assert.equal(5, r.n)
    assert.same({ ta = 4, ra_paper = 2, ra_worst = 2 }, r.counts)
    assert.equal(80, r.ta)
    assert.equal(40, r.ra_worst)
    assert.near(50, r.attacks[1].success_rate, 1e-12)
    assert.near(0.1, r.attacks[1].mean_linf, 1e-6)
  end)

  it("gives Wilson intervals in percent", function()
    local r = cj.evaluate(model, set, { fgsm }, quiet)
    local low, high = wilson.interval(4, 5)
    assert.near(100 * low, r.ta_interval[1], 1e-12)
    assert.near(100 * high, r.ta_interval[2], 1e-12)
  end)

  it("keeps RA_worst below TA and RA_paper when an attack mends a wrong sample", function()
    -- the opposite attack helps: sample 4 (wrong by 0.3) becomes right with eps = 0.2
    local opposite = cj.attacks.ofgsm { eps = 0.2 }
    local r = cj.evaluate(model, set, { opposite }, quiet)
    assert.equal(5, r.counts.ra_paper)
    assert.equal(4, r.counts.ra_worst)
  end)

  it("counts a sample as robust against several attacks only if it stands them all", function()
    local weak, strong = cj.attacks.fgsm { eps = 0.06 }, cj.attacks.fgsm { eps = 0.3 }
    local r = cj.evaluate(model, set, { weak, strong }, quiet)
    assert.equal(3, r.attacks[1].counts.ra_worst)
    assert.equal(1, r.attacks[2].counts.ra_worst)
    assert.equal(1, r.counts.ra_worst)
  end)

  it("gives TA alone without attacks, and takes one attack without a list", function()
    assert.is_nil(cj.evaluate(model, set, nil, quiet).ra_paper)
    assert.equal(40, cj.evaluate(model, set, fgsm, quiet).ra_paper)
  end)

  it("does not depend on the batch size", function()
    local pgd = cj.attacks.pgd { eps = 0.1, alpha = 0.025, steps = 4, random = true, seed = 5 }
    local opts = { quiet = true, keep_records = true, batch = 2 }
    local a = cj.evaluate(model, set, { pgd }, opts)
    local b = cj.evaluate(model, set, { pgd }, { quiet = true, keep_records = true })
    assert.same(a.records, b.records)
  end)

  it("prints percent with two decimals", function()
    local text = tostring(cj.evaluate(model, set, { fgsm }, quiet))
    assert.is_truthy(text:find("80.00 %", 1, true))
    assert.is_truthy(text:find("RA (worst case)", 1, true))
    assert.is_truthy(text:find("4/5", 1, true))
  end)

  it("writes one record a sample as .jsonl and .csv", function()
    local dir = folder.make()
    cj.evaluate(model, set, { fgsm }, { quiet = true, records = dir .. "/r.jsonl" })
    cj.evaluate(model, set, { fgsm }, { quiet = true, records = dir .. "/r.csv" })
    local records = assert(log.read(dir .. "/r.jsonl"))
    assert.equal(5, #records)
    assert.equal("fgsm", records[1].attack)
    assert.equal(4, records[4].index)
    assert.equal("ALREADY", records[4].status)
    local _, lines = folder.read(dir .. "/r.csv"):gsub("\n", "")
    assert.equal(6, lines)
    assert.error_matches(function()
      cj.evaluate(model, set, { fgsm }, { quiet = true, records = dir .. "/r.txt" })
    end, "%.jsonl or %.csv")
    folder.remove(dir)
  end)

  it("evaluates in evaluation mode and sets the mode of every module back", function()
    local nn = cj.nn
    local net = nn.sequential {
      nn.flatten(), { "fc", nn.linear(2, 2) }, { "drop", nn.dropout(0.5) },
    }
    net:train()
    net.drop:eval()
    cj.evaluate(net, set, nil, quiet)
    assert.is_true(net.training)
    assert.is_false(net.drop.training)
  end)

  it("stops when the model cannot be trusted", function()
    local function probabilities(x) return model(x):softmax(2) end
    assert.error_matches(function() cj.evaluate(probabilities, set, { fgsm }, quiet) end, "softmax")
    local function moody(x) return model(x) + cj.rand { x:size(1), 2 } end
    assert.error_matches(function() cj.evaluate(moody, set, nil, quiet) end, "same input")
    local function constant(x) return cj.linear(x:flatten(2), cj.zeros { 2, 2 }) end
    assert.error_matches(function() cj.evaluate(constant, set, { fgsm }, quiet) end, "all%-zero")
    assert.is_table(cj.evaluate(constant, set, { fgsm }, { quiet = true, guards = false }))
  end)

  it("follows a conjugate as an attack, and says how when given the conjugate alone", function()
    local mine = cj.conjugate { name = "spec sign", direction = function(g) return g:sign() end }
    local r = cj.evaluate(model, set, { mine:attack { eps = 0.1, alpha = 0.1, steps = 1 } }, quiet)
    assert.equal(40, r.ra_paper)
    assert.error_matches(function() cj.evaluate(model, set, { mine }, quiet) end, "give a radius")
  end)

  it("names what is wrong with its arguments", function()
    assert.error_matches(function() cj.evaluate(3, set) end, "callable for net")
    assert.error_matches(function() cj.evaluate(model, {}) end, "expected a data set")
    assert.error_matches(function() cj.evaluate(model, set, { 5 }) end, "attacks%[1%]")
    assert.error_matches(function() cj.evaluate(model, set, { print }, quiet) end,
      "expected an attack such as .* for attacks%[1%], got a function")
    local short = setmetatable({ name = "short", options = {} }, {
      __call = function() return { records = {} } end,
    })
    assert.error_matches(function() cj.evaluate(model, set, { short }, quiet) end,
      "short gave no record for each of 5 samples")
    assert.error_matches(function() cj.evaluate(model, set, {}, { bacth = 3 }) end, "batch")
  end)

  it("carries what a smaller radius broke upward", function()
    local net, x, y = check_attack.network(24)
    local made = cj.data.set { images = x, labels = y, classes = 5, name = "made" }
    local eps = { 0.9, 0.02, 0.1, 0.4 }
    local several = cj.attacks.fgsm { eps = eps, quiet = true }
    local r = cj.evaluate(net:eval(), made, { several }, { batch = 7, quiet = true })
    assert.equal(4, #r.attacks)
    local broken = {}
    for k, a in ipairs(r.attacks) do
      assert.equal(several.radii[k], a.options.eps)
      local one = cj.attacks.fgsm { eps = a.options.eps, paper = true, quiet = true } (net, x, y)
      local held = 0
      for i = 1, 24 do
        broken[i] = broken[i] or one.broken[i]
        if not broken[i] then held = held + 1 end
      end
      assert.equal(held, a.counts.ra_worst)
    end
  end)
end)
