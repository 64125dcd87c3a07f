-- The laboratory by sampling: every reported number of every case within four standard errors.
local cj = require "conjugate"

local lab = cj.packet.lab
local sampled = require "conjugate.packet.lab.sampled"

local MANY = 100 -- pixels, from which on fewer samples must do; the selftest takes 200,000

local function check(case, opts)
  local pixels = sampled.packet(case).pixels
  opts.samples = pixels > MANY and 5000 or 50000
  local r = sampled.measure(case, opts)
  local rows = sampled.compare(case, r)
  assert.is_true(case.refused and #rows == 1 or #rows >= 24)
  for _, row in ipairs(rows) do
    if not row.ok then
      error(("%s: measured %s +- %s, truth %s"):format(row.quantity, row.measured, row.error,
        row.truth))
    end
  end
  return r
end

describe("sampling the laboratory", function()
  for _, case in ipairs(lab.cases) do
    if case.domain and case.name ~= "sum of the pixels, M=3072" then
      it(("knows %s"):format(case.name), function()
        local r = check(case, { field = true })
        if case.refused then return end
        assert.is_not.equal("unreliable", r.status)
        assert.equal(0, r.counts.violated)
        if case.domain.reference == "window" then check(case, {}) end
      end)
    end
  end

  it("knows errors that say something", function()
    -- four errors wide enough would hold any truth
    local case = lab.find "softmax, ce, label 0"
    local r = sampled.measure(case, { field = true })
    for _, row in ipairs(sampled.compare(case, r)) do
      assert.is_true(row.error <= 0.02 * math.max(math.abs(row.truth), 1), row.quantity)
    end
  end)

  it("notices numbers that are off", function()
    local case = lab.find "softmax, ce, label 0"
    local r = sampled.measure(case, { samples = 20000 })
    local function bad()
      local list = {}
      for _, row in ipairs(sampled.compare(case, r)) do
        if not row.ok then list[#list + 1] = row.quantity end
      end
      return list
    end
    assert.same({}, bad())
    local g = r.values.g
    g:set(2, g:get(2) + 5 * r.errors.g:get(2))
    r.totals.P[1] = r.totals.P[1] + 5 * r.totals.P[2]
    assert.same({ "g[2]", "total P" }, bad())
  end)

  it("notices a case that should have been refused", function()
    local case = lab.find "product of sin(pi x_i), M=784"
    local r = sampled.measure(lab.find "x on [0, 1]", { samples = 2000 })
    local rows = sampled.compare(case, r)
    assert.equal(1, #rows)
    assert.is_false(rows[1].ok)
    r = sampled.measure(case, { samples = 1000 })
    assert.is_false(sampled.compare(lab.find "x on [0, 1]", r)[1].ok)
  end)
end)
