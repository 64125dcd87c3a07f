-- What must hold whatever the loss: boundary and volume agree on every network, numbers follow
-- scales, the corrected bound holds where one half fails, and a wrong gradient shows.
local cj = require "conjugate"

local lab = cj.packet.lab
local nn = cj.nn
local verdict = require "conjugate.packet.verdict"

-- Cross entropy over a few steps on noise: far from fresh weights, near nothing else.
local function train(net, shape, steps)
  local adam = cj.optim.adam(net:parameters(), { lr = 0.01 })
  local x = cj.rand { 16, unpack(shape) }
  local labels = {}
  for i = 1, 16 do labels[i] = i % 10 end
  local y = cj.tensor(labels, "int64")
  for _ = 1, steps do
    adam:zero_grad()
    cj.cross_entropy(net(x), y):backward()
    adam:step()
  end
  return net
end

local networks = {
  { "an MLP", { 49 }, function()
    return nn.sequential { nn.linear(49, 32), nn.tanh(), nn.linear(32, 10) }
  end },
  { "a ConvNet", { 1, 28, 28 }, function()
    return cj.models.convnet { channels = 1, size = 28 }
  end },
  { "a ResNet", { 1, 8, 8 }, function()
    return cj.models.resnet { n = 1, channels = 1 }
  end },
}

-- Pixels all over the image, no more than a few.
local function some_pixels(shape)
  local count, pixels = 1, {}
  for _, size in ipairs(shape) do count = count * size end
  for i = 1, count, math.ceil(count / 9) do pixels[#pixels + 1] = i end
  return pixels
end

local function measure(model, shape, more)
  local o = { model = model, label = 3, shape = shape }
  for key, value in pairs(more or {}) do o[key] = value end
  return cj.packet(o):measure {
    samples = 1000, faces = 1000, face_pixels = some_pixels(shape), seed = 5, quiet = true,
  }
end

describe("boundary and volume", function()
  for _, row in ipairs(networks) do
    for _, steps in ipairs { 0, 8 } do
      it(("agree on %s after %d steps"):format(row[1], steps), function()
        cj.seed(1)
        local r = measure(train(row[3](), row[2], steps), row[2])
        assert.is_not.equal("unreliable", r.status, table.concat(r.reasons, "; "))
        local limit = verdict.quantile(#r.faces.pixels)
        assert.is_true(r.z_B_gap > 0 and r.z_B_gap < limit, tostring(r.z_B_gap))
        assert.is_true(r.z_c_gap > 0 and r.z_c_gap < limit, tostring(r.z_c_gap))
        assert.equal(0, r.counts.violated)
      end)
    end
  end
end)

describe("a wrong gradient", function()
  -- f, with its slope off by a share
  local function off(f, share)
    return function(x)
      local y = f(x)
      return y * (1 + share) - (y * share):detach()
    end
  end

  local function softmax(share, samples)
    local case = lab.find "softmax, ce, label 0"
    return cj.packet { model = off(case.model, share), label = 0, shape = { 2 },
      dtype = "float64" }:measure { samples = samples, faces = samples, seed = 3, quiet = true }
  end

  it("is caught from 5 % on with 2,000 samples, from 2 % on with 20,000", function()
    for _, row in ipairs { { 2000, 0.05 }, { 20000, 0.02 } } do
      local samples, share = unpack(row)
      local right, wrong = softmax(0, samples), softmax(share, samples)
      assert.is_nil(table.concat(right.reasons):find("differ", 1, true))
      assert.equal("warn", wrong.status)
      assert.matches("c_gap: boundary and volume differ", table.concat(wrong.reasons))
    end
  end)

  it("is caught in a window, where Stein's forms take c = B = 0 for granted", function()
    for share, status in pairs { [0] = "ok", [0.05] = "warn" } do
      local r = cj.packet {
        model = off(function(x) return cj.cat({ x * 0, (x - 0.1) * 10 }, 2) end, share), label = 1,
        reference = "window", centre = cj.zeros({ 1 }, "float64"), tau = 0.1,
      }:measure { samples = 20000, seed = 1, quiet = true }
      assert.equal(status, r.status)
      assert.equal(0, r.values.B:get(1))
    end
  end)

  it("of one layer is caught from 5 % on", function()
    cj.seed(1)
    local first, second = nn.linear(49, 32), nn.linear(32, 10)
    local function network(share)
      local layer = off(first, share)
      return function(x)
        return second(layer(x):relu())
      end
    end
    local right = measure(network(0), { 49 })
    assert.is_nil(table.concat(right.reasons):find("differ", 1, true))
    local r = measure(network(0.05), { 49 })
    assert.equal("warn", r.status)
    assert.is_true(r.z_c_gap > 6)
  end)
end)

describe("numbers of packets", function()
  local case = lab.find "softmax, ce, label 0"
  local exact = { "sigma_x", "g", "c", "sigma_p", "B", "P", "U", "bound", "tightness" }

  local function box(model, low, high)
    return cj.packet { model = model, loss = "value", low = low, high = high, shape = { 2 },
      dtype = "float64" }:measure { samples = 2000, seed = 4, quiet = true }
  end

  local function ce(x)
    local z = case.model(x)
    return z:exp():sum(2):log() - z:select(2, 1)
  end

  it("do not change with the scale of the loss, but for beta", function()
    local a, b = box(ce, 0, 1), box(function(x) return ce(x) * 3 end, 0, 1)
    assert.near(9 * a.beta, b.beta, 1e-12 * b.beta)
    for _, name in ipairs(exact) do
      for _, part in ipairs { "values", "errors" } do
        assert.near(a[part][name]:get(2), b[part][name]:get(2), 1e-11, name)
        assert.near(a.faces[part][name]:get(2), b.faces[part][name]:get(2), 1e-11, name)
      end
    end
  end)

  it("follow the units of x: widths one way, momenta the other, P and B neither", function()
    local scale, shift = 4, -3
    local a = box(ce, 0, 1)
    local b = box(function(y) return ce((y - shift) / scale) end, shift, shift + scale)
    local powers = { sigma_x = 1, g = -1, c = -1, c_face = -1, sigma_p = -1, B = 0, B_face = 0,
      P = 0, U = 0, bound = 0, slack = 0, tightness = 0 }
    for name, power in pairs(powers) do
      for i = 1, 2 do
        local factor = scale ^ power
        assert.near(factor * a.faces.values[name]:get(i), b.faces.values[name]:get(i), 1e-11, name)
        assert.near(factor * a.faces.errors[name]:get(i), b.faces.errors[name]:get(i), 1e-11, name)
      end
    end
    assert.near(scale * a.values.mu:get(1) + shift, b.values.mu:get(1), 1e-11)
    assert.near(a.totals.loss_part[1] / scale ^ 2, b.totals.loss_part[1], 1e-11)
  end)
end)

describe("the corrected bound", function()
  it("holds by sampling where one half fails", function()
    for _, name in ipairs { "1 on [0, 1]", "x on [0, 1]", "sum of the pixels, M=784" } do
      local r = cj.packet(lab.packet(lab.find(name))):measure {
        samples = 4000, face_pixels = { 1 }, faces = 4000, seed = 1, quiet = true,
      }
      assert.same({ "holds" }, r.verdicts)
      assert.is_true(r.values.P:get(1) + 4 * r.errors.P:get(1) < 0.5)
    end
  end)

  it("holds in the ball from five dimensions on, where one half fails", function()
    for M, fails in pairs { [1] = false, [4] = false, [5] = true, [784] = true } do
      local ball = lab.find(("|x|^2/2 in the unit ball, M=%d"):format(M)).measure()
      assert.is_true(ball.P > ball.bound)
      assert.equal(fails, ball.P < 0.5)
    end
  end)
end)
