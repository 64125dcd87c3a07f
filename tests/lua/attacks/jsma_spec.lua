local cj = require "conjugate"
local check_attack = require "support.check_attack"
local misuse = require "support.misuse"

local jsma = cj.attacks.jsma

-- --- algorithm 3 in plain Lua, for affine logits z = w x + b -------------------------------------

local function logits(w, b, x)
  local z = {}
  for k, row in ipairs(w) do
    z[k] = b[k]
    for i, v in ipairs(row) do z[k] = z[k] + v * x[i] end
  end
  return z
end

local function argmax(z)
  local best = 1
  for k, v in ipairs(z) do
    if v > z[best] then best = k end
  end
  return best
end

-- a_i and b_i of the logits, or of the softmax at x.
local function slopes(w, z, t, softmax)
  local a, b, p, sum = {}, {}, {}, 0
  for k, v in ipairs(z) do
    p[k] = math.exp(v - z[argmax(z)])
    sum = sum + p[k]
  end
  for i = 1, #w[1] do
    local mean, all = 0, 0
    for k, row in ipairs(w) do
      mean, all = mean + p[k] / sum * row[i], all + row[i]
    end
    a[i] = softmax and p[t] / sum * (w[t][i] - mean) or w[t][i]
    b[i] = softmax and -a[i] or all - w[t][i]
  end
  return a, b
end

local function best_pair(a, b, free, up)
  local best, p1, p2 = 0, nil, nil
  for p = 1, #a - 1 do
    for q = p + 1, #a do
      local s, r = a[p] + a[q], b[p] + b[q]
      local fits = up and s > 0 and r < 0 or not up and s < 0 and r > 0
      if free[p] and free[q] and fits and -s * r > best then best, p1, p2 = -s * r, p, q end
    end
  end
  return p1, p2
end

local function clamp(v)
  return math.max(0, math.min(1, v))
end

-- Elements that may move.
local function candidates(x, moved, o)
  local free = {}
  for i, v in ipairs(x) do
    free[i] = (o.reuse or not moved[i]) and (o.theta > 0 and v < 1 or o.theta < 0 and v > 0)
  end
  return free
end

-- One run toward class t (from 1): x at the end and the number of turns; done(z) ends it.
local function run(w, b, x0, t, o, done)
  local x, moved, turns = {}, {}, math.floor(o.gamma * #x0 / 2 + 1e-9)
  for i, v in ipairs(x0) do x[i] = v end
  for turn = 0, turns do
    local z = logits(w, b, x)
    if done(z) or turn == turns then return x, done(z) end
    local a, s = slopes(w, z, t, o.jacobian == "softmax")
    local p, q = best_pair(a, s, candidates(x, moved, o), o.theta > 0)
    if not p then return x, false end
    for _, i in ipairs { p, q } do x[i], moved[i] = clamp(x[i] + o.theta), true end
  end
end

local function changed(x, x0)
  local count = 0
  for i, v in ipairs(x) do
    if math.abs(v - x0[i]) > 1e-12 then count = count + 1 end
  end
  return count
end

-- An affine model with entries of a standard normal, and an input; class y is right by a margin.
local function affine(seed, classes, d, margin)
  local w = cj.random.randn({ classes, d }, "float64", seed):table()
  local x = cj.random.rand({ d }, "float64", seed + 1000):table()
  local b = {}
  for k = 1, classes do b[k] = 0 end
  local z = logits(w, b, x)
  for k = 1, classes do b[k] = -z[k] end
  local y = seed % classes + 1
  b[y] = b[y] + margin
  return w, b, x, y
end

local function attack(w, b, x, y, o, target)
  local weight, bias = cj.tensor(w, "float64"), cj.tensor(b, "float64")
  local opts = { target = target and target - 1 }
  for key, v in pairs(o) do opts[key] = v end
  return jsma(opts)(function(input)
    return cj.linear(input, weight, bias)
  end, cj.tensor({ x }, "float64"), { y - 1 })
end

local function same_point(expected, r)
  for i, v in ipairs(r.x_adv:table()[1]) do assert.near(expected[i], v, 1e-12) end
end

local variants = {
  { theta = 1, gamma = 1 }, { theta = -1, gamma = 1 }, { theta = 0.4, gamma = 0.5 },
  { theta = -0.3, gamma = 1, reuse = true }, { theta = 0.3, gamma = 1, reuse = true },
  { theta = 0.5, gamma = 1, jacobian = "softmax" },
  { theta = -0.5, gamma = 0.7, jacobian = "softmax", reuse = true },
}

local growing = { { eps = 2 }, { eps = 4 }, { eps = 8 }, { eps = 20 } }

describe("jsma", function()
  check_attack.laws(it, {
    make = jsma, options = { gamma = 0.4 }, ball = "l0", radius = 14, success = 0.9,
    idle = { { eps = 0 }, { gamma = 0 } },
    monotone = { growing, { { gamma = 0.1 }, { gamma = 0.2 }, { gamma = 1 } } },
  })
end)

describe("jsma that darkens again and again toward a target, by the softmax", function()
  check_attack.laws(it, {
    make = jsma, ball = "l0", radius = 12, idle = { { eps = 0 } }, monotone = growing,
    options = {
      eps = 12, gamma = 1, theta = -0.25, reuse = true, jacobian = "softmax", target = "second",
    },
  })
end)

describe("jsma", function()
  it("moves the pairs that brute force finds, toward a target", function()
    local hits, misses = 0, 0
    for seed = 1, 12 do
      local w, b, x, y = affine(seed, 4, 17, 6)
      local t = (y + seed) % 4 + 1
      for _, o in ipairs(t ~= y and variants or {}) do
        local expected, hit = run(w, b, x, t, o, function(z) return argmax(z) == t end)
        local r = attack(w, b, x, y, o, t)
        assert.equal(hit and "SUCCESS" or "FAIL", r.status[1])
        if hit then
          same_point(expected, r)
          hits = hits + 1
        else
          misses = misses + 1
        end
      end
    end
    assert.is_true(hits > 10 and misses > 10)
  end)

  it("without a target keeps the sparsest success over all classes", function()
    local hits, classes = 0, {}
    for seed = 1, 12 do
      local w, b, x, y = affine(seed, 5, 16, 2)
      for _, o in ipairs(variants) do
        local least
        for t = 1, 5 do
          local at, hit = run(w, b, x, t, o, function(z) return argmax(z) ~= y end)
          if t ~= y and hit then
            least = math.min(least or math.huge, changed(at, x))
          end
        end
        local r = attack(w, b, x, y, o)
        assert.equal(least and "SUCCESS" or "FAIL", r.status[1])
        if least then
          assert.equal(least, r.l0[1])
          hits, classes[r.pred_adv[1]] = hits + 1, true
        end
      end
    end
    assert.is_true(hits > 40)
    for k = 0, 4 do assert.is_true(classes[k]) end
  end)

  it("with two classes is the targeted attack", function()
    for seed = 1, 8 do
      local w, b, x, y = affine(seed, 2, 11, 6)
      for _, o in ipairs(variants) do
        local one, two = attack(w, b, x, y, o), attack(w, b, x, y, o, 3 - y)
        assert.same(two.x_adv:table(), one.x_adv:table())
        assert.same(two.status, one.status)
      end
    end
  end)

  it("finds the best of very many pairs", function()
    local moved = 0
    for seed = 1, 3 do
      local w, b, x, y = affine(seed, 3, 150, 6)
      for _, theta in ipairs { 1, -1 } do
        local o, t = { theta = theta, gamma = 2 / 150 }, y % 3 + 1
        local expected = run(w, b, x, t, o, function() return false end)
        local r = attack(w, b, x, y, o, t)
        assert.equal(2, changed(expected, x))
        if r.l0[1] > 0 then -- else the loss did not rise, and x is returned
          same_point(expected, r)
          moved = moved + 1
        end
        assert.equal(1, r.iters[1])
      end
    end
    assert.is_true(moved >= 4)
  end)

  -- the case in which a table of pairs, all of them masked, gives its first entry
  local function golden(dtype)
    local w = cj.tensor({ { 3, 1, 0, -1 }, { -1, 0, 1, 1 } }, dtype)
    local b = cj.tensor({ 0, 10 }, dtype)
    return function(x) return cj.linear(x, w, b) end, cj.zeros({ 1, 4 }, dtype), { 1 }
  end

  it("changes nothing when no pair is admissible", function()
    for _, dtype in ipairs { "float32", "float64" } do
      local model, x, y = golden(dtype)
      for _, target in ipairs { 0, false } do
        local r = jsma { theta = 0.5, gamma = 1, target = target or nil } (model, x, y)
        assert.same({ { 0.5, 0.5, 0, 0 } }, r.x_adv:table())
        assert.same({ "FAIL" }, r.status)
        assert.same({ 1 }, r.iters)
        assert.same({ 2 }, r.forwards)
        assert.same({ 4 }, r.backwards)
      end
    end
  end)

  it("reuses elements until they are at a bound, when asked to", function()
    local model, x, y = golden "float64"
    local r = jsma { theta = 0.5, gamma = 1, reuse = true } (model, x, y)
    assert.same({ { 1, 1, 0, 0 } }, r.x_adv:table())
    assert.same({ 2 }, r.iters)
  end)

  it("has no admissible pair for the other sign", function()
    local model, x, y = golden "float64"
    local r = jsma { theta = -0.5, gamma = 1 } (model, x + 0.5, y)
    -- raising z_0 by lowering elements: only the last has a < 0 < b; its pairs do not
    assert.same({ { 0.5, 0.5, 0, 0 } }, r.x_adv:table())
    assert.same({ "FAIL" }, r.status)
  end)

  it("moves by a negative theta once, not twice", function()
    local w = cj.tensor({ { -1, -1, 0 }, { 1, 1, 0 } }, "float64")
    local function model(x) return cj.linear(x, w, cj.tensor({ 0, 9 }, "float64")) end
    local x = cj.full({ 1, 3 }, 0.75, "float64")
    local r = jsma { theta = -0.25, gamma = 1 } (model, x, { 1 })
    assert.same({ { 0.5, 0.5, 0.75 } }, r.x_adv:table())
  end)

  it("takes the first of equal pairs", function()
    local w = cj.tensor({ { 1, 1, 1, 1, 1 }, { -1, -1, -1, -1, -1 } }, "float64")
    local function model(x) return cj.linear(x, w, cj.tensor({ 0, 9 }, "float64")) end
    for turns, expected in pairs { { 1, 1, 0, 0, 0 }, { 1, 1, 1, 1, 0 } } do
      local r = jsma { gamma = 2 * turns / 5 } (model, cj.zeros({ 1, 5 }, "float64"), { 1 })
      assert.same({ expected }, r.x_adv:table())
    end
  end)

  it("leaves out elements at the bound, and stops when fewer than two are left", function()
    local w = cj.tensor({ { 5, 1, 1 }, { -5, -1, -1 } }, "float64")
    local function model(x) return cj.linear(x, w, cj.tensor({ 0, 90 }, "float64")) end
    local r = jsma { gamma = 1 } (model, cj.tensor({ { 1, 0, 0 } }, "float64"), { 1 })
    assert.same({ { 1, 1, 1 } }, r.x_adv:table())
    r = jsma { gamma = 1 } (model, cj.tensor({ { 1, 0, 1 } }, "float64"), { 1 })
    assert.same({ { 1, 0, 1 } }, r.x_adv:table())
    assert.same({ 0 }, r.iters)
  end)

  it("changes at most 2 floor(gamma D / 2) elements, each by theta or up to the box", function()
    local net, x, y = check_attack.network(12)
    for _, o in ipairs {
      { gamma = 0.1 }, { gamma = 0.145, theta = -1 }, { gamma = 0.3, theta = 0.3 },
      { gamma = 5 / 36, theta = 0.5, target = "least" }, { gamma = 0, theta = 1 },
    } do
      local r = jsma(o)(net, x, y)
      local d, theta = r.x_adv - x, o.theta or 1
      local moved = (x + theta):clamp(0, 1) - x
      for i = 1, r.n do
        assert.is_true(r.l0[i] <= 2 * math.floor(o.gamma * 36 / 2))
        local row, all = d:select(1, i):reshape({ 36 }):table(),
          moved:select(1, i):reshape({ 36 }):table()
        for k, v in ipairs(row) do assert.is_true(v == 0 or math.abs(v - all[k]) < 1e-6) end
      end
    end
  end)

  it("changes no more elements than eps says", function()
    local net, x, y = check_attack.network(12)
    local free = jsma { gamma = 1, theta = 0.5 } (net, x, y)
    for _, eps in ipairs { 0, 1, 2, 5, 8 } do
      local r = jsma { gamma = 1, theta = 0.5, eps = eps } (net, x, y)
      for i = 1, r.n do
        assert.is_true(r.l0[i] <= eps)
        if free.status[i] == "SUCCESS" then
          assert.equal(free.l0[i] <= eps and "SUCCESS" or "FAIL", r.status[i])
        end
      end
    end
  end)

  it("costs a forward and two backward passes a turn, one for the softmax", function()
    local model, x, y = golden "float64"
    local counted = check_attack.counting(model)
    local r = jsma { theta = 0.5, gamma = 0.5, target = 0 } (counted, x, y)
    assert.same({ 1, 2, 2 }, { r.iters[1], r.forwards[1], r.backwards[1] })
    assert.equal(2, counted.forwards)
    r = jsma { theta = 0.5, gamma = 0.5, target = 0, jacobian = "softmax" } (model, x, y)
    assert.same({ 1, 2, 1 }, { r.iters[1], r.forwards[1], r.backwards[1] })
  end)

  it("says what is wrong with its options", function()
    for key, values in pairs {
      theta = { 0, math.huge, -math.huge, 0 / 0, "1", true },
      gamma = { -0.1, 1.1, 0 / 0, "x" },
      reuse = { 1, "yes" },
      jacobian = { "probabilities", 1 },
      eps = { -1, 0 / 0, "x" },
      target = { "all", "nobody" },
    } do
      for _, v in ipairs(values) do
        misuse.raises("jsma: expected", jsma, { [key] = v })
      end
    end
    misuse.raises("jsma: ", jsma, { alpha = 1 })
  end)
end)
