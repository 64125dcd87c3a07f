-- Curves of packets over epochs.
local assert = require "luassert"
local cj = require "conjugate"
local html = require "support.html"
local chart = require "conjugate.report.chart"
local curves = require "conjugate.packet.curves"

local function result(status, p, err)
  return { status = status, totals = status ~= "unreliable" and { P = { p, err } } or nil }
end

describe("curves of packets", function()
  local history = {
    { epoch = 5, results = { result("ok", 8, 0.4), result("warn", 4, 0.2) } },
    { epoch = 1, results = { result("ok", 2, 0.1), result("unreliable", 9, 9) } },
    { epoch = 9, results = { result("unreliable"), result("unreliable") } },
  }

  it("are means over what was not refused, with bands, in the order of epochs", function()
    local rows = curves.rows(history, { "P" })
    assert.same({ 1, 5, 9 }, { rows[1].epoch, rows[2].epoch, rows[3].epoch })
    assert.same({ 2, 6 }, { rows[1].P, rows[2].P })
    assert.is_nil(rows[3].P)
    assert.same({ 1, 0, 2 }, { rows[1].refused, rows[2].refused, rows[3].refused })
    assert.near(1.959964 * 0.3, rows[2].P_half, 1e-12)
    local s = curves.figure(history, { quantities = { "P" } }).series[1]
    assert.same({ 1, 5 }, s.x)
    assert.near(2 / 6, s.y[1], 1e-15)
    assert.near((6 + 1.959964 * 0.3) / 6, s.high[2], 1e-12)
    assert.equal("P / 6", s.name)
  end)

  it("can be drawn on a page and have shares beside them", function()
    local rows = { { epoch = 0, P = 1, P_half = 0.1, ta = 10 }, { epoch = 2, P = 2, ta = 90 } }
    local figure = curves.of_rows(rows, { "P" }, { shares = { "ta" }, title = "t" })
    assert.equal(0.9, figure.series[2].y[2])
    assert.is_nil(html.fault(tostring(chart.draw(figure))))
    assert.is_true(figure.series[1].low[2] ~= figure.series[1].low[2]) -- no half, no band
  end)

  it("take results of packets and their records", function()
    local p = cj.packet { model = function(x) return x * 3 end, label = 0, shape = { 2 } }
    local r = p:measure { samples = 500, faces = 0, seed = 1, quiet = true }
    local a = curves.rows({ { epoch = 1, results = { r } } })
    local b = curves.rows({ { epoch = 1, results = { r:record() } } })
    assert.same(a, b)
    assert.equal(r.totals.sigma_p[1], a[1].sigma_p)
  end)
end)
