-- Packets measured at points of rho by Markov chains: closed forms, gates, error bars and bytes.
local cj = require "conjugate"
local core = require "conjugate.core"
local misuse = require "support.misuse"
local packets = require "support.packets"
local starve = require "support.starve"

local holds, check_truth, softmax2d = packets.holds, packets.check_truth, packets.softmax2d

-- Standard errors that say nothing hold every truth.
local function check_errors(r, most)
  for name, value in pairs(most) do assert.is_true(r.errors[name]:get(1) < value, name) end
end

local function sine(x)
  return (x * math.pi):sin():log():sum(2):exp()
end

local function window(f, m, tau)
  return cj.packet {
    model = f, loss = "value", reference = "window", centre = cj.zeros({ m }, "float64"), tau = tau,
  }
end

local function walk(p, samples, mcmc, seed)
  return p:measure { sampler = "mcmc", samples = samples, mcmc = mcmc, seed = seed or 1,
    pencils = 0, quiet = true }
end

describe("chains", function()
  it("measure the product of sines in 784 dimensions, which plain sampling refuses", function()
    local p = cj.packet { model = sine, loss = "value", shape = { 784 }, dtype = "float64" }
    local r = p:measure { sampler = "auto", samples = 640, faces = 0, pencils = 0, seed = 1,
      quiet = true,
      mcmc = { method = "hmc", chains = 32, burn = 60, keep = 240, leaps = 4 } }
    assert.equal("unreliable", r.plain.status)
    assert.is_nil(r.plain.values)
    assert.equal("hmc", r.sampler)
    assert.is_nil(r.beta)
    check_errors(r, { sigma_x = 0.01 })
    for i = 1, 784, 56 do
      holds(.18075603, r.values.sigma_x:get(i), r.errors.sigma_x:get(i), "sigma_x")
    end
    -- in 784 dimensions few samples carry g at a pixel; all pixels together know it
    assert.matches("few samples carry g", table.concat(r.reasons))
    local t, root = r.totals, 28
    assert.is_true(t.sigma_p[2] / root < 0.03 and t.P[2] / 784 < 0.006)
    holds(.18075603, t.sigma_x[1] / root, t.sigma_x[2] / root, "sigma_x of all")
    holds(3.14159265, t.sigma_p[1] / root, t.sigma_p[2] / root, "sigma_p of all")
    holds(.56786181, t.P[1] / 784, t.P[2] / 784, "P of all")
    assert.is_nil(t.rms_gradient)
  end)

  it("agree with quadrature on a square", function()
    local p = cj.packet { model = softmax2d, label = 0, shape = { 2 }, dtype = "float64" }
    local truth = {
      mu = { .2261750335, .6223912644 }, sigma_x = { .1855191357, .2755094537 },
      g = { 1.8536959238, .7883106615 }, c = { -1.7433635649, .7285042148 },
      sigma_p = { .6299778237, .3011898208 }, B = { .8050111324, 1.0505680212 },
      P = { .1168729414, .0829806430 },
    }
    for _, method in ipairs { "mala", "hmc" } do
      local r = walk(p, 20000, { method = method, leaps = 5 })
      check_truth(r, truth)
      check_errors(r, { mu = 0.005, g = 0.02, c = 0.02, B = 0.02, P = 0.006 })
      assert.near(method == "mala" and 0.57 or 0.65, r.chains.acceptance, 0.06)
      assert.is_nil(r.verdicts)
    end
  end)

  it("give a window its numbers where few plain samples count", function()
    local p = window(function(x) return (1 + (-40 * (x + 0.2)):exp()):log():sum(2) end, 1, 0.1)
    local r = p:measure { sampler = "auto", samples = 20000, seed = 3, quiet = true,
      defence = { share = 1 } } -- no tilt before the chains
    assert.equal("mala", r.sampler)
    assert.is_true(r.plain.ess < 0.05 * r.plain.samples)
    assert.equal(r.plain.beta, r.beta)
    check_truth(r, { P = { .521056766754 }, sigma_x = { .0538186090954 },
      sigma_p = { 9.68172116508 } })
    check_errors(r, { P = 0.02, sigma_x = 0.001 })
    assert.same({ "holds" }, r.verdicts)
    local wide = window(function(x) return (1 + (-10 * (x + 0.2)):exp()):log():sum(2) end, 1, 0.1)
    check_truth(walk(wide, 20000), { P = { .500383739368 }, sigma_x = { .0891999617495 },
      sigma_p = { 5.60968558231 }, mu = { -.154605452887 } })
  end)

  it("agree with a correlated Gaussian and with a quadratic loss", function()
    -- l^2 nu = N(0, S), S = [[1, .8], [.8, 1]], nu = N(0, 1): l = exp(-x' (S^-1 - 1) x / 4)
    local a, b = (1 / .36 - 1) / 4, -.8 / .36 / 2
    local gauss = window(function(x)
      local p, q = x:narrow(2, 1, 1), x:narrow(2, 2, 1)
      return (-(a * (p * p + q * q) + b * p * q)):exp():sum(2)
    end, 2, 1)
    local r = walk(gauss, 25600)
    check_truth(r, { P = { 5 / 6, 5 / 6 }, sigma_x = { 1, 1 } })
    check_errors(r, { P = 0.01 })
    r = walk(window(function(x) return (x * x):sum(2) / 2 end, 10, 1), 20000)
    check_truth(r, { P = { .506622805119 }, sigma_x = { 1.18321595662 } })
    check_errors(r, { P = 0.001 })
  end)

  it("need no defence for a loss of softmax", function()
    local p = cj.packet {
      model = function(x) return cj.cat({ x * 0, x * 40 + 8 }, 2) end, label = 1,
      reference = "window", centre = cj.zeros({ 1 }, "float64"), tau = 0.1,
    }
    for _, method in ipairs { "mala", "hmc" } do
      local r = walk(p, 64 * 160, { method = method, leaps = 6, burn = 100 })
      assert.equal(0, r.chains.defence)
      check_truth(r, { P = { .521056766754 }, sigma_x = { .0538186090954 },
        sigma_p = { 9.68172116508 } })
    end
  end)

  it("use Stein's forms at pixels that matter little", function()
    local m, tau = 30, 0.5
    local p = window(function(x) return x:sum(2) * 0.05 + 1 end, m, tau)
    local r = walk(p, 64 * 160)
    local z = 1 + m * 0.05 ^ 2 * tau ^ 2
    local k, big = 0.05 ^ 2 * tau ^ 2 / z, 1 / z
    check_truth(r, { sigma_x = { tau * math.sqrt(1 + 2 * k - 4 * big * k) },
      sigma_p = { math.sqrt(1 + 2 * k) / (2 * tau) } })
    check_errors(r, { sigma_x = 1e-3, sigma_p = 1e-3, P = 1e-5 }) -- directly: some 5e-3
  end)

  it("find the one direction that matters among 64", function()
    -- ce along u = (1, ..., 1) / 8: rho is the window but for that direction, whose truth is known
    local p = window(function(x) return (1 + (-40 * (x:sum(2) / 8 + 0.2)):exp()):log() end, 64, 0.1)
    local r = p:measure { sampler = "auto", samples = 9600, seed = 2, quiet = true,
      defence = { share = 1 }, mcmc = { method = "hmc", burn = 100, leaps = 5 } }
    assert.is_true(r.plain.ess < 0.05 * r.plain.samples)
    local sigma_x = math.sqrt((63 * 0.1 ^ 2 + .0538186090954 ^ 2) / 64)
    local sigma_p = math.sqrt((63 * 5 ^ 2 + 9.68172116508 ^ 2) / 64)
    check_truth(r, { sigma_x = { sigma_x, sigma_x }, sigma_p = { sigma_p, sigma_p },
      P = { sigma_x * sigma_p, sigma_x * sigma_p } })
    check_errors(r, { P = 1e-3 })
    local t = r.totals
    holds(64 * sigma_x * sigma_p, t.P[1], t.P[2], "P of all")
    assert.equal(64, r.counts.holds)
  end)

  it("sample around images", function()
    local p = cj.packet {
      model = function(x) return (1 + (-2 * x):exp()):log():sum(2) end, loss = "value",
      reference = "data", data = cj.tensor({ { -1 }, { 1 } }, "float64"), tau = 0.5,
    }
    check_truth(walk(p, 20000), { sigma_x = { .488396456581 }, sigma_p = { 1.06449330109 } })
  end)
end)

describe("a loss that crosses zero", function()
  local function packet()
    return cj.packet {
      model = function(x) return x:sum(2) end, loss = "value", shape = { 1 }, dtype = "float64",
    }
  end

  it("is measured with the defence", function()
    local r = walk(packet(), 20000)
    check_truth(r, { mu = { .75 }, sigma_x = { .1936491673104 }, g = { 1.732050807569 },
      c = { 1.5 }, sigma_p = { .8660254037844 }, B = { .75 }, P = { .1677050983125 } })
    check_errors(r, { g = 0.03, P = 0.01 })
  end)

  it("is refused without: the squared slope of log l has no variance", function()
    local r = walk(packet(), 20000, { defence = 0 })
    assert.equal("unreliable", r.status)
    assert.matches("heavy%-tailed", table.concat(r.reasons))
    assert.is_nil(r.values)
  end)
end)

describe("a window at a confidently classified point", function()
  -- a small network, trained on two clouds
  local function trained()
    cj.seed(3)
    local net = cj.nn.sequential { cj.nn.linear(2, 8), cj.nn.tanh(), cj.nn.linear(8, 2) }
    local adam = cj.optim.adam(net:parameters(), { lr = 0.05 })
    local labels = {}
    for i = 1, 64 do labels[i] = i % 2 end
    local y = cj.tensor(labels, "int64")
    for _ = 1, 150 do
      local x = cj.randn { 64, 2 } * 0.4
      local shift = y:to("float32"):reshape { 64, 1 } * 2 - 1
      adam:zero_grad()
      cj.cross_entropy(net(x + shift), y):backward()
      adam:step()
    end
    return net
  end

  -- sigma_x and g of both pixels by sums over a grid of the window
  local function grid_truth(net, centre, tau)
    local steps, points = 120, {}
    for i = 0, steps do
      for j = 0, steps do
        points[#points + 1] = { 12 * i / steps - 6, 12 * j / steps - 6 }
      end
    end
    local offsets = cj.tensor(points, "float64")
    local x = (offsets * tau + cj.tensor(centre, "float64")):to("float32")
    x.requires_grad = true
    local z = net(x)
    local margin = (z:narrow(2, 1, 1) - z:narrow(2, 2, 1)):reshape { -1 } -- ce of label 1 grows
    local slope = cj.grad(margin:sum(), { x })[1]:to("float64"):table()
    local m = margin:detach():to("float64"):table()
    local w, s1, s2, g2 = 0, { 0, 0 }, { 0, 0 }, { 0, 0 }
    for k, n in ipairs(points) do
      local nu = math.exp(-(n[1] ^ 2 + n[2] ^ 2) / 2)
      local l = math.max(m[k], 0) + math.log(1 + math.exp(-math.abs(m[k])))
      w = w + nu * l * l
      for i = 1, 2 do
        local d = slope[k][i] / (1 + math.exp(-m[k])) - l * n[i] / tau / 2
        s1[i] = s1[i] + nu * l * l * n[i] * tau
        s2[i] = s2[i] + nu * l * l * (n[i] * tau) ^ 2
        g2[i] = g2[i] + nu * d * d
      end
    end
    local truth = { sigma_x = {}, g = {} }
    for i = 1, 2 do
      truth.sigma_x[i] = math.sqrt(s2[i] / w - (s1[i] / w) ^ 2)
      truth.g[i] = math.sqrt(g2[i] / w)
    end
    return truth
  end

  it("is refused by plain sampling, and right where chains agree", function()
    local net, measured = trained(), 0
    for _, tau in ipairs { 0.15, 0.3 } do
      local p = cj.packet {
        model = net, label = 1, reference = "window", centre = cj.tensor { 1.2, 0 }, tau = tau,
      }
      local r = p:measure { sampler = "auto", samples = 3200, seed = 1, quiet = true,
        defence = { share = 1 }, mcmc = { keep = 500 } }
      assert.equal("unreliable", r.plain.status)
      if r.status ~= "unreliable" then
        measured = measured + 1
        check_truth(r, grid_truth(net, { 1.2, 0 }, tau))
      end
    end
    assert.is_true(measured > 0)
  end)
end)

describe("gates of chains", function()
  it("refuse chains in separate modes", function()
    local two = cj.packet { -- two peaks of different weight, chains cannot cross
      model = function(x)
        return ((-(x - 0.2) ^ 2 * 2e4):exp() + 0.5 * (-(x - 0.8) ^ 2 * 2e4):exp() + 1e-30):sum(2)
      end, loss = "value", shape = { 1 }, dtype = "float64",
    }
    local r = walk(two, 6400)
    assert.equal("unreliable", r.status)
    assert.matches("R%-hat", table.concat(r.reasons))
  end)

  it("refuse chains that never find a loss", function()
    local r = walk(cj.packet {
      model = function(x) return x:sum(2) * 0 end, loss = "value", shape = { 2 },
    }, 640)
    assert.equal("unreliable", r.status)
    assert.matches("found no point", table.concat(r.reasons))
  end)

  it("refuse chains that were too short", function()
    local p = cj.packet { model = sine, loss = "value", shape = { 50 }, dtype = "float64" }
    local r = walk(p, 64 * 20, { burn = 20 })
    assert.equal("unreliable", r.status)
    assert.is_nil(r.totals)
    assert.is_nil(tostring(r):find("sigma_p", 1, true))
  end)

  it("leave plain sampling alone where it is good enough", function()
    local p = cj.packet { model = softmax2d, label = 0, shape = { 2 }, dtype = "float64" }
    local plain = p:measure { samples = 2000, seed = 2, quiet = true }
    local auto = p:measure { samples = 2000, seed = 2, sampler = "auto", quiet = true }
    assert.equal("plain", auto.sampler)
    assert.equal(plain.values.P:get(1), auto.values.P:get(1))
  end)
end)

describe("results of chains", function()
  local p = window(function(x) return (1 + (-40 * (x + 0.2)):exp()):log():sum(2) end, 1, 0.1)

  it("give way to plain ones that were not refused", function()
    local r = p:measure { sampler = "auto", samples = 20000, seed = 3, quiet = true,
      defence = { share = 1 }, mcmc = { burn = 10, keep = 4 } }
    assert.equal("plain", r.sampler)
    assert.equal("warn", r.status)
    assert.matches("mala: the chains disagree", table.concat(r.reasons, "\n"))
  end)

  it("can be written down", function()
    local r = walk(p, 20000)
    local record = r:record()
    assert.equal("mala", record.sampler)
    assert.equal(64, record.chains.chains)
    assert.equal(r.chains.pixel_rhat:get(1), record.chains.pixel_rhat[1])
    assert.is_nil(record.beta)
    assert.is_nil(record.pixels.beta)
    assert.matches("64 chains of 314 %+ 314 steps", tostring(r))
    assert.is_nil(tostring(r):find("beta", 1, true))
  end)
end)

describe("error bars of chains", function()
  it("cover the truth as often as they say", function()
    local p = cj.packet { model = softmax2d, label = 0, shape = { 2 }, dtype = "float64" }
    local truth = { mu = .2261750335, sigma_x = .1855191357, g = 1.8536959238, c = -1.7433635649,
      sigma_p = .6299778237, B = .8050111324, P = .1168729414 }
    local hits, all, student = {}, 120, 2.0395 -- 97.5 % of Student's t: the spread of 32 batches
    for seed = 1, all do
      local r = walk(p, 32 * 100, { chains = 32, burn = 40 }, seed)
      assert.is_not.equal("unreliable", r.status, table.concat(r.reasons))
      for name, value in pairs(truth) do
        local close = math.abs(r.values[name]:get(1) - value) <= student * r.errors[name]:get(1)
        hits[name] = (hits[name] or 0) + (close and 1 or 0)
      end
    end
    for name in pairs(truth) do
      local share = 100 * hits[name] / all
      assert.is_true(share >= 88 and share <= 99, ("%s: %.1f %%"):format(name, share))
    end
  end)
end)

describe("bytes of chains", function()
  it("are the same for any number of threads", function()
    local function record(threads)
      local before = core.threads()
      core.threads(threads)
      cj.seed(4)
      local net = cj.nn.sequential { cj.nn.flatten(), cj.nn.linear(100, 8), cj.nn.relu(),
        cj.nn.linear(8, 3) }
      local r = cj.packet { model = net, label = 2, shape = { 1, 10, 10 } }
        :measure { sampler = "mcmc", seed = 9, quiet = true,
          mcmc = { method = "hmc", leaps = 5, burn = 60, keep = 120 } }
      core.threads(before)
      assert.is_not.equal("unreliable", r.status, table.concat(r.reasons))
      return r.values.P:contiguous():bytes() .. r.errors.P:contiguous():bytes()
        .. r.chains.pixel_rhat:bytes() .. ("%.17g"):format(r.chains.eps)
    end
    assert.equal(record(1), record(2))
  end)

  it("are the same however the work is cut", function()
    local spec = { loss = "ce", clip = 1, reference = "window", low = 0, high = 1, tau = 0.2,
      seed = 1, size = { 2 }, dtype = "float64", labels = { 1 }, samples = 32 * 20, set = "window",
      centre = cj.full({ 2 }, 0.5, "float64"), centres = cj.full({ 2 }, 0.5, "float64"),
      face_pixels = {}, face_samples = 0,
      mcmc = { chains = 32, burn = 10, keep = 20, leaps = 3, acceptance = 0.6, defence = 0.1 } }
    local function estimates(step)
      local m, done = core.packet_new(spec), 0
      while done < 30 do done = core.packet_run(m, softmax2d, nil, nil, step) end
      local v, e = core.packet_estimates(m, 1, false)
      return v:bytes() .. e:bytes() .. ("%.17g"):format(core.packet_chains(m).acceptance)
    end
    local whole = estimates(30)
    for _, step in ipairs { 1, 7 } do assert.equal(whole, estimates(step)) end
  end)
end)

describe("memory of chains", function()
  it("may run out at any time", function()
    local p = cj.packet {
      model = softmax2d, label = 0, reference = "data", data = cj.zeros({ 3, 2 }, "float64"),
    }
    starve.every_allocation(function() walk(p, 128, { chains = 32, burn = 10, keep = 4 }) end, 1000)
  end)
end)

describe("wrong chains", function()
  local p = cj.packet { model = softmax2d, label = 0, shape = { 2 }, dtype = "float64" }
  local cases = {
    { "for sampler", { sampler = "gibbs" } },
    { "a multiple of 32 for chains, got 40", { mcmc = { chains = 40 } } },
    { "for chains", { mcmc = { chains = 0 } } },
    { "for method", { mcmc = { method = "nuts" } } },
    { "for leaps", { mcmc = { method = "hmc", leaps = 0 } } },
    { "for keep", { mcmc = { keep = 0 } } },
    { "for burn", { mcmc = { burn = 1 } } },
    { "for acceptance", { mcmc = { acceptance = 1 } } },
    { "for defence", { mcmc = { defence = -1 } } },
    { "cains", { mcmc = { cains = 64 } } },
  }
  for _, case in ipairs(cases) do
    it("say: " .. case[1], function() misuse.raises(case[1], p.measure, p, case[2]) end)
  end

  it("say that the number of logits must stay", function()
    for _, sampler in ipairs { "plain", "mcmc" } do
      local calls = 0
      local growing = cj.packet { label = 0, shape = { 2 }, dtype = "float64", model = function(x)
        calls = calls + 1
        return cj.cat({ x, x, calls > 1 and cj.cat({ x, x, x }, 2) or x }, 2)
      end }
      misuse.raises("expected logits of 6 classes as before, got 10", growing.measure, growing,
        { sampler = sampler, faces = 0, samples = 20000, quiet = true })
    end
  end)

  it("do not look inside a measurement that has none", function()
    misuse.raises("a measurement", core.packet_chains, {})
    local bad = { loss = "ce", clip = 1, reference = "box", low = 0, high = 1, tau = 1, seed = 1,
      size = { 2 }, dtype = "float64", labels = { 1 }, samples = 900, set = "plain",
      centre = cj.full({ 2 }, 0.5, "float64"), face_pixels = {}, face_samples = 0 }
    misuse.raises("no chains", core.packet_chains, core.packet_new(bad))
    bad.mcmc = { chains = 33, burn = 1, keep = 4, leaps = 1, acceptance = 0.5, defence = 0 }
    misuse.raises("wrong settings", core.packet_new, bad)
  end)
end)
