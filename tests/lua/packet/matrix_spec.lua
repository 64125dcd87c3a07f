-- Packets along directions, and the matrix form: closed forms, identities, errors, refusals, bytes.
local cj = require "conjugate"
local core = require "conjugate.core"
local misuse = require "support.misuse"
local packets = require "support.packets"
local starve = require "support.starve"

local holds, softmax2d = packets.holds, packets.softmax2d

local directions = cj.packet.directions

local function square(label)
  return cj.packet { model = softmax2d, label = label, shape = { 2 }, dtype = "float64" }
end

local function at(part, name, ...)
  return part.values[name]:get(...), part.errors[name]:get(...)
end

local function holds_matrix(part, name, truth)
  for i, row in ipairs(truth) do
    for j, t in ipairs(row) do
      local v, e = at(part, name, i, j)
      holds(t, v, e, ("%s[%d, %d]"):format(name, i, j))
    end
  end
end

local function holds_list(part, name, truth)
  for i, t in ipairs(truth) do
    local v, e = at(part, name, i)
    holds(t, v, e, ("%s[%d]"):format(name, i))
  end
end

-- Of ce, label 0, by quadrature.
local SIGMA = { { .03441735, .0067431 }, { .0067431, .07590546 } }
local G = { { .39687206, -.12405751 }, { -.12405751, .09071531 } }
local B = { { .80501113, .12620931 }, { .09290967, 1.05056802 } }
local EIGENVALUES = { .016623903, .037969950 }

-- u' m u
local function form(m, u)
  return m[1][1] * u[1] * u[1] + (m[1][2] + m[2][1]) * u[1] * u[2] + m[2][2] * u[2] * u[2]
end

local function vif(sigma)
  return sigma[1][1] * sigma[2][2] / (sigma[1][1] * sigma[2][2] - sigma[1][2] ^ 2)
end

-- sqrt(Sigma_ii (C Sigma^-1 C')_ii)
local function matrix_bound(i, sigma, b)
  local det = sigma[1][1] * sigma[2][2] - sigma[1][2] ^ 2
  local c = { (b[i][1] - (i == 1 and 1 or 0)) / 2, (b[i][2] - (i == 2 and 1 or 0)) / 2 }
  return math.sqrt(sigma[i][i] * (c[1] ^ 2 * sigma[2][2] - 2 * c[1] * c[2] * sigma[1][2]
    + c[2] ^ 2 * sigma[1][1]) / det)
end

local function check_form(x)
  holds_matrix(x, "Sigma", SIGMA)
  holds_matrix(x, "G", G)
  holds_matrix(x, "B", B)
  holds_list(x, "VIF", { vif(SIGMA), vif(SIGMA) })
  holds_list(x, "bound", { matrix_bound(1, SIGMA, B), matrix_bound(2, SIGMA, B) })
end

describe("the matrix form on the square", function()
  local r = square(0):measure { samples = 100000, faces = 20000, seed = 5, quiet = true,
    directions = directions.pixels({ 2 }, { 1, 2 }) .. directions.unit { cj.tensor { 3, 4 } },
    matrix = false }
  local both = square(0):measure { samples = 100000, faces = 20000, seed = 6, quiet = true,
    directions = directions.pixels({ 2 }, { 1, 2 }) }

  it("agrees with quadrature, by the volume and by the surface", function()
    check_form(both.matrix)
    check_form(both.matrix.faces)
    holds_list(both.matrix, "eigenvalues", EIGENVALUES)
    assert.is_true(both.matrix.errors.eigenvalues:get(1) < 0.003)
    assert.same({ "holds", "holds" }, both.matrix.faces.verdicts)
    assert.is_nil(both.matrix.verdicts) -- with B of the volume it cannot fail
  end)

  it("agrees along a direction between the axes", function()
    local u, d = { 0.6, 0.8 }, r.directions
    local b = form(B, u)
    local truth = { mu = .6 * .2261750335 + .8 * .6223912644,
      sigma_x = math.sqrt(form(SIGMA, u)), sigma_p = math.sqrt(form(G, u)), B = b, C = (b - 1) / 2,
      c = -.6 * 1.7433635649 + .8 * .7285042148, bound = math.abs(b - 1) / 2,
      P = math.sqrt(form(SIGMA, u) * form(G, u)) }
    for name, t in pairs(truth) do
      local v, e = at(d, name, 3)
      holds(t, v, e, name)
      assert.is_true(e > 0 and e < 0.02)
    end
    local v, e = at(d.faces, "B_face", 3)
    holds(b, v, e, "B_face")
    assert.is_true(e < 0.02 and d.z_B_gap < 4 and d.z_c_gap < 4)
    assert.same({ "holds", "holds", "holds" }, d.verdicts)
    assert.is_nil(r.matrix)
  end)

  it("gives along a pixel what the pixel gives, faces included", function()
    for _, name in ipairs { "mu", "sigma_x", "g", "c", "sigma_p", "B", "bound", "P", "slack" } do
      for i = 1, 2 do
        assert.near(r.values[name]:get(i), r.directions.values[name]:get(i), 1e-12)
        assert.near(r.errors[name]:get(i), r.directions.errors[name]:get(i), 1e-12)
      end
    end
    for _, name in ipairs { "B_face", "c_face", "B_gap", "c_gap", "bound", "slack", "P" } do
      for i = 1, 2 do
        assert.near(r.faces.values[name]:get(i), r.directions.faces.values[name]:get(i), 1e-11)
        assert.near(r.faces.errors[name]:get(i), r.directions.faces.errors[name]:get(i), 1e-11)
      end
    end
    for i = 1, 2 do
      assert.near(both.values.sigma_x:get(i) ^ 2, both.matrix.values.Sigma:get(i, i), 1e-12)
      assert.near(both.values.sigma_p:get(i) ^ 2, both.matrix.values.G:get(i, i), 1e-11)
      assert.near(both.values.B:get(i), both.matrix.values.B:get(i, i), 1e-12)
      assert.near(both.faces.values.B_face:get(i), both.matrix.faces.values.B:get(i, i), 1e-11)
      assert.near(both.values.P:get(i), both.matrix.values.P:get(i), 1e-12)
    end
  end)

  it("gives it at points of a defensive mixture, too", function()
    local given = square(1):measure { samples = 4000, faces = 1000, seed = 7, quiet = true,
      sampler = "defensive", directions = directions.pixels({ 2 }, { 1, 2 }) }
    assert.equal("defensive", given.sampler)
    for i = 1, 2 do
      for _, name in ipairs { "B_face", "c_face", "slack" } do
        assert.near(given.faces.values[name]:get(i), given.directions.faces.values[name]:get(i),
          1e-11)
        assert.near(given.faces.errors[name]:get(i), given.directions.faces.errors[name]:get(i),
          1e-11)
      end
      assert.near(given.faces.values.B_face:get(i), given.matrix.faces.values.B:get(i, i), 1e-11)
      assert.near(given.values.P:get(i), given.matrix.values.P:get(i), 1e-12)
    end
  end)

  it("turns with the directions", function()
    local turned = square(0):measure { samples = 100000, faces = 20000, seed = 6, quiet = true,
      directions = directions.unit { cj.tensor { 3, 4 }, cj.tensor { -4, 3 } } }
    local u = cj.tensor({ { .6, .8 }, { -.8, .6 } }, "float64")
    for _, part in ipairs { "matrix", "faces" } do
      local a = part == "matrix" and both.matrix or both.matrix.faces
      local b = part == "matrix" and turned.matrix or turned.matrix.faces
      for _, name in ipairs { "Sigma", "G", "B" } do
        local wanted = u:matmul(a.values[name]):matmul(u:t():contiguous())
        for i = 1, 2 do
          for j = 1, 2 do assert.near(wanted:get(i, j), b.values[name]:get(i, j), 1e-7) end
          if part == "matrix" then
            assert.near(a.values.eigenvalues:get(i), b.values.eigenvalues:get(i), 1e-7)
          end
        end
      end
    end
  end)
end)

describe("packets of normal density", function()
  -- psi^2 normal with correlation .8 in a window of variance 2.25: every inequality is an equality
  local function correlated(x)
    local u, v = x:select(2, 1), x:select(2, 2)
    local square_sum, cross = u * u + v * v, u * v
    return ((square_sum * (1 / .36 - 1 / 2.25) - cross * (1.6 / .36)) * -0.25):exp()
  end
  local p = cj.packet { model = correlated, loss = "value", reference = "window", tau = 1.5,
    centre = cj.zeros({ 2 }, "float64") }
  local both = directions.pixels({ 2 }, { 1, 2 })

  it("have P = sqrt(VIF) / 2", function()
    local r = p:measure { samples = 40000, seed = 2, quiet = true, directions = both }
    local x = r.matrix
    holds_matrix(x, "Sigma", { { 1, .8 }, { .8, 1 } })
    holds_list(x, "VIF", { 1 / .36, 1 / .36 })
    holds_list(x, "bound", { .833333333333, .833333333333 })
    holds_list(x, "P", { .833333333333, .833333333333 })
    assert.is_true(x.errors.bound:get(1) < 0.02)
    assert.same({ "holds", "holds" }, x.verdicts)
    assert.equal(0.5, r.directions.values.bound:get(1))
    assert.equal(0, x.values.B:get(1, 2))
  end)

  it("have it on chains, too", function()
    local r = p:measure { sampler = "mcmc", samples = 20000, seed = 3, quiet = true,
      directions = both }
    local x = r.matrix
    assert.equal("ok", x.status)
    holds_matrix(x, "Sigma", { { 1, .8 }, { .8, 1 } })
    holds_list(x, "bound", { .833333333333, .833333333333 })
    assert.is_true(x.errors.bound:get(1) < 0.05)
    assert.is_nil(r.directions.values.beta)
  end)
end)

describe("a linear loss in a window", function()
  -- l = a + b.(x - x0): everything happens along b
  local function check(m, tau, a, slope, b)
    local centre = cj.full({ m }, 0.3, "float64")
    local weights = cj.tensor(b, "float64"):reshape { m, 1 } * slope
    local along = cj.tensor(b, "float64")
    local across = cj.zeros({ m }, "float64")
    across:set(1, b[2])
    across:set(2, -b[1])
    local r = cj.packet {
      model = function(x) return (x - 0.3):matmul(weights):sum(2) + a end, loss = "value",
      reference = "window", centre = centre, tau = tau,
    }:measure { samples = 8000, seed = 6, quiet = true,
      directions = directions.unit { along, across } .. directions.pixels({ m }, { 3, m }) }
    local b2 = 0
    for _, v in ipairs(b) do b2 = b2 + (v * slope) ^ 2 end
    local z = a * a + b2 * tau * tau
    local k, share = b2 * tau * tau / z, a * a / z
    local sx, sp = 1 + 2 * k - 4 * share * k, 1 + 2 * k
    local d, x = r.directions, r.matrix
    holds_list(d, "sigma_x", { tau * math.sqrt(sx), tau })
    holds_list(d, "sigma_p", { math.sqrt(sp) / (2 * tau), 1 / (2 * tau) })
    holds_list(d, "P", { math.sqrt(sx * sp) / 2, 1 / 2 })
    assert.near(0.5, d.values.P:get(2), 1e-3)
    local c = { 1, 0, b[3] * slope / math.sqrt(b2), b[m] * slope / math.sqrt(b2) }
    local sigma, g = {}, {}
    for i = 1, 4 do
      sigma[i], g[i] = {}, {}
      for j = 1, 4 do
        local product = i == j and 1 or 0
        if i ~= j and (i == 1 or j == 1) then product = c[i] * c[j] end
        sigma[i][j] = tau ^ 2 * (product + (sx - 1) * c[i] * c[j])
        g[i][j] = (product + (sp - 1) * c[i] * c[j]) / (4 * tau ^ 2)
      end
    end
    holds_matrix(x, "Sigma", sigma)
    holds_matrix(x, "G", g)
    assert.same({ "holds", "holds", "holds", "holds" }, x.verdicts)
    return r
  end

  it("is wide along its slope alone, in 5 and in 784 dimensions", function()
    check(5, 0.7, 1, 1, { 0.5, -1, 0.25, 0.1, 0.3 })
    local b = {}
    for i = 1, 784 do b[i] = math.sin(i) end
    check(784, 0.5, 1, 0.1, b)
  end)
end)

describe("error bars along directions", function()
  -- the truth in the frame of u = (.6, .8) and (-.8, .6)
  local function turned(m)
    local u, w, both = { .6, .8 }, { -.8, .6 }, { .6 - .8, .8 + .6 }
    local cross = (form(m, both) - form(m, u) - form(m, w)) / 2 -- the symmetric part
    local skew = (m[1][2] - m[2][1]) / 2 -- a turn leaves it
    return { { form(m, u), cross + skew }, { cross - skew, form(m, w) } }
  end

  it("cover the truth as often as they say", function()
    local all, hits = 200, {}
    local sigma, g, b = turned(SIGMA), turned(G), turned(B)
    local d = directions.unit { cj.tensor { 3, 4 }, cj.tensor { -4, 3 } }
    -- 95 % of a normal variable, and of Student's t where errors are of 32 batches
    local normal, student = 1.959964, 2.039513
    local function count(name, truth, v, e, width)
      local inside = math.abs(v - truth) <= (width or student) * e
      hits[name] = (hits[name] or 0) + (inside and 1 or 0)
    end
    local function count_one(name, truth, part)
      count(name, truth, part.values[name]:get(1), part.errors[name]:get(1), normal)
    end
    local p, bound = square(0), matrix_bound(2, sigma, b)
    for seed = 1001, 1000 + all do
      local r = p:measure { samples = 2000, faces = 0, seed = seed, quiet = true, directions = d }
      local x, one = r.matrix, r.directions
      count("VIF", vif(sigma), at(x, "VIF", 1))
      count("bound", bound, at(x, "bound", 2))
      count("slack", math.sqrt(sigma[2][2] * g[2][2]) - bound, at(x, "slack", 2))
      count("Sigma", sigma[1][2], at(x, "Sigma", 1, 2))
      count("G", g[1][2], at(x, "G", 1, 2))
      count("B", b[2][1], at(x, "B", 2, 1))
      count("first eigenvalue", EIGENVALUES[1], at(x, "eigenvalues", 1))
      count("second eigenvalue", EIGENVALUES[2], at(x, "eigenvalues", 2))
      count_one("P", math.sqrt(sigma[1][1] * g[1][1]), one)
      count_one("sigma_p", math.sqrt(g[1][1]), one)
      count_one("C", (b[1][1] - 1) / 2, one)
    end
    if os.getenv "SHOW" then for n, h in pairs(hits) do print(n, h / all * 100) end end
    for name, hit in pairs(hits) do
      local share = 100 * hit / all
      assert.is_true(share >= 92 and share <= 98, ("%s: %.1f %%"):format(name, share))
    end
  end)

  it("are free of most of what few samples make of the inverse of Sigma", function()
    -- a constant loss: VIF = 1; by itself the inverse would make N / (N - k) = 1.07 of it
    local k, sum, all = 20, 0, 10
    local p = cj.packet { model = function(x) return x:sum(2) * 0 + 1 end, loss = "value",
      shape = { k }, dtype = "float64" }
    local list = {}
    for i = 1, k do list[i] = i end
    for seed = 1, all do
      local x = p:measure { samples = 300, faces = 0, seed = seed, quiet = true,
        directions = directions.pixels({ k }, list) }.matrix
      sum = sum + x.values.VIF:mean():item() / all
    end
    assert.near(1, sum, 0.02)
  end)
end)

describe("a wrong gradient", function()
  it("is caught along a direction by boundary and volume", function()
    local function wrong(x) -- 1.5 times the slope of x1 + x2
      local s = x:sum(2)
      return s * 1.5 - s:detach() * 0.5 + 0.2
    end
    local function right(x) return x:sum(2) + 0.2 end
    local function measure(f)
      return cj.packet { model = f, loss = "value", shape = { 2 }, dtype = "float64" }
        :measure { samples = 20000, faces = 4000, seed = 1, quiet = true,
          directions = directions.dct({ 1, 2 }, 2) }
    end
    local bad, good = measure(wrong), measure(right)
    assert.is_true(bad.directions.z_B_gap > 5, bad.directions.z_B_gap)
    assert.is_true(good.directions.z_B_gap < 4)
    assert.equal("warn", bad.status)
    assert.matches("directions: B_gap: boundary and volume differ", table.concat(bad.reasons, "\n"))
  end)
end)

describe("the matrix form is refused", function()
  it("where there are not ten effective samples a direction", function()
    local list = {}
    for i = 1, 30 do list[i] = i end
    local r = cj.packet { model = function(x) return x:sum(2) + 1 end, loss = "value",
      shape = { 30 } }:measure { samples = 250, seed = 1, quiet = true,
        directions = directions.pixels({ 30 }, list) }
    assert.equal("unreliable", r.matrix.status)
    assert.matches("effective sample size %d+ for 30 directions", r.matrix.reason)
    assert.is_nil(r.matrix.values)
    assert.is_true(r.directions.values.P:get(1) > 0)
    assert.matches("matrix form: effective sample size", tostring(r))
  end)

  it("where directions depend on each other", function()
    local d = directions.pixels({ 2 }, { 1, 2 }) .. directions.unit { cj.tensor { 1, 1 } }
    local r = square(0):measure { samples = 2000, seed = 1, quiet = true, directions = d }
    assert.equal("unreliable", r.matrix.status)
    assert.matches("not positive definite", r.matrix.reason)
  end)

  it("where it would take too much memory", function()
    local many = directions.dct({ 40, 40 }, 1600)
    local p = cj.packet { model = function(x) return x:sum(2) end, loss = "value",
      shape = { 1600 } }
    misuse.raises("the matrix form of 1600 directions for 1 labels takes 1312 MB", p.measure, p,
      { samples = 10, faces = 0, quiet = true, directions = many })
  end)
end)

describe("results along directions", function()
  local nn = cj.nn
  local function network()
    cj.seed(4)
    return nn.sequential { nn.conv2d(1, 4, 3), nn.relu(), nn.flatten(), nn.linear(64, 3) }
  end
  local given = directions.dct({ 1, 6, 6 }, 9)

  local function bytes(part)
    local out = {}
    for _, one in ipairs { part, part.faces } do
      local names = {}
      for name in pairs(one.values) do names[#names + 1] = name end
      table.sort(names)
      for _, name in ipairs(names) do
        out[#out + 1] = one.values[name]:contiguous():bytes()
        out[#out + 1] = one.errors[name]:contiguous():bytes()
      end
    end
    return table.concat(out)
  end

  it("have the same bytes for any number of threads", function()
    local function record(threads)
      local before, out = core.threads(), {}
      core.threads(threads)
      for _, one in ipairs(cj.packet { model = network(), labels = { 0, 2 }, shape = { 1, 6, 6 } }
        :measure { samples = 1000, faces = 300, seed = 9, quiet = true, directions = given }) do
        out[#out + 1] = bytes(one.directions) .. bytes(one.matrix)
      end
      core.threads(before)
      return table.concat(out)
    end
    assert.equal(record(1), record(2))
  end)

  it("have the same bytes however the work is cut", function()
    local all = {}
    for i = 1, 2 do all[i] = i end
    local p = { loss = "ce", clip = 1, reference = "box", low = 0, high = 1, tau = 1, seed = 1,
      size = { 2 }, dtype = "float64", labels = { 1 }, samples = 900, set = "plain",
      centre = cj.full({ 2 }, 0.5, "float64"), face_pixels = all, face_samples = 400 }
    local vectors = directions.unit({ cj.tensor { 3, 4 }, cj.tensor { 1, 0 } }).vectors
    local function estimates(step)
      local m, done, out = core.packet_new(p), 0, {}
      core.packet_directions_new(m, vectors, true)
      while done < 900 do done = core.packet_run(m, softmax2d, nil, nil, step) end
      for _, faces in ipairs { false, true } do
        local v, e = core.packet_directions(m, 1, faces)
        local x = core.packet_matrix(m, 1, faces)
        out[#out + 1] = v:bytes() .. e:bytes() .. x.Sigma:bytes() .. x.B:bytes()
          .. x.eigenvalues:bytes()
      end
      return table.concat(out)
    end
    local whole = estimates(900)
    for _, step in ipairs { 1, 7, 32, 333 } do assert.equal(whole, estimates(step)) end
  end)

  it("are there for data, for several labels, and in records and texts", function()
    local r = cj.packet { model = network(), labels = { 0, 1 }, reference = "data",
      data = cj.rand({ 5, 1, 6, 6 }), tau = 0.2 }
      :measure { samples = 2000, seed = 2, quiet = true, directions = given }
    assert.equal(0.5, r[1].directions.values.bound:get(3))
    assert.is_not.equal(r[1].directions.values.P:get(3), r[2].directions.values.P:get(3))
    assert.is_nil(r[1].directions.faces)
    local record = r[1]:record()
    assert.same(given.names, record.directions.names)
    assert.equal(r[1].directions.values.P:get(2), record.directions.P[2])
    assert.equal(r[1].matrix.values.G:get(2, 3), record.matrix.G[2][3])
    assert.matches("dct 0,1 ", tostring(r[1]))
    assert.matches("matrix form: VIF up to", tostring(r[1]))
  end)

  it("give all memory back when any of it is refused", function()
    local p = { loss = "ce", clip = 1, reference = "box", low = 0, high = 1, tau = 1, seed = 1,
      size = { 2 }, dtype = "float64", labels = { 1 }, samples = 64, set = "plain",
      centre = cj.full({ 2 }, 0.5, "float64"), face_pixels = { 1, 2 }, face_samples = 64 }
    local vectors = directions.pixels({ 2 }, { 1, 2 }).vectors
    starve.every_allocation(function()
      local m = core.packet_new(p)
      core.packet_directions_new(m, vectors, true)
    end, 600)
    local m = core.packet_new(p)
    core.packet_directions_new(m, vectors, true)
    core.packet_run(m, softmax2d, nil, nil, 64)
    starve.every_allocation(function()
      core.packet_directions(m, 1, true)
      core.packet_matrix(m, 1, true)
    end)
  end)
end)
