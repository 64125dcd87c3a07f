--- Laboratory cases of many dimensions, which reduce exactly to one or two.
-- @module conjugate.packet.lab.high
local cj = require "conjugate"
local quadrature = require "conjugate.packet.quadrature"

local FAR = 14 -- standard deviations

local function box(M)
  return { reference = "box", low = 0, high = 1, shape = { M } }
end

local function window(M, tau)
  return { reference = "window", centre = cj.zeros({ M }, "float64"), tau = tau }
end

-- log of a normal density, not normalised.
local function normal(t, mean, variance)
  return (t - mean) ^ 2 * (-0.5 / variance)
end

-- The first axis of a plane, with what belongs to the whole.
local function first_axis(r)
  local out = { beta = r.beta, ess = r.ess }
  for name, value in pairs(r.axes[1]) do out[name] = value end
  return out
end

-- --- sums ---------------------------------------------------------------------------------------

-- The other M - 1 pixels enter through their sum alone, and l^2 is of second degree in it: any
-- density with the sum's mean n/2 and variance n/12 gives the same numbers, the normal one too.
local function measure_sum(M)
  local n = M - 1
  local spread = math.sqrt(n / 12)
  return first_axis(quadrature.square {
    f = function(x) return x:select(2, 1) + x:select(2, 2) end,
    log_density = function(x) return normal(x:select(2, 2), n / 2, n / 12) end,
    low = { 0, n / 2 - FAR * spread }, high = { 1, n / 2 + FAR * spread },
  })
end

local function sum_case(M, more)
  local n = M - 1
  local T, T2 = n / 2, n / 12 + n * n / 4
  local beta = 1 / 3 + T + T2
  local mu = (1 / 4 + 2 * T / 3 + T2 / 2) / beta
  local low, high = T2 / beta, (1 + 2 * T + T2) / beta -- the face masses m(0), m(1)
  local truth = {
    beta = beta, mu = mu, sigma_x = math.sqrt((1 / 5 + T / 2 + T2 / 3) / beta - mu ^ 2),
    g = 1 / math.sqrt(beta), c_face = (high - low) / 2, B_face = (1 - mu) * high + mu * low,
  }
  for name, value in pairs(more) do truth[name] = value end
  return {
    name = ("sum of the pixels, M=%d"):format(M), group = "high", truth = truth, domain = box(M),
    loss = function(x) return x:sum(2) end,
    measure = function()
      return measure_sum(M)
    end,
  }
end

-- --- radial losses ------------------------------------------------------------------------------

-- l and nu depend on r = |x| alone. nu's part r^(M-1) is geometry, not density, and has no score.
-- With D the slope along r, of any pixel: E x^2 = E r^2 / M, E D_i^2 = E D^2 / M, c_i = 0, and
-- C_i = E[r D] / M, all under the radial density of rho.
local function measure_radial(M, low, high, f, log_density)
  local top = 0 -- the greatest exponent, so that nothing overflows
  local function log_nu(r)
    return log_density and log_density(r) or r * 0
  end
  local function look(points)
    local r = points:reshape { points:size(1) }
    local l, slope = quadrature.slopes("f", f, r)
    local log_density_, score = quadrature.slopes("log_density", log_nu, r)
    local volume = M == 1 and r * 0 or r:log() * (M - 1)
    return l, slope, (volume + log_density_ - top):exp(), score
  end
  local peak = log_density and math.sqrt(M + 3) or high
  if M > 1 then
    local at = cj.tensor({ peak }, "float64")
    top = (at:log() * (M - 1) + log_nu(at)):item()
  end
  local r = quadrature.measure(look, { low }, { high }, {
    tolerance = 1e-12, panels = 4, points = 400000, batch = 4096,
  })
  local virial = r.C[1][1] + r.mu * r.c -- E[r D] under rho
  return {
    beta = r.beta, ess = r.ess, mu = 0, c = 0, g = r.g / math.sqrt(M), B = 1 + 2 * virial / M,
    sigma_x = math.sqrt((r.mu ^ 2 + r.sigma_x ^ 2) / M), edge = r.c_face,
    loss_part = r.loss_part / M, cross_part = r.cross_part / M, window_part = r.window_part / M,
  }
end

-- What follows, for a pixel with c = 0.
local function finish(out, B_face)
  out.sigma_p, out.c_face, out.B_face = out.g, 0, B_face
  out.P = out.sigma_x * out.sigma_p
  out.U = out.P
  out.bound = math.abs(1 - B_face) / 2
  out.slack, out.tightness = out.P - out.bound, out.bound / out.P
  return out
end

-- l = |x|^2 / 2 in the unit ball, whose whole edge is a level set: B from the edge is
-- C^2 volume / beta = r l^2 / (M int l^2), with the radial integral.
local function ball_case(M, product, bound)
  return {
    name = ("|x|^2/2 in the unit ball, M=%d"):format(M), group = "high",
    truth = {
      sigma_x = math.sqrt((M + 4) / (M * (M + 6))), g = math.sqrt(4 * (M + 4) / (M * (M + 2))),
      c = 0, B = (M + 4) / M, B_face = (M + 4) / M, P = product, bound = bound,
    },
    measure = function()
      local out = measure_radial(M, 0, 1, function(r) return r * r * 0.5 end)
      return finish(out, 2 * out.edge / M) -- nothing stands at r = 0
    end,
  }
end

-- l = |x - x0|^2 / 2 in a window; in units of tau.
local function bowl_case(M, product)
  local tau = 0.5
  return {
    name = ("window, |x|^2/2, M=%d"):format(M), group = "high", domain = window(M, tau),
    loss = function(x) return (x * x):sum(2) * 0.5 end,
    truth = {
      beta = M * (M + 2) * tau ^ 4 / 4, sigma_x = tau * math.sqrt((M + 4) / M), P = product,
      bound = 0.5, B = 0, c = 0,
    },
    measure = function()
      local peak = math.sqrt(M + 3)
      local out = measure_radial(M, math.max(0, peak - FAR), peak + FAR,
        function(r) return r * r * 0.5 end, function(r) return r * r * -0.5 end)
      out.beta, out.sigma_x, out.g = out.beta * tau ^ 4, out.sigma_x * tau, out.g / tau
      for _, part in ipairs { "loss_part", "cross_part", "window_part" } do
        out[part] = out[part] / tau ^ 2
      end
      return finish(out, 0)
    end,
  }
end

-- --- linear losses in a window ------------------------------------------------------------------

-- l = 1 + sum of x_i / 2, tau .5: the other pixels enter through one normal number.
local function linear_case(M, more)
  local slope, tau = 0.5, 0.5
  local Z = 1 + M * slope ^ 2 * tau ^ 2
  local k, A = slope ^ 2 * tau ^ 2 / Z, 1 / Z
  local truth = {
    beta = Z, bound = 0.5, B = 0, c = 0, sigma_x = tau * math.sqrt(1 + 2 * k - 4 * A * k),
    sigma_p = math.sqrt(1 + 2 * k) / (2 * tau),
  }
  for name, value in pairs(more) do truth[name] = value end
  local variance = (M - 1) * slope ^ 2 * tau ^ 2
  local spread = math.sqrt(variance)
  return {
    name = ("window, 1 + sum x/2, M=%d"):format(M), group = "high", domain = window(M, tau),
    loss = function(x) return x:sum(2) * slope + 1 end, truth = truth,
    measure = function()
      return first_axis(quadrature.square {
        f = function(x) return x:select(2, 1) * slope + x:select(2, 2) + 1 end,
        log_density = function(x)
          return normal(x:select(2, 1), 0, tau ^ 2) + normal(x:select(2, 2), 0, variance)
        end,
        low = { -FAR * tau, -FAR * spread }, high = { FAR * tau, FAR * spread },
      })
    end,
  }
end

-- --- products -----------------------------------------------------------------------------------

-- Of l = prod f(x_i), each pixel has the numbers of f alone.
local function sine(t)
  return (t * math.pi):sin()
end

-- l = prod scale f(x_i): beta and the share of samples are products, too.
local function product_case(name, M, f, scale, truth)
  return {
    name = ("product of %s, M=%d"):format(name, M), group = "high", domain = box(M), truth = truth,
    loss = function(x) return (f(x) * scale):log():sum(2):exp() end,
    measure = function()
      local r = quadrature.line { f = function(t) return f(t) * scale end, low = 0, high = 1 }
      r.beta, r.ess = r.beta ^ M, r.ess ^ M
      return r
    end,
  }
end

local function sine_case(M, scale)
  return product_case("sin(pi x_i)", M, sine, scale, {
    beta = (scale ^ 2 / 2) ^ M, ess = (2 / 3) ^ M, mu = .5, sigma_x = .1807560275957, g = math.pi,
    c = 0, sigma_p = math.pi, B = 0, bound = .5, P = .5678618083866,
  })
end

-- Sampling the box is hopeless: of 10^138 points one counts. The scale keeps l^2 in range.
local product_of_sines = sine_case(784, 2)
product_of_sines.refused = "effective sample size"

-- --- attacks ------------------------------------------------------------------------------------

-- How far PGD with steps of a quarter of eps goes from the start: four steps reach the edge of the
-- ball exactly, the fifth is held there.
local function distance(steps, eps)
  local w = cj.tensor({ { 1, -2 }, { -1, 1 } }, "float64")
  local x = cj.full({ 1, 2 }, 0.5, "float64")
  local pgd = cj.attacks.pgd { eps = eps, alpha = eps / 4, steps = steps }
  local moved = pgd(function(input)
    return cj.linear(input, w, cj.tensor({ 5, 0 }, "float64"))
  end, x, cj.tensor({ 0 }, "int64"), { quiet = true }).x_adv
  return (moved - x):abs():max():item()
end

local steps_of_pgd = {
  name = "steps of PGD to the edge of its ball", group = "identity",
  truth = { three = .075, four = .1, five = .1, four_of_255 = 8 / 255 }, tolerance = 1e-12,
  measure = function()
    return {
      three = distance(3, .1), four = distance(4, .1), five = distance(5, .1),
      four_of_255 = distance(4, 8 / 255),
    }
  end,
}

return {
  sum_case(10, { B = .993964620187, P = .010150243111 }),
  sum_case(784, {
    sigma_x = .288674884352, g = .00255047827227, c = .00254993625159,
    sigma_p = 5.25787993312e-5, B = .999998916765, bound = 5.41617529754e-7,
    P = 1.51781788163e-5,
  }),
  sum_case(3072, { g = .000651006348, P = 1.95749103752e-6 }),
  ball_case(1, 2.18217890236, 2),
  ball_case(4, 4 / math.sqrt(60), .5),
  ball_case(5, .410258075255, .4),
  ball_case(784, .00255102862479, .00255102040816),
  linear_case(4, { P = .508428952755 }),
  linear_case(784, { sigma_x = .500599640431, sigma_p = 1.00124921973, P = .501224999377 }),
  bowl_case(1, 1.70782512766),
  bowl_case(2, .866025403784),
  bowl_case(10, .506622805119),
  bowl_case(784, .500000016559),
  product_case("x_i", 3, function(t) return t * 1 end, 1, {
    beta = 1 / 27, ess = (5 / 9) ^ 3, mu = .75, sigma_x = .1936491673104, g = 1.732050807569,
    c = 1.5, sigma_p = .8660254037844, B = .75, bound = .125, P = .1677050983125,
    U = .335410196625,
  }),
  sine_case(3, 1),
  product_of_sines,
  steps_of_pgd,
}
