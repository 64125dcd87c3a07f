local assert = require "luassert"
local axis = require "conjugate.report.axis"
local chart = require "conjugate.report.chart"
local html = require "support.html"

describe("axis", function()
  it("has round ticks inside its range, and labels with the decimals they need", function()
    local a = axis.new(nil, 0, 0.1, 5)
    assert.same({ "0", "0.02", "0.04", "0.06", "0.08", "0.10" }, a.labels)
    assert.equal(0, a.place(0))
    assert.near(0.5, a.place(0.05), 1e-12)
    assert.same({ "0", "20", "40", "60", "80", "100" },
      axis.new({ range = { 0, 100 } }, 3, 5, 5).labels)
    assert.same({ "-2", "-1", "0", "1" }, axis.new(nil, -2, 1, 4).labels)
  end)

  it("ends at ticks when asked to", function()
    local a = axis.new({ round = true }, 0.23, 4.8, 5)
    assert.equal(0, a.low)
    assert.equal(5, a.high)
    assert.equal(0.3, axis.new({ round = true, range = { 0.3 } }, 0.23, 4.8, 5).low)
  end)

  it("has powers of ten on a logarithmic scale, and roots on that of roots", function()
    local a = axis.new({ scale = "log" }, 1, 1000, 5)
    assert.same({ "1", "10", "100", "1e+03" }, a.labels)
    assert.near(1 / 3, a.place(10), 1e-12)
    assert.near(0.5, axis.new({ scale = "sqrt" }, 0, 100, 5).place(25), 1e-12)
  end)

  it("can be drawn for one value and for none", function()
    for _, range in ipairs { { 0, 0 }, { 3, 3 }, { -2, -2 }, { math.huge, -math.huge } } do
      local a = axis.new(nil, range[1], range[2], 5)
      assert.is_true(a.low < a.high and #a.ticks >= 2)
      assert.is_true(a.place(a.low) == 0 and a.place(a.high) == 1)
    end
  end)

  it("names its unit", function()
    assert.equal("ε (pixel units)",
      axis.new({ label = "ε", unit = "pixel units" }, 0, 1, 5).title)
    assert.equal("", axis.new(nil, 0, 1, 5).title)
  end)
end)

describe("chart", function()
  local function draw(series, more)
    local figure = { series = series }
    for key, value in pairs(more or {}) do figure[key] = value end
    return tostring(chart.draw(figure))
  end

  local function points_of(svg, class)
    local list = {}
    for d in svg:gmatch(('<path class="%s" d="([^"]*)"'):format(class)) do list[#list + 1] = d end
    return list
  end

  it("is sound markup, whatever the names are", function()
    local svg = draw({ { name = '<script>"&', x = { 0, 1 }, y = { 1, 2 } } },
      { title = "a < b", x = { label = "<x>" }, y = { label = "&" } })
    assert.is_nil(html.fault(svg))
    assert.is_nil(svg:find("<script", 1, true))
  end)

  it("puts points where their values belong", function()
    local svg = draw({ { name = "a", x = { 0, 5, 10 }, y = { 0, 50, 100 }, style = "lines" } },
      { y = { range = { 0, 100 } } })
    local curve = points_of(svg, "curve")[1]
    local xs, ys = {}, {}
    for x, y in curve:gmatch "[ML]([%d.]+) ([%d.]+)" do
      xs[#xs + 1], ys[#ys + 1] = tonumber(x), tonumber(y)
    end
    assert.equal(3, #xs)
    assert.near((xs[1] + xs[3]) / 2, xs[2], 0.011)
    assert.near((ys[1] + ys[3]) / 2, ys[2], 0.011)
    assert.is_true(xs[3] > xs[1] and ys[3] < ys[1])
    -- the ends of the curve are the ends of the axes
    local x0, top, bottom, right = svg:match 'class="axis" d="M([%d.]+) ([%d.]+)V([%d.]+)H([%d.]+)"'
    assert.same({ tonumber(x0), tonumber(right) }, { xs[1], xs[3] })
    assert.same({ tonumber(bottom), tonumber(top) }, { ys[1], ys[3] })
  end)

  it("breaks curves and intervals at NaN", function()
    local s = { name = "a", x = { 1, 2, 3, 4, 5 }, y = { 1, 2, 0 / 0, 4, 5 },
      low = { 0, 1, 0 / 0, 3, 4 }, high = { 2, 3, 0 / 0, 5, 6 } }
    local svg = draw { s }
    assert.equal(2 + 1, #points_of(svg, "curve")) -- and the sample in the legend
    assert.equal(2, #points_of(svg, "band"))
    assert.is_nil(svg:find "nan")
    assert.is_truthy(svg:find("a: 4 at 4 [3, 5]", 1, true))
  end)

  it("names every curve once, on as many lines as it takes", function()
    local series = {}
    for i = 1, 9 do
      series[i] = { name = ("the curve with the number %d"):format(i), x = { 0, 1 }, y = { i, i } }
    end
    local svg, names = draw(series), 0
    for _ in svg:gmatch '<text class="name"' do names = names + 1 end
    assert.equal(9, names)
    for x in svg:gmatch '<text class="name" x="([%d.]+)"' do assert.is_true(tonumber(x) < 560) end
  end)

  it("gives the same bytes again", function()
    local s = { { name = "a", x = { 0, 1, 2 }, y = { 1, 1 / 3, 0.1 } } }
    assert.equal(draw(s), draw(s))
  end)
end)
