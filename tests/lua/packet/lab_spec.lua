-- The laboratory: every truth value against quadrature, and what a case says about itself.
local assert = require "luassert"
local cj = require "conjugate"

local lab = cj.packet.lab

describe("the laboratory", function()
  for _, case in ipairs(lab.cases) do
    it(("knows %s"):format(case.name), function()
      local measured = case.measure()
      local rows = lab.compare(case, measured)
      if measured.status then -- by quadrature, not reduced
        assert.equal("ok", measured.status, tostring(measured))
        for _, verdict in ipairs(measured.verdicts) do assert.equal("holds", verdict) end
      end
      assert.is_true(#rows >= 2)
      for _, row in ipairs(rows) do
        if not row.ok then
          error(("%s: measured %.15g, truth %.15g, error %.1e"):format(row.quantity, row.measured,
            row.truth, row.error))
        end
      end
    end)
  end

  it("holds numbers to eight digits at least", function()
    for _, case in ipairs(lab.cases) do
      local most = case.name:find "without end" and 1e-5 -- of a limit
        or (case.name:find "|" or case.name:find "max") and 1e-6 or 1e-8
      assert.is_true(case.tolerance <= most, case.name)
    end
  end)

  it("has names that are its own", function()
    local seen = {}
    for _, case in ipairs(lab.cases) do
      assert.is_nil(seen[case.name])
      seen[case.name] = true
      assert.equal(case, lab.find(case.name))
    end
    assert.is_nil(lab.find "no such case")
  end)

  it("shows the corrected bound holding where one half fails", function()
    local failed = {}
    for _, case in ipairs(lab.cases) do
      local P, bound = case.truth.P, case.truth.bound
      if type(P) == "number" and bound then
        local r = case.measure()
        assert.is_true(r.P >= r.bound - 1e-12, case.name)
        if r.P < 0.5 then failed[case.name] = true end
      end
    end
    for _, name in ipairs {
      "1 on [0, 1]", "x on [0, 1]", "exp(-(x-.5)^2/.36) on [0, 1]", "ce, k=10 on [0, 1]",
      "|x|^2/2 in the unit ball, M=5", "|x|^2/2 in the unit ball, M=784",
      "sum of the pixels, M=784",
    } do
      assert.is_true(failed[name], name)
    end
    assert.is_nil(failed["|x|^2/2 in the unit ball, M=1"])
    assert.is_nil(failed["sin(pi x) on [0, 1]"])
  end)

  it("notices a number that is off", function()
    local case = lab.find "ce, k=10 on [0, 1]"
    local r = case.measure()
    r.sigma_p = r.sigma_p * (1 + 1e-7)
    local bad = {}
    for _, row in ipairs(lab.compare(case, r)) do
      if not row.ok then bad[#bad + 1] = row.quantity end
    end
    assert.same({ "sigma_p" }, bad)
  end)

  it("makes packets for sampling", function()
    for _, case in ipairs(lab.cases) do
      if case.domain then
        local opts = lab.packet(case)
        local p = cj.packet(opts)
        local shape = { 3, p.pixels }
        local l = opts.model(cj.full(shape, 0.25, "float64"))
        assert.equal(3, l:size(1), case.name)
        assert.equal("float64", l.dtype)
      end
    end
  end)

  it("agrees with sampling where both can measure", function()
    local case = lab.find "softmax, ce, label 0"
    local r = cj.packet(lab.packet(case)):measure {
      samples = 20000, seed = 3, faces = 0, quiet = true,
    }
    for _, name in ipairs { "mu", "sigma_x", "sigma_p", "P" } do
      for i = 1, 2 do
        local gap = math.abs(r.values[name]:get(i) - case.truth[name][i])
        assert.is_true(gap < 4 * r.errors[name]:get(i), name)
      end
    end
  end)
end)
