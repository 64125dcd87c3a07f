-- The page of packets: sound, complete, and silent about what was refused.
local assert = require "luassert"
local cj = require "conjugate"
local folder = require "support.folder"
local html = require "support.html"
local maps = require "conjugate.packet.maps"

local function network(x)
  local w = cj.tensor({ 3, 0, -1, 1, -2, 2, 0, 1, -1, -2, 2, 0 }, "float32"):reshape { 3, 4 }
  return cj.linear(x:reshape { x:size(1), 4 }, w, cj.tensor({ 0, 1, -1 }, "float32"))
end

local function measure(more)
  local o = { model = network, labels = { 0, 1, 2 }, shape = { 1, 2, 2 }, name = "a <b> & c",
    epoch = 4 }
  for key, value in pairs(more or {}) do o[key] = value end
  return cj.packet(o):measure { samples = 2000, faces = 400, seed = 3, quiet = true }
end

local function cells_of(page, first, column)
  local found = {}
  for _, row in ipairs(html.rows(page)) do
    if row[1] == first then found[#found + 1] = row[column] end
  end
  return found
end

describe("the page of packets", function()
  local results, page
  setup(function()
    results = measure()
    page = cj.report(results)
  end)

  it("is sound markup, fetches nothing, and repeats its bytes", function()
    assert.is_nil(html.fault(page))
    assert.same({}, html.fetched(page))
    assert.equal(html.without_vary(page), html.without_vary(cj.report(measure())))
    assert.is_nil(page:find("<b>", 1, true))
    assert.truthy(page:find("epoch 4", 1, true))
  end)

  it("has the totals of every label with their errors", function()
    for i, r in ipairs(results) do
      local cell = cells_of(page, tostring(i - 1), 5)[1] -- P, in the first table
      local value, err = cell:match "^([%d.]+) ± ([%d.]+)$"
      assert.near(r.totals.P[1], tonumber(value), r.totals.P[2])
      assert.near(r.totals.P[2], tonumber(err), 0.06 * r.totals.P[2])
    end
  end)

  it("says at how many pixels the bound and the naive half hold", function()
    local second = cells_of(page, "1", 5)[2]
    assert.equal(tostring(results[2].counts.holds), second)
    local below = 0
    for _, side in ipairs(results[2]:map("naive"):reshape({ -1 }):table()) do
      below = below + (side < 0 and 1 or 0)
    end
    assert.equal(tostring(below), cells_of(page, "1", 8)[1]) -- the first table has fewer columns
    assert.truthy(page:find("bound holds", 1, true))
  end)

  it("shows a picture with the maps, and a chart a label", function()
    assert.equal(1, #html.pictures(page))
    local charts = select(2, page:gsub("<svg", ""))
    assert.equal(3, charts)
  end)

  it("gives no number of a refused result", function()
    local r = cj.packet { model = function(x) return network(x) end, labels = { 0 },
      shape = { 1, 2, 2 } }:measure { samples = 60, faces = 0, seed = 3, quiet = true }
    assert.equal("unreliable", r.status)
    local text = cj.report { results[1], r }
    assert.is_nil(html.fault(text))
    local alone = cj.report(r)
    assert.truthy(alone:find("refused", 1, true))
    assert.truthy(alone:find("effective sample size", 1, true))
    local dash = "&ndash;"
    assert.same({ dash, dash, dash, dash, dash }, { unpack(html.rows(alone)[2], 3, 7) })
    assert.equal(0, #html.pictures(alone))
    assert.is_nil(alone:find("±", 1, true) and alone:match "%d ± %d")
  end)

  it("takes packets of several references, lines among them", function()
    local way = cj.packet.slices.line { from = cj.zeros { 1, 2, 2 }, to = cj.ones { 1, 2, 2 } }
    local line = cj.packet { model = network, label = 1, reference = way }:measure()
    local window = measure { reference = "window", centre = cj.full({ 1, 2, 2 }, 0.5), tau = 0.3,
      labels = { 1 } }
    local text = cj.report { results[1], line, window }
    assert.is_nil(html.fault(text))
    assert.truthy(text:find("a line of images", 1, true))
    assert.truthy(text:find("normal around one image", 1, true))
  end)
end)

describe("maps of packets", function()
  it("have one scale for all labels, and an empty frame where a result was refused", function()
    local results = measure()
    local rows = maps.rows(results, { "sigma_p", "sigma_p" })
    assert.equal(1, #rows)
    assert.equal(3, #rows[1].images)
    for i, r in ipairs(results) do
      assert.equal(r.values.sigma_p:get(2), rows[1].images[i][1][2])
    end
    local values = results[2].values
    results[2].values = nil
    rows = maps.rows(results, { "sigma_p", "sigma_p" })
    results[2].values = values
    assert.is_false(rows[1].images[2])
    assert.equal("table", type(rows[1].images[3]))
  end)

  it("have a row a channel", function()
    local function coloured(x) return x:reshape({ x:size(1), 12 }):narrow(2, 5, 3) * 4 end
    local r = cj.packet { model = coloured, label = 0, shape = { 3, 2, 2 } }
      :measure { samples = 1000, seed = 1, quiet = true }
    local rows = maps.rows({ r }, { "P", "product" })
    assert.equal(3, #rows)
    assert.equal(r.values.P:get(5), rows[2].images[1][1][1])
    assert.equal("product\ngreen", rows[2].title)
  end)

  it("are written as PNG", function()
    local dir = folder.make()
    local paths = maps.save(measure(), dir)
    assert.is_true(#paths >= 6)
    local picture = cj.io.read_png(paths[1])
    folder.remove(dir)
    assert.equal(3, picture:size(1))
  end)
end)
