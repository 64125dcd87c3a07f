local assert = require "luassert"
local check_attack = require "support.check_attack"
local cj = require "conjugate"
local figure = require "conjugate.plot.figure"
local files = require "conjugate.run.files"
local folder = require "support.folder"
local html = require "support.html"
local misuse = require "support.misuse"
local pictures = require "conjugate.study.pictures"
local wilson = require "conjugate.metrics.wilson"

describe("study", function()
  local net, images, labels = check_attack.network(24)
  local set = cj.data.set { images = images, labels = labels, classes = 5, name = "<made up>" }
  local sign = function(g) return g:sign() end
  local dir

  setup(function()
    dir = folder.make()
    figure.found = false -- gnuplot is slow to start, and tried in its own spec
  end)
  teardown(function()
    figure.found = nil
    folder.remove(dir)
  end)

  local function study(conjugate, more)
    local o = { eps = 0.1, points = 3, quiet = true, seed = 4 }
    for key, value in pairs(more or {}) do o[key] = value end
    return cj.study(conjugate, net, set, o)
  end

  it("counts successes of the samples that are right, with Wilson's interval", function()
    local s = study "sign"
    net:eval()
    local hits = cj.predict(net, images):eq(labels):to("int64"):sum():item()
    net:train()
    assert.equal(hits, s.right)
    for _, row in ipairs(s.rows) do
      for name, cell in pairs(row.attacks) do
        assert.equal(hits, cell.tried)
        assert.near(100 * cell.hits / hits, cell.success, 1e-12)
        assert.equal(cell.success, row[name])
        local low, high = wilson.interval(cell.hits, hits)
        assert.near(100 * low, cell.low, 1e-12)
        assert.near(100 * high, cell.high, 1e-12)
      end
    end
  end)

  it("finds what a plain attack finds, or what broke at a smaller radius", function()
    local s = study "sign"
    local r = cj.attacks.pgd { eps = s.rows[1].eps, alpha = s.rows[1].eps / 4, steps = 4 } (net,
      images, labels)
    assert.equal(r.counts.SUCCESS, s.rows[1].attacks.pgd.hits)
    for k = 2, 3 do
      for _, name in ipairs { "iterated", "pgd" } do
        assert.is_true(s.rows[k].attacks[name].hits >= s.rows[k - 1].attacks[name].hits)
      end
    end
    assert.is_true(s.rows[3].attacks.pgd.hits > 0)
  end)

  it("counts what every attack cost", function()
    local s = study("sign", { points = 1 })
    local linf = s.rows[1].attacks
    assert.equal(s.right, linf.fgsm.backwards) -- one step for each sample that is right
    assert.is_true(linf.pgd.backwards > linf.fgsm.backwards)
    local sum = 0
    for _, row in ipairs(s.rows) do sum = sum + row.attacks.pgd.forwards end
    assert.equal("pgd", s.costs[4].name)
    assert.equal(sum, s.costs[4].forwards)
    assert.equal(2 * 24, s.costs[4].n)
  end)

  it("takes a conjugate, a name, a function, a description, and a field of the point", function()
    local expected = study "sign"
    local function same(s)
      for i, row in ipairs(expected.rows) do
        assert.equal(row.iterated, s.rows[i].iterated)
        assert.equal(row["one step"], s.rows[i]["one step"])
      end
    end
    same(study(sign))
    same(study { name = "described", direction = sign })
    same(study(cj.conjugate { name = "made", direction = sign }))
    local grey = study { name = "towards grey", field = function(x) return 0.5 - x end }
    assert.equal("towards grey", grey.name)
    assert.near(0, (grey.examples.direction:abs():max() - 1):item(), 1e-6)
  end)

  it("shows each example at the first radius that breaks it", function()
    local s = study("sign", { examples = 5 })
    local e, radii = s.examples, {}
    assert.equal(5, #e.labels)
    for _, row in ipairs(s.rows) do
      radii[row.norm] = radii[row.norm] or {}
      table.insert(radii[row.norm], row.eps)
    end
    local hits = 0
    for norm, shown in pairs(e.shown) do
      for k, at in ipairs(shown.pgd) do
        local x, y = e.x:narrow(1, k, 1), { e.labels[k] }
        for _, eps in ipairs(radii[norm]) do
          local pgd = cj.attacks.pgd { eps = eps, alpha = eps / 4, steps = 4, norm = norm }
          local r = pgd(net, x, y)
          if eps < at.eps then assert.equal("FAIL", r.status[1]) end
          if eps == at.eps then assert.equal(at.hit and "SUCCESS" or "FAIL", r.status[1]) end
        end
        if at.hit then hits = hits + 1 else assert.equal(radii[norm][3], at.eps) end
        assert.equal(at.hit, at.pred ~= e.labels[k])
      end
    end
    assert.is_true(hits > 0)
  end)

  it("chooses examples that the conjugate breaks, where there are any", function()
    local s = study("sign", { examples = 3 })
    local broken = s.rows[3].attacks.iterated.hits
    local found = 0
    for _, at in ipairs(s.examples.shown.linf.iterated) do found = found + (at.hit and 1 or 0) end
    assert.equal(math.min(3, broken), found)
    assert.is_nil(study("sign", { examples = 0 }).examples)
  end)

  it("writes numbers, charts, pictures and a page", function()
    local out = dir .. "/a/study"
    local s = study(cj.conjugate { name = "my <sign>", direction = sign, formula = "a & b" },
      { out = out })
    local held = assert(files.read_json(out .. "/study.json"))
    assert.equal(s.rows[2].attacks.pgd.low, held.rows[2].attacks.pgd.low)
    assert.same(s.frequency.profile, held.frequency.profile)
    assert.is_nil(held.examples)
    local _, lines = folder.read(out .. "/curves.csv"):gsub("\n", "")
    assert.equal(7, lines)
    for _, name in ipairs { "success-linf.csv", "success-l2.gp", "spectrum.csv" } do
      assert.is_string(folder.read(out .. "/" .. name), name)
    end
    local page = folder.read(out .. "/report.html")
    assert.is_nil(html.fault(page))
    assert.same({}, html.fetched(page))
    assert.is_nil(page:find("<sign>", 1, true))
    assert.is_truthy(page:find("my &lt;sign&gt;", 1, true))
    local inside = html.pictures(page)
    assert.equal(2, #inside)
    assert.is_true(folder.read(out .. "/pictures-linf.png") == inside[1])
    assert.is_true(folder.read(out .. "/pictures-l2.png") == inside[2])
    local rows = html.rows(page)
    for i, row in ipairs(s.rows) do
      local c = row.attacks.iterated
      assert.equal(("%.2f [%.2f, %.2f]"):format(c.success, c.low, c.high), rows[i + 1][5])
    end
    assert.equal(3, select(2, page:gsub("<svg", "")))
  end)

  it("gives the same bytes again, for any number of threads", function()
    local was = cj.threads()
    for i, threads in ipairs { 1, 3 } do
      cj.threads(threads)
      study("sign", { out = ("%s/%d"):format(dir, i) })
    end
    cj.threads(was)
    for _, name in ipairs { "curves.csv", "pictures-linf.png", "pictures-l2.png" } do
      assert.is_true(folder.read(dir .. "/1/" .. name) == folder.read(dir .. "/2/" .. name), name)
    end
    local function page(i)
      return html.without_vary(folder.read(("%s/%d/report.html"):format(dir, i)))
    end
    assert.is_true(page(1) == page(2))
  end)

  it("studies samples that are no pictures, without pictures", function()
    local model, x, y = check_attack.golden()
    local points = { size = function() return 1 end, batch = function() return x, cj.tensor(y,
      "int64") end }
    local s = cj.study("sign", model, points, { eps = 0.1, points = 2, quiet = true,
      out = dir .. "/golden" })
    -- FGSM flips the golden sample beyond 0.0625
    assert.equal(0, s.rows[1].fgsm)
    assert.equal(100, s.rows[2].fgsm)
    assert.is_nil(s.frequency)
    assert.is_nil(pictures.grid(s.examples, "linf"))
    assert.is_nil(html.fault(folder.read(dir .. "/golden/report.html")))
  end)

  it("leaves modes as they were and works in evaluation mode", function()
    net:train()
    study("sign", { points = 1 })
    assert.is_true(net.training)
  end)

  it("stops where an evaluation stops", function()
    net:eval()
    local function softmax(x) return net(x):softmax(2) end
    misuse.raises("leave the last softmax out", cj.study, "sign", softmax, set, { eps = 0.1 })
    local bright = cj.data.set { images = images * 2, labels = labels, classes = 5, name = "b" }
    misuse.raises("study: pixels must lie in [0, 1]", cj.study, "sign", net, bright, { eps = 0.1 })
    local function moody(x) return net(x) + cj.rand { x:size(1), 5 } end
    misuse.raises("different logits for the same input", cj.study, "sign", moody, set,
      { eps = 0.1 })
    local stuck = setmetatable({ training = true }, { __call = function(_, x) return net(x) end })
    misuse.raises("train mode", cj.study, "sign", stuck, set, { eps = 0.1 })
    net:train()
  end)

  it("warns of gradients that are zero", function()
    net:eval()
    local function saturated(x) return net(x) * 1e5 end
    local s = cj.study("sign", saturated, set, { eps = 0.05, points = 1, quiet = true })
    net:train()
    assert.is_true(#s.warnings > 0)
    assert.is_truthy(s.warnings[1]:find("zero everywhere", 1, true))
    assert.is_truthy(tostring(s):find("warning: ", 1, true))
  end)

  it("says what is wrong with its arguments", function()
    misuse.raises("expected a conjugate, the name of one, or a function", cj.study, 3, net, set,
      { eps = 1 })
    misuse.raises("got the text", cj.study, "sing", net, set, { eps = 1 })
    misuse.raises("expected a data set", cj.study, "sign", net, {}, { eps = 1 })
    misuse.raises("at least 0 for eps", cj.study, "sign", net, set, { eps = -1 })
    misuse.raises("at least 1 for points", cj.study, "sign", net, set, { eps = 1, points = 0 })
    misuse.raises("/dev/null", study, "sign", { out = "/dev/null/x", points = 1 })
  end)
end)
