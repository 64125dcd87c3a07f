--- Laboratory cases of two dimensions, and a line through one of them.
-- @module conjugate.packet.lab.squares
local cj = require "conjugate"
local quadrature = require "conjugate.packet.quadrature"
local slices = require "conjugate.packet.slices"

local LOW, HIGH = { 0, 0 }, { 1, 1 }
local box = { reference = "box", low = 0, high = 1, shape = { 2 } }

-- A model on the square, measured on the plane of its two inputs.
local function measure_model(model, label, loss)
  local plane = slices.plane {
    at = cj.zeros({ 2 }, "float64"), low = LOW, high = HIGH,
    along = { cj.tensor({ 1, 0 }, "float64"), cj.tensor({ 0, 1 }, "float64") },
  }
  return slices.measure(plane, { model = model, label = label, loss = loss, tolerance = 1e-11 })
end

-- The softmax model.
local W = cj.tensor({ { 4, 0 }, { -2, 3 }, { -2, -3 } }, "float64")
local b = cj.tensor({ -2, 1, 1 }, "float64")
local function softmax(x)
  return cj.linear(x, W, b)
end

-- The tanh network.
local W1 = cj.tensor({ { 2, -1 }, { 0.5, 1.5 }, { -1, 2 } }, "float64")
local b1 = cj.tensor({ -0.5, 0.25, 0 }, "float64")
local W2 = cj.tensor({ { 1.5, -2, 1 }, { -1, 1, 2 } }, "float64")
local b2 = cj.tensor({ 0.1, -0.2 }, "float64")
local function tanh_network(x)
  return cj.linear(cj.linear(x, W1, b1):tanh(), W2, b2)
end

-- Numbers of one axis.
local columns = { "mu", "sigma_x", "g", "c", "sigma_p", "B", "bound", "P" }

-- Rows of both axes as quantity -> { first, second }; one row: the first axis alone.
local function by_quantity(rows, names, more)
  local truth = more or {}
  for k, name in ipairs(names) do
    truth[name] = {}
    for i, row in ipairs(rows) do truth[name][i] = row[k] end
  end
  return truth
end

local function model_case(name, model, label, loss, truth, rounding)
  return {
    name = name, group = "square", model = model, label = label, kind = loss, truth = truth,
    rounding = rounding, domain = box,
    measure = function()
      return measure_model(model, label, loss)
    end,
  }
end

-- The truths have ten digits behind the point, the share of samples four.
local TEN = setmetatable({ ess = 5e-5 }, { __index = function() return 5e-11 end })

local softmax_truths = {
  { "ce", 0, 6.3142483281, .4304,
    { .2261750335, .1855191357, 1.8536959238, -1.7433635649, .6299778237, .8050111324,
      .0974944338, .1168729414 },
    { .6223912644, .2755094537, .7883106615, .7285042148, .3011898208, 1.0505680212, .0252840106,
      .0829806430 } },
  { "ce", 1, .6710132045, .2114,
    { .8176568040, .1850520818, 2.7753876053, 2.6661507397, .7709841714, 1.0557042037,
      .0278521019, .1426722259 },
    { .2483764630, .2142179020, 1.9043309932, -1.7666384538, .7109606919, .9529445359,
      .0235277320, .1523005078 } },
  { "err", 0, .6026929995, .7653,
    { .3547853779, .2370165570, 1.1845623783, -.7544115141, .9132640885, .6461881911,
      .1769059044, .2164587099 },
    { .5523562336, .2862518502, .4690225293, .2870430513, .3709291303, 1.0140489103, .0070244551,
      .1061791498 } },
  { "amp", 0, .2704405093, .5094,
    { .7483312545, .1994554908, 1.5880420009, 1.4073315967, .7357276491, .7527609379,
      .1236195311, .1467449193 },
    { .4033561999, .2692776600, .6430226289, -.5200609275, .3781728877, .8444269642,
      .0777865179, .1018335103 } },
  { "brier", 0, 1.6712028630, .6059,
    { .3044804550, .2091155477, 1.5317379272, -.9616053714, 1.1922819244, .6068421566,
      .1965789217, .2493246877 } },
  { "tanh_ce", 1, .2578941998, .4162,
    { .7406521632, .2256935239, 1.8739988098, 1.4617853564, 1.1726274391, .9428877123,
      .0285561438, .2646544190 } },
}

local cases = {
  {
    name = "(x1 + 2 x2 - 1/2)^2 / 2 on the square", group = "square", domain = box,
    loss = function(x) return (x:select(2, 1) + x:select(2, 2) * 2 - 0.5) ^ 2 * 0.5 end,
    truth = by_quantity({
      { .6847475832438, .2469124702335, 1.208633461498, 1.160042964554, .3392567827497,
        .927975531894, .03601223405299, .0837667302722 },
      { .8179377013963, .1561894143184, 2.417266922997, 2.320085929108, .6785135654995,
        .8480226959912, .07598865200442, .1059766364024 },
    }, columns, { beta = 931 / 960 }),
  },
}
cases[1].measure = function()
  return quadrature.square { f = cases[1].loss }
end

for _, row in ipairs(softmax_truths) do
  local loss, label, beta, ess = row[1], row[2], row[3], row[4]
  local truth = by_quantity({ row[5], row[6] }, columns, { beta = beta, ess = ess })
  cases[#cases + 1] = model_case(("softmax, %s, label %d"):format(loss, label), softmax, label,
    loss, truth, TEN)
end

cases[#cases + 1] = model_case("softmax, ce, label 0: matrices", softmax, 0, "ce", {
  Sigma = { { .03441735, .0067431 }, { .0067431, .07590546 } },
  G = { { .39687206, -.12405751 }, { -.12405751, .09071531 } },
  B_faces = { { .80501113, .12620931 }, { .09290967, 1.05056802 } },
  eigenvalues = { .016623903, .037969950 },
}, setmetatable({ eigenvalues = 5e-10 }, { __index = function() return 5e-9 end }))

-- sum_Y p_Y = 1: the densities beta_Y psi_Y^2 of likelihood packets add up to nu.
cases[#cases + 1] = {
  name = "softmax, amp: beta of all labels", group = "square",
  truth = { first = .2704405093, all = 1 }, rounding = 5e-11,
  measure = function()
    local beta, all = {}, 0
    for label = 0, 2 do
      beta[label] = measure_model(softmax, label, "amp").beta
      all = all + beta[label]
    end
    return { first = beta[0], all = all }
  end,
}

cases[#cases + 1] = model_case("tanh network, ce, label 0", tanh_network, 0, "ce", by_quantity({
  { .2389344740, 1.1324640219, -.9623369939, .7882640792, .1426385321 },
  { .2275231572, 1.2944641493, 1.0360290692, .7181760027, .1765733918 },
}, { "sigma_x", "g", "c", "B", "P" }, { beta = 9.6602289666 }), TEN)

-- Losses and gradients at one point.
cases[#cases + 1] = {
  name = "tanh network at (.3, .7)", group = "square", model = tanh_network,
  truth = {
    loss0 = 4.54092239010461, gradient0 = { -3.581881394933, 3.351032168263 },
    loss1 = .01072082931940, gradient1 = { .038607320544, -.036119111385 },
  },
  rounding = 5e-13,
  measure = function()
    local plane = slices.plane {
      at = cj.zeros({ 2 }, "float64"), low = LOW, high = HIGH,
      along = { cj.tensor({ 1, 0 }, "float64"), cj.tensor({ 0, 1 }, "float64") },
    }
    local out, at = {}, cj.tensor({ { 0.3, 0.7 } }, "float64")
    for label = 0, 1 do
      local l, slope = slices.losses(plane, { model = tanh_network, label = label }, at)
      out["loss" .. label], out["gradient" .. label] = l:item(), slope:table()[1]
    end
    return out
  end,
}

cases[#cases + 1] = {
  name = "tanh network, ce, label 0, on a line", group = "line", model = tanh_network, label = 0,
  kind = "ce",
  truth = {
    beta = 7.004390000203, mu = .065012717868, sigma_x = .270170202716, g = .572958728763,
    c = .384035275558, sigma_p = .425204200347, B = .779920236653, P = 0.1148775050,
  },
  rounding = { P = 5e-11 },
  measure = function()
    local line = slices.line {
      at = cj.tensor({ 0.5, 0.5 }, "float64"), along = cj.tensor({ 0.6, 0.8 }, "float64"),
      low = -0.5, high = 0.5,
    }
    return slices.measure(line, { model = tanh_network, label = 0 })
  end,
}

-- psi^2 normal with correlation r: P = sqrt(VIF) / 2 = 1 / (2 sqrt(1 - r^2)).
local r = 0.8
local function correlated(x)
  local u, v = x:select(2, 1), x:select(2, 2)
  return ((u * u - u * v * (2 * r) + v * v) * (-0.25 / (1 - r * r))):exp()
end
cases[#cases + 1] = {
  name = "normal psi^2 on the plane, correlation .8", group = "square", loss = correlated,
  domain = { reference = "box", low = -12, high = 12, shape = { 2 } },
  truth = {
    P = { .833333333333, .833333333333 }, sigma_x = { 1, 1 }, c = { 0, 0 }, B = { 0, 0 },
    Sigma = { { 1, r }, { r, 1 } }, eigenvalues = { 0, 0 },
  },
  measure = function()
    return quadrature.square { f = correlated, low = { -12, -12 }, high = { 12, 12 } }
  end,
}

return cases
