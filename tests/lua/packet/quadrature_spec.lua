-- Quadrature on lines and squares: convergence, identities, invariances, and what it refuses.
local assert = require "luassert"
local cj = require "conjugate"
local core = require "conjugate.core"
local folder = require "support.folder"
local json = require "conjugate.run.json"
local misuse = require "support.misuse"
local near = require "support.near"
local starve = require "support.starve"

local quadrature = cj.packet.quadrature

local function line(f, low, high, more)
  local opts = { f = f, low = low or 0, high = high or 1 }
  for name, value in pairs(more or {}) do opts[name] = value end
  return quadrature.line(opts)
end

local function ce(t)
  return ((t - 0.4) * -7):softplus()
end

describe("quadrature on a line", function()
  it("is exact for a polynomial without bisecting once", function()
    local r = line(function(t) return t ^ 3 + 1 end)
    assert.equal(8, r.panels)
    assert.is_true(r.converged)
    near(1 / 7 + 2 / 4 + 1, r.beta, 1e-15)
    near(0.5 * (4 - 1) / r.beta, r.c, 1e-14)
    near(9 / 5 / r.beta, r.loss_part, 1e-14)
  end)

  it("finds a kink wherever it is", function()
    for _, at in ipairs { 0.1234567, 1 / 3, 0.7777 } do
      local r = line(function(t) return (-t + at):relu() end)
      assert.is_true(r.converged)
      near(at ^ 3 / 3, r.beta, 1e-13)
      near(at / 4, r.mu, 1e-13)
      near(math.sqrt(3) / at, r.g, 1e-10)
      near(0.75, r.B, 1e-11)
      near(0.125, r.bound, 1e-12)
    end
  end)

  it("knows about how far it is from the truth", function()
    for place = 1, 30 do
      local at = (place * 0.618034) % 1
      local function f(t) return (t - at):relu() + 0.3 end
      local exact, rough = line(f), line(f, 0, 1, { tolerance = 1e-6, panels = 2 })
      assert.is_true(rough.points < exact.points)
      for _, name in ipairs { "mu", "sigma_x", "g", "c", "B", "P" } do
        near(exact[name], rough[name], 4 * rough.errors[name] + 1e-12, name)
        assert.is_true(exact.errors[name] < 1e-10, name)
        assert.is_true(rough.errors[name] < 1e-4, name)
      end
    end
  end)

  it("says so when it runs out of points", function()
    local r = line(function(t) return (-t + 1 / 3):relu() end, 0, 1, { points = 200 })
    assert.is_false(r.converged)
    assert.equal("warn", r.status)
    assert.is_truthy(tostring(r):find("tolerance 1.0e-12 not reached", 1, true))
    near(0.75, r.B, r.errors.B)
  end)

  it("gets the same boundary term from the faces and from the volume", function()
    local r = line(ce)
    near(0, r.B_gap, 1e-13)
    near(0, r.c_gap, 1e-12)
    assert.is_true(math.abs(r.B) > 0.1 and math.abs(r.c) > 0.1)
  end)

  it("shows a wrong gradient in that identity", function()
    local wrong = cj.func {
      forward = function(ctx, t)
        ctx.t = t
        return ce(t)
      end,
      backward = function(ctx, gy) return gy * ((ctx.t - 0.4) * -7):sigmoid() * -7 * 1.001 end,
    }
    local r = line(wrong)
    assert.is_true(math.abs(r.B_gap) > 1e-5 and math.abs(r.B_gap) > 1e6 * r.errors.B_gap)
    assert.is_true(math.abs(r.c_gap) > 1e-4)
    assert.equal("unreliable", r.status)
    assert.equal(2, #r.reasons)
    assert.same({ "undecided" }, r.verdicts)
    assert.is_truthy(tostring(r):find("a wrong gradient", 1, true))
  end)

  it("notices a loss that jumps, which no gradient tells", function()
    local r = line(function(t) return t:lt(0.3):to "float64" + 1 end)
    assert.equal("unreliable", r.status)
  end)

  it("says of every good packet that the relation holds, and writes it down", function()
    local r = line(ce)
    assert.equal("ok", r.status)
    assert.same({ "holds" }, r.verdicts)
    local dir = folder.make()
    assert.is_true(r:write(dir .. "/r.json"))
    local back = assert(json.decode(assert(io.open(dir .. "/r.json")):read "*a"))
    folder.remove(dir)
    assert.equal(r.sigma_p, back.axes[1].sigma_p)
    assert.equal(r.errors.sigma_p, back.errors.axes[1].sigma_p)
    assert.equal("ok", back.status)
  end)

  it("adds the axes up, and writes one line for each", function()
    local function f(x) return x:select(2, 1) * (x:select(2, 2) * 2 + 1) + 0.25 end
    local r = quadrature.square { f = f }
    local a, b = r.axes[1], r.axes[2]
    local t = r.totals
    near(math.sqrt(a.sigma_x ^ 2 + b.sigma_x ^ 2), t.sigma_x[1], 1e-14)
    near(math.sqrt(a.sigma_p ^ 2 + b.sigma_p ^ 2), t.sigma_p[1], 1e-14)
    near(t.sigma_x[1] * t.sigma_p[1], t.P[1], 1e-14)
    near(a.bound + b.bound, t.bound[1], 1e-14)
    -- mean |grad l|^2 over the square: of (2 y + 1)^2 and (2 x)^2
    near(math.sqrt(13 / 3 + 4 / 3), t.rms_gradient[1], 1e-12)
    assert.is_true(t.P[2] >= 0 and t.P[2] < 1e-10)
    assert.same({ holds = 2, violated = 0, undecided = 0 }, r.counts)
    local dir = folder.make()
    assert.is_true(r:write(dir .. "/r.csv"))
    local lines = {}
    for text in io.lines(dir .. "/r.csv") do lines[#lines + 1] = text end
    folder.remove(dir)
    assert.equal(3, #lines)
    assert.is_truthy(lines[1]:find("^label,status,axis,mu,mu_error,sigma_x,"))
    assert.equal(b.mu, tonumber(lines[3]:match "^,ok,2,([^,]*),"))
  end)

  it("does not change with the scale of the loss", function()
    local a, b = line(ce), line(function(t) return ce(t) * 1000 end)
    near(1e6 * a.beta, b.beta, 1e-9 * b.beta)
    for _, name in ipairs { "mu", "sigma_x", "g", "c", "sigma_p", "B", "B_face", "P", "ess" } do
      near(a[name], b[name], 1e-12 * math.abs(a[name]), name)
    end
  end)

  it("keeps the product and B where x is scaled and moved", function()
    local s, shift = 2.5, -3
    local a = line(ce)
    local b = line(function(x) return ce((x - shift) / s) end, shift, shift + s)
    near(s * a.sigma_x, b.sigma_x, 1e-12)
    near(a.sigma_p / s, b.sigma_p, 1e-12)
    near(s * a.mu + shift, b.mu, 1e-12)
    near(a.beta, b.beta, 1e-12)
    for _, name in ipairs { "P", "U", "B", "bound" } do near(a[name], b[name], 1e-12, name) end
  end)

  it("takes a density that is not normalised", function()
    local function normal(t) return t ^ 2 * -2 end -- tau .5
    local r = line(function(t) return t * 0 + 3 end, -7, 7, { log_density = normal })
    near(9, r.beta, 1e-12)
    near(0.5, r.sigma_x, 1e-13)
    near(1, r.sigma_p, 1e-13)
    near(1, r.window_part, 1e-12)
    near(0, r.B, 1e-12)
    near(1, r.tightness, 1e-12)
  end)

  it("looks at no more points in a batch than allowed, with the same result", function()
    local most = 0
    local function counted(t)
      most = math.max(most, t:size(1))
      return ce(t)
    end
    local small, large = line(counted, 0, 1, { batch = 7 }), line(ce)
    assert.equal(7, most)
    for _, name in ipairs { "beta", "sigma_p", "B" } do assert.equal(large[name], small[name]) end
  end)

  it("gives all its memory back when any of it is refused", function()
    local function kink(x) -- one refinement
      return (x * -1 + 0.3):relu():reshape { x:size(1) }, x:lt(0.3):to("float64") * -1
    end
    local count = starve.every_allocation(function()
      core.packet_quadrature(kink, { 0 }, { 1 }, 1e-12, 1, 20, 1000)
    end)
    assert.is_true(count > 20)
  end)

  it("passes errors of the loss on, and gives its memory back", function()
    local before = starve.settle()
    local calls = 0
    misuse.raises("no more", line, function(t)
      calls = calls + 1
      if calls > 3 then error("no more") end
      return (-t + 1 / 3):relu()
    end)
    assert.equal(before, starve.settle())
  end)

  it("refuses what is no packet", function()
    misuse.raises("the loss is zero everywhere", line, function(t) return t * 0 end)
    misuse.raises("not finite", line, function(t) return t / 0 end)
    misuse.raises("expected one number a point", line, function(t) return t:sum() end)
    misuse.raises("expected low below high", line, ce, 1, 1)
    misuse.raises("expected a float tensor for f", line, function() return 1 end)
    misuse.raises("panels", line, ce, 0, 1, { panels = 0 })
  end)
end)

describe("the corrected bound", function()
  local function check_bound(r)
    for i, axis in ipairs(r.axes) do
      assert.is_true(axis.slack >= -1e-12, "slack of axis " .. i)
      assert.is_true(axis.tightness <= 1 + 1e-12)
    end
    for _, value in ipairs(r.eigenvalues) do assert.is_true(value > -1e-12) end
  end

  it("holds for a constant and for x, where 1/2 fails", function()
    local flat, x = line(function(t) return t * 0 + 2 end), line(function(t) return t * 1 end)
    check_bound(flat)
    check_bound(x)
    near(0, flat.P, 1e-13)
    assert.is_true(x.P < 0.5 and x.U < 0.5 and x.P > x.bound)
  end)

  it("is reached by normal densities wherever they are cut off", function()
    for _, at in ipairs { -0.3, 0.2, 0.5, 1.4 } do
      for _, width in ipairs { 0.1, 0.36, 2 } do
        local r = line(function(t) return ((t - at) ^ 2 * (-1 / width)):exp() end)
        near(1, r.tightness, 1e-7)
        check_bound(r)
      end
    end
  end)

  it("holds as a matrix on the plane", function()
    local r = quadrature.square {
      f = function(x)
        local u, v = x:select(2, 1), x:select(2, 2)
        return (u * 3 - v * 2 + u * v * 4 - 1):softplus()
      end,
      low = { -1, 0 }, high = { 1, 3 },
    }
    check_bound(r)
    assert.equal(r.Sigma[1][2], r.Sigma[2][1])
    for i = 1, 2 do
      for j = 1, 2 do -- C = (B - 1) / 2, B from the faces
        near((r.B_faces[i][j] - (i == j and 1 or 0)) / 2, r.C[i][j], 1e-11)
      end
    end
  end)
end)

describe("quadrature on a square", function()
  it("gives products the numbers of their factors", function()
    local first, second = line(ce), line(function(t) return (t * -3):exp() + 0.1 end, -1, 2)
    local r = quadrature.square {
      f = function(x)
        return ce(x:select(2, 1)) * ((x:select(2, 2) * -3):exp() + 0.1)
      end,
      low = { 0, -1 }, high = { 1, 2 },
    }
    near(first.beta * second.beta, r.beta, 1e-11 * r.beta)
    for _, name in ipairs { "mu", "sigma_x", "g", "c", "sigma_p", "B", "B_face", "P" } do
      near(first[name], r.axes[1][name], 1e-10, name)
      near(second[name], r.axes[2][name], 1e-10, name)
    end
    near(0, r.Sigma[1][2], 1e-12)
  end)

  it("shows a wrong gradient along one axis", function()
    local function look(x)
      local l, slope = quadrature.slopes("f", function(p)
        return ce(p:select(2, 1) + p:select(2, 2))
      end, x)
      return l, slope * cj.tensor({ 1, 0.99 }, "float64")
    end
    local r = quadrature.measure(look, { 0, 0 }, { 1, 1 }, {
      tolerance = 1e-12, panels = 4, points = 400000, batch = 4096,
    })
    near(0, r.axes[1].B_gap, 1e-12)
    assert.is_true(math.abs(r.axes[2].B_gap) > 1e-5)
    assert.is_true(math.abs(r.axes[2].c_gap) > 1e-3)
  end)
end)

describe("packet_quadrature", function()
  it("refuses arguments that do not fit", function()
    local function f(x) return x:select(2, 1), x end
    misuse.raises("1 or 2 numbers", core.packet_quadrature, f, {}, {}, 1, 1, 1, 1)
    misuse.raises("as many numbers", core.packet_quadrature, f, { 0 }, { 1, 1 }, 1, 1, 1, 1)
    misuse.raises("float64 tensor", core.packet_quadrature,
      function(x) return x:to "float32", x end, { 0 }, { 1 }, 1, 1, 1, 1)
  end)
end)
