local cj = require "conjugate"
local check_attack = require "support.check_attack"
local misuse = require "support.misuse"

local square = cj.attacks.square

describe("square", function()
  check_attack.laws(it, {
    make = square, ball = "linf", losses = true, gradients = false, queries = 42,
    options = { eps = 0.06, queries = 40 }, idle = { { eps = 0 }, { queries = 0 } },
    monotone = {
      { { queries = 1 }, { queries = 10 }, { queries = 40 }, { queries = 160 } },
      { { restarts = 1 }, { restarts = 2 }, { restarts = 4 } },
    },
  })
end)

describe("square in the Euclidean ball", function()
  check_attack.laws(it, {
    make = square, ball = "l2", losses = true, gradients = false, queries = 122,
    options = { eps = 0.3, queries = 40, norm = "l2", restarts = 3 },
    idle = { { eps = 0 }, { queries = 0 } },
    monotone = { { restarts = 1 }, { restarts = 2 }, { restarts = 4 } },
  })
end)

describe("square toward a target", function()
  check_attack.laws(it, {
    make = square, ball = "linf", gradients = false, queries = 42,
    options = { eps = 0.1, queries = 40, target = "random" }, idle = { { eps = 0 } },
  })
end)

-- --- what is asked ------------------------------------------------------------------------------

local function constant(x)
  return cj.zeros({ x:size(1), 2 }, x.dtype) + cj.tensor({ 3, 0 }, x.dtype)
end

-- A model, and the list of the points it was asked about, one sample at a time.
local function recording(model)
  local asked = {}
  return function(x)
    asked[#asked + 1] = x:clone()
    return model(x)
  end, asked
end

-- The points that a constant model was asked about: the clean input, the queries, and the result
-- again.
local function proposals(options, sizes, dtype)
  local model, asked = recording(constant)
  local x = cj.random.rand(sizes, dtype, 3)
  square(options)(model, x, { 0 }, { seed = 5 })
  return asked, x
end

-- Rows and columns (from 1) at which two images [1, C, H, W] differ: the smallest window, or nil.
local function changed_window(a, b)
  local different = (a - b):abs():max(1):max(1):table()
  local w
  for r, row in ipairs(different) do
    for c, d in ipairs(row) do
      if d > 0 then
        w = w or { top = r, bottom = r, left = c, right = c }
        w.bottom = r
        w.left, w.right = math.min(w.left, c), math.max(w.right, c)
      end
    end
  end
  if w then w.side = math.max(w.bottom - w.top, w.right - w.left) + 1 end
  return w
end

describe("square in the max norm", function()
  it("asks about corners of ball and box only", function()
    for _, dtype in ipairs { "float32", "float64" } do
      local asked, x = proposals({ eps = 0.1, queries = 60 }, { 1, 2, 5, 7 }, dtype)
      local low, high = (x - 0.1):clamp(0, 1), (x + 0.1):clamp(0, 1)
      for q = 2, 61 do
        local off = ((asked[q] - low):abs() * (asked[q] - high):abs()):max():item()
        assert.near(0, off, 0)
      end
      assert.near(0, (asked[62] - x):abs():max():item(), 0)
    end
  end)

  it("starts with vertical stripes of each channel", function()
    local asked, x = proposals({ eps = 0.1, queries = 1, bounds = { -1, 2 } }, { 1, 3, 5, 7 })
    local seen = {}
    for c = 1, 3 do
      for column = 1, 7 do
        local line = (asked[2] - x):select(1, 1):select(1, c):select(2, column)
        assert.near(0, (line - line:get(1)):abs():max():item(), 1e-6)
        assert.near(0.1, math.abs(line:get(1)), 1e-6)
        seen[line:get(1) > 0] = true
      end
    end
    assert.same({ [true] = true, [false] = true }, seen)
  end)

  it("changes one square window anywhere, of a side that follows p", function()
    local asked = proposals({ eps = 0.1, queries = 1100, p = 0.8 }, { 1, 1, 9, 12 })
    local turns, most, phase, last_row, last_column = { 10, 50, 200, 500, 1000 }, {}, 1, 0, 0
    for q = 3, 1101 do
      local w = assert(changed_window(asked[2], asked[q]), "a query was wasted")
      while turns[phase] and q - 2 > turns[phase] do phase = phase + 1 end
      most[phase] = math.max(most[phase] or 0, w.side)
      last_row, last_column = math.max(last_row, w.bottom), math.max(last_column, w.right)
    end
    assert.same({ 9, 7, 5, 3, 2, 2 }, most) -- sqrt(.8 * 108 / 2^k)
    assert.same({ 9, 12 }, { last_row, last_column })
  end)

  it("gives each channel of a window one sign", function()
    local asked = proposals({ eps = 0.1, queries = 300, bounds = { -1, 2 } }, { 1, 2, 8, 8 })
    local signs = {}
    for q = 3, 301 do
      local key = ""
      for c = 1, 2 do
        local d = (asked[q] - asked[2]):select(1, 1):select(1, c)
        local up, down = d:max():item() > 0.1, d:min():item() < -0.1
        assert.is_false(up and down)
        key = key .. (up and "+" or down and "-" or "0")
      end
      signs[key] = true
    end
    assert.is_true(signs["++"] and signs["+-"] and signs["-+"] and signs["--"])
    assert.is_nil(signs["00"])
  end)

  it("reaches the whole image with p = 1", function()
    local asked = proposals({ eps = 0.1, queries = 12, p = 1, bounds = { -1, 2 } }, { 1, 1, 6, 6 })
    local w = changed_window(asked[2], asked[3])
    assert.equal(6, w.bottom) -- the start has both signs
    assert.equal(1, w.top)
  end)

  it("brings the schedule to the number of queries with resc", function()
    local o = { eps = 0.1, queries = 100, p = 1, bounds = { -1, 2 } }
    local long = proposals(o, { 1, 1, 16, 16 })
    o.resc = true
    local short = proposals(o, { 1, 1, 16, 16 })
    -- proposals 41 to 80 are 4100 to 8000 of 10000: p / 128 and / 256, a side of 1; else 8
    local most = 0
    for q = 43, 82 do
      assert.equal(1, changed_window(short[2], short[q]).side)
      most = math.max(most, changed_window(long[2], long[q]).side)
    end
    assert.is_true(most > 5)
  end)

  it("takes over what raises the margin, and nothing else", function()
    local weight = cj.random.randn({ 2, 64 }, "float64", 8)
    local model, asked = recording(function(x)
      return cj.linear(x:reshape { -1, 64 }, weight) + cj.tensor({ 100, 0 }, "float64")
    end)
    local x = cj.random.rand({ 1, 1, 8, 8 }, "float64", 3)
    local r = square { eps = 0.05, queries = 400, p = 0.3 } (model, x, { 0 })
    local function loss_of(point)
      local z = cj.linear(point:reshape { -1, 64 }, weight)
      return z:get(1, 2) - z:get(1, 1) - 100
    end
    local best, accepted = asked[2], 0
    for q = 3, 401 do
      local w = changed_window(best, asked[q])
      assert.is_true(w and w.side <= 4) -- else it went on from something else
      if loss_of(asked[q]) > loss_of(best) then best, accepted = asked[q], accepted + 1 end
    end
    assert.is_true(accepted > 5 and accepted < 100)
    assert.near(0, (best - r.x_adv):abs():max():item(), 0)
    assert.near(loss_of(best), r.loss_adv[1], 1e-12)
    assert.same({ "FAIL" }, r.status)
  end)
end)

describe("square on models with known answers", function()
  it("flips the golden model above eps = .0625 only", function()
    for _, dtype in ipairs { "float32", "float64" } do
      local model, x, y = check_attack.golden(dtype)
      local far = square { eps = 0.063, queries = 200 } (model, x, y)
      assert.same({ "SUCCESS" }, far.status)
      assert.near(0, (far.x_adv - x - cj.tensor({ { -1, 1, 1, -1 } }, dtype) * 0.063):abs():max()
        :item(), 1e-7)
      assert.same({ "FAIL" }, square { eps = 0.062, queries = 200 } (model, x, y).status)
    end
  end)

  it("reaches .1229837 and not less of the golden model in the Euclidean norm", function()
    local model, x, y = check_attack.golden "float64"
    local image = x:reshape { 1, 1, 2, 2 }
    local function of_image(t)
      return model(t:reshape { -1, 4 })
    end
    for seed = 1, 20 do
      local near = square { eps = 0.1229, norm = "l2", queries = 200 }
      assert.same({ "FAIL" }, near(of_image, image, y, { seed = seed }).status)
    end
    local far = square { eps = 0.16, norm = "l2", queries = 2000 } (of_image, image, y)
    assert.same({ "SUCCESS" }, far.status)
  end)

  it("needs no gradient", function()
    local net, x, y = check_attack.network(24)
    net:eval()
    local function steps(input) -- slope 0 everywhere
      return net(cj.round(input * 50) / 50)
    end
    local r = square { eps = 0.2, queries = 100 } (steps, x, y)
    assert.equal(0, r.backwards_total)
    assert.is_true(r:success_rate() > 80)
    assert.same({}, r.warnings)
  end)

  it("stops at the query that misclassifies", function()
    local net, x, y = check_attack.network(24)
    net:eval()
    local r = square { eps = 0.1, queries = 100 } (net, x, y)
    local early = 0
    for i = 1, r.n do
      if r.status[i] == "SUCCESS" then
        assert.equal(r.iters[i] + 1, r.forwards[i])
        early = early + (r.iters[i] < 100 and 1 or 0)
      elseif r.status[i] == "FAIL" then
        assert.equal(100, r.iters[i])
        assert.is_true(r.forwards[i] == 101 or r.forwards[i] == 102)
      end
    end
    assert.is_true(early > 5)
  end)

  it("climbs the cross entropy toward a target, the margin away from the label", function()
    local net, x, y = check_attack.network(9)
    assert.equal("margin", square { eps = 0.1, queries = 9 } (net, x, y).loss)
    local targeted = square { eps = 0.1, queries = 9, target = "second" }
    assert.equal("ce", targeted(net, x, y).loss)
    targeted = square { eps = 0.1, queries = 9, target = "second", loss = "dlr" }
    assert.equal("dlr", targeted(net, x, y).loss)
  end)

  it("stays in the ball of each sample", function()
    local net, x, y = check_attack.network(9)
    local radii = {}
    for i = 1, 9 do radii[i] = 0.02 * (i - 1) end
    for _, norm in ipairs { "linf", "l2" } do
      local o = { eps = 1, norm = norm, queries = 30, seed = 2 }
      local r = square(o)(net, x, y, { radii = radii })
      for i = 1, 9 do
        o.eps = radii[i]
        local own = square(o)(net, x:narrow(1, i, 1), y:narrow(1, i, 1), { index = i - 1 })
        assert.equal(own.x_adv:bytes(), r.x_adv:narrow(1, i, 1):bytes())
        assert.equal(own.status[1], r.status[i])
      end
    end
  end)

  it("leaves the box when it may", function()
    local x = cj.zeros { 1, 1, 6, 6 }
    local model, asked = recording(constant)
    square { eps = 0.25, queries = 3, clip_box = false } (model, x, { 0 })
    for q = 2, 4 do assert.near(0, (asked[q]:abs() - 0.25):abs():max():item(), 0) end
  end)

  it("spends its queries where the box leaves one point only", function()
    local x = cj.full({ 1, 1, 4, 4 }, 0.5)
    for _, norm in ipairs { "linf", "l2" } do
      local r = square { eps = 1, norm = norm, queries = 9, bounds = { 0.5, 0.5 } }
      assert.same({ 11 }, r(constant, x, { 0 }).forwards)
    end
  end)

  it("takes samples of any sizes", function()
    local list = { { 2, 7 }, { 2, 1, 1, 1 }, { 2, 3, 2, 9 }, { 2, 2, 11, 3 }, { 2, 4, 5 } }
    for _, sizes in ipairs(list) do
      for _, norm in ipairs { "linf", "l2" } do
        local x = cj.random.rand(sizes, "float32", 3)
        local r = square { eps = 0.2, norm = norm, queries = 30 } (constant, x, { 0, 0 })
        assert.same({ 32, 32 }, r.forwards)
      end
    end
  end)
end)

-- --- the Euclidean form -------------------------------------------------------------------------

-- eta(s) as published: rectangles within rectangles, a hill above a valley, of length 1.
local function eta(s)
  local function rectangles(rows, columns)
    local v, squares = {}, 0
    for r = 1, rows do v[r] = {} end
    local from_row, from_column = math.floor(rows / 2), math.floor(columns / 2)
    for j = 0, math.max(math.floor(rows / 2), math.floor(columns / 2)) do
      for r = math.max(from_row - j, 0), math.min(from_row + j, rows - 1) do
        for c = math.max(from_column - j, 0), math.min(from_column + j, columns - 1) do
          v[r + 1][c + 1] = (v[r + 1][c + 1] or 0) + 1 / (j + 1) ^ 2
        end
      end
    end
    for r = 1, rows do
      for c = 1, columns do squares = squares + v[r][c] ^ 2 end
    end
    return v, math.sqrt(squares)
  end
  local half, out = math.floor(s / 2), {}
  local top, top_norm = rectangles(half, s)
  local bottom, bottom_norm = rectangles(s - half, s)
  for r = 1, s do
    out[r] = {}
    for c = 1, s do
      out[r][c] = (r <= half and top[r][c] / top_norm or -bottom[r - half][c] / bottom_norm)
        / math.sqrt(2)
    end
  end
  return cj.tensor(out, "float64")
end

local function euclidean(options, sizes)
  options.norm, options.bounds = "l2", { -9, 9 }
  local asked, x = proposals(options, sizes, "float64")
  local deltas = {}
  for q = 2, #asked - 1 do deltas[q - 1] = asked[q] - x end
  return deltas
end

local function length(v)
  return math.sqrt((v * v):sum():item())
end

describe("square in the Euclidean norm", function()
  it("starts with tiles of bumps", function()
    local start = euclidean({ eps = 2, queries = 1 }, { 1, 2, 15, 15 })[1]
    local bump, turned = eta(3), 0
    assert.near(1, length(bump), 1e-12)
    for c = 1, 2 do
      for tile = 0, 24 do
        local part = start:select(1, 1):select(1, c)
          :narrow(1, math.floor(tile / 5) * 3 + 1, 3):narrow(2, tile % 5 * 3 + 1, 3)
        part = part * (math.sqrt(50) / 2)
        local upright = math.abs((part * bump):sum():item())
        local on_side = math.abs((part:transpose(1, 2) * bump):sum():item())
        assert.near(1, math.max(upright, on_side), 1e-9)
        if on_side > upright then turned = turned + 1 end
      end
    end
    assert.is_true(turned > 5 and turned < 45 and turned % 2 == 0) -- channels turn together
  end)

  it("centres tiles of odd images, and asks about points at distance eps", function()
    local deltas = euclidean({ eps = 2, queries = 50 }, { 1, 1, 13, 17 })
    local rim = deltas[1]:abs():max(1):max(1)
    assert.near(0, rim:narrow(1, 13, 1):max():item(), 0) -- six tiles of side 2 and a row
    assert.near(0, rim:narrow(2, 17, 1):max():item(), 0)
    assert.is_true(rim:narrow(1, 12, 1):min():item() == 0 and rim:get(1, 1) > 0)
    for _, d in ipairs(deltas) do assert.near(2, length(d), 1e-9) end
  end)

  it("moves the mass of one window into another, mixed with a bump", function()
    for channels, sizes in ipairs { { 1, 1, 15, 15 }, { 1, 2, 15, 18 } } do
      local o = { eps = 2, queries = 51, p = 45 / (sizes[3] * sizes[4]) }
      local deltas, apart, most = euclidean(o, sizes), 0, { [5] = 0, [7] = 0 }
      local before = deltas[1]:reshape({ -1 }):table()
      for q = 2, #deltas do
        local side = q <= 11 and 7 or 5 -- odd, at least sqrt(45 / 2^k)
        local changed, zeros = 0, 0
        for e, v in ipairs(deltas[q]:reshape({ -1 }):table()) do
          if math.abs(v - before[e]) > 1e-9 then changed = changed + 1 end
          if v == 0 then zeros = zeros + 1 end
        end
        -- the two windows have kept their common mass: elsewhere nothing was scaled
        local pixels = channels * side ^ 2
        assert.is_true(changed <= 2 * pixels and zeros <= pixels)
        most[side] = math.max(most[side], changed)
        if zeros == pixels then apart = apart + 1 end
      end
      assert.is_true(apart > 20)
      assert.same({ [5] = 50 * channels, [7] = 98 * channels }, most)
    end
  end)

  it("fills what the box has cut off the length", function()
    local model, asked = recording(constant)
    local x = cj.random.rand({ 1, 1, 8, 8 }, "float64", 3)
    square { eps = 4, norm = "l2", queries = 30 } (model, x, { 0 })
    local longer = 0
    for q = 2, 31 do
      local d = length(asked[q] - x)
      assert.is_true(d <= 4 * (1 + 1e-6) and asked[q]:min():item() >= 0)
      if q > 2 and d > length(asked[2] - x) then longer = longer + 1 end
    end
    assert.is_true(longer > 5)
  end)

  it("says what is wrong with its options", function()
    for message, o in pairs {
      ['expected one of "linf", "l2" for norm'] = { eps = 0.1, norm = "l1" },
      ["expected a whole number of at least 0 for queries, got -1"] = { eps = 0.1, queries = -1 },
      ["expected a number from 0 to 1 for p, got 1.5"] = { eps = 0.1, p = 1.5 },
      ["expected a number above 0 for p, got 0"] = { eps = 0.1, p = 0 },
      ["of at least 1 for restarts, got 0"] = { eps = 0.1, restarts = 0 },
    } do
      misuse.raises(message, square, o)
    end
  end)
end)
