-- Packets measured at points of a defensive mixture: weights, tilts, closed forms, error bars,
-- refusals and bytes.
local cj = require "conjugate"
local core = require "conjugate.core"
local misuse = require "support.misuse"
local packets = require "support.packets"
local starve = require "support.starve"

local holds, check_truth, softmax2d = packets.holds, packets.check_truth, packets.softmax2d

-- The sum of f over a standard normal, by the trapezoidal rule.
local function normal_mean(f)
  local sum, step = 0, 1e-3
  for t = -12, 12, step do sum = sum + f(t) * math.exp(-t * t / 2) end
  return sum * step / math.sqrt(2 * math.pi)
end

local function box(f, m)
  return cj.packet { model = f, loss = "value", shape = { m }, dtype = "float64" }
end

local function window(f, m, tau, centre)
  return cj.packet {
    model = f, loss = "value", reference = "window", tau = tau,
    centre = cj.full({ m }, centre or 0, "float64"),
  }
end

local function margin(k)
  return function(x) return (1 + (-k * (x + 0.2)):exp()):log():sum(2) end
end

local function defend(p, samples, defence, seed, faces)
  return p:measure { sampler = "defensive", samples = samples, defence = defence, seed = seed or 1,
    faces = faces or 0, quiet = true }
end

-- What core.packet_new wants, for the constant loss 1 and the tilt s.
local function description(reference, s, o)
  local m = #s
  local d = { loss = "value", clip = 1, reference = reference, low = 0, high = 1, tau = 0.5,
    seed = 3, size = { m }, dtype = "float64", labels = { 0 }, samples = 4000, set = "plain",
    centre = cj.full({ m }, 0.5, "float64"), face_pixels = {}, face_samples = 0,
    tilt = cj.tensor(s, "float64"), share = 0.2 }
  if reference ~= "box" then d.centres = cj.zeros({ 1, m }, "float64") end
  for key, value in pairs(o or {}) do d[key] = value end
  return d
end

local function one(x)
  local l = x:sum(2):reshape { -1, 1 } * 0 + 1
  return cj.cat({ l, l * 0 }, 2)
end

local function run(d, model, step)
  local m, done = core.packet_new(d), 0
  while done < d.samples do done = core.packet_run(m, model, nil, nil, step or d.samples) end
  return m
end

-- values and errors of pixel i by name
local function numbers(m, i)
  local values, errors = core.packet_estimates(m, 1, false)
  local v, e = {}, {}
  for q, name in ipairs(cj.packet.quantities()) do
    v[name], e[name] = values:select(1, q):get(i), errors:select(1, q):get(i)
  end
  return v, e
end

describe("weights of a defensive mixture", function()
  -- with l = 1 they must give back the reference, whatever the tilt
  local cases = {
    { "box", { 6, -3, 1e-13 }, { { .5, 1 / math.sqrt(12) }, { .5, 1 / math.sqrt(12) },
      { .5, 1 / math.sqrt(12) } } },
    { "window", { 2, -1 }, { { 0, .5 }, { 0, .5 } } },
    { "data", { 1, -2 }, { { .5, math.sqrt(.25 + 1.25) }, { 1, math.sqrt(.25 + .5) } },
      { centres = cj.tensor({ { -1, 1 }, { 1, 2 }, { 2, 0 }, { 0, 1 } }, "float64") } },
  }
  for _, case in ipairs(cases) do
    local reference, s, truth, o = unpack(case)
    it("belong to its points: " .. reference, function()
      local m = run(description(reference, s, o), one)
      for i, pair in ipairs(truth) do
        local v, e = numbers(m, i)
        holds(1, v.beta, e.beta, "beta")
        assert.is_true(e.beta > 1e-3 and e.beta < 0.05)
        holds(pair[1], v.mu, e.mu, "mu")
        holds(pair[2], v.sigma_x, e.sigma_x, "sigma_x")
      end
    end)
  end

  it("have the spread of the closed form", function()
    local m = run(description("window", { 3 }, { samples = 40000 }), one)
    local even = core.packet_evenness(m, 1)
    local truth = normal_mean(function(t) return 1 / (0.2 + 0.8 * math.exp(1.5 * t - 1.125)) end)
    assert.near(1 / truth, even.ess / even.samples, 0.01) -- E_q[v^2] = E_nu[v]
  end)

  it("are at most 1 / share, and no tilt overflows in 3072 dimensions", function()
    for _, reference in ipairs { "box", "window", "data" } do
      local s = {}
      for i = 1, 3072 do s[i] = (i % 2 == 0 and 1 or -1) * 2000 end
      local m = run(description(reference, s, { samples = 1000 }), one)
      local even, v, e = core.packet_evenness(m, 1), numbers(m, 2)
      holds(1, v.beta, e.beta, "beta") -- all the weight is on the points of nu
      assert.near(1 / 0.2, even.largest * v.beta * 1000, 1e-9)
      assert.near(0.2, even.ess / 1000, 0.06)
    end
  end)

  it("leave out the pixel whose face is asked for", function()
    local d = description("box", { 5 }, { face_pixels = { 1 }, face_samples = 4000 })
    local m = run(d, function(x)
      local l = (x * 3):exp():reshape { -1, 1 }
      return cj.cat({ l, l * 0 }, 2)
    end)
    local faces, v = core.packet_estimates(m, 1, true), numbers(m, 1)
    for q, name in ipairs(cj.packet.quantities()) do v[name] = faces:get(q, 1) or v[name] end
    -- nothing else is left to integrate: m(1) = l(1)^2 / beta without any noise of its own
    local m0, m1 = 1 / v.beta, math.exp(6) / v.beta
    assert.near((1 - v.mu) * m1 + v.mu * m0, v.B_face, 1e-9)
    assert.near((m1 - m0) / 2, v.c_face, 1e-9)
  end)
end)

describe("the tilt of a pilot", function()
  it("is rho itself for an exponential loss in 784 dimensions", function()
    local m, tau, b = 784, 0.1, 40 / 28 -- |b| tau = 4: plain ESS/N is exp(-16)
    local p = window(function(x) return (x:sum(2) * (b / 2)):exp() end, m, tau)
    local r = defend(p, 4000, { pilot = 500 })
    assert.is_true(r.defence.even[1] < 0.02)
    for i = 1, m, 49 do assert.near(b, r.defence.tilt:get(i), 1e-9) end
    holds(math.exp(8), r.beta, r.beta_error, "beta")
    assert.is_true(r.beta_error < 0.02 * r.beta)
    local even = 1 / normal_mean(function(t)
      local ratio = math.exp(4 * t + 8)
      return ratio / (0.3 + 0.7 * ratio)
    end)
    assert.near(even, r.ess / r.samples, 0.02)
    -- rho = N(tau^2 b, tau^2 I)
    check_truth(r, { mu = { tau ^ 2 * b }, sigma_x = { tau }, sigma_p = { 1 / (2 * tau) },
      P = { 0.5 } })
    assert.is_true(r.errors.P:get(1) < 2e-3) -- directly: some 7e-3
  end)

  it("is rho itself for an exponential loss on a box, where boundary and volume agree", function()
    local m, b = 50, 3
    local r = defend(box(function(x) return (x:sum(2) * (b / 2)):exp() end, m), 4000,
      { pilot = 500 }, 2, 1000)
    assert.near(b, r.defence.tilt:get(7), 1e-9)
    local z = (math.exp(b) - 1) / b
    local mu = math.exp(b) / (math.exp(b) - 1) - 1 / b
    local second = math.exp(b) * (1 - 2 / b + 2 / b ^ 2) / b - 2 / b ^ 3
    local sigma = math.sqrt(second / z - mu ^ 2)
    check_truth(r, { mu = { mu, mu }, sigma_x = { sigma, sigma }, g = { b / 2 }, c = { b / 2 } })
    local truth = ((1 - mu) * math.exp(b) + mu) / z
    holds(truth, r.faces.values.B_face:get(3), r.faces.errors.B_face:get(3), "B_face")
    assert.is_true(r.ess > 0.68 * r.samples and r.z_B_gap < 4)
  end)

  it("follows a loss that vanishes at both faces", function()
    local function l(x) return (x * math.pi):sin():sum(2) * (x * 9):exp():sum(2) end
    local r = defend(box(l, 1), 4000, { pilot = 1000 })
    assert.is_true(r.defence.tilt:get(1) > 6)
    assert.is_true(r.defence.even[1] < 0.3 and r.ess > 0.5 * r.samples)
  end)

  it("is as even as quadrature says where the loss is no exponential", function()
    for _, k in ipairs { 10, 40 } do
      local p, tau = window(margin(k), 1, 0.1), 0.1
      local r = defend(p, 20000)
      local s = r.defence.tilt:get(1)
      local function square(t) return math.log(1 + math.exp(-k * (0.2 + tau * t))) ^ 2 end
      local first = normal_mean(square)
      local second = normal_mean(function(t)
        return square(t) ^ 2 / (0.3 + 0.7 * math.exp(s * tau * t - s * s * tau * tau / 2))
      end)
      local even = r.ess / r.samples
      assert.near(first ^ 2 / second, even, 0.03 * even)
      assert.is_true(even > 0.45) -- plain: .1364 and .00717
      assert.near(even, r.defence.predicted, 0.05)
      assert.equal(3, #r.defence.even)
    end
  end)

  it("weighs the centres of data", function()
    local centres = {}
    for k = 1, 16 do centres[k] = { k / 16 } end
    local r = defend(cj.packet {
      model = function(x) return (x * 6):exp():sum(2) end, loss = "value", reference = "data",
      data = cj.tensor(centres, "float64"), tau = 0.02,
    }, 4000, { pilot = 500 })
    local plain = r.defence.even[1]
    assert.is_true(plain < 0.4 and r.ess > 0.68 * r.samples)
    local z, mu = 0, 0
    for k = 1, 16 do
      local weight = math.exp(12 * k / 16)
      z, mu = z + weight, mu + weight * (k / 16 + 12 * 0.02 ^ 2)
    end
    check_truth(r, { mu = { mu / z } })
  end)

  it("comes from points that the measurement does not see", function()
    local function mean(stream)
      local d = description("box", { 0 }, { set = "pilot", stream = stream, samples = 50 })
      return (numbers(run(d, one), 1)).beta, core.packet_estimates(run(d, function(x)
        return cj.cat({ x, x * 0 }, 2)
      end), 1, false):get(1, 1)
    end
    local _, plain = mean(nil)
    local _, first = mean(1)
    local _, second = mean(2)
    assert.is_true(plain ~= first and first ~= second and plain ~= second)
    local _, again = mean(1)
    assert.equal(first, again)
  end)

  it("is none where nothing suggests one", function()
    local r = defend(box(function(x) return x:sum(2) * 0 + 2 end, 3), 500, { pilot = 50 })
    assert.equal(0, r.defence.tilt:abs():max():item())
    assert.near(500, r.ess, 1e-6)
  end)
end)

describe("defensive mixtures", function()
  it("agree with quadrature on a line", function()
    local function ce(k) return function(x) return (1 + (-k * (x - 0.5)):exp()):log():sum(2) end end
    local function err(k) return function(x) return (1 / (1 + (k * (x - 0.5)):exp())):sum(2) end end
    local cases = {
      { function(x) return x:sum(2) end, { mu = { .75 }, sigma_x = { .1936491673104 },
        g = { 1.732050807569 }, c = { 1.5 }, B = { .75 }, P = { .1677050983125 } } },
      { function(x) return (x ^ 4):sum(2) end, { mu = { .9 }, sigma_x = { .09045340337333 },
        g = { 4.535573676111 }, B = { .9 }, P = { .05128225940684 } } },
      { function(x) return ((8 * (x - .5)):exp() + (-8 * (x - .5)):exp()):sum(2) / 2 end,
        { mu = { .5 }, sigma_x = { .4412648382983 }, B = { 7.962630558847 } } },
      { ce(10), { mu = { .1373262157425 }, sigma_x = { .1120887759422 }, g = { 3.020497265176 },
        c = { -2.849187426373 }, B = { .7825465058082 }, P = { .1123985389419 } } },
      { ce(100), { mu = { .1250207266768 }, g = { 3.429186711462 }, P = { .1609269225154 } } },
      { err(10), { mu = { .2275200169582 }, sigma_p = { 1.625065403029 },
        P = { .2443666607089 } } },
      { err(100), { g = { 5.832118435198 }, P = { .814524819098 } } },
    }
    for _, case in ipairs(cases) do
      local r = defend(box(case[1], 1), 10000, { pilot = 500 }, 3, 1000)
      check_truth(r, case[2])
      assert.is_true(r.z_B_gap < 4 and r.z_c_gap < 4)
      if case[2].B then
        holds(case[2].B[1], r.faces.values.B_face:get(1), r.faces.errors.B_face:get(1), "B_face")
      end
    end
  end)

  it("agree with quadrature on a square, each label with a tilt of its own", function()
    local p = cj.packet { model = softmax2d, labels = { 0, 1 }, shape = { 2 }, dtype = "float64" }
    local list = defend(p, 20000, nil, 5, 5000)
    check_truth(list[1], {
      mu = { .2261750335, .6223912644 }, sigma_x = { .1855191357, .2755094537 },
      g = { 1.8536959238, .7883106615 }, c = { -1.7433635649, .7285042148 },
      sigma_p = { .6299778237, .3011898208 }, B = { .8050111324, 1.0505680212 },
      P = { .1168729414, .0829806430 } })
    check_truth(list[2], {
      mu = { .8176568040, .2483764630 }, sigma_x = { .1850520818, .2142179020 },
      g = { 2.7753876053, 1.9043309932 }, c = { 2.6661507397, -1.7666384538 },
      B = { 1.0557042037, .9529445359 }, P = { .1426722259, .1523005078 } })
    for label, even in ipairs { .4304, .2114 } do
      local r = list[label]
      assert.equal("ok", r.status)
      assert.is_true(r.ess / r.samples > 1.7 * even)
      assert.near(even, r.defence.even[1], 0.05)
      assert.same({ "holds", "holds" }, r.verdicts)
      assert.is_true(r.forwards >= 20000 + 6000)
    end
    holds(.6712, list[2].beta, list[2].beta_error + 1e-4, "beta")
    local alone = defend(cj.packet { model = softmax2d, label = 1, shape = { 2 },
      dtype = "float64" }, 20000, nil, 5, 5000)
    assert.equal(alone.values.P:get(1), list[2].values.P:get(1))
  end)

  it("agree with closed forms in many dimensions", function()
    local r = defend(box(function(x) return x:sum(2) end, 784), 2000, { pilot = 200 }, 6)
    check_truth(r, { P = { 1.51781788163e-5 }, B = { .999998916765 } })
    r = defend(window(function(x) return (x - 0.3):sum(2) * 0.5 + 1 end, 784, 0.5, 0.3), 2000,
      { pilot = 200 }, 6)
    check_truth(r, { P = { .501224999377, .501224999377 }, sigma_x = { .500599640431 } })
    r = defend(window(function(x) return (x * x):sum(2) / 2 end, 10, 1), 20000, { pilot = 500 }, 3)
    check_truth(r, { P = { .506622805119 } })
    assert.is_true(r.errors.P:get(1) < 0.01)
  end)

  it("agree with a mixture around two centres", function()
    local r = defend(cj.packet {
      model = function(x) return (1 + (-2 * x):exp()):log():sum(2) end, loss = "value",
      reference = "data", data = cj.tensor({ { -1 }, { 1 } }, "float64"), tau = 0.5,
    }, 20000, { pilot = 500 }, 3)
    holds(2.77497593504, r.beta, r.beta_error, "beta")
    check_truth(r, { sigma_x = { .488396456581 }, sigma_p = { 1.06449330109 } })
    for name, truth in pairs { loss_part = .553867169127, cross_part = -.719493046117,
      window_part = 1.29877186505 } do
      holds(truth, r.totals[name][1], r.totals[name][2], name)
    end
    assert.is_true(r.ess > 0.7 * r.samples)
  end)

  it("measure a window where plain sampling is refused", function()
    -- ce of a class that is all but certain, along u = (1, ..., 1) / 8 of 64 pixels
    local p = window(function(x) return (1 + (-40 * (x:sum(2) / 8 + 0.2)):exp()):log() end, 64, 0.1)
    local r = defend(p, 5000, { pilot = 1000 }, 2)
    assert.equal("ok", r.status)
    assert.is_true(r.defence.even[1] < 0.03 and r.ess > 0.45 * r.samples)
    local sigma_x = math.sqrt((63 * 0.1 ^ 2 + .0538186090954 ^ 2) / 64)
    local sigma_p = math.sqrt((63 * 5 ^ 2 + 9.68172116508 ^ 2) / 64)
    check_truth(r, { sigma_x = { sigma_x, sigma_x }, sigma_p = { sigma_p, sigma_p },
      P = { sigma_x * sigma_p, sigma_x * sigma_p } })
    assert.is_true(r.errors.P:get(1) < 1e-3)
    assert.same({ holds = 64, violated = 0, undecided = 0 }, r.counts)
  end)

  it("send pencils through their points", function()
    local r = cj.packet { model = softmax2d, label = 1, shape = { 2 }, dtype = "float64" }
      :measure { sampler = "defensive", samples = 2000, faces = 0, pencils = 1024, seed = 2,
        quiet = true }
    for name, list in pairs { P = { .1426722259, .1523005078 },
      B_face = { 1.0557042037, .9529445359 }, g = { 2.7753876053, 1.9043309932 } } do
      for i, truth in ipairs(list) do
        holds(truth, r.pencils.values[name]:get(i), r.pencils.errors[name]:get(i), name)
      end
    end
    assert.is_true(r.pencils.ess > 0.6 * 1024) -- of the reference: 0.3
    assert.same({ "holds", "holds" }, r.verdicts)
  end)

  it("know boundaries along directions", function()
    local u = { 0.6, 0.8 }
    local r = cj.packet { model = softmax2d, label = 0, shape = { 2 }, dtype = "float64" }
      :measure { sampler = "defensive", samples = 5000, faces = 5000, seed = 4, quiet = true,
        directions = cj.packet.directions.unit { cj.tensor(u, "float64") } }
    local along = r.directions.faces
    local truth = .36 * .80501113 + .48 * (.12631 + .09290967) + .64 * 1.05056802
    for _, name in ipairs { "B", "B_face" } do
      holds(truth, along.values[name]:get(1), along.errors[name]:get(1) + 1e-4, name)
    end
    assert.is_true(along.z_B_gap == nil or along.z_B_gap < 4)
  end)

  it("have a field beside the pixels", function()
    local r = defend(cj.packet { model = softmax2d, label = 0, shape = { 2 }, dtype = "float64",
      field = function(_, _, g) return g end }, 4000, { pilot = 200 })
    for i = 1, 2 do
      assert.near((r.values.B:get(i) - 1) / 2, r.values.field_cov:get(i), 1e-12)
    end
  end)
end)

describe("error bars of defensive mixtures", function()
  -- { name, loss, reference, pixels, model, truth of the first pixel }; a pilot for each
  -- repetition
  local cases = {
    { "a square", "ce", "box", 2, softmax2d,
      { mu = .8176568040, sigma_x = .1850520818, g = 2.7753876053, c = 2.6661507397,
        sigma_p = .7709841714, B = 1.0557042037, P = .1426722259 } },
    { "a loss that crosses zero", "value", "box", 1,
      function(x) return cj.cat({ x, x * 0 }, 2) end,
      { mu = .75, sigma_x = .1936491673104, g = 1.732050807569, c = 1.5,
        sigma_p = .8660254037844, B = .75, P = .1677050983125 } },
    { "a narrow window", "ce", "window", 1,
      function(x) return cj.cat({ x * 0, x * 40 + 8 }, 2) end,
      { sigma_x = .0538186090954, sigma_p = 9.68172116508, P = .521056766754 } },
  }
  -- values and errors of one repetition
  local function repetition(case, seed)
    local _, loss, reference, pixels, model = unpack(case)
    local box_like, zeros = reference == "box", {}
    for i = 1, pixels do zeros[i] = 0 end
    local o = { loss = loss, labels = { loss == "ce" and 1 or 0 }, tau = 0.1, seed = seed,
      centre = cj.full({ pixels }, box_like and 0.5 or 0, "float64"), samples = 500,
      set = "pilot", stream = 1 }
    o.tilt = core.packet_fit(run(description(reference, zeros, o), model))
    o.samples, o.stream, o.set = 2000, nil, box_like and "plain" or "window"
    return numbers(run(description(reference, zeros, o), model), 1)
  end

  for _, case in ipairs(cases) do
    it("cover the truth as often as they say: " .. case[1], function()
      local hits, all, truth = {}, 400, case[6]
      for seed = 1, all do
        local v, e = repetition(case, seed)
        for key, value in pairs(truth) do
          local close = math.abs(v[key] - value) <= 1.959964 * e[key]
          hits[key] = (hits[key] or 0) + (close and 1 or 0)
        end
      end
      for key in pairs(truth) do
        local share = 100 * hits[key] / all
        assert.is_true(share >= 92 and share <= 98, ("%s: %.1f %%"):format(key, share))
      end
    end)
  end
end)

describe("defensive mixtures are refused", function()
  it("for the product of sines in 784 dimensions", function()
    local r = defend(box(function(x) return (x * math.pi):sin():log():sum(2):exp() end, 784), 1000,
      { pilot = 200, rounds = 2 })
    assert.equal("unreliable", r.status)
    assert.is_nil(r.values)
  end)

  it("for a product whose squares do not underflow, too", function()
    local r = defend(box(function(x)
      return ((x * math.pi):sin() * 1.4):log():sum(2):exp()
    end, 300), 2000, { pilot = 500 })
    assert.equal("unreliable", r.status)
    assert.matches("effective sample size", table.concat(r.reasons))
  end)

  it("when the loss is zero everywhere", function()
    local r = defend(box(function(x) return x:sum(2) * 0 end, 2), 200, { pilot = 50 })
    assert.equal("unreliable", r.status)
    assert.equal(0, r.defence.predicted)
  end)
end)

describe("the sampler auto", function()
  it("takes a defensive mixture before chains", function()
    local p = window(margin(40), 1, 0.1)
    local r = p:measure { sampler = "auto", samples = 20000, seed = 3, quiet = true }
    assert.equal("defensive", r.sampler)
    assert.is_true(r.plain.ess < 0.05 * r.plain.samples and r.ess > 0.45 * r.samples)
    check_truth(r, { P = { .521056766754 }, sigma_x = { .0538186090954 },
      sigma_p = { 9.68172116508 } })
    local alone = defend(p, 20000, nil, 3)
    assert.equal(alone.values.P:get(1), r.values.P:get(1))
  end)

  it("keeps it where chains are refused", function()
    -- one pixel that a tilt follows, and six that none does
    local p = box(function(x)
      return ((x * math.pi):sin():log():sum(2) + x:narrow(2, 1, 1):sum(2) * 9):exp()
    end, 7)
    local r = p:measure { sampler = "auto", samples = 20000, faces = 0, pencils = 0, seed = 1,
      quiet = true, mcmc = { burn = 10, keep = 4 } }
    assert.equal("defensive", r.sampler)
    assert.is_true(r.ess < 0.05 * r.samples and r.ess > 1.8 * r.plain.ess)
    assert.equal("warn", r.status)
    assert.matches("mala: ", table.concat(r.reasons, "\n"))
  end)

  it("leaves it where plain sampling is good enough", function()
    local p = cj.packet { model = softmax2d, label = 0, shape = { 2 }, dtype = "float64" }
    local r = p:measure { sampler = "auto", samples = 2000, seed = 2, quiet = true }
    assert.equal("plain", r.sampler)
    assert.is_nil(r.defence)
  end)
end)

describe("results of defensive mixtures", function()
  it("say how they were drawn", function()
    local r = defend(window(margin(10), 1, 0.1), 2000, { share = 0.3, pilot = 300, rounds = 2 })
    local record = r:record()
    assert.equal("defensive", record.sampler)
    assert.equal(0.3, record.defence.share)
    assert.equal(300, record.defence.pilot)
    assert.equal(2, record.defence.rounds)
    assert.same(r.defence.tilt:table(), record.defence.tilt)
    assert.is_nil(record.defence.seconds)
    assert.equal(2000 + 2 * 300, r.forwards)
    assert.matches("tilt %d.*share 0%.3", tostring(r))
  end)
end)

describe("bytes of defensive mixtures", function()
  it("are the same for any number of threads", function()
    local function record(threads)
      local before = core.threads()
      core.threads(threads)
      cj.seed(4)
      local nn = cj.nn
      local net = nn.sequential { nn.conv2d(1, 4, 3), nn.relu(), nn.flatten(), nn.linear(64, 3) }
      local r = cj.packet { model = net, label = 2, shape = { 1, 6, 6 }, loss = "amp" }
        :measure { sampler = "defensive", samples = 1000, faces = 64, seed = 9, quiet = true,
          defence = { pilot = 300 } }
      core.threads(before)
      return r.values.P:contiguous():bytes() .. r.errors.P:contiguous():bytes()
        .. r.faces.values.B_face:contiguous():bytes() .. r.defence.tilt:bytes()
        .. ("%.17g %.17g"):format(r.ess, r.defence.predicted)
    end
    assert.equal(record(1), record(2))
  end)

  it("are the same however the work is cut", function()
    local function bytes(step)
      local d = description("box", { 2, -1 }, { loss = "ce", labels = { 1 }, samples = 400,
        face_pixels = { 2 }, face_samples = 100 })
      local m = run(d, softmax2d, step)
      local v, e = core.packet_estimates(m, 1, false)
      local f = core.packet_estimates(m, 1, true)
      local pilot = description("box", { 2, -1 }, { loss = "ce", labels = { 1 }, samples = 200,
        set = "pilot", stream = 1 })
      local tilt, predicted = core.packet_fit(run(pilot, softmax2d, step))
      return v:bytes() .. e:bytes() .. f:bytes() .. tilt:bytes() .. ("%.17g"):format(predicted)
    end
    local whole = bytes(400)
    for _, step in ipairs { 1, 7, 33 } do assert.equal(whole, bytes(step)) end
  end)
end)

describe("memory of defensive mixtures", function()
  it("may run out at any time", function()
    local p = cj.packet {
      model = softmax2d, label = 0, reference = "data", data = cj.zeros({ 3, 2 }, "float64"),
    }
    starve.every_allocation(function() defend(p, 2, { pilot = 2, rounds = 2 }) end, 1000)
  end)
end)

describe("wrong defences", function()
  local p = cj.packet { model = softmax2d, label = 0, shape = { 2 }, dtype = "float64" }
  local cases = {
    { "for share", { share = 0.05 } }, { "for share", { share = 1.5 } },
    { "for pilot", { pilot = 1 } }, { "for pilot", { pilot = 10.5 } },
    { "for rounds", { rounds = 0 } }, { "shere", { shere = 0.2 } },
  }
  for _, case in ipairs(cases) do
    it("say: " .. case[1], function()
      misuse.raises(case[1], p.measure, p, { defence = case[2] })
    end)
  end

  it("do not look inside a measurement that is no pilot", function()
    misuse.raises("a measurement", core.packet_fit, {})
    local plain = description("box", { 1 })
    misuse.raises("no pilot", core.packet_fit, run(plain, one))
    local early = description("box", { 1 }, { stream = 1, set = "pilot" })
    misuse.raises("not at its end", core.packet_fit, core.packet_new(early))
    misuse.raises("one number a pixel for tilt", core.packet_new,
      description("box", { 1, 2 }, { size = { 3 }, centre = cj.zeros({ 3 }, "float64") }))
    misuse.raises("a share in (0, 1]", core.packet_new, description("box", { 1 }, { share = 0 }))
  end)
end)
