-- In 400 repetitions with 2,000 samples, 95 % intervals cover the truth in 92 to 98 %, for every
-- number a result reports.
local cj = require "conjugate"
local core = require "conjugate.core"

local lab = cj.packet.lab
local plan = require "conjugate.plan"
local sampled = require "conjugate.packet.lab.sampled"

local REPETITIONS, SAMPLES = 400, 2000
local NORMAL, STUDENT = 1.959964, 2.039513 -- 97.5 %; totals: of 31 degrees of freedom
local EXACT = 1e-10 -- identities have no error

-- Models are compiled, for speed: M pixels -> logits.
local function compile(pixels, f)
  return plan.compile(f, cj.full({ 1, pixels }, 0.5, "float64"))
end

-- Cross entropy of label 1 is log(1 + exp(-k (x + d))).
local function logistic(k, d)
  return compile(1, function(x) return cj.cat({ x * 0, (x + d) * k }, 2) end)
end

-- A case of the laboratory by another model of the same loss.
local function with(name, model, label, kind)
  local case = {}
  for key, value in pairs(lab.find(name)) do case[key] = value end
  case.model, case.label, case.kind = model, label or case.label, kind or case.kind
  return case
end

local twos = cj.full({ 1, 10 }, 2, "float64")

local cases = {
  { "the square: volume, faces, a field", field = true, numbers = 84,
    case = with("softmax, err, label 0", compile(2, lab.find("softmax, err, label 0").model)) },
  { "a window: Stein's forms", numbers = 31, case = {
    model = logistic(10, -0.1), label = 1, kind = "ce",
    domain = { reference = "window", centre = cj.zeros({ 1 }, "float64"), tau = 0.1 },
    measure = function()
      return cj.packet.quadrature.line {
        f = function(t) return ((t - 0.1) * -10):softplus() end, low = -1.4, high = 1.4,
        log_density = function(t) return t ^ 2 * -50 end,
      }
    end } },
  { "images: the parts of sum g^2, a field", field = true, numbers = 36,
    case = with("data, two centres, log(1+exp(-2x))", logistic(2, 0), 1, "ce") },
  { "ten pixels: totals", numbers = 74, -- the squared error of (sqrt(2 sum x), 1) against (0, 1)
    case = with("sum of the pixels, M=10", compile(10, function(x)
      local z = cj.linear(x, twos):sqrt()
      return cj.cat({ z, z * 0 + 1 }, 2)
    end), 1, "mse") },
}

local function covers(row)
  local q = row.quantity:find "^total" and STUDENT or NORMAL
  return math.abs(row.measured - row.truth) <= q * row.error + EXACT
end

-- How often each number was covered, and whether it ever had an error.
local function count(case, field)
  local quadrature = case.measure()
  local once = setmetatable({ measure = function() return quadrature end }, { __index = case })
  local hits, rough, numbers = {}, {}, 0
  for seed = 1, REPETITIONS do
    local r = sampled.measure(once, { samples = SAMPLES, seed = seed, field = field })
    for _, row in ipairs(sampled.compare(once, r)) do
      local name = row.quantity
      if not hits[name] then hits[name], numbers = 0, numbers + 1 end
      hits[name] = hits[name] + (covers(row) and 1 or 0)
      rough[name] = rough[name] or row.error > EXACT
    end
  end
  return hits, rough, numbers
end

describe("error bars of packets", function()
  local threads = core.threads()
  setup(function() core.threads(1) end) -- the work is too small to share
  teardown(function() core.threads(threads) end)

  for _, row in ipairs(cases) do
    it(("cover the truth as often as they say: %s"):format(row[1]), function()
      local hits, rough, numbers = count(row.case, row.field)
      assert.is_true(numbers >= row.numbers)
      local bad = {}
      for name, n in pairs(hits) do
        local share = 100 * n / REPETITIONS
        if not rough[name] and share < 100 or rough[name] and (share < 92 or share > 98) then
          bad[#bad + 1] = ("%s %.1f %%"):format(name, share)
        end
      end
      table.sort(bad)
      assert.equal("", table.concat(bad, ", "))
    end)
  end
end)
