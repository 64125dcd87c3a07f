-- Quadrature of losses with kinks at known places: the errors it states against the truth.
local assert = require "luassert"
local cj = require "conjugate"
local near = require "support.near"

local quadrature = cj.packet.quadrature

-- Gauss-Legendre, exact for polynomials up to degree 7: losses here are straight between kinks.
local NODES = { -0.8611363115940526, -0.3399810435848563, 0.3399810435848563, 0.8611363115940526 }
local WEIGHTS = { 0.3478548451374538, 0.6521451548625461, 0.6521451548625461, 0.3478548451374538 }

-- Calls f(x, weight) at nodes between neighbours of the rising list.
local function over(list, f)
  for i = 2, #list do
    local middle, half = (list[i] + list[i - 1]) / 2, (list[i] - list[i - 1]) / 2
    for k, node in ipairs(NODES) do
      if half > 0 then f(middle + half * node, half * WEIGHTS[k]) end
    end
  end
end

-- The places within [0, 1], in rising order, with both ends.
local function between(places)
  local list = { 0, 1 }
  for _, at in ipairs(places) do
    if at > 0 and at < 1 then list[#list + 1] = at end
  end
  table.sort(list)
  return list
end

-- Numbers of one axis from sums over w, the coordinate x, the loss l and its slope d.
local function new_sums()
  return { l2 = 0, x = 0, x2 = 0, d2 = 0, ld = 0, xld = 0 }
end

local function add(s, w, x, l, d)
  s.l2, s.x, s.x2 = s.l2 + w * l * l, s.x + w * l * l * x, s.x2 + w * l * l * x * x
  s.d2, s.ld, s.xld = s.d2 + w * d * d, s.ld + w * l * d, s.xld + w * x * l * d
end

local function numbers(s)
  local mu, c = s.x / s.l2, s.ld / s.l2
  local out = { mu = mu, c = c, sigma_x = math.sqrt(s.x2 / s.l2 - mu ^ 2) }
  out.g, out.sigma_p = math.sqrt(s.d2 / s.l2), math.sqrt(s.d2 / s.l2 - c ^ 2)
  out.B = 1 + 2 * (s.xld / s.l2 - mu * c)
  out.P = out.sigma_x * out.sigma_p
  return out
end

local random
local function seed(k)
  local state = k * 7919 + 1
  random = function()
    state = (state * 16807) % 2147483647
    return state / 2147483647
  end
end

-- sum_i a_i relu(n_i . x - d_i), n_i = (p_i, q_i); steps of random sizes at random places.
local function random_units(count, axes)
  local units = {}
  for i = 1, count do
    local p, q = random() * 2 - 1, axes == 2 and random() * 2 - 1 or 0
    units[i] = { a = random() * 4 - 1, p = p, q = q, d = p * random() + q * random() }
  end
  return units
end

local function tensors(units)
  local n, d, a = {}, {}, {}
  for i, u in ipairs(units) do n[i], d[i], a[i] = { u.p, u.q }, u.d, { u.a } end
  return cj.tensor(n, "float64"):transpose(1, 2), cj.tensor(d, "float64"), cj.tensor(a, "float64")
end

-- The loss as operators, of points [B] or [B, 2].
local function loss_of(units)
  local n, d, a = tensors(units)
  return function(x)
    local rows = x:size(1)
    if x:dim() == 1 then x = cj.stack({ x, x * 0 }, 2) end
    return ((x:matmul(n) - d):relu():matmul(a) + 0.5):reshape { rows }
  end
end

local function at_point(units, x, y)
  local l, dx, dy = 0.5, 0, 0
  for _, u in ipairs(units) do
    local z = u.p * x + u.q * y - u.d
    if z > 0 then l, dx, dy = l + u.a * z, dx + u.a * u.p, dy + u.a * u.q end
  end
  return l, dx, dy
end

local function truth_on_line(units)
  local places, s = {}, new_sums()
  for i, u in ipairs(units) do places[i] = u.d / u.p end
  over(between(places), function(x, w)
    local l, d = at_point(units, x, 0)
    add(s, w, x, l, d)
  end)
  return numbers(s)
end

-- Where kinks cross each other or the edges, integrals over y have kinks in x.
local function crossings(units)
  local list = {}
  for i, u in ipairs(units) do
    list[#list + 1], list[#list + 2] = u.d / u.p, (u.d - u.q) / u.p
    for j = 1, i - 1 do
      local v = units[j]
      list[#list + 1] = (u.d * v.q - v.d * u.q) / (u.p * v.q - v.p * u.q)
    end
  end
  return between(list)
end

local function truth_on_square(units)
  local first, second = new_sums(), new_sums()
  over(crossings(units), function(x, w)
    local places = {}
    for i, u in ipairs(units) do places[i] = (u.d - u.p * x) / u.q end
    over(between(places), function(y, v)
      local l, dx, dy = at_point(units, x, y)
      add(first, w * v, x, l, dx)
      add(second, w * v, y, l, dy)
    end)
  end)
  return { numbers(first), numbers(second) }
end

-- Counts of a number: how often it was looked at, missed the truth by more than its error, by more
-- than three errors; and the sum of errors in units of the gap.
local function compare(counts, truth, axis, errors)
  for name, value in pairs(truth) do
    local c = counts[name] or { looks = 0, misses = 0, far = 0, gaps = 0, errors = 0 }
    counts[name] = c
    local gap, e = math.abs(axis[name] - value), errors[name] + 1e-13
    c.looks, c.gaps, c.errors = c.looks + 1, c.gaps + gap, c.errors + e
    if gap > e then c.misses = c.misses + 1 end
    if gap > 3 * e then c.far = c.far + 1 end
  end
end

-- An interval that is worth its name: it covers, it is rarely far off (where two rules agree by
-- accident at the largest kink), and it is not wide for nothing.
local function check_counts(counts)
  for name, c in pairs(counts) do
    assert.is_true(c.misses <= 0.05 * c.looks, name .. " misses " .. c.misses)
    assert.is_true(c.far <= 0.01 * c.looks, name .. " is far off " .. c.far)
    assert.is_true(c.errors < 30 * c.gaps, name .. " is better than it says")
  end
end

describe("errors of quadrature", function()
  it("cover the truth of 100 losses with many kinks on a line", function()
    local counts = {}
    for case = 1, 100 do
      seed(case)
      local units = random_units(40, 1)
      local r = quadrature.line {
        f = loss_of(units), low = 0, high = 1, panels = 8, points = 1000, tolerance = 1e-9,
      }
      assert.is_false(r.converged)
      compare(counts, truth_on_line(units), r, r.errors)
    end
    check_counts(counts)
  end)

  it("cover the truth where every kink was found", function()
    for case = 1, 20 do
      seed(case)
      local units = random_units(10, 1)
      local r = quadrature.line { f = loss_of(units), low = 0, high = 1, tolerance = 1e-8 }
      assert.equal("ok", r.status)
      for name, value in pairs(truth_on_line(units)) do
        near(value, r[name], r.errors[name] + 1e-12, name)
        near(value, r[name], 1e-6, name)
      end
    end
  end)

  it("cover the truth of losses with kinks along lines of a square", function()
    local counts = {}
    for case = 1, 50 do
      seed(case)
      local units = random_units(6, 2)
      local r = quadrature.square { f = loss_of(units), points = 15000, tolerance = 1e-7 }
      assert.is_false(r.converged)
      local truth = truth_on_square(units)
      for i = 1, 2 do compare(counts, truth[i], r.axes[i], r.errors.axes[i]) end
    end
    check_counts(counts)
  end)
end)
