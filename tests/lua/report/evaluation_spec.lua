local assert = require "luassert"
local cj = require "conjugate"
local folder = require "support.folder"
local html = require "support.html"
local json = require "conjugate.run.json"
local log = require "conjugate.run.log"
local misuse = require "support.misuse"

-- Pictures [1, 6, 6] of two classes, and a network that was not trained: all that matters here is
-- that numbers, pictures and words arrive.
local function small(n)
  cj.seed(3)
  local nn = cj.nn
  local net = nn.sequential { nn.flatten(), nn.linear(36, 8), nn.relu(), nn.linear(8, 3) }
  net:eval()
  local x = cj.random.rand({ n, 1, 6, 6 }, "float32", 5)
  local y = cj.predict(net, x):table()
  for i = 1, n, 5 do y[i] = (y[i] + 1) % 3 end
  return net, cj.data.set {
    images = x, labels = cj.tensor(y, "int64"), classes = 3, name = "small <set> & more",
  }
end

local function attacks()
  return {
    cj.attacks.fgsm { eps = 0.05 }, cj.attacks.pgd { eps = 0.05, steps = 5 },
    cj.attacks.pgd { eps = 0.1, steps = 5 }, cj.attacks.pgd { eps = 0.5, steps = 3, norm = "l2" },
  }
end

describe("the report of an evaluation", function()
  local dir, result, page
  local net, set = small(30)
  setup(function()
    dir = folder.make()
    result = cj.evaluate(net, set, attacks(), { quiet = true, out = dir .. "/a/b",
      about = { seed = 12, checkpoint = "<net>.safetensors" } })
    page = folder.read(dir .. "/a/b/report.html")
  end)
  teardown(function() folder.remove(dir) end)

  it("is one sound file that fetches nothing and runs nothing", function()
    assert.is_nil(html.fault(page))
    assert.same({}, html.fetched(page))
    assert.is_nil(page:find("<script", 1, true))
    assert.is_truthy(page:find("small &lt;set&gt; &amp; more", 1, true))
    assert.is_truthy(page:find("&lt;net&gt;.safetensors", 1, true))
    assert.is_nil(page:find("<net>", 1, true))
  end)

  it("has the numbers of the result in its table", function()
    local rows = html.rows(page)
    local function cell(value, interval)
      return ("%.2f [%.2f, %.2f]"):format(value, interval[1], interval[2])
    end
    assert.equal(cell(result.ta, result.ta_interval), rows[2][2])
    for i, attack in ipairs(result.attacks) do
      local row = rows[2 + i]
      assert.is_truthy(row[1]:find(attack.name, 1, true))
      assert.equal(cell(attack.ra_worst, attack.ra_worst_interval), row[2])
      assert.equal(cell(attack.ra_paper, attack.ra_paper_interval), row[3])
      assert.equal(("%.2f"):format(attack.success_rate), row[4])
      assert.equal(("%.4g"):format(attack.mean_l2), row[5])
      assert.equal(("%.4g"):format(attack.mean_linf), row[6])
    end
    assert.equal(cell(result.ra_worst, result.ra_worst_interval), rows[7][2])
  end)

  it("has what each attack cost, its options, the seed and the version", function()
    local rows, found = html.rows(page), 0
    for _, row in ipairs(rows) do
      for _, attack in ipairs(result.attacks) do
        if row[2] == ("%.0f"):format(attack.forwards)
          and row[3] == ("%.0f"):format(attack.backwards) then found = found + 1 end
      end
    end
    assert.is_true(found >= #result.attacks)
    assert.is_truthy(page:find("alpha = 0.025, ", 1, true))
    assert.is_truthy(page:find("<dt>seed</dt><dd>12</dd>", 1, true))
    assert.is_truthy(page:find(cj._VERSION, 1, true))
  end)

  it("holds the pictures, byte for byte as the grid writes them", function()
    local pictures = html.pictures(page)
    assert.equal(4, #pictures)
    local rows = {}
    for i = 1, set:size() do
      if #rows < 8 and (i - 1) % 5 ~= 0 then rows[#rows + 1] = i end
    end
    local x, y = set:pick(cj.tensor(rows, "int64"))
    local r = attacks()[1](net, x, y, { paper = true, quiet = true })
    local function texts(list)
      local out = {}
      for i, label in ipairs(list) do out[i] = ("%d"):format(label) end
      return out
    end
    assert(cj.plot.grid.save(dir .. "/grid.png", {
      { title = "clean\nlabel", images = x, captions = texts(y:table()) },
      { title = "perturbation", images = r.x_adv - x, kind = "signed" },
      { title = "attacked\nprediction", images = r.x_adv, captions = texts(r.pred_adv) },
    }, { zoom = 14 }))
    assert.is_true(folder.read(dir .. "/grid.png") == pictures[1])
    folder.write(dir .. "/last.png", pictures[4])
    assert.equal(3, assert(cj.io.read_png(dir .. "/last.png")):size(1))
  end)

  it("draws the curves it has data for", function()
    local count = select(2, page:gsub("<svg", ""))
    assert.equal(3, count) -- against the radius, and two along the steps
  end)

  it("stands beside the numbers for machines", function()
    local summary = assert(json.decode(folder.read(dir .. "/a/b/summary.json")))
    assert.equal(result.ra_worst, summary.ra_worst)
    assert.same(result.attacks[2].statuses, summary.attacks[2].statuses)
    assert.equal(12, summary.seed)
    assert.is_nil(summary.records)
    local records = assert(log.read(dir .. "/a/b/records.jsonl"))
    assert.equal(30 * 4, #records)
    local _, lines = folder.read(dir .. "/a/b/records.csv"):gsub("\n", "")
    assert.equal(30 * 4 + 1, lines)
    local worst = 0
    for _, record in ipairs(records) do
      if record.attack == "fgsm" and record.pred_adv == record.label then worst = worst + 1 end
    end
    assert.equal(result.attacks[1].counts.ra_paper, worst)
  end)

  it("has the same bytes again but for times and the machine", function()
    local was = cj.threads()
    for _, how in ipairs { { batch = 7, threads = 1 }, { batch = 250, threads = 3 } } do
      cj.threads(how.threads)
      cj.evaluate(net, set, attacks(), { quiet = true, out = dir .. "/again", batch = how.batch,
        about = { seed = 12, checkpoint = "<net>.safetensors" } })
      local again = folder.read(dir .. "/again/report.html")
      assert.is_true(html.without_vary(page) == html.without_vary(again))
      assert.equal(folder.read(dir .. "/a/b/records.csv"), folder.read(dir .. "/again/records.csv"))
    end
    cj.threads(was)
  end)

  it("can be made of a result alone, and shows no pictures then", function()
    local text = cj.report(result)
    assert.is_nil(html.fault(text))
    assert.same({}, html.pictures(text))
    assert.is_truthy(text:find(("%.2f"):format(result.ra_worst), 1, true))
    cj.report(cj.evaluate(net, set, nil, { quiet = true }), { out = dir .. "/clean" })
    assert.is_nil(html.fault(folder.read(dir .. "/clean/report.html")))
  end)

  it("says what is wrong with its arguments", function()
    misuse.raises("report: expected a result of evaluate, study, battery, of packets or of an "
      .. "attack, got 3",
      cj.report, 3)
    misuse.raises("report: expected a result", cj.report, {})
    misuse.raises('no option "outs" (did you mean "out"?)', cj.report, result, { outs = "" })
    misuse.raises("/dev/null", cj.report, result, { out = "/dev/null/x" })
  end)

  it("names what an evaluation warns of", function()
    local odd = cj.attacks.pgd { eps = 0.1, alpha = 0.5, steps = 2 }
    local r = cj.evaluate(net, set, { odd }, { quiet = true, batch = 8, out = dir .. "/odd" })
    assert.equal(1, #r.warnings)
    assert.is_truthy(r.warnings[1]:find("alpha", 1, true))
    assert.is_truthy(folder.read(dir .. "/odd/report.html"):find("more than twice eps", 1, true))
    assert.is_truthy(tostring(r):find("warning: pgd: alpha", 1, true))
  end)

  it("tells what each part of a sequence of attacks broke", function()
    local fgsm = cj.attacks.fgsm { eps = 0.1 }
    local order = { "first", "second" }
    -- as AutoAttack answers: odd samples fall to its first part, even ones to its second
    local sequence = { name = "in turn", options = { eps = 0.1 }, family = fgsm.family }
    setmetatable(sequence, { __call = function(_, ...)
      local r = fgsm(...)
      r.by, r.attacks = {}, order
      for i = 1, r.n do
        local hit = r.status[i] == "SUCCESS" and order[2 - i % 2] or ""
        r.by[i] = r.pred_clean[i] ~= r.label[i] and "clean" or hit
      end
      return r
    end })
    local a = cj.evaluate(net, set, { sequence }, { quiet = true, out = dir .. "/parts" })
    local stages = a.attacks[1].stages
    assert.equal(3, #stages)
    assert.equal(a.counts.ta, stages[1].robust)
    assert.equal(a.attacks[1].counts.ra_worst, stages[3].robust)
    assert.equal(a.attacks[1].ra_worst, stages[3].ra)
    local page_of = folder.read(dir .. "/parts/report.html")
    assert.is_nil(html.fault(page_of))
    local found
    for _, row in ipairs(html.rows(page_of)) do
      if row[1] == "second" then found = row end
    end
    assert.same({ "second", tostring(stages[3].broken), tostring(stages[3].robust) },
      { unpack(found, 1, 3) })
    assert.is_truthy(tostring(a):find("after second", 1, true))
    local broken = 0
    for _, record in ipairs(assert(log.read(dir .. "/parts/records.jsonl"))) do
      if record.by == "second" then broken = broken + 1 end
    end
    assert.equal(stages[3].broken, broken)
    local one = cj.report(sequence(net, set:batch(1, 30)))
    assert.is_truthy(one:find("Part by part", 1, true))
  end)
end)
