local assert = require "luassert"
local check_attack = require "support.check_attack"
local cj = require "conjugate"
local misuse = require "support.misuse"
local plans = require "conjugate.plan"

local NORMS = { "l2", "linf", "l1" }
local DUAL = {
  l2 = function(g) return (g * g):sum():sqrt():item() end,
  linf = function(g) return g:abs():sum():item() end,
  l1 = function(g) return g:abs():max():item() end,
}
local SIZE = {
  l2 = DUAL.l2, linf = DUAL.l1, l1 = DUAL.linf,
}

local function close(expected, got, tolerance)
  assert.near(expected, got, tolerance * (1 + math.abs(expected)))
end

-- z_1 = 0 and z_0 = m - |x - x0|^2 / 2.
local function hill(x0, m)
  return function(x)
    local d = (x - x0):reshape { x:size(1), -1 }
    local top = (d * d):sum(2, true) * -0.5 + m
    return cj.cat({ top, top * 0 }, 2)
  end
end

local function small(opts)
  local o = { radius = 0.5, batches = 3, samples = 5, quiet = true, seed = 4 }
  for key, value in pairs(opts or {}) do o[key] = value end
  return o
end

describe("clever", function()
  it("is exact on affine models, and says that nothing was left to fit", function()
    local golden = { l2 = 0.1229837, linf = 0.0625, l1 = 0.1833333 }
    for _, dtype in ipairs { "float32", "float64" } do
      local model, x = check_attack.golden(dtype)
      for _, norm in ipairs(NORMS) do
        for _, n in ipairs { 1, 7 } do
          local r = cj.clever(model, x, { norm = norm, radius = 1, batches = n, samples = n,
            quiet = true, labels = { 0 } })
          assert.near(golden[norm], r.mean, 5e-8)
          assert.equal(2, r.degenerate)
          assert.equal(2, r.fits)
          assert.equal("DEGENERATE", r.images[1].classes[1].flag)
        end
      end
    end
  end)

  it("is m_j / |w_j|_q for every class of random affine models, at most the radius", function()
    local w, b = cj.randn({ 6, 20 }, "float64", 1), cj.randn({ 6 }, "float64", 2)
    local x = cj.rand({ 8, 20 }, "float64", 3)
    local function model(input)
      return cj.linear(input, w, b)
    end
    for _, norm in ipairs(NORMS) do
      local r = cj.clever(model, x, small { norm = norm })
      assert.equal(8, r.used)
      for i, image in ipairs(r.images) do
        local z, least = model(x:narrow(1, i, 1)):table()[1], math.huge
        assert.equal(5, #image.classes)
        for _, entry in ipairs(image.classes) do
          local g = w[image.label + 1] - w[entry.class + 1]
          local exact = (z[image.label + 1] - z[entry.class + 1]) / DUAL[norm](g)
          close(math.min(exact, 0.5), entry.score, 1e-12)
          least = math.min(least, entry.score)
        end
        assert.equal(least, image.score)
      end
    end
  end)

  it("finds the slope of a hill at the edge of the ball", function()
    local x0 = cj.full({ 1, 4 }, 0.5, "float64")
    local r = cj.clever(hill(x0, 2), x0, {
      radius = 0.4, batches = 40, samples = 500, seed = 1, quiet = true,
    })
    local entry = r.images[1].classes[1]
    assert.is_nil(entry.flag)
    assert.is_true(entry.fit.max > 0.399 and entry.fit.max <= 0.4 + 1e-12)
    assert.is_true(entry.lipschitz >= entry.fit.max and entry.lipschitz <= 1.001 * 0.4)
    assert.equal(0.4, entry.score) -- 2 / L would be 5
  end)

  it("keeps the largest dual norms of the gradients at the points it tells", function()
    local net, x = check_attack.network(3, "float64")
    net:eval()
    local y = cj.predict(net, x):table()
    for _, norm in ipairs(NORMS) do
      local o = small { norm = norm, maxima = true, radius = norm == "l1" and 6 or 0.5 }
      local r = cj.clever(net, x, o)
      for i = 1, 3 do
        for batch = 1, 3 do
          local points = cj.metrics.clever_points(x[i], o, i - 1, batch - 1)
          assert.same({ 5, 1, 6, 6 }, points.shape)
          for _, entry in ipairs(r.images[i].classes) do
            local most = 0
            local at = points:clone():requires_grad_(true)
            local z = net(at)
            local g = cj.grad((z:narrow(2, y[i] + 1, 1) - z:narrow(2, entry.class + 1, 1)):sum(),
              { at })[1]
            for s = 1, 5 do most = math.max(most, DUAL[norm](g[s])) end
            close(most, entry.maxima[batch], 1e-9)
          end
        end
      end
    end
  end)

  it("draws points uniformly in the ball, then clamps them to the box", function()
    local x0 = cj.full({ 6 }, 0.5, "float64")
    for _, norm in ipairs(NORMS) do
      local o = { norm = norm, radius = 0.25, samples = 400, seed = 2 }
      local points, mean = cj.metrics.clever_points(x0, o, 0, 0), 0
      for s = 1, 400 do
        local share = SIZE[norm](points[s] - x0) / 0.25
        assert.is_true(share <= 1 + 1e-12)
        mean = mean + share ^ 6 / 400 -- uniform in [0, 1]
      end
      assert.near(0.5, mean, 0.06)
      o.radius = 3
      points = cj.metrics.clever_points(x0, o, 0, 0)
      assert.equal(0, points:min():item())
      assert.equal(1, points:max():item())
      assert.not_equal(points:bytes(), cj.metrics.clever_points(x0, o, 0, 1):bytes())
      assert.not_equal(points:bytes(), cj.metrics.clever_points(x0, o, 1, 0):bytes())
    end
  end)

  it("gives an image the same score alone, in another place, with and without a plan", function()
    local net, x = check_attack.network(5)
    local whole = cj.clever(net, x, small())
    assert.equal(5, whole.used)
    assert.is_true(net.training)
    for _, i in ipairs { 1, 4 } do
      local one = cj.clever(net, x:narrow(1, i, 1), small { index = i - 1 })
      assert.equal(whole.images[i].score, one.images[1].score)
      assert.same(whole.images[i].kinds, one.images[1].kinds)
    end
    local was = cj.threads()
    cj.threads(3)
    assert.equal(whole.mean, cj.clever(net, x, small()).mean)
    cj.threads(was)
    plans.enabled = false
    local eager = cj.clever(net, x, small())
    plans.enabled = true
    close(whole.mean, eager.mean, 1e-5)
    assert.not_equal(whole.mean, cj.clever(net, x, small { seed = 5 }).mean)
  end)

  it("leaves out images that are not classified correctly, and says how many", function()
    local net, x, y = check_attack.network(6) -- two labels are wrong
    local r = cj.clever(net, x, small { labels = y })
    assert.equal(6, r.n)
    assert.equal(4, r.used)
    assert.equal(2, r.skipped)
    assert.is_nil(r.images[2].score)
    assert.is_false(r.images[2].correct)
    local sum = 0
    for _, image in ipairs(r.images) do sum = sum + (image.score or 0) end
    close(sum / 4, r.mean, 1e-12)
    close(r.mean / 36, r.per_pixel, 1e-12)
    assert.is_true(r.interval[1] < r.mean and r.mean < r.interval[2])
  end)

  it("has no mean without images, rather than 0", function()
    local model, x = check_attack.golden()
    local r = cj.clever(model, x, small { labels = { 2 } })
    assert.equal(1, r.skipped)
    assert.is_nil(r.mean)
    assert.is_nil(r.kinds.random)
    assert.truthy(tostring(r):find("undefined", 1, true))
  end)

  it("gives one kind of target the score it has among all classes", function()
    local net, x = check_attack.network(4)
    local all = cj.clever(net, x, small())
    for _, kind in ipairs { "random", "least", "second" } do
      local one = cj.clever(net, x, small { target = kind })
      close(all.kinds[kind].mean, one.mean, 1e-6)
      assert.equal(4, one.fits)
      assert.is_nil(one.kinds)
      assert.equal(4 * 3 * 5, one.backwards)
      for i, image in ipairs(one.images) do
        assert.equal(all.images[i].kinds[kind], image.target)
        assert.not_equal(image.label, image.target)
      end
    end
    local z = net:eval()(x):table()
    for i, image in ipairs(all.images) do
      for k = 0, 4 do assert.is_true(z[i][image.kinds.least + 1] <= z[i][k + 1]) end
      for k = 0, 4 do
        assert.is_true(k == image.label or z[i][image.kinds.second + 1] >= z[i][k + 1])
      end
    end
    assert.equal(4 * 3 * (5 + 1), all.forwards)
    assert.equal(4 * 3 * 5 * 4, all.backwards)
  end)

  it("takes targets one by one, and sets with their labels", function()
    local net, x = check_attack.network(4)
    local y = cj.predict(net:eval(), x)
    local targets = {}
    for i, label in ipairs(y:table()) do targets[i] = (label + i) % 5 end
    local r = cj.clever(net, x, small { target = targets })
    for i, image in ipairs(r.images) do assert.equal(targets[i], image.nearest) end
    local set = cj.data.set { images = x, labels = y, classes = 5, name = "made" }
    assert.equal(cj.clever(net, x, small()).mean, cj.clever(net, set, small()).mean)
  end)

  it("gives a model without slope the radius, and one without numbers none", function()
    local x = cj.zeros { 2, 4 }
    local function constant(input)
      return cj.zeros { input:size(1), 2 } + cj.tensor { 2, 0 }
    end
    local r = cj.clever(constant, x, small())
    assert.equal(0.5, r.mean)
    assert.equal(2, r.degenerate)
    local function cusp(input) -- the slope of the root at 0 is infinite, times 0
      local root = (input * 0):sqrt():sum(2, true)
      return cj.cat({ root + 2, root * 0 }, 2)
    end
    r = cj.clever(cusp, x, small())
    assert.equal(2, r.nan)
    assert.equal(0, r.used)
    assert.is_nil(r.mean)
    assert.equal("NAN", r.images[1].flag)
  end)

  it("says what is wrong with a call", function()
    local model, x = check_attack.golden()
    local function raises(text, opts)
      misuse.raises(text, cj.clever, model, x, opts)
    end
    raises("clever: expected a radius with norm linf", { norm = "linf" })
    raises("clever: expected a finite number above 0 for radius, got 0", { radius = 0 })
    raises("clever: expected a finite number above 0 for radius, got inf", { radius = math.huge })
    raises("for batches, got 0", { batches = 0 })
    raises("for samples, got 0", { samples = 0 })
    raises("clever: expected 1 labels, one an image, got 2", { labels = { 0, 1 } })
    raises("for labels, got 3", { labels = { 3 } })
    raises("expected targets other than the labels, got 0 for image 1", small { target = 0 })
    raises("for targets, got 7", small { target = 7 })
    raises('"least", "second" or "random" for target', { target = "worst" })
    raises('there is no option "sample" (did you mean "samples"?)', { sample = 3 })
    raises('expected "linf", "l2" or "l1" for norm', { norm = "l0" })
    misuse.raises("clever: expected a tensor [N, ...] or a data set, got 3", cj.clever, model, 3)
    misuse.raises("clever: expected something callable for model", cj.clever, nil, x)
    assert.error_matches(function() cj.clever(model, x * 4, small()) end, "pixels must lie in")
    assert.error_matches(function()
      cj.clever(function(v) return model(v):softmax(2) end, x, small())
    end, "probabilities where logits are expected")
  end)
end)
