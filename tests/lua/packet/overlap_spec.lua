-- Packets in both pictures: transforms, Parseval's identity, overlaps of moduli, pictures.
local assert = require "luassert"
local cj = require "conjugate"
local core = require "conjugate.core"
local folder = require "support.folder"
local misuse = require "support.misuse"
local near = require "support.near"
local starve = require "support.starve"

local overlap, slices = cj.packet.overlap, cj.packet.slices

local function bell(m, s)
  return function(x) return ((x - m) ^ 2 * (-0.25 / s ^ 2)):exp() end
end

local function network(seed)
  cj.seed(seed)
  return cj.nn.sequential { cj.nn.linear(4, 24), cj.nn.tanh(), cj.nn.linear(24, 3) }:to "float64"
end

local A, B = cj.tensor({ .1, .9, .3, .4 }, "float64"), cj.tensor({ .8, .2, .5, .1 }, "float64")

describe("the transform", function()
  it("is the sum that defines it", function()
    local values = { { .3, -1, 2, .5, .25 }, { 1, 0, -.7, .1, 3 }, { .2, .4, .6, .8, 1 } }
    local rows, columns = 4, 8
    local z = core.packet_fourier(cj.tensor(values, "float64"), rows, columns)
    for k = 0, rows - 1 do
      for l = 0, columns - 1 do
        local re, im = 0, 0
        for r, line in ipairs(values) do
          for c, v in ipairs(line) do
            local angle = -2 * math.pi * ((k - rows / 2) * (r - 1) / rows
              + (l - columns / 2) * (c - 1) / columns)
            re, im = re + v * math.cos(angle), im + v * math.sin(angle)
          end
        end
        near(re, z:get(k + 1, l + 1, 1), 1e-14)
        near(im, z:get(k + 1, l + 1, 2), 1e-14)
      end
    end
  end)

  it("keeps its digits over a million points", function()
    local n = 2 ^ 20
    local x = cj.arange(n):to "float64" * (2 * math.pi * 12345 / n)
    local z = core.packet_fourier(x:cos():reshape { 1, n }, 1, n)
    near(n / 2, z:get(1, n / 2 + 1 + 12345, 1), 1e-7)
    z = z:clone()
    local total = (z * z):sum():item()
    near(1, total / (n * n / 2), 1e-12)
  end)

  it("refuses lengths it cannot do", function()
    local psi = cj.ones({ 1, 3 }, "float64")
    misuse.raises("powers of two", core.packet_fourier, psi, 1, 6)
    misuse.raises("at most those sizes", core.packet_fourier, psi, 1, 2)
    misuse.raises("at most those sizes", core.packet_fourier, psi:to "float32", 1, 4)
  end)

  it("gives its memory back when any of it is refused", function()
    local psi = cj.ones({ 3, 3 }, "float64")
    starve.every_allocation(function() core.packet_fourier(psi, 4, 4) end)
  end)
end)

describe("packets on a line", function()
  it("are normalised in both pictures", function()
    local o = overlap.of { low = -8, high = 9, packets = { bell(.3, .7), bell(1, .2) } }
    for _, packet in ipairs(o.packets) do
      near(1, packet.density_x:sum():item() * 17 / 1536, 1e-13)
      near(1, packet.density_p:sum():item() * (o.p[1]:get(2) - o.p[1]:get(1)), 1e-12)
    end
    near(1, o.overlap_x[1][1], 1e-13)
    near(1, o.overlap_p[2][2], 1e-13)
  end)

  it("have a normal momentum density of width 1 / (2 s) where they are normal", function()
    local s = 0.4
    local o = overlap.of { low = -8, high = 8, packets = { bell(1.1, s) } }
    local p, density, width = o.p[1], o.packets[1].density_p, 1 / (2 * s)
    local truth = (p ^ 2 * (-0.5 / width ^ 2)):exp() / (width * math.sqrt(2 * math.pi))
    assert.is_true((density - truth):abs():max():item() < 1e-13)
  end)

  it("have a momentum density that is even, and the same wherever they are", function()
    local o = overlap.of { low = -12, high = 12, packets = {
      function(x) return bell(-3, .5)(x) + bell(-1, .3)(x) * 2 end,
      function(x) return bell(2, .5)(x) + bell(4, .3)(x) * 2 end,
    } }
    local a, b = o.packets[1].density_p, o.packets[2].density_p
    assert.is_true((a - b):abs():max():item() < 1e-12)
    local list, n = a:table(), a:size(1)
    for k = 1, n / 2 - 1 do near(list[n / 2 + 1 - k], list[n / 2 + 1 + k], 1e-13) end
    near(1, o.modulus_p[1][2], 1e-12)
    assert.is_true(o.modulus_x[1][2] < 1e-2)
  end)

  it("overlap as closed forms say", function()
    local o = overlap.of { low = -10, high = 14, packets = {
      bell(0, .5), bell(4, .5), bell(1, .25), bell(1, 1),
    } }
    near(math.exp(-8), o.overlap_x[1][2], 1e-15)
    near(math.exp(-8), o.overlap_p[1][2], 1e-14)
    near(1, o.modulus_p[1][2], 1e-13)
    near(math.sqrt(2 * .25 / (.0625 + 1)), o.modulus_p[3][4], 1e-13)
    assert.is_truthy(tostring(o):find("0.685994", 1, true))
  end)

  it("are as far from the truth as they say, at most", function()
    for _, points in ipairs { 30, 100, 301 } do
      local o = overlap.of { low = 0, high = 1, points = points, packets = {
        function(t) return t * 1 end, function(t) return 1 - t end,
        function(t) return (t - 0.3):relu() end,
      } }
      assert.equal(math.ceil(points / 3) * 3, o.x[1]:size(1))
      for _, case in ipairs { { 1, 2, 0.5 }, { 1, 3, (0.7 ^ 3 / 3 + 0.3 * 0.7 ^ 2 / 2)
        / math.sqrt(0.7 ^ 3 / 9) } } do
        local i, j, truth = case[1], case[2], case[3]
        near(truth, o.overlap_x[i][j], o.errors.overlap_x[i][j])
        near(truth, o.overlap_p[i][j], o.errors.overlap_p[i][j] + 1e-15)
        assert.is_true(o.errors.overlap_x[i][j] < 2 / points ^ 2 * 9)
      end
    end
  end)

  it("stay where they are when there are more points or zeros", function()
    local function at(points, pad)
      local o = overlap.of {
        low = -10, high = 14, packets = { bell(0, .5), bell(2, .8) }, points = points, pad = pad,
      }
      return o.modulus_p[1][2]
    end
    near(at(512, 4), at(2048, 2), 1e-12)
    near(at(500, 8), at(1000, 1), 1e-12)
  end)
end)

describe("packets of a model between two images", function()
  local line = slices.line { from = A, to = B, margin = 0.5 }
  local model = network(3)

  it("overlap alike in x and p, and their moduli never less in p", function()
    for seed = 1, 4 do
      local net = network(seed)
      for _, loss in ipairs { "ce", "err", "amp" } do
        local packets = {}
        for label = 0, 2 do
          packets[label + 1] = { model = net, label = label, loss = loss }
        end
        local o = overlap.slice(line, { packets = packets, points = 256 })
        near(0, o.parseval, 1e-13)
        for i = 1, 3 do
          for j = 1, 3 do
            assert.is_true(o.modulus_p[i][j] >= o.modulus_x[i][j] - 1e-13)
            near(o.overlap_x[i][j], o.modulus_x[i][j], 1e-15) -- losses are not negative
          end
        end
        assert.is_true(o.overlap_x[1][2] < 1 - 1e-6)
      end
    end
  end)

  it("have the mean and width that quadrature finds", function()
    local o = overlap.slice(line, {
      packets = { { model = model, label = 1, loss = "err" } }, points = 4096, pad = 1,
    })
    local r = slices.measure(line, { model = model, label = 1, loss = "err" })
    local x, rho = o.x[1], o.packets[1].density_x
    local cell = x:get(2) - x:get(1)
    local mu = (x * rho):sum():item() * cell
    near(r.mu, mu, 1e-6)
    near(r.sigma_x, math.sqrt(((x - mu) ^ 2 * rho):sum():item() * cell), 1e-6)
  end)

  it("have the momentum width of quadrature in a window", function()
    local tau = 0.05
    local o = overlap.slice(line, {
      packets = { { model = model, label = 0 } }, window = tau, points = 4096,
    })
    local p, density = o.p[1], o.packets[1].density_p
    local step, middle = p:get(2) - p:get(1), (line.low[1] + line.high[1]) / 2
    local r = cj.packet.quadrature.measure(function(t)
      local l, slope = slices.losses(line, { model = model, label = 0 }, t)
      local nu = ((t - middle) ^ 2 * (-0.5 / tau ^ 2)):exp():reshape { t:size(1) }
      return l, slope, nu, (t - middle) * (-1 / tau ^ 2)
    end, line.low, line.high, { tolerance = 1e-10, panels = 8, points = 1e5, batch = 512 })
    near(r.g, math.sqrt((p ^ 2 * density):sum():item() * step), 1e-6 * r.g)
    near(0, (p * density):sum():item() * step, 1e-9)
  end)
end)

describe("packets on a plane", function()
  it("are products where their losses are", function()
    local one = overlap.of { low = -6, high = 8, packets = { bell(0, .5), bell(2, .7) },
      points = 128 }
    local two = overlap.of { low = { -6, -6 }, high = { 8, 8 }, packets = {
      function(x) return bell(0, .5)(x:select(2, 1)) * bell(0, .5)(x:select(2, 2)) end,
      function(x) return bell(2, .7)(x:select(2, 1)) * bell(0, .5)(x:select(2, 2)) end,
    } }
    near(one.overlap_x[1][2], two.overlap_x[1][2], 1e-13)
    near(one.modulus_p[1][2], two.modulus_p[1][2], 1e-13)
    near(0, two.parseval, 1e-13)
    assert.same({ 192, 192 }, two.packets[1].psi.shape)
    local step = two.p[1]:get(2) - two.p[1]:get(1)
    near(1, two.packets[2].density_p:sum():item() * step ^ 2, 1e-12)
    -- the first axis is the one along which they differ
    local marginal = two.packets[2].density_x:sum(2):table()
    local x, best = two.x[1]:table(), 1
    for i, v in ipairs(marginal) do if v > marginal[best] then best = i end end
    near(2, x[best], 0.1)
  end)

  it("draw themselves", function()
    local dir = folder.make()
    local plane = slices.plane { from = A, to = B, third = cj.tensor({ 1, 1, 1, 0 }, "float64") }
    local line = slices.line { from = A, to = B }
    local net = network(5)
    for name, slice in pairs { line = line, plane = plane } do
      local o = overlap.slice(slice, { points = 32, packets = {
        { model = net, label = 0, loss = "amp", name = "zero" }, { model = net, label = 2 },
      } })
      assert.is_true(o:save(dir .. "/" .. name))
    end
    for _, name in ipairs { "line_x.csv", "line_p.csv", "plane_x1.png", "plane_p2.png" } do
      assert.is_truthy(io.open(dir .. "/" .. name), name)
    end
    assert.is_truthy(io.open(dir .. "/line_x.csv"):read("*a"):find("zero", 1, true))
    folder.remove(dir)
  end)
end)

describe("overlap", function()
  it("says what is wrong with its options", function()
    local f = bell(0, 1)
    misuse.raises("low", overlap.of, { packets = { f }, high = 1 })
    misuse.raises("at least one packet", overlap.of, { packets = {}, low = 0, high = 1 })
    misuse.raises("zero everywhere", overlap.of, {
      packets = { function(x) return x * 0 end }, low = 0, high = 1 })
    misuse.raises("pad", overlap.of, { packets = { f }, low = 0, high = 1, pad = 0 })
    misuse.raises("window", overlap.of, { packets = { f }, low = 0, high = 1, window = 0 })
    misuse.raises("a line or plane", overlap.slice, {}, { packets = {} })
    misuse.raises("model", overlap.slice, slices.line { from = A, to = B }, { packets = { {} } })
  end)
end)
