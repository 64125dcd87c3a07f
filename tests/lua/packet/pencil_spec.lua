-- Pencils: quadrature along pixels against closed forms, their errors and verdicts.
local cj = require "conjugate"
local packets = require "support.packets"

local holds, check_truth, softmax2d = packets.holds, packets.check_truth, packets.softmax2d

local square = cj.packet { model = softmax2d, label = 0, shape = { 2 }, dtype = "float64" }
local square_truth = {
  mu = { .2261750335, .6223912644 }, sigma_x = { .1855191357, .2755094537 },
  g = { 1.8536959238, .7883106615 }, c = { -1.7433635649, .7285042148 },
  sigma_p = { .6299778237, .3011898208 }, B = { .8050111324, 1.0505680212 },
  B_face = { .8050111324, 1.0505680212 }, c_face = { -1.7433635649, .7285042148 },
  bound = { .0974944338, .0252840106 }, P = { .1168729414, .0829806430 },
}

local function value(f, pixels)
  return cj.packet { model = f, loss = "value", shape = { pixels or 1 }, dtype = "float64" }
end

local function measure(p, o)
  o.quiet, o.seed = true, o.seed or 1
  o.samples, o.faces = o.samples or 12800, o.faces or 0
  return p:measure(o)
end

-- of one dimension: { name, l, nodes, truth }
local smooth = {
  { "constant", function(x) return x * 0 + 1 end, 2, { P = 0, B_face = 1, bound = 0 } },
  { "x", function(x) return x end, 3, { beta = 1 / 3, mu = .75, sigma_x = .1936491673104,
    g = 1.732050807569, c = 1.5, sigma_p = .8660254037844, B_face = .75, P = .1677050983125 } },
  { "x^4", function(x) return x * x * x * x end, 8, { sigma_x = .09045340337333, c_face = 4.5,
    sigma_p = .5669467095138, B_face = .9, P = .05128225940684 } },
  { "sin(pi x)", function(x) return (x * math.pi):sin() end, 16, { sigma_x = .1807560275957,
    g = 3.14159265359, c = 0, B_face = 0, bound = .5, P = .5678618083866 } },
  { "(2x - .6)^2 / 2", function(x) return (x * 2 - .6) * (x * 2 - .6) / 2 end, 8, { beta = .1364,
    mu = .8714565004888, sigma_p = 1.701553781577, B_face = 1.112084806059,
    P = .2367876463428 } },
  { "a truncated Gaussian", function(x) return (-(x - .2) * (x - .2) / .36):exp() end, 16,
    { B_face = .498816591044, P = .250591704478, bound = .250591704478 } },
  { "cosh(8 (x - .5))", function(x) return (((x - .5) * 8):exp() + ((x - .5) * -8):exp()) / 2 end,
    20, { beta = 93.65492661185, B_face = 7.962630558847, P = 3.511221715663 } },
  { "ce k = 10", function(x) return (1 + ((x - .5) * -10):exp()):log() end, 40, {
    beta = 4.399000440066, sigma_p = 1.002763550561, B_face = .7825465058082,
    P = .1123985389419 } },
}

describe("pencils of one pixel", function()
  for _, case in ipairs(smooth) do
    local name, l, nodes, truth = unpack(case)
    it("are exact quadrature: " .. name, function()
      local r = measure(value(function(x) return l(x):sum(2) end),
        { pencils = 32, pencil_nodes = nodes })
      assert.equal("ok", r.status, table.concat(r.reasons, "; "))
      for quantity, number in pairs(truth) do
        assert.near(number, r.pencils.values[quantity]:get(1), 1e-8 * math.max(number, 1e-3),
          quantity)
      end
      assert.same({ "holds" }, r.pencils.verdicts)
      assert.equal(32, r.pencils.samples)
    end)
  end

  it("are so whatever the points were drawn from", function()
    for _, case in ipairs { { function(x) return x end, .1677050983125, .75 },
      { function(x) return (x * math.pi):sin() end, .5678618083866, 0 } } do
      local l, product, b = unpack(case)
      local r = measure(value(function(x) return l(x):sum(2) end), { sampler = "mcmc",
        samples = 12800 })
      assert.near(product, r.pencils.values.P:get(1), 1e-9)
      assert.near(b, r.pencils.values.B_face:get(1), 1e-9)
      assert.is_nil(r.pencils.values.beta)
      assert.same({ "holds" }, r.verdicts)
    end
  end)

  -- l, P, B
  for _, case in ipairs {
    { "a tent", function(x) return 1 - (x * 2 - 1):abs() end, .5477225575052, 0 },
    { "a hinge", function(x) return (.45 - x):relu() end, .1677050983125, .75 },
    { "ce k = 100", function(x) return (1 + ((x - .5) * -100):exp()):log() end, .1609269225154,
      .7500810813342 },
  } do
    local name, l, product, b = unpack(case)
    it("know the error of their quadrature where slopes jump: " .. name, function()
      local before = math.huge
      for _, nodes in ipairs { 8, 64 } do
        local r = measure(value(function(x) return l(x):sum(2) end),
          { pencils = 32, pencil_nodes = nodes })
        local part = r.pencils
        holds(product, part.values.P:get(1), part.quadrature.P:get(1), "P")
        holds(b, part.values.B_face:get(1), part.quadrature.B_face:get(1), "B_face")
        assert.is_true(part.quadrature.P:get(1) < before)
        assert.is_true(part.errors.P:get(1) >= part.quadrature.P:get(1))
        before = part.quadrature.P:get(1)
        if nodes == 8 then
          assert.equal("warn", r.status)
          assert.matches("with 8 nodes quadrature is the larger error", table.concat(r.reasons))
        end
      end
      assert.is_true(before < 0.02 * product)
    end)
  end
end)

describe("pencils on a square", function()
  it("agree with quadrature", function()
    local r = measure(square, { pencils = 2048 })
    assert.equal("ok", r.status, table.concat(r.reasons, "; "))
    check_truth(r.pencils, square_truth)
    holds(6.3142483281, r.pencils.values.beta:get(2), r.pencils.errors.beta:get(2), "beta")
    assert.is_true(r.pencils.errors.P:get(1) < 2e-3)
  end)

  -- loss, label, beta, { quantity = { pixel 1, pixel 2 } }
  for _, case in ipairs {
    { "ce", 1, .6710132045, { sigma_x = { .1850520818, .2142179020 },
      c_face = { 2.6661507397, -1.7666384538 }, sigma_p = { .7709841714, .7109606919 },
      B_face = { 1.0557042037, .9529445359 }, P = { .1426722259, .1523005078 } } },
    { "err", 0, .6026929995, { g = { 1.1845623783, .4690225293 },
      B_face = { .6461881911, 1.0140489103 }, P = { .2164587099, .1061791498 } } },
    { "amp", 0, .2704405093, { B_face = { .7527609379, .8444269642 },
      P = { .1467449193, .1018335103 } } },
    { "brier", 0, 1.6712028630, { B_face = { .6068421566 }, P = { .2493246877 } } },
    { "tanh_ce", 1, .2578941998, { B_face = { .9428877123 }, P = { .2646544190 } } },
  } do
    local loss, label, beta, truth = unpack(case)
    it(("agree with quadrature: %s, label %d"):format(loss, label), function()
      local p = cj.packet { model = softmax2d, loss = loss, label = label, shape = { 2 },
        dtype = "float64" }
      local part = measure(p, { pencils = 1024, pencil_nodes = 24 }).pencils
      check_truth(part, truth)
      holds(beta, part.values.beta:get(1), part.errors.beta:get(1), "beta")
      assert.is_true(part.errors.P:get(1) < 0.03 * part.values.P:get(1))
    end)
  end

  it("agree with a quadratic loss", function()
    local p = value(function(x)
      local s = x:narrow(2, 1, 1) + x:narrow(2, 2, 1) * 2 - .5
      return (s * s):sum(2) / 2
    end, 2)
    check_truth(measure(p, { pencils = 1024, pencil_nodes = 8 }).pencils, {
      mu = { .6847475832438, .8179377013963 }, sigma_x = { .2469124702335, .1561894143184 },
      sigma_p = { .3392567827497, .6785135654995 }, B_face = { .927975531894, .8480226959912 },
      P = { .0837667302722, .1059766364024 } })
  end)

  it("know more than faces of as many points, and than as many points of rho", function()
    local plain = measure(square, { samples = 2048, faces = 2048, pencils = 2048, seed = 3 })
    local chains = measure(square, { sampler = "mcmc", samples = 6400, pencils = 6400, seed = 3 })
    for _, name in ipairs { "B_face", "B", "sigma_x", "P", "B_gap" } do
      local ours, theirs = plain.pencils.errors[name]:get(2), plain.faces.errors[name]:get(2)
      assert.is_true(ours < 0.7 * theirs, ("%s: %g, faces %g"):format(name, ours, theirs))
    end
    for _, name in ipairs { "sigma_x", "B", "P" } do
      local ours, theirs = chains.pencils.errors[name]:get(2), chains.errors[name]:get(2)
      assert.is_true(ours < 0.7 * theirs, ("%s: %g, points %g"):format(name, ours, theirs))
      holds(chains.values[name]:get(2), chains.pencils.values[name]:get(2), theirs, name)
    end
    check_truth(chains.pencils, square_truth)
  end)

  it("give chains their verdicts, with errors that know of quadrature", function()
    local r = measure(square, { sampler = "mcmc", samples = 12800 })
    assert.same({ "holds", "holds" }, r.verdicts)
    assert.equal(r.pencils.verdicts, r.verdicts)
    assert.equal(2, r.counts.holds)
    assert.equal(256, r.pencils.samples)
    assert.same({ 1, 2 }, r.pencils.pixels)
    check_truth(r.pencils, square_truth)
    assert.is_true(r.z_B_gap < 4 and r.z_c_gap < 4)
    assert.is_nil(measure(square, { sampler = "mcmc", samples = 12800, pencils = 0 }).verdicts)
  end)

  it("take several labels through one forward pass", function()
    local both = cj.packet { model = softmax2d, labels = { 0, 1 }, shape = { 2 },
      dtype = "float64" }
    local alone = measure(square, { pencils = 64 })
    local list = measure(both, { pencils = 64 })
    assert.equal(alone.pencils.values.P:get(1), list[1].pencils.values.P:get(1))
    assert.equal(alone.forwards, list[2].forwards)
    assert.is_true(list[2].pencils.values.P:get(1) ~= list[1].pencils.values.P:get(1))
  end)

  it("follow the edges of the box", function()
    local shifted = cj.packet {
      model = function(x) return softmax2d((x + 1) / 3) end, label = 0, shape = { 2 },
      dtype = "float64", low = -1, high = 2,
    }
    local a = measure(square, { pencils = 64 }).pencils.values
    local b = measure(shifted, { pencils = 64 }).pencils.values
    for _, name in ipairs { "P", "B_face", "B", "bound", "beta" } do
      assert.near(a[name]:get(2), b[name]:get(2), 1e-10, name)
    end
    assert.near(3 * a.sigma_x:get(1), b.sigma_x:get(1), 1e-10)
    assert.near(a.c_face:get(1) / 3, b.c_face:get(1), 1e-10)
  end)
end)

describe("pencils in many dimensions", function()
  it("agree with the additive loss on [0, 1]^784", function()
    local p = value(function(x) return x:sum(2) end, 784)
    local r = measure(p, { samples = 640, faces = 640, face_pixels = { 1, 784 }, pencils = 512,
      pencil_pixels = { 1, 784 }, pencil_nodes = 4 })
    check_truth(r.pencils, { sigma_x = { .288674884352 }, g = { .00255047827227 },
      c = { .00254993625159 }, sigma_p = { 5.25787993312e-5 },
      B_face = { .999998916765, .999998916765 }, bound = { 5.41617529754e-7 },
      P = { 1.51781788163e-5, 1.51781788163e-5 } })
    assert.is_true(r.pencils.errors.B_face:get(1) < 1e-8)
    assert.is_true(r.faces.errors.B_face:get(1) > 1e-5)
    assert.same({ "holds", "holds" }, r.pencils.verdicts)
  end)

  it("agree with points of rho for a network with ReLU", function()
    cj.seed(4)
    local nn = cj.nn
    local net = nn.sequential { nn.conv2d(1, 4, 3), nn.relu(), nn.flatten(), nn.linear(64, 3) }
    local r = measure(cj.packet { model = net, label = 1, shape = { 1, 6, 6 } },
      { sampler = "mcmc", samples = 25600, pencil_pixels = { 1, 8, 15, 22, 36 } })
    for k, i in ipairs { 1, 8, 15, 22, 36 } do
      for _, name in ipairs { "mu", "sigma_x", "g", "c", "sigma_p", "B", "P" } do
        local err = math.sqrt(r.pencils.errors[name]:get(k) ^ 2 + r.errors[name]:get(i) ^ 2)
        holds(r.values[name]:get(i), r.pencils.values[name]:get(k), err, name)
        assert.is_true(err < 0.2 * math.max(math.abs(r.values[name]:get(i)), 0.1), name)
      end
    end
    assert.equal(5, r.counts.holds)
    assert.is_true(r.z_B_gap < 4 and r.z_c_gap < 4)
  end)

  it("do not care how small losses of rho are", function()
    local function product(scale)
      local r = measure(value(function(x) return (x:sum(2) + 0.1) * scale end, 2),
        { sampler = "mcmc", samples = 12800 })
      return r.pencils.values.P:get(1)
    end
    assert.near(product(1), product(1e-200), 1e-10)
  end)

  it("give each pixel of the product of sines its exact numbers, and a verdict", function()
    local p = value(function(x) return (x * math.pi):sin():log():sum(2):exp() end, 784)
    local r = measure(p, { sampler = "auto", samples = 640, pencil_pixels = { 1, 300, 784 },
      pencils = 64, mcmc = { method = "hmc", chains = 32, burn = 60, keep = 240, leaps = 4 } })
    assert.equal("hmc", r.sampler)
    assert.equal("unreliable", r.plain.status)
    for k = 1, 3 do
      for name, truth in pairs { B_face = 0, c_face = 0, B = 0, c = 0, bound = 0.5,
        P = .5678618083866, sigma_x = .1807560275957, g = 3.14159265359 } do
        assert.near(truth, r.pencils.values[name]:get(k), 1e-10, name)
        assert.is_true(r.pencils.errors[name]:get(k) < 1e-8, name)
      end
    end
    assert.same({ "holds", "holds", "holds" }, r.verdicts)
  end)
end)

describe("error bars of pencils", function()
  local names = { "mu", "sigma_x", "g", "c", "sigma_p", "B", "B_face", "P" }

  local function cover(all, quantile, least, most, o)
    local hits = {}
    for seed = 1, all do
      o.seed = seed
      local r = measure(square, o)
      assert.is_table(r.pencils, table.concat(r.reasons))
      for _, name in ipairs(names) do
        local off = math.abs(r.pencils.values[name]:get(1) - square_truth[name][1])
        local close = off <= quantile * r.pencils.errors[name]:get(1)
        hits[name] = (hits[name] or 0) + (close and 1 or 0)
      end
    end
    for _, name in ipairs(names) do
      local share = 100 * hits[name] / all
      assert.is_true(share >= least and share <= most, ("%s: %.1f %%"):format(name, share))
    end
  end

  it("cover the truth as often as they say", function()
    cover(160, 1.959964, 90, 99, { samples = 400, pencils = 96, pencil_pixels = { 1 },
      pencil_nodes = 8 })
  end)

  it("do so when chains draw the points", function()
    cover(60, 2.0395, 88, 100, { sampler = "mcmc", samples = 32 * 100, pencils = 320,
      pencil_pixels = { 1 }, pencil_nodes = 8, mcmc = { chains = 32, burn = 40 } })
  end)
end)

describe("a wrong gradient", function()
  it("is caught by pencils, also where chains draw the points", function()
    local function wrong(x) -- 1 % more than the slope of x1 + x2
      local s = x:sum(2)
      return s * 1.01 - s:detach() * 0.01 + 0.2
    end
    for _, sampler in ipairs { "plain", "mcmc" } do
      local r = measure(value(wrong, 2), { sampler = sampler, samples = 12800, pencils = 256 })
      assert.equal("warn", r.status)
      assert.matches("pencils: B_gap: boundary and volume differ", table.concat(r.reasons, "\n"))
      assert.matches("pencils: c_gap", table.concat(r.reasons, "\n"))
    end
  end)
end)

describe("pencils that tell nothing", function()
  -- nodes at .21 and .79: none is where l > 0; at .11, .5 and .89: one at its very edge
  local function narrow(x)
    return (0.1 - (x:narrow(2, 1, 1) - 0.6):abs()):relu():sum(2)
  end

  it("are refused where the loss lies between the nodes", function()
    local p = value(narrow)
    for _, nodes in ipairs { 2, 3 } do
      local r = measure(p, { sampler = "mcmc", samples = 25600, pencil_nodes = nodes })
      assert.is_nil(r.pencils)
      assert.is_nil(r.verdicts)
      assert.equal("warn", r.status)
      assert.matches("nodes resolve the loss at no pixel", tostring(r))
    end
    local r = measure(p, { sampler = "mcmc", samples = 25600, pencil_nodes = 64 })
    holds(.5477225575052, r.pencils.values.P:get(1), r.pencils.errors.P:get(1), "P")
  end)

  it("have no numbers for single pixels of that kind", function()
    local p = value(function(x) return narrow(x) * (x:narrow(2, 2, 1):sum(2) + 1) end, 2)
    for _, nodes in ipairs { 2, 3 } do
      local r = measure(p, { pencils = 512, pencil_nodes = nodes })
      for _, list in ipairs { r.pencils.values, r.pencils.errors } do
        for name, v in pairs(list) do
          assert.is_true(v:get(1) ~= v:get(1) and v:get(2) == v:get(2), name)
        end
      end
      assert.same({ "undecided", "holds" }, r.verdicts)
      assert.equal(1, r.pencils.unresolved)
      assert.matches("no numbers for 1 of 2 pixels", tostring(r))
    end
  end)

  it("say where few of them carry g", function()
    -- only pencils close to x_2 = 1/2 have a slope along x_1
    local p = value(function(x)
      local bump = (-(x:narrow(2, 2, 1) - 0.5) ^ 2 * 2e4):exp()
      return (bump * x:narrow(2, 1, 1) * 1e-3 + (x:narrow(2, 2, 1) + 1) ^ 2):sum(2)
    end, 2)
    local r = measure(p, { pencils = 256, pencil_pixels = { 1 }, faces = 64 })
    assert.matches("pencils: few carry g at 1 of 1 pixels", table.concat(r.reasons))
  end)

  it("are refused where few of them carry the weight", function()
    local p = value(function(x) return (x * 5):sum(2):exp() end, 2)
    local r = measure(p, { pencils = 32, pencil_pixels = { 1 } })
    assert.is_nil(r.pencils)
    assert.matches("no pencils: effective number", table.concat(r.reasons))
  end)
end)
