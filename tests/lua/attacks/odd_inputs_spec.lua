-- Every attack on inputs of odd shapes, with few classes, in the corners of the box and in another
-- box: what it gives is feasible, and told truly.
local cj = require "conjugate"
local check_attack = require "support.check_attack"
local cheap = require "support.cheap"

local shapes = { { 1, 5, 7 }, { 3, 4, 2 }, { 1, 1, 1 }, { 9 }, { 1 }, { 3, 6, 1, 2 } }

-- A smooth model of K classes for samples of n elements.
local function smooth(n, classes, dtype, key)
  local inner = cj.random.randn({ 12, n }, dtype, key) * (2 / math.sqrt(n))
  local bias = cj.random.randn({ 12 }, dtype, key + 1)
  local outer = cj.random.randn({ classes, 12 }, dtype, key + 2)
  return function(x)
    return cj.linear(cj.linear(x:reshape { x:size(1), -1 }, inner, bias):tanh(), outer)
  end
end

local function samples(shape, dtype, key)
  local n, sizes = 1, { 3 }
  for _, size in ipairs(shape) do
    n, sizes[#sizes + 1] = n * size, size
  end
  return cj.random.rand(sizes, dtype, key), n
end

-- Inputs of each kind: x and the bounds of the box.
local kinds = {
  inside = function(x) return x, 0, 1 end,
  corners = function(x) return (x * 2):round():clamp(0, 1), 0, 1 end,
  ["another box"] = function(x) return x - 0.5, -0.5, 0.5 end,
}

local function check_case(name, o, x, n, classes)
  local key = n + classes
  local model = smooth(n, classes, x.dtype, key)
  local y = model(x):predict()
  local r = cj.attacks[name](o)(model, x, y, { seed = key })
  local ball = name ~= "ifa" and o.norm or nil
  check_attack.feasible(r, x, ball, r.options.eps, o.bounds[1], o.bounds[2])
  check_attack.truthful(r, model, x, y:table())
end

local function norms_of(name)
  local rules = cj.attacks[name].defaults or {}
  if name == "square" then return { "linf", "l2" } end
  return rules.norm and { "linf", "l2", "l1" } or { false }
end

describe("odd inputs:", function()
  for _, name in ipairs(cj.attacks.names()) do
    for what, make in pairs(kinds) do
      it(name .. ", " .. what, function()
        for k, shape in ipairs(shapes) do
          local classes, dtype = k % 3 + 2, k % 2 == 0 and "float32" or "float64"
          local raw, n = samples(shape, dtype, k)
          local x, low, high = make(raw)
          for _, norm in ipairs(norms_of(name)) do
            local o = cheap(name)
            o.bounds, o.norm = { low, high }, norm or nil
            check_case(name, o, x, n, classes)
          end
        end
      end)
    end
  end
end)
