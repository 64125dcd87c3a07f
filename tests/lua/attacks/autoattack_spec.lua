local cj = require "conjugate"
local check_attack = require "support.check_attack"
local folder = require "support.folder"
local kill = require "support.kill"

local autoattack = cj.attacks.autoattack

for _, norm in ipairs { "linf", "l2", "l1" } do
  describe("autoattack in the ball of " .. norm, function()
    local eps = { linf = 0.05, l2 = 0.3, l1 = 1 }
    check_attack.laws(it, {
      make = autoattack, ball = norm, starts = true,
      options = {
        eps = eps[norm], norm = norm, steps = 4, queries = norm ~= "l1" and 15 or nil, targets = 2,
      },
      monotone = { { eps = 0.1 * eps[norm] }, { eps = eps[norm] }, { eps = 4 * eps[norm] } },
    })
  end)
end

describe("autoattack rand", function()
  check_attack.laws(it, {
    make = autoattack, ball = "linf", starts = true, samples = 9,
    options = { eps = 0.05, version = "rand", steps = 2 },
  })
end)

local function stages(o)
  local list = {}
  for i, stage in ipairs(autoattack(o).settings.stages) do
    local s = stage.attack.options
    list[i] = ("%s %d %s %s %s"):format(stage.name, s.queries or s.steps, s.targets or "-",
      s.restarts, s.avg or "-")
  end
  return list
end

describe("AutoAttack", function()
  local model, x, y = check_attack.golden("float64")

  it("is what the paper says", function()
    local standard = {
      "apgd-ce 100 - 1 1", "apgd-t 100 9 1 1", "fab-t 100 9 1 -", "square 5000 - 1 -",
    }
    assert.same(standard, stages { eps = 0.1 })
    assert.same(standard, stages { eps = 0.1, norm = "l2" })
    assert.same({ "apgd-ce 100 - 5 1", "apgd-t 100 5 1 1", "fab-t 100 9 1 -" },
      stages { eps = 0.1, norm = "l1" })
    assert.same({ "apgd-ce 100 - 1 20", "apgd-dlr 100 - 1 20" },
      stages { eps = 0.1, version = "rand" })
  end)

  it("flips the golden model above its least distances only", function()
    for _, case in ipairs {
      { "linf", 0.062, 0.063 }, { "l2", 0.1229, 0.1233 }, { "l1", 0.183, 0.186 },
    } do
      local o = { norm = case[1], eps = case[2], queries = 100, quiet = true }
      if case[1] == "l1" then o.queries = nil end
      assert.equal("FAIL", autoattack(o)(model, x, y).status[1])
      o.eps = case[3]
      assert.equal("SUCCESS", autoattack(o)(model, x, y).status[1])
    end
  end)

  it("attacks what the attacks before left, and says who broke what", function()
    local net, images, labels = check_attack.network(24)
    local o = { eps = 0.03, steps = 5, queries = 40, targets = 2, quiet = true }
    local seen, left = {}, 24
    local r = autoattack(o)(net, images, labels, { seed = 2 })
    for i = 1, r.n do
      seen[r.by[i]] = (seen[r.by[i]] or 0) + 1
      local by = { ALREADY = r.by[i] == "clean", FAIL = r.by[i] == "", SUCCESS = #r.by[i] > 5 }
      assert.is_true(by[r.status[i]] or r.by[i] == "fab-t")
    end
    assert.equal(2, seen.clean)
    for _, name in ipairs { "clean", "apgd-ce", "apgd-t", "fab-t", "square" } do
      left = left - (seen[name] or 0)
    end
    assert.near(100 * left / 24, r:robust_accuracy(), 1e-9)
    local alone = cj.attacks.apgd { eps = 0.03, steps = 5, early = true, quiet = true }
    local first = alone(net, images, labels, { seed = 2 })
    for i = 1, r.n do
      assert.equal(first.status[i] == "SUCCESS", r.by[i] == "apgd-ce")
      if r.by[i] == "apgd-ce" then -- it cost nothing after its fall
        assert.equal(first.backwards[i], r.backwards[i])
        assert.equal(first.x_adv:narrow(1, i, 1):contiguous():bytes(),
          r.x_adv:narrow(1, i, 1):contiguous():bytes())
      end
    end
    assert.is_true(seen["apgd-ce"] > 0 and left > 0)
  end)

  it("goes through the attacks in any part of the whole", function()
    local net, images, labels = check_attack.network(24)
    local o = { eps = 0.03, steps = 5, queries = 40, targets = 2, quiet = true }
    local all = autoattack(o)(net, images, labels, { seed = 2 })
    o.attacks = { "square" }
    local square = autoattack(o)(net, images, labels, { seed = 2 })
    assert.same({ "square" }, square.attacks)
    assert.is_true(square:robust_accuracy() >= all:robust_accuracy())
    for i = 1, all.n do
      if square.status[i] == "SUCCESS" then assert.equal("SUCCESS", all.status[i]) end
    end
  end)

  it("attacks models that answer at random", function()
    local calls = 0
    local function noisy(input)
      calls = calls + 1
      return model(input) + cj.tensor({ 0.05 * (calls % 5 - 2), 0, 0 }, "float64")
    end
    local o = { version = "rand", eps = 0.1, steps = 20, quiet = true }
    assert.equal("SUCCESS", autoattack(o)(noisy, x, y).status[1])
    o.eps = 0.02
    assert.equal("FAIL", autoattack(o)(noisy, x, y).status[1])
  end)

  it("records the seed it was not given", function()
    cj.seed(41)
    assert.equal(41, autoattack { eps = 0.1, steps = 1, queries = 1, quiet = true }(model, x, y)
      .seed)
    assert.equal(5, autoattack { eps = 0.1, steps = 1, queries = 1, seed = 5, quiet = true }(model,
      x, y).seed)
  end)

  it("refuses what it cannot do", function()
    for _, case in ipairs {
      { { version = "plus" }, "version" }, { { norm = "l3" }, "norm" }, { { steps = -1 }, "steps" },
      { { queries = 1.5 }, "queries" }, { { targets = 0 }, "targets" },
      { { loss = "dlr" }, "loss" },
      { { attacks = { "fgsm" } }, "attacks" }, { { attacks = {} }, "attacks" },
      { { target = 1 }, "target" }, { { restarts = 2 }, "restarts" },
    } do
      case[1].eps = 0.1
      local ok, message = pcall(function() return autoattack(case[1])(model, x, y) end)
      assert.is_false(ok)
      assert.is_truthy(message:find("autoattack: ", 1, true), message)
      assert.is_truthy(message:find(case[2], 1, true), message)
    end
    local many = x:expand { 40, 4 }:clone()
    many:narrow(1, 37, 1):fill_(1.5)
    for _, case in ipairs {
      { x, { 7 }, nil, "expected labels in 0..2" }, { many, 0, nil, "got 1.5 in sample 37" },
      { x, y, { target = 1 }, "expected no target" }, { x, y, { out = 7 }, "for out, got 7" },
      { x, y, { out = "" }, "expected the name of a folder" },
      { x, y, { progress = 1 }, "for progress, got 1" }, { x, y, { outt = 1 }, '"outt"' },
    } do
      local ok, message = pcall(autoattack { eps = 0.1 }, model, case[1], case[2], case[3])
      assert.is_false(ok)
      assert.is_truthy(message:find("autoattack: ", 1, true), message)
      assert.is_truthy(message:find(case[4], 1, true), message)
    end
  end)

  it("of no samples gives an empty result", function()
    local r = autoattack { eps = 0.1, quiet = true } (model, cj.zeros({ 0, 4 }, "float64"), {})
    assert.equal(0, r.n)
    assert.same({}, r.by)
  end)

  it("tells of its progress", function()
    local net, images, labels = check_attack.network(24)
    local shares = {}
    local attack = autoattack { eps = 0.03, steps = 3, queries = 9, batch = 7, quiet = true }
    attack(net, images, labels, {
      progress = function(share, text)
        shares[#shares + 1] = share
        assert.is_truthy(text:find "^[%w%-]+, %d+ robust$")
      end,
    })
    assert.is_true(#shares >= 6)
    for k, share in ipairs(shares) do assert.is_true(share > (shares[k - 1] or 0)) end
    assert.equal(1, shares[#shares])
  end)
end)

describe("a flag of AutoAttack", function()
  local model, x, y = check_attack.golden("float32")

  local function flagged(o, net, text, labels, images)
    o.eps, o.quiet = o.eps or 0.05, true
    o.steps, o.queries = o.steps or 2, o.version ~= "rand" and (o.queries or 2) or nil
    local r = autoattack(o)(net, images or x, labels or y)
    return table.concat(r.warnings, "\n"):find(text, 1, true) ~= nil
  end

  it("is raised for models that answer at random, unless asked for rand", function()
    local calls = 0
    local function noisy(input)
      calls = calls + 1
      return model(input) + cj.tensor { 0.001 * (calls % 3), 0, 0 }
    end
    assert.is_true(flagged({}, noisy, 'use version = "rand"'))
    assert.is_false(flagged({ version = "rand" }, noisy, 'use version = "rand"'))
    assert.is_false(flagged({}, model, 'use version = "rand"'))
  end)

  it("is raised for probabilities", function()
    local function soft(input) return model(input):softmax(2) end
    assert.is_true(flagged({}, soft, "probabilities"))
    assert.is_false(flagged({}, model, "probabilities"))
  end)

  it("is raised for zero gradients at the start", function()
    local function flat(input) return model(input:detach()) end
    assert.is_true(flagged({}, flat, "zero everywhere at the start of 1 of 1"))
    assert.is_false(flagged({}, model, "zero everywhere"))
  end)

  it("is raised when Square beats the gradients", function()
    local function masked(input) return model((input * 40):floor() / 40) end
    assert.is_true(flagged({ eps = 0.2, queries = 50 }, function(input)
      return masked(input:detach()) - 1e-3 * (input - input:detach()):sum(2):reshape { -1, 1 }
    end, "Square broke 1 of 1"))
    assert.is_false(flagged({}, model, "Square broke"))
  end)

  it("is raised for few classes and for smaller budgets", function()
    assert.is_true(flagged({}, model, "3 classes are too few for 9 targets"))
    assert.is_false(flagged({ targets = 2 }, model, "too few"))
    assert.is_true(flagged({}, model, "not the standard version: steps = 2, queries = 2"))
    local two = check_attack.two_classes({ 1, -2, 0.5, 0 }, 0.3)
    assert.is_true(flagged({}, two, "the margin is used instead"))
  end)
end)

-- --- journals -----------------------------------------------------------------------------------

local FILES = { "config.json", "journal.jsonl", "rows.bin" }

local function read_all(dir)
  local parts = {}
  for i, name in ipairs(FILES) do parts[i] = assert(folder.read(dir .. "/" .. name), name) end
  return parts
end

local function outcome(r)
  return table.concat({ tostring(r), r.x_adv:contiguous():bytes(),
    table.concat(r.by, ","), table.concat(r.forwards, ","), table.concat(r.loss_best, ",") }, "\n")
end

describe("a journal of AutoAttack", function()
  local options = { eps = 0.03, steps = 5, queries = 40, targets = 2, batch = 5, quiet = true }
  local dir
  before_each(function() dir = folder.make() end)
  after_each(function() folder.remove(dir) end)

  local function run(name, net, images, labels, more)
    local o = { seed = 3, out = name and dir .. "/" .. name }
    for key, v in pairs(more or {}) do o[key] = v end
    return autoattack(options)(net, images, labels, o)
  end

  -- The network as a function that is interrupted at the n-th call, and a count of its calls.
  local function stopping(net, n)
    local count = { calls = 0 }
    return function(input)
      count.calls = count.calls + 1
      if count.calls == n then error("interrupted", 0) end
      return net(input)
    end, count
  end

  it("goes on after any interruption and ends with the same bytes", function()
    local net, images, labels = check_attack.network(12)
    net:eval()
    local eager, count = stopping(net)
    local plain = outcome(run(nil, eager, images, labels))
    count.calls = 0
    assert.equal(plain, outcome(run("whole", eager, images, labels)))
    for _, share in ipairs { 0.02, 0.3, 0.3, 0.2 } do
      local stopped = stopping(net, math.floor(share * count.calls))
      local ok, message = pcall(run, "stopped", stopped, images, labels)
      assert.is_false(ok)
      assert.is_truthy(message:find("^interrupted: .*goes on from there"), message)
    end
    assert.equal(plain, outcome(run("stopped", eager, images, labels)))
    assert.same(read_all(dir .. "/whole"), read_all(dir .. "/stopped"))
  end)

  it("cuts off what a kill left half-written", function()
    local net, images, labels = check_attack.network(12)
    local plain = outcome(run("whole", net, images, labels))
    local files = read_all(dir .. "/whole")
    for _, share in ipairs { 0.05, 0.3, 0.6, 0.99 } do
      assert(os.execute(("mkdir -p '%s/torn'"):format(dir)) == 0)
      folder.write(dir .. "/torn/config.json", files[1])
      folder.write(dir .. "/torn/journal.jsonl", files[2]:sub(1, math.floor(share * #files[2])))
      folder.write(dir .. "/torn/rows.bin", files[3])
      assert.equal(plain, outcome(run("torn", net, images, labels)))
      assert.same(files, read_all(dir .. "/torn"))
    end
  end)

  it("does nothing again that was done", function()
    local net, images, labels = check_attack.network(12)
    net:eval()
    local plain = outcome(run("whole", net, images, labels))
    local counted = check_attack.counting(net)
    local again = run("whole", net, images, labels)
    assert.equal(plain, outcome(again))
    assert.equal(12, again.forwards_total) -- the clean inputs
    assert.equal(0, counted.backwards)
  end)

  it("takes samples in any parts and order", function()
    local net, images, labels = check_attack.network(12)
    local whole = run(nil, net, images, labels)
    for _, first in ipairs { 8, 0, 4 } do
      local part = run("parts", net, images:narrow(1, first + 1, 4), labels:narrow(1, first + 1, 4),
        { index = first })
      for k = 1, 4 do assert.equal(whole.by[first + k], part.by[k]) end
    end
    assert.equal(outcome(whole), outcome(run("parts", net, images, labels)))
  end)

  it("has a folder for each of several radii", function()
    local net, images, labels = check_attack.network(6)
    local o = { eps = { 0.01, 0.03 }, steps = 2, queries = 3, quiet = true, out = dir .. "/s" }
    local first = autoattack(o)(net, images, labels, { seed = 3 })
    local again = autoattack(o)(net, images, labels, { seed = 3 })
    for i, name in ipairs { "eps-0.01", "eps-0.03" } do
      assert.is_truthy(folder.read(dir .. "/s/" .. name .. "/journal.jsonl"))
      assert.equal(tostring(first.results[i]), tostring(again.results[i]))
    end
  end)

  it("is refused for another model, other labels, other options", function()
    local net, images, labels = check_attack.network(6)
    net:eval()
    run("a", net, images, labels)
    local function refused(text, ...)
      local ok, message = pcall(run, "a", ...)
      assert.is_false(ok)
      assert.is_truthy(message:find(text, 1, true), message)
    end
    refused("seed is 3, asked for 4", net, images, labels, { seed = 4 })
    local function other(input) return net(input) * 1.5 end
    refused("another model or other images: sample 0", other, images, labels)
    local shifted = labels:table()
    shifted[6] = (shifted[6] + 1) % 5
    refused("another model or other images: sample 5", net, images, shifted)
    local rows = io.open(dir .. "/a/rows.bin", "wb")
    rows:close()
    refused("it was changed from outside", net, images, labels)
  end)

  it("ends with the same bytes after kill -9", function()
    local script = dir .. "/attack.lua"
    folder.write(script, ([[
      package.path, package.cpath = %q, %q
      local check_attack = require "support.check_attack"
      local net, x, y = check_attack.network(16)
      require("conjugate").attacks.autoattack {
        eps = 0.03, steps = 20, queries = 3000, batch = 2, seed = 1, out = arg[1], quiet = true,
      }(net, x, y)
    ]]):format(package.path, package.cpath))
    local function command(name) return ("luajit %s %s/%s"):format(script, dir, name) end
    local code, text = kill.run(command "whole")
    assert.equal(0, code, text)
    local hits
    code, hits = kill.torture(command "killed",
      { kills = 1, seconds = 0.3, seed = 70000, log = dir .. "/log" })
    assert.equal(0, code, folder.read(dir .. "/log"))
    assert.is_true(hits > 0)
    assert.same(read_all(dir .. "/whole"), read_all(dir .. "/killed"))
  end)
end)
