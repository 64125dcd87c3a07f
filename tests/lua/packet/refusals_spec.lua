-- What cannot be known from the samples is refused or switched, never reported wrong.
local cj = require "conjugate"
local packets = require "support.packets"
local verdict = require "conjugate.packet.verdict"

local nn = cj.nn
local quadrature = cj.packet.quadrature

-- In standard errors of both, and no less than rounding.
local function distance(a, b)
  local err = math.sqrt(a[2] ^ 2 + b[2] ^ 2) + 1e-12 * math.abs(a[1])
  return err > 0 and math.abs(a[1] - b[1]) / err or 0
end

-- 1 - p_Y at a distance of four windows from where Y is accepted: l = 1 all over, and few samples
-- are where it is steep.
describe("a loss that is steep where few samples are", function()
  local k, d, tau = 40, 0.4, 0.1

  local function logits(x)
    return cj.cat({ x * 0, (x - d) * k }, 2)
  end

  local function truth(centres)
    return quadrature.line {
      f = function(t) return ((t - d) * -k):sigmoid() end, low = -1.4, high = 1.4,
      log_density = function(t)
        local nu = t * 0
        for _, c in ipairs(centres) do nu = nu + ((t - c) ^ 2 * (-0.5 / tau ^ 2)):exp() end
        return nu:log()
      end,
    }
  end

  local function packet(more)
    local o = { model = logits, label = 1, loss = "err", tau = tau }
    for key, value in pairs(more) do o[key] = value end
    return cj.packet(o)
  end

  it("is refused in a window, though the weights are even", function()
    local p = packet { reference = "window", centre = cj.zeros({ 1 }, "float64") }
    local exact, refused = truth { 0 }, 0
    for seed = 1, 40 do
      local r = p:measure { samples = 2000, seed = seed, quiet = true }
      assert.is_true(r.ess > 1900 and r.k < 0.7)
      local part = r.totals and r.totals.loss_part
      if part then
        assert.is_true(distance(part, { exact.loss_part, 0 }) < 5)
      else
        refused = refused + 1
        assert.matches("|grad l|^2: ", table.concat(r.reasons), 1, true)
      end
    end
    assert.is_true(refused >= 30, tostring(refused))
  end)

  it("leaves its mark on the parts alone where the rest is known", function()
    local centres = { -0.3, -0.1 } -- sigma_p is that of the windows
    local p = packet { reference = "data", data = cj.tensor({ { -0.3 }, { -0.1 } }, "float64") }
    local exact = truth(centres)
    local r = p:measure { samples = 4000, seed = 1, quiet = true }
    assert.equal("warn", r.status)
    assert.matches("|grad l|^2: effective sample size", table.concat(r.reasons), 1, true)
    for _, name in ipairs { "loss_part", "cross_part", "rms_gradient" } do
      assert.is_nil(r.totals[name])
    end
    assert.is_nil(tostring(r):find("loss part", 1, true))
    assert.is_nil(r:record().totals.loss_part)
    for _, name in ipairs { "sigma_x", "sigma_p", "P" } do
      assert.is_true(distance(r.totals[name], { exact[name], 0 }) < 4, name)
    end
  end)

  it("is measured where enough samples are steep", function()
    local p = cj.packet { model = function(x) return cj.cat({ x * 0, x * 10 }, 2) end, label = 1,
      loss = "err", reference = "window", centre = cj.zeros({ 1 }, "float64"), tau = tau }
    local r = p:measure { samples = 2000, seed = 1, quiet = true }
    assert.equal("ok", r.status)
    assert.is_number(r.totals.loss_part[1])
  end)
end)

describe("slopes that are all but equal", function()
  it("are not refused for a few on another piece of ReLU", function()
    -- l is linear but for one sample in some thousand
    local p = cj.packet {
      model = function(x)
        return (x * 0.05 + 10 + (x - 0.31):relu() * 0.5):reshape { -1 }
      end,
      loss = "value", reference = "window", centre = cj.zeros({ 1 }, "float64"), tau = 0.1,
    }
    local r = p:measure { samples = 20000, seed = 1, quiet = true }
    assert.equal("ok", r.status, table.concat(r.reasons))
  end)
end)

describe("a window at a confidently classified digit", function()
  local net, centre, label

  local function coarse(x)
    return cj.avg_pool2d(x, 4, 4):reshape { x:size(1), 49 }
  end

  -- a network of 7 x 7 pixels, trained on the digits that come with the package
  setup(function()
    local train, test = require("conjugate.data.mini").load()
    local x, y = train:batch(1, train:size())
    cj.seed(1)
    net = nn.sequential { nn.linear(49, 32), nn.relu(), nn.linear(32, 10) }
    local adam, inputs = cj.optim.adam(net:parameters(), { lr = 0.01 }), coarse(x)
    for _ = 1, 200 do
      adam:zero_grad()
      cj.cross_entropy(net(inputs), y):backward()
      adam:step()
    end
    local digits, labels = test:batch(1, 200)
    local seen = coarse(digits)
    local p, best = net(seen):softmax(2), 0
    for i = 1, 200 do
      local share = p:get(i, labels:get(i) + 1)
      if share > best then
        best, label, centre = share, labels:get(i), seen:select(1, i):contiguous()
      end
    end
    assert.is_true(best > 0.9999)
  end)

  local function measure(loss, tau, opts)
    opts.quiet = true
    return cj.packet { model = net, label = label, loss = loss, reference = "window",
      centre = centre, tau = tau }:measure(opts)
  end

  -- Of another seed and sampler, for as many samples as it takes.
  local function independent(loss, tau)
    local r = measure(loss, tau, { samples = 40000, seed = 77 })
    if r.status ~= "unreliable" then return r end
    return measure(loss, tau, { sampler = "mcmc", seed = 78,
      mcmc = { method = "hmc", leaps = 12, burn = 300, keep = 300 } })
  end

  local function agree(r, other, what)
    for _, name in ipairs { "sigma_x", "sigma_p", "P", "loss_part" } do
      local a, b = r.totals[name], other.totals[name]
      if a and b then
        assert.is_true(distance(a, b) < 5, ("%s: %s %g +- %g, %g +- %g"):format(what, name, a[1],
          a[2], b[1], b[2]))
      end
    end
  end

  for _, loss in ipairs { "ce", "err" } do
    it(("is refused, or switched, or right, for widths of .02 to .5: %s"):format(loss), function()
      local found = { plain = 0, switched = 0, refused = 0, compared = 0 }
      for _, tau in ipairs { .02, .05, .1, .2, .3, .5 } do
        local plain = measure(loss, tau, { samples = 2000, seed = 1 })
        local auto = measure(loss, tau, { samples = 2000, seed = 1, sampler = "auto",
          mcmc = { method = "hmc", leaps = 8, burn = 200, keep = 150 } })
        local other = independent(loss, tau)
        for _, r in ipairs { plain, auto } do
          local kind = r.status == "unreliable" and "refused" or r.sampler == "plain" and "plain"
            or "switched"
          found[kind] = found[kind] + 1
          if r.totals and other.totals then
            agree(r, other, ("%s, tau %g, %s"):format(loss, tau, r.sampler))
            found.compared = found.compared + 1
          end
        end
      end
      for kind, count in pairs(found) do assert.is_true(count > 0, kind) end
      assert.is_true(found.compared >= 6)
    end)
  end
end)

describe("few faces", function()
  local p = cj.packet { model = packets.softmax2d, label = 0, shape = { 2 }, dtype = "float64" }
  local function measure(faces)
    return p:measure { samples = 2000, faces = faces, seed = 3, quiet = true }
  end

  it("are said to be few, and call nothing violated", function()
    local r = measure(16)
    assert.equal("warn", r.status)
    assert.matches("faces of 16 samples, worth %d+ even ones, below 30",
      table.concat(r.reasons, "; "))
    assert.is_true(r.faces.freedom < 15)
    local part = { values = { slack = cj.tensor({ -1, 1 }, "float64") },
      errors = { slack = cj.tensor({ 0.01, 0.01 }, "float64") }, freedom = 4 }
    verdict.judge(part)
    assert.same({ "violated", "holds" }, part.verdicts)
    verdict.withdraw(part)
    assert.same({ "undecided", "holds" }, part.verdicts)
    assert.same({ holds = 1, violated = 0, undecided = 1 }, part.counts)
  end)

  it("are judged by Student's t", function()
    assert.near(4.0, verdict.quantile(784), 0.01)
    assert.near(5.4767, verdict.quantile(784, 15), 0.1) -- of t with 15 degrees at 0.05 / 784
    assert.near(4.2848, verdict.quantile(784, 63), 0.01)
    local many = measure(500)
    assert.is_nil(table.concat(many.reasons):find("even ones", 1, true))
    assert.is_true(many.faces.freedom > 30)
  end)
end)
