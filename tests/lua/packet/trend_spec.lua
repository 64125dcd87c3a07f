-- What moves over training, on records whose trends are known.
local assert = require "luassert"
local trend = require "conjugate.packet.trend"

-- A class: P as told, everything else of it.
local function class(label, p, status)
  local t = { label = label, status = status or "ok", samples = 100, ess = 50, beta = p * p,
    beta_error = 0.1 }
  if t.status == "unreliable" then return t end
  t.totals = { sigma_x = { 2, 0 }, sigma_p = { p / 2, 0.1 }, P = { p, 0.1 }, bound = { 1, 0.01 },
    loss_part = { p * p, 0.1 }, rms_gradient = { p, 0.1 } }
  return t
end

-- P rises with the epoch, RA falls, TA rises.
local function records()
  local list = {}
  for seed = 1, 3 do
    for e, epoch in ipairs { 0, 2, 10 } do
      list[#list + 1] = {
        model = "m", seed = seed, epoch = epoch, ta = 90 + e, ra = 50 - e,
        packets = { box = { class(0, e + seed), class(1, e + seed + 2),
          class(2, 1000, epoch == 10 and seed == 1 and "unreliable" or nil) } },
      }
    end
  end
  return list
end

describe("a trend", function()
  it("is the mean over the classes, then over the seeds, with Student's interval", function()
    local rows = trend.epochs(records(), "box")
    assert.same({ 0, 2, 10 }, { rows[1].epoch, rows[2].epoch, rows[3].epoch })
    local first = (1 + 2 + 3) / 3 -- of e + seed at e = 1, minus 1
    assert.near((2 * (first + 1) + 2 + 1000) / 3, rows[1].P, 1e-9)
    assert.near(4.30265 * (2 / 3) / math.sqrt(3), rows[1].P_half, 1e-4)
    assert.near(rows[1].P - 1, rows[1].slack, 1e-9)
    assert.equal(2, rows[1].sigma_x)
    assert.same({ 0, 0, 1 }, { rows[1].refused, rows[2].refused, rows[3].refused })
    assert.equal(91, rows[1].ta)
  end)

  it("is a rank correlation for each seed", function()
    local taus = {}
    for _, row in ipairs(trend.taus(records(), "box")) do taus[row.quantity] = row end
    -- without class 2, refused at its last epoch, the first seed's mean falls there
    assert.near(-1 / 3, taus.P.ta_seeds[1], 1e-12)
    assert.same({ 1, 1 }, { taus.P.ta_seeds[2], taus.P.ta_seeds[3] })
    assert.near(1 / 3, taus.P.ra_seeds[1], 1e-12)
    assert.near((-1 / 3 + 2) / 3, taus.P.ta, 1e-12)
    assert.same({}, taus.sigma_x.ta_seeds) -- constant: no rank
    assert.is_nil(taus.sigma_x.ta)
  end)

  it("is told class by class, with the seeds that were not refused", function()
    local rows = trend.classes(records(), "box")
    assert.equal(3, #rows)
    assert.equal(0, rows[1].class)
    assert.near(2, rows[1].slack[1].mean, 1e-9) -- mean of e + seed - 1 at e = 1
    assert.equal(3, rows[3].slack[2].n)
    assert.equal(2, rows[3].slack[3].n)
  end)

  it("can be read", function()
    local text = trend.markdown(records(), "box")
    assert.matches("| 10 | 93.00 ± 0.00 | 47.00 ± 0.00 |", text, 1, true)
    assert.matches("| sigma_x | - | - |  |", text, 1, true)
    assert.matches("(2 of 3 seeds)", text, 1, true)
  end)

  it("is written down, refused numbers left empty", function()
    local lines = {}
    for line in trend.csv(records(), { "box" }):gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.equal(1 + 3 * 3 * 3, #lines)
    local _, columns = lines[1]:gsub(",", "")
    for _, line in ipairs(lines) do assert.equal(columns, select(2, line:gsub(",", ""))) end
    assert.matches("^m,box,1,0,0,91,49,ok,100,50,4,0.1,2,0,1,0.1,2,0.1,1,0.01,4,0.1,,,,,2,0.1$",
      lines[2])
    assert.matches("^m,box,1,10,2,93,47,unreliable,100,50,1000000,0.1,,,", lines[10])
  end)

  it("needs records and a key", function()
    assert.has_error(function() trend.epochs(nil, "box") end)
    assert.has_error(function() trend.taus({}, 3) end)
  end)
end)
