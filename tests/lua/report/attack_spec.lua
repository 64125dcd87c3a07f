local assert = require "luassert"
local check_attack = require "support.check_attack"
local cj = require "conjugate"
local folder = require "support.folder"
local html = require "support.html"

describe("the report of one attack", function()
  local net, x, y = check_attack.network(9)
  local result = cj.attacks.pgd { eps = 0.06, quiet = true } (net, x, y, { seed = 6 })

  it("has the record of each sample and the counts of verdicts", function()
    local page = cj.report(result, { x = x })
    assert.is_nil(html.fault(page))
    assert.same({}, html.fetched(page))
    local rows, found, counts = html.rows(page), 0, {}
    for _, row in ipairs(rows) do
      local i = tonumber(row[1])
      if i and #row == 8 then
        found = found + 1
        assert.same({ tostring(result.label[i]), tostring(result.pred_clean[i]),
          tostring(result.pred_adv[i]), result.status[i], tostring(result.iters[i]),
          ("%.4g"):format(result.l2[i]), ("%.4g"):format(result.linf[i]) },
          { unpack(row, 2) })
      end
      counts[row[1]] = row[2]
    end
    assert.equal(9, found)
    for status, count in pairs(result.counts) do
      assert.equal(("%.2f"):format(100 * count / 9), counts[status]:match "^[%d.]+")
    end
    assert.is_truthy(page:find("<dt>seed</dt><dd>6</dd>", 1, true))
  end)

  it("has pictures where it is given the clean ones, and is written where it is told to", function()
    local dir = folder.make()
    local page = cj.report(result, { x = x, out = dir .. "/r" })
    assert.equal(page, folder.read(dir .. "/r/report.html"))
    assert.equal(1, #html.pictures(page))
    assert.equal(0, #html.pictures(cj.report(result)))
    folder.remove(dir)
  end)

  it("is made for any attack, for points, and for no samples at all", function()
    local model, point, label = check_attack.golden()
    for _, name in ipairs { "fgsm", "deepfool", "square" } do
      local r = cj.attacks[name] { eps = 0.2, quiet = true } (model, point, label)
      assert.is_nil(html.fault(cj.report(r, { x = point })), name)
    end
    local none = cj.attacks.fgsm { eps = 0.2 } (model, cj.zeros { 0, 4 }, cj.zeros({ 0 }, "int64"))
    assert.is_nil(html.fault(cj.report(none)))
  end)
end)
