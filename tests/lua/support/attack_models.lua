--- Models for tests of attacks: affine ones whose answers are known, and a small real network.
local cj = require "conjugate"

local M = {}

local function affine(weights, biases, dtype)
  local w, b = cj.tensor(weights, dtype), cj.tensor(biases, dtype)
  return function(x)
    return cj.linear(x, w, b)
  end
end

--- The affine golden model: K = 3, D = 4, x = (1/2, 1/2, 1/2, 1/2), label 0.
function M.golden(dtype)
  local w = { { 2, -1, 0, 1 }, { 0, 1, 2, -1 }, { -1, 2, 1, 2 } }
  return affine(w, { 0, -0.5, -1.55 }, dtype), cj.full({ 1, 4 }, 0.5, dtype), { 0 }
end

--- An affine model of two classes: margin z_0 - z_1 = w . x + b.
function M.two_classes(w, b, dtype)
  local rows = { {}, {} }
  for i, v in ipairs(w) do rows[1][i], rows[2][i] = v / 2, -v / 2 end
  return affine(rows, { b / 2, -b / 2 }, dtype)
end

--- A small real network of K = 5 classes for images [B, 1, 6, 6], with batch norm and dropout, in
-- train mode, and n images with labels: its own answers, but two labels are wrong.
function M.network(n, dtype)
  cj.seed(11)
  local nn = cj.nn
  local net = nn.sequential {
    nn.conv2d(1, 6, 3), nn.batch_norm2d(6), nn.tanh(), nn.dropout(0.5), nn.flatten(),
    nn.linear(96, 5),
  }
  if dtype then net:to(dtype) end
  local x = cj.random.rand({ n, 1, 6, 6 }, dtype, 5)
  net:eval()
  local y = cj.predict(net, x):table()
  net:train()
  for i = 2, math.min(n, 5), 3 do y[i] = (y[i] + 1) % 5 end
  return net, x, cj.tensor(y, "int64")
end

--- A model that counts its passes: callable, with `forwards` and `backwards` in samples.
function M.counting(model)
  local counted = { forwards = 0, backwards = 0 }
  local watched = cj.func {
    name = "watched",
    forward = function(_, x) return x:clone() end,
    backward = function(_, gy)
      counted.backwards = counted.backwards + gy:size(1)
      return gy
    end,
  }
  return setmetatable(counted, {
    __call = function(_, x)
      counted.forwards = counted.forwards + x:size(1)
      return model(watched(x))
    end,
  })
end

-- --- random affine models with known distances --------------------------------------------------

-- Length of the vector a - b in the dual norms of l1, l2 and linf.
local function dual_norms(a, b)
  local sum, squares, most = 0, 0, 0
  for i, v in ipairs(a) do
    local d = math.abs(v - b[i])
    sum, squares, most = sum + d, squares + d * d, math.max(most, d)
  end
  return { l1 = most, l2 = math.sqrt(squares), linf = sum }
end

-- The least of margin / length over the classes k that are not the label, for each norm.
local function least_distances(weights, z, label)
  local least = { l1 = math.huge, l2 = math.huge, linf = math.huge }
  for k, row in ipairs(weights) do
    local length = k ~= label + 1 and dual_norms(row, weights[label + 1])
    for norm, d in pairs(length and least or {}) do
      least[norm] = math.min(d, (z[label + 1] - z[k]) / length[norm])
    end
  end
  return least
end

-- Biases under which the logits at x are z.
local function biases_for(weights, x, z)
  local b = {}
  for k, row in ipairs(weights) do
    b[k] = z[k]
    for i, v in ipairs(row) do b[k] = b[k] - v * x[i] end
  end
  return b
end

--- A random affine model near whose planes x lies so closely that no bound of the box is met: W is
-- normal, x in [.3, .7], and class k > 0 is .02 to .1 away in the Euclidean norm. Label 0.
-- @tparam number key of the random numbers
-- @tparam[opt=4] number classes K
-- @tparam[opt=8] number size D
-- @tparam[opt="float64"] string dtype
-- @return model; x [1, D]; labels; the least distances { l1 =, l2 =, linf = } to another class
function M.affine(key, classes, size, dtype)
  classes, size, dtype = classes or 4, size or 8, dtype or "float64"
  local weights = cj.random.randn({ classes, size }, "float64", 3 * key):table()
  local x = (cj.random.rand({ 1, size }, "float64", 3 * key + 1) * 0.4 + 0.3):to(dtype)
  local away = (cj.random.rand({ classes }, "float64", 3 * key + 2) * 0.08 + 0.02):table()
  local z = { 0 } -- relative to the label's
  for k = 2, classes do z[k] = -away[k] * dual_norms(weights[k], weights[1]).l2 end
  local b = biases_for(weights, x:to("float64"):table()[1], z)
  return affine(weights, b, dtype), x, { 0 }, least_distances(weights, z, 0)
end

--- A random affine model W (x - 1/2) and n points in [.3, .7], far from the box.
-- @tparam number n points
-- @tparam number classes K
-- @tparam number size D
-- @tparam string dtype of model and points
-- @return model; x [n, D]; the model's labels; the least distances { l1 = {...}, l2 =, linf = }
function M.affine_batch(n, classes, size, dtype)
  local w = cj.random.randn({ classes, size }, "float64", 4)
  local x = cj.random.rand({ n, size }, "float64", 5) * 0.4 + 0.3
  local weight, logits = w:to(dtype), cj.linear(x - 0.5, w)
  local y, least = logits:predict():table(), { l1 = {}, l2 = {}, linf = {} }
  local rows, z = w:table(), logits:table()
  for i, label in ipairs(y) do
    for norm, d in pairs(least_distances(rows, z[i], label)) do least[norm][i] = d end
  end
  return function(input)
    return cj.linear(input - 0.5, weight)
  end, x:to(dtype), y, least
end

return M
