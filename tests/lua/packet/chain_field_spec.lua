-- Fields beside the pixels at points of rho: closed forms, agreement with points of the reference.
local cj = require "conjugate"
local core = require "conjugate.core"
local misuse = require "support.misuse"
local packets = require "support.packets"
local starve = require "support.starve"

local holds, softmax2d = packets.holds, packets.softmax2d

local function packet(o)
  o.model, o.label = o.model or softmax2d, o.label or 0
  if not o.reference then o.shape, o.dtype = o.shape or { 2 }, o.dtype or "float64" end
  return cj.packet(o)
end

local function walk(p, o)
  o = o or {}
  o.sampler, o.seed, o.quiet, o.pencils = o.sampler or "mcmc", o.seed or 1, true, 0
  o.samples = o.samples or 12800
  local r = p:measure(o)
  assert.is_not.equal("unreliable", r.status, table.concat(r.reasons, "; "))
  return r
end

local function gradient(_, _, g)
  return g
end

-- l a for a = l: neither l nor g may have been divided by l
local function loss(x, l)
  return (x * 0 + 1) * (l * l):to(x.dtype):reshape { -1, 1 }
end

local function wave(x, l)
  return (x * 5):sin() * l:to(x.dtype):reshape { -1, 1 }
end

local names = { "field_sd", "field_cov", "field_corr" }

describe("a field at points of rho", function()
  it("has, as the gradient, the covariance of the score", function()
    local r = walk(packet { field = gradient })
    for i = 1, 2 do
      assert.near((r.values.B:get(i) - 1) / 2, r.values.field_cov:get(i), 1e-9)
      assert.near(r.values.sigma_p:get(i), r.values.field_sd:get(i), 1e-9)
      holds((({ .8050111324, 1.0505680212 })[i] - 1) / 2, r.values.field_cov:get(i),
        r.errors.field_cov:get(i), "cov")
      holds(({ .6299778237, .3011898208 })[i], r.values.field_sd:get(i),
        r.errors.field_sd:get(i), "sd")
      assert.is_true(r.values.sigma_x:get(i) * r.values.field_sd:get(i)
        >= math.abs(r.values.field_cov:get(i)))
    end
    assert.is_true(r.errors.field_sd:get(1) < 0.03)
  end)

  it("is asked with the loss and the gradient as they are", function()
    -- l = x on [0, 1]: rho = 3 x^2, and a = l = x is the pixel itself
    local p = packet { model = function(x) return x:sum(2) end, loss = "value", shape = { 1 },
      field = loss }
    local r = walk(p)
    assert.near(r.values.sigma_x:get(1), r.values.field_sd:get(1), 1e-12)
    holds(.0375, r.values.field_cov:get(1), r.errors.field_cov:get(1), "cov")
    assert.near(1, r.values.field_corr:get(1), 1e-9)
    assert.is_true(r.errors.field_cov:get(1) < 2e-3)
  end)

  for name, reference in pairs {
    box = {},
    window = { reference = "window", centre = cj.tensor({ .3, .6 }, "float64"), tau = .2 },
    data = { reference = "data", data = cj.tensor({ { .2, .4 }, { .7, .5 } }, "float64"),
      tau = .2 },
  } do
    for kind, field in pairs { gradient = gradient, loss = loss, wave = wave } do
      it(("agrees with points of the reference: %s, %s"):format(name, kind), function()
        local o = { field = field }
        for key, v in pairs(reference) do o[key] = v end
        local p = packet(o)
        local chains = walk(p)
        local plain = walk(p, { sampler = "plain", samples = 20000, faces = 0 })
        for _, quantity in ipairs(names) do
          for i = 1, 2 do
            holds(plain.values[quantity]:get(i), chains.values[quantity]:get(i),
              math.sqrt(plain.errors[quantity]:get(i) ^ 2 + chains.errors[quantity]:get(i) ^ 2)
              + 1e-6, quantity)
          end
        end
      end)
    end
  end

  it("comes with the sampler auto, where points of the reference are refused", function()
    local p = cj.packet { model = function(x) return (x * math.pi):sin():log():sum(2):exp() end,
      loss = "value", shape = { 100 }, dtype = "float64", field = loss }
    local r = walk(p, { sampler = "auto", samples = 6400, faces = 0,
      mcmc = { method = "hmc", leaps = 5, burn = 100, keep = 200 } })
    assert.equal("hmc", r.sampler)
    assert.equal("unreliable", r.plain.status)
    for _, quantity in ipairs(names) do assert.is_true(r.errors[quantity]:get(7) > 0) end
    -- Cov(x_i, l): l is symmetric about the middle of every pixel
    holds(0, r.values.field_cov:get(7), r.errors.field_cov:get(7), "cov")
  end)

  it("has error bars that cover as often as they say", function()
    local p, hits, all = packet { field = gradient, label = 0 }, {}, 80
    local truth = { field_sd = .6299778237, field_cov = (.8050111324 - 1) / 2 }
    for seed = 1, all do
      local r = walk(p, { samples = 32 * 80, seed = seed, mcmc = { chains = 32, burn = 40 } })
      for name, number in pairs(truth) do
        local off = math.abs(r.values[name]:get(1) - number)
        hits[name] = (hits[name] or 0) + (off <= 2.0395 * r.errors[name]:get(1) and 1 or 0)
      end
    end
    for name in pairs(truth) do
      local share = 100 * hits[name] / all
      assert.is_true(share >= 87 and share < 100, ("%s: %.1f %%"):format(name, share))
    end
  end)
end)

describe("bytes of fields of chains", function()
  it("are the same for any number of threads and cuts", function()
    cj.seed(4)
    local net = cj.nn.sequential { cj.nn.flatten(), cj.nn.linear(100, 8), cj.nn.tanh(),
      cj.nn.linear(8, 3) }
    local function record(threads)
      local before = core.threads()
      core.threads(threads)
      local r = cj.packet { model = net, label = 2, shape = { 1, 10, 10 }, field = "sign" }
        :measure { sampler = "mcmc", seed = 9, quiet = true, pencils = 0,
          mcmc = { method = "hmc", leaps = 5, burn = 60, keep = 60 } }
      core.threads(before)
      assert.is_not.equal("unreliable", r.status, table.concat(r.reasons))
      return r.values.field_sd:contiguous():bytes() .. r.errors.field_cov:contiguous():bytes()
    end
    assert.equal(record(1), record(2))
    local spec = { loss = "ce", clip = 1, reference = "box", low = 0, high = 1, tau = 1, seed = 1,
      size = { 2 }, dtype = "float64", labels = { 1 }, samples = 32 * 8, set = "field",
      centre = cj.full({ 2 }, 0.5, "float64"), face_pixels = {}, face_samples = 0,
      mcmc = { chains = 32, burn = 6, keep = 8, leaps = 2, acceptance = 0.6, defence = 0.1 } }
    local function estimates(step)
      local m, done = core.packet_new(spec), 0
      while done < 14 do done = core.packet_run(m, softmax2d, nil, loss, step) end
      local v, e = core.packet_estimates(m, 1, false)
      return v:bytes() .. e:bytes()
    end
    assert.equal(estimates(14), estimates(3))
    misuse.raises("expected a field", core.packet_run, core.packet_new(spec), softmax2d, nil, nil,
      1)
  end)
end)

describe("fields of chains that fail", function()
  it("give everything back", function()
    local p = packet { field = gradient }
    starve.some_allocations(function()
      p:measure { sampler = "mcmc", samples = 128, pencils = 0, quiet = true, seed = 1,
        mcmc = { chains = 32, burn = 10, keep = 4 } }
    end)
  end)

  it("say what the field did", function()
    local p = packet { field = function() error("no field here") end }
    misuse.raises("no field here", p.measure, p, { sampler = "mcmc", samples = 128, quiet = true })
    p = packet { field = function(x) return x:sum(2) end }
    misuse.raises("expected a tensor like x", p.measure, p, { sampler = "mcmc", samples = 128,
      quiet = true })
  end)

  it("say that losses are too small for their type", function()
    local p = packet { model = function(x) return (x:sum(2) + 1) * 1e-33 end, loss = "value",
      field = gradient, dtype = "float32" }
    misuse.raises("expected losses above", p.measure, p, { sampler = "mcmc", samples = 128,
      quiet = true })
  end)
end)
