-- Sampled packets against closed forms, their error bars, refusals and bytes.
local cj = require "conjugate"
local core = require "conjugate.core"
local misuse = require "support.misuse"
local packets = require "support.packets"

local holds, check_truth, softmax2d = packets.holds, packets.check_truth, packets.softmax2d

local function at(r, name, i)
  return r.values[name]:get(i), r.errors[name]:get(i)
end

describe("packets in two dimensions", function()
  local model = softmax2d
  -- { loss, label, beta, ESS/N, { quantity = { pixel 1, pixel 2 } } }
  local cases = {
    { "ce", 0, 6.3142483281, .4304, {
      mu = { .2261750335, .6223912644 }, sigma_x = { .1855191357, .2755094537 },
      g = { 1.8536959238, .7883106615 }, c = { -1.7433635649, .7285042148 },
      sigma_p = { .6299778237, .3011898208 }, B = { .8050111324, 1.0505680212 },
      bound = { .0974944338, .0252840106 }, P = { .1168729414, .0829806430 } } },
    { "ce", 1, .6710132045, .2114, {
      mu = { .8176568040, .2483764630 }, sigma_x = { .1850520818, .2142179020 },
      g = { 2.7753876053, 1.9043309932 }, c = { 2.6661507397, -1.7666384538 },
      sigma_p = { .7709841714, .7109606919 }, B = { 1.0557042037, .9529445359 },
      P = { .1426722259, .1523005078 } } },
    { "err", 0, .6026929995, .7653, {
      mu = { .3547853779, .5523562336 }, sigma_x = { .2370165570, .2862518502 },
      g = { 1.1845623783, .4690225293 }, P = { .2164587099, .1061791498 } } },
    { "amp", 0, .2704405093, .5094, {
      mu = { .7483312545, .4033561999 }, sigma_x = { .1994554908, .2692776600 },
      sigma_p = { .7357276491, .3781728877 }, B = { .7527609379, .8444269642 } } },
    { "brier", 0, 1.6712028630, .6059, {
      mu = { .3044804550 }, sigma_x = { .2091155477 }, g = { 1.5317379272 },
      sigma_p = { 1.1922819244 }, P = { .2493246877 } } },
    { "tanh_ce", 1, .2578941998, .4162, {
      mu = { .7406521632 }, sigma_x = { .2256935239 }, g = { 1.8739988098 },
      sigma_p = { 1.1726274391 }, P = { .2646544190 } } },
  }
  for _, case in ipairs(cases) do
    local loss, label, beta, even, truth = unpack(case)
    it(("agree with quadrature: %s, label %d"):format(loss, label), function()
      local p = cj.packet {
        model = model, label = label, loss = loss, shape = { 2 }, dtype = "float64",
      }
      local r = p:measure { samples = 200000, faces = 20000, seed = 5, quiet = true }
      assert.equal("ok", r.status)
      holds(beta, r.beta, r.beta_error, "beta")
      assert.near(even, r.ess / r.samples, 0.01)
      check_truth(r, truth)
      assert.is_true(r.z_B_gap < 4 and r.z_c_gap < 4)
      assert.same({ "holds", "holds" }, r.verdicts)
      for i = 1, 2 do
        if truth.B then holds(truth.B[i], r.faces.values.B_face:get(i),
          r.faces.errors.B_face:get(i), "B_face") end
      end
    end)
  end

  it("give every label the numbers it has alone", function()
    local function measure(labels)
      local r = cj.packet { model = model, labels = labels, shape = { 2 }, dtype = "float64" }
        :measure { samples = 3000, seed = 2, quiet = true }
      return r
    end
    local both, alone = measure { 0, 1 }, measure { 1 }
    assert.equal(alone.beta, both[2].beta)
    assert.equal(alone.values.P:get(1), both[2].values.P:get(1))
    assert.equal(alone.errors.P:get(2), both[2].errors.P:get(2))
  end)

  it("do not change with the scale of the loss, but for beta", function()
    local function measure(scale)
      return cj.packet {
        model = function(x) return (x:sum(2) + 0.1) * scale end, loss = "value", shape = { 2 },
        dtype = "float64",
      }:measure { samples = 2000, seed = 4, quiet = true }
    end
    local a, b = measure(1), measure(3)
    assert.near(9 * a.beta, b.beta, 1e-12 * b.beta)
    for _, name in ipairs { "sigma_x", "sigma_p", "P", "B", "mu" } do
      assert.near(a.values[name]:get(2), b.values[name]:get(2), 1e-12)
      assert.near(a.errors[name]:get(2), b.errors[name]:get(2), 1e-12)
    end
  end)
end)

describe("packets in many dimensions", function()
  local function sum(x)
    return x:sum(2)
  end

  it("agree with the additive loss on [0, 1]^M", function()
    for _, case in ipairs { { 10, .010150243111, .993964620187 },
      { 784, 1.51781788163e-5, .999998916765 } } do
      local m, product, b = unpack(case)
      local r = cj.packet { model = sum, loss = "value", shape = { m }, dtype = "float64" }
        :measure { samples = 4000, faces = 0, seed = 6, quiet = true }
      for _, i in ipairs { 1, m } do
        local v, e = at(r, "P", i)
        holds(product, v, e, "P")
        holds(b, at(r, "B", i))
      end
    end
  end)

  it("agree with a linear loss in a window", function()
    for _, case in ipairs { { 4, .508428952755 }, { 784, .501224999377 } } do
      local m, product = unpack(case)
      local centre = cj.full({ m }, 0.3, "float64")
      local function linear(x) return (x - 0.3):sum(2) * 0.5 + 1 end
      local r = cj.packet {
        model = linear, loss = "value", reference = "window", centre = centre, tau = 0.5,
      }:measure { samples = 4000, seed = 6, quiet = true }
      local v, e = at(r, "P", 2)
      holds(product, v, e, "P")
      assert.equal(0.5, r.values.bound:get(1))
    end
  end)

  it("agree with a quadratic loss in a window", function()
    local r = cj.packet {
      model = function(x) return (x * x):sum(2) / 2 end, loss = "value", reference = "window",
      centre = cj.zeros({ 10 }, "float64"), tau = 1,
    }:measure { samples = 20000, seed = 3, quiet = true }
    local v, e = at(r, "P", 1)
    holds(.506622805119, v, e, "P")
  end)

  it("agree with a mixture around two centres", function()
    local centres = cj.tensor({ { -1 }, { 1 } }, "float64")
    local function measure(f)
      return cj.packet {
        model = f, loss = "value", reference = "data", data = centres, tau = 0.5,
      }:measure { samples = 100000, seed = 3, quiet = true }
    end
    local one = measure(function(x) return x:sum(2) * 0 + 1 end)
    check_truth(one, { sigma_x = { 1.11803398875 }, sigma_p = { .851827661465 },
      P = { .952372278075 } })
    local ce = measure(function(x) return (1 + (-2 * x):exp()):log():sum(2) end)
    holds(2.77497593504, ce.beta, ce.beta_error, "beta")
    check_truth(ce, { sigma_x = { .488396456581 }, sigma_p = { 1.06449330109 } })
    assert.is_true(ce.z_B_gap < 4)
    for name, truth in pairs {
      loss_part = .553867169127, cross_part = -.719493046117, window_part = 1.29877186505,
      sigma_p = 1.06449330109, sigma_x = .488396456581, P = .488396456581 * 1.06449330109,
    } do
      holds(truth, ce.totals[name][1], ce.totals[name][2], name)
      assert.is_true(ce.totals[name][2] < 0.02)
    end
  end)
end)

describe("packets are refused", function()
  it("when few samples carry the weight", function()
    local r = cj.packet {
      model = function(x) return (x * math.pi):sin():log():sum(2):exp() end, loss = "value",
      shape = { 784 }, dtype = "float64",
    }:measure { samples = 2000, faces = 0, seed = 1, quiet = true }
    assert.equal("unreliable", r.status)
    assert.is_nil(r.values)
    assert.matches("effective sample size", table.concat(r.reasons))
    assert.is_nil(tostring(r):find("sigma_p", 1, true))
  end)

  it("when the loss is zero everywhere", function()
    local r = cj.packet {
      model = function(x) return x:sum(2) * 0 end, loss = "value", shape = { 2 },
    }:measure { samples = 200, seed = 1, quiet = true }
    assert.equal("unreliable", r.status)
  end)
end)

describe("a wrong gradient", function()
  it("is caught by the identity of boundary and volume", function()
    local function wrong(x) -- twice the slope of x1 + x2
      local s = x:sum(2)
      return s * 2 - s:detach() + 0.2
    end
    local r = cj.packet { model = wrong, loss = "value", shape = { 2 }, dtype = "float64" }
      :measure { samples = 20000, faces = 4000, seed = 1, quiet = true }
    assert.equal("warn", r.status)
    assert.matches("boundary and volume differ", table.concat(r.reasons))
  end)
end)

describe("a field beside the pixels", function()
  it("has the covariance of the score, and its inequality holds", function()
    -- the gradient as a field: a = dl / l, so that l a = g; Cov(x, a) = (B - 1) / 2
    local p = cj.packet {
      model = softmax2d, label = 0, shape = { 2 }, dtype = "float64",
      field = function(_, _, g) return g end,
    }
    local r = p:measure { samples = 20000, seed = 1, quiet = true }
    for i = 1, 2 do
      assert.near((r.values.B:get(i) - 1) / 2, r.values.field_cov:get(i), 1e-12)
      assert.near(r.values.sigma_p:get(i), r.values.field_sd:get(i), 1e-12)
      assert.is_true(r.values.sigma_x:get(i) * r.values.field_sd:get(i)
        >= math.abs(r.values.field_cov:get(i)))
      assert.near(r.values.field_cov:get(i)
        / (r.values.sigma_x:get(i) * r.values.field_sd:get(i)), r.values.field_corr:get(i), 1e-12)
    end
  end)

  it("may be a conjugate by name", function()
    local r = cj.packet {
      model = softmax2d, label = 0, shape = { 2 }, dtype = "float64", field = "sign",
    }:measure { samples = 500, seed = 1, quiet = true }
    assert.is_true(r.values.field_sd:get(1) >= 0)
  end)
end)

describe("bytes of packets", function()
  local function network()
    cj.seed(4)
    local nn = cj.nn
    return nn.sequential { nn.conv2d(1, 4, 3), nn.relu(), nn.flatten(), nn.linear(64, 3) }
  end

  local function record(threads, samples)
    local before = core.threads()
    core.threads(threads)
    local r = cj.packet { model = network(), labels = { 0, 2 }, shape = { 1, 6, 6 } }
      :measure { samples = samples, faces = 64, seed = 9, quiet = true }
    core.threads(before)
    local parts = {}
    for _, one in ipairs(r) do
      for _, part in ipairs { one, one.faces } do
        for _, name in ipairs(cj.packet.quantities()) do
          if part.values[name] then
            parts[#parts + 1] = part.values[name]:contiguous():bytes()
            parts[#parts + 1] = part.errors[name]:contiguous():bytes()
          end
        end
      end
      parts[#parts + 1] = ("%.17g %.17g"):format(one.ess, one.k)
    end
    return table.concat(parts)
  end

  it("are the same for any number of threads", function()
    assert.equal(record(1, 1000), record(2, 1000))
  end)

  it("are the same however the work is cut", function()
    local p = { loss = "ce", clip = 1, reference = "box", low = 0, high = 1, tau = 1, seed = 1,
      size = { 2 }, dtype = "float64", labels = { 1 }, samples = 900, set = "plain",
      centre = cj.full({ 2 }, 0.5, "float64"), face_pixels = { 2 }, face_samples = 100 }
    local function estimates(step)
      local m, done = core.packet_new(p), 0
      while done < 900 do done = core.packet_run(m, softmax2d, nil, nil, step) end
      local v, e = core.packet_estimates(m, 1, false)
      local f = core.packet_estimates(m, 1, true)
      return v:bytes() .. e:bytes() .. f:bytes()
    end
    local whole = estimates(900)
    for _, step in ipairs { 1, 7, 32, 333 } do assert.equal(whole, estimates(step)) end
  end)
end)

describe("wrong packets", function()
  local function make(o)
    return function() return cj.packet(o) end
  end
  local f = softmax2d
  local cases = {
    { "packet: expected a label for label, got nil", { model = f, shape = { 2 } } },
    { 'for loss, got the text "hinge"', { model = f, label = 0, loss = "hinge", shape = { 2 } } },
    { "for reference", { model = f, label = 0, reference = "ball", shape = { 2 } } },
    { "for shape", { model = f, label = 0 } },
    { "for model", { label = 0, shape = { 2 } } },
    { "above 0 for tau", { model = f, label = 0, reference = "window", tau = 0,
      centre = cj.zeros { 2 } } },
    { "for centre", { model = f, label = 0, reference = "window" } },
    { "for data", { model = f, label = 0, reference = "data" } },
    { "low < high", { model = f, label = 0, shape = { 2 }, low = 1, high = 0 } },
    { "got both", { model = f, label = 0, labels = { 0 }, shape = { 2 } } },
    { "for labels[1]", { model = f, labels = { -1 }, shape = { 2 } } },
  }
  for _, case in ipairs(cases) do
    it("say: " .. case[1], function() misuse.raises(case[1], make(case[2])) end)
  end

  it("say what a measurement cannot use", function()
    local p = cj.packet { model = f, label = 7, shape = { 2 }, dtype = "float64" }
    misuse.raises("packet: expected labels in 0..2, got 7", p.measure, p, { quiet = true })
    misuse.raises("for samples", p.measure, p, { samples = 0 })
    misuse.raises("for face_pixels", p.measure, p, { face_pixels = { 3 } })
    local nan = cj.packet {
      model = function(x) return x / 0 * 0 end, label = 0, shape = { 2 }, dtype = "float64",
    }
    misuse.raises("expected finite logits", nan.measure, nan, { quiet = true })
  end)
end)

describe("losses of packets", function()
  it("keep their digits and have the slopes of finite differences", function()
    local z = { 1.3, -0.4, 0.2 }
    for _, kind in ipairs(cj.packet.losses) do
      for y = 0, 2 do
        local _, slopes = core.packet_loss(kind, 0.7, z, y)
        for k = 1, 3 do
          local h, at_k = 1e-6, z[k]
          z[k] = at_k + h
          local above = core.packet_loss(kind, 0.7, z, y)
          z[k] = at_k - h
          local below = core.packet_loss(kind, 0.7, z, y)
          z[k] = at_k
          assert.near((above - below) / (2 * h), slopes[k], 1e-8)
        end
      end
    end
    local tiny = core.packet_loss("ce", 1, { 120, 0, 0 }, 0)
    assert.near(2 * math.exp(-120), tiny, 1e-12 * tiny)
    local far = core.packet_loss("ce", 1, { -800, 0, 0 }, 0)
    assert.near(800 + math.log(2), far, 1e-10)
    assert.near(2 * math.exp(-120), (core.packet_loss("err", 1, { 120, 0, 0 }, 0)), 1e-64)
  end)
end)
