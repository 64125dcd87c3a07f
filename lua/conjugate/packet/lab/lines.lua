--- Laboratory cases of one dimension.
-- @module conjugate.packet.lab.lines
local cj = require "conjugate"
local quadrature = require "conjugate.packet.quadrature"

-- Columns of the table below.
local columns = { "beta", "mu", "sigma_x", "g", "c", "sigma_p", "B", "bound", "P", "U" }

-- exp(-(x - m)^2 / .36): psi^2 is a normal density, cut off by the box.
local function bell(m)
  return function(x)
    return ((x - m) ^ 2 * (-1 / 0.36)):exp()
  end
end

local function ce(k)
  return function(x)
    return ((x - 0.5) * -k):softplus()
  end
end

local function err(k)
  return function(x)
    return ((x - 0.5) * -k):sigmoid()
  end
end

local function constant(x)
  return cj.ones_like(x)
end

-- On [0, 1], nu = 1; each with the columns above. Slopes that jump are `kinked`.
local on_the_interval = {
  { "1", constant, { 1, .5, .2886751345948, 0, 0, 0, 1, 0, 0, 0 } },
  { "x", function(x) return x * 1 end,
    { .3333333333333, .75, .1936491673104, 1.732050807569, 1.5, .8660254037844, .75, .125,
      .1677050983125, .335410196625 } },
  { "x^4", function(x) return x ^ 4 end,
    { .1111111111111, .9, .09045340337333, 4.535573676111, 4.5, .5669467095138, .9, .05,
      .05128225940684, .4102580752547 } },
  { "sin(pi x)", function(x) return (x * math.pi):sin() end,
    { .5, .5, .1807560275957, 3.14159265359, 0, 3.14159265359, 0, .5, .5678618083866,
      .5678618083866 } },
  { "1-|2x-1|", function(x) return -(x * 2 - 1):abs() + 1 end,
    { .3333333333333, .5, .1581138830084, 3.464101615138, 0, 3.464101615138, 0, .5,
      .5477225575052, .5477225575052 }, kinked = true },
  { "(2x-.6)^2/2", function(x) return (x * 2 - 0.6) ^ 2 * 0.5 end,
    { .1364, .8714565004888, .1391596603684, 3.803584253954, 3.401759530792, 1.701553781577,
      1.112084806059, .05604240302944, .2367876463428, .529305492963 } },
  { "exp(-(x-.5)^2/.36)", bell(0.5),
    { .6801128934323, .5, .2387529684352, 1.326405380195, 0, 1.326405380195, .3666335562599,
      .3166832218701, .3166832218701, .3166832218701 }, tight = true },
  { "exp(-(x-.2)^2/.36)", bell(0.2),
    { .5592366001948, .3242684601968, .2123829249399, 1.367041016997, -.6903803344267,
      1.179905138555, .498816591044, .250591704478, .250591704478, .2903361697026 }, tight = true },
  { "cosh(8(x-.5))", function(x)
      local u = (x - 0.5) * 8
      return (u:exp() + (-u):exp()) * 0.5
    end,
    { 93.65492661185, .5, .4412648382983, 7.957175398799, 0, 7.957175398799, 7.962630558847,
      3.481315279424, 3.511221715663, 3.511221715663 } },
  { "max(.5-x,0)", function(x) return (-x + 0.5):relu() end,
    { .04166666666667, .125, .09682458365519, 3.464101615138, -3, 1.732050807569, .75, .125,
      .1677050983125, .335410196625 }, kinked = true },
  { "ce, k=1", ce(1),
    { .5158301734485, .3850139236522, .2732936106042, .7032115116191, -.7018559803698,
      .04364187086684, .9761521011236, .01192394943818, .01192704446272, .1921832130288 } },
  { "ce, k=10", ce(10),
    { 4.399000440066, .1373262157425, .1120887759422, 3.020497265176, -2.849187426373,
      1.002763550561, .7825465058082, .1087267470959, .1123985389419, .3385638411904 } },
  { "ce, k=100", ce(100),
    { 416.6907078047, .1250207266768, .09686030767364, 3.429186711462, -2.999826913793,
      1.661433113114, .7500810813342, .1249594593329, .1609269225154, .3321520799426 } },
  { "err, k=10", err(10),
    { .4013385701849, .2275200169582, .1503734312806, 2.03756192323, -1.229154598444,
      1.625065403029, .5594261622966, .2202869188517, .2443666607089, .3063951778429 } },
  { "err, k=100", err(100),
    { .49, .2452336600136, .1418499615749, 5.832118435198, -1.020408163265, 5.742157488481,
      .5004768571707, .2497615714147, .814524819098, .8272857759331 } },
  { "amp, k=10", function(x) return ((x - 0.5) * 10):sigmoid():sqrt() end,
    { .5, .718713453596, .1884084885281, 1.570520851622, .9866142981514, 1.221936157114,
      .5684283589683, .2157858205159, .2302231444397, .295899459856 } },
}

-- A loss of points [N, 1] from one of numbers.
local function of_points(f)
  return function(x)
    return f(x):reshape { x:size(1) }
  end
end

local function interval_case(row)
  local truth = {}
  for i, name in ipairs(columns) do truth[name] = row[3][i] end
  if row.tight then truth.tightness = 1 end
  return {
    name = row[1] .. " on [0, 1]", group = "line", loss = of_points(row[2]), truth = truth,
    domain = { reference = "box", low = 0, high = 1, shape = { 1 } },
    tolerance = row.kinked and 1e-6 or 1e-8,
    measure = function()
      return quadrature.line { f = row[2], low = 0, high = 1 }
    end,
  }
end

-- log of a normal density around m, not normalised.
local function normal(m, tau)
  return function(t)
    return (t - m) ^ 2 * (-0.5 / tau ^ 2)
  end
end

local FAR = 14 -- standard deviations, where a normal density is nothing beside rounding

local function window_case(name, f, tau, truth)
  return {
    name = name, group = "line", loss = of_points(f), truth = truth,
    domain = { reference = "window", centre = cj.zeros({ 1 }, "float64"), tau = tau },
    rounding = { ess = 5e-5 },
    measure = function()
      local r = quadrature.line {
        f = f, log_density = normal(0, tau), low = -FAR * tau, high = FAR * tau,
      }
      r.h = math.sqrt(r.loss_part)
      return r
    end,
  }
end

local function window_ce(k, d, tau, truth)
  return window_case(("window, ce, k=%g, d=%g, tau=%g"):format(k, d, tau), function(t)
    return ((t + d) * -k):softplus()
  end, tau, truth)
end

-- l = a + b t with b^2 tau^2 / (a^2 + b^2 tau^2) = k: P = sqrt(1 + 8 k^3) / 2.
local function window_linear(k, product)
  local tau = 0.5
  local a, b = math.sqrt(1 - k), math.sqrt(k) / tau
  local share = 1 - k
  return window_case(("window, a + b x, k=%g"):format(k), function(t)
    return t * b + a
  end, tau, {
    beta = 1, P = product, B = 0, c = 0, bound = 0.5,
    sigma_x = tau * math.sqrt(1 + 2 * k - 4 * share * k),
    sigma_p = math.sqrt(1 + 2 * k) / (2 * tau),
  })
end

-- Two centres at -1 and 1, tau .5: log nu = log(exp(4 t) + exp(-4 t)) - 2 t^2, without overflow.
local function two_centres(t)
  return t * 4 + (t * -8):softplus() - t ^ 2 * 2
end

local function mixture_case(name, f, truth)
  return {
    name = "data, two centres, " .. name, group = "line", loss = of_points(f), truth = truth,
    domain = { reference = "data", data = cj.tensor({ { -1 }, { 1 } }, "float64"), tau = 0.5 },
    measure = function()
      return quadrature.line { f = f, log_density = two_centres, low = -8, high = 8 }
    end,
  }
end

local cases = {}
for _, row in ipairs(on_the_interval) do cases[#cases + 1] = interval_case(row) end

local m, s = 0.3, 0.7
cases[#cases + 1] = {
  name = "normal psi^2 on R", group = "line",
  loss = of_points(function(x) return ((x - m) ^ 2 * (-0.25 / s ^ 2)):exp() end),
  truth = { mu = m, sigma_x = s, sigma_p = 1 / (2 * s), P = 0.5, B = 0, c = 0, tightness = 1 },
  domain = { reference = "box", low = m - FAR * s, high = m + FAR * s, shape = { 1 } },
  measure = function()
    return quadrature.line {
      f = function(x) return ((x - m) ^ 2 * (-0.25 / s ^ 2)):exp() end,
      low = m - FAR * s, high = m + FAR * s,
    }
  end,
}
cases[#cases + 1] = window_case("window, x: first excited state", function(t)
  return t * 1
end, 1, { beta = 1, mu = 0, sigma_x = math.sqrt(3), sigma_p = math.sqrt(3) / 2, P = 1.5, B = 0 })
for _, pair in ipairs {
  { .1, .501996015920 }, { .25, .530330085890 }, { .5, .707106781187 }, { .9, 1.306904740216 },
} do
  cases[#cases + 1] = window_linear(pair[1], pair[2])
end
cases[#cases + 1] = window_ce(10, .2, .1, {
  beta = .0649645094339, mu = -.154605452887, sigma_x = .0891999617495, sigma_p = 5.60968558231,
  h = 7.81775354107, P = .500383739368, ess = .1364, B = 0, c = 0,
})
cases[#cases + 1] = window_ce(40, .2, .1, {
  sigma_x = .0538186090954, sigma_p = 9.68172116508, P = .521056766754, ess = .00717, B = 0, c = 0,
})
cases[#cases].rounding.ess = 5e-6
cases[#cases + 1] = mixture_case("1", constant, {
  sigma_x = 1.11803398875, sigma_p = .851827661465, P = .952372278075, B = 0,
})
cases[#cases + 1] = mixture_case("log(1+exp(-2x))", function(t)
  return (t * -2):softplus()
end, {
  beta = 2.77497593504, sigma_x = .488396456581, sigma_p = 1.06449330109, loss_part = .553867169127,
  cross_part = -.719493046117, window_part = 1.29877186505, B = 0,
})

-- The slope k of a logistic model without end: the loss tends to a hinge and forgets k, the error
-- to a step, whose g and P grow like sqrt(k). What is missing at k is of the order 1 / k.
cases[#cases + 1] = {
  name = "ce and err, k=1e6, against k without end", group = "line", tolerance = 1e-5,
  truth = {
    ce_P = .16770510, ce_sigma_p = math.sqrt(3), err_g = math.sqrt(1 / 3), err_P = 1 / 12,
  },
  measure = function()
    local k = 1e6
    local hinge = quadrature.line { f = ce(k), low = 0, high = 1 }
    local step = quadrature.line { f = err(k), low = 0, high = 1 }
    return {
      ce_P = hinge.P, ce_sigma_p = hinge.sigma_p, err_g = step.g / math.sqrt(k),
      err_P = step.P / math.sqrt(k),
    }
  end,
}

return cases
