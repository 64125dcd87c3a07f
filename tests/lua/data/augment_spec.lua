local cj = require "conjugate"
local raises = require("support.misuse").raises

-- [B, 2, 3] of one matrix.
local function matrix(rows, count)
  local list = {}
  for i = 1, count or 1 do list[i] = rows end
  return cj.tensor(list)
end

local identity = { { 1, 0, 0 }, { 0, 1, 0 } }

describe("affine_sample", function()
  local x
  setup(function()
    x = cj.tensor { { { { 1, 2, 3 }, { 4, 5, 6 } }, { { 7, 8, 9 }, { 10, 11, 12 } } } }
  end)

  it("with the identity changes no bit", function()
    local y = cj.rand { 3, 2, 7, 5 }
    assert.same(y:table(), cj.affine_sample(y, matrix(identity, 3)):table())
    assert.same(y:table(), cj.affine_sample(y, matrix(identity, 3), "zero"):table())
  end)

  it("moves by whole pixels, with both borders", function()
    local left = matrix { { 1, 0, 0 }, { 0, 1, 1 } }
    assert.same({ { { { 2, 3, 3 }, { 5, 6, 6 } }, { { 8, 9, 9 }, { 11, 12, 12 } } } },
      cj.affine_sample(x, left):table())
    assert.same({ { { { 2, 3, 0 }, { 5, 6, 0 } }, { { 8, 9, 0 }, { 11, 12, 0 } } } },
      cj.affine_sample(x, left, "zero"):table())
    local down = matrix { { 1, 0, -1 }, { 0, 1, 0 } }
    assert.same({ { { { 1, 2, 3 }, { 1, 2, 3 } }, { { 7, 8, 9 }, { 7, 8, 9 } } } },
      cj.affine_sample(x, down):table())
    assert.same({ { { { 0, 0, 0 }, { 1, 2, 3 } }, { { 0, 0, 0 }, { 7, 8, 9 } } } },
      cj.affine_sample(x, down, "zero"):table())
  end)

  it("mirrors", function()
    local y = cj.affine_sample(x, matrix { { 1, 0, 0 }, { 0, -1, 2 } })
    assert.same({ { { { 3, 2, 1 }, { 6, 5, 4 } }, { { 9, 8, 7 }, { 12, 11, 10 } } } }, y:table())
  end)

  it("interpolates between pixels", function()
    local y = cj.affine_sample(x, matrix { { 1, 0, 0.5 }, { 0, 1, 0.25 } })
    assert.near(0.5 * (1.25 + 4.25), y:get(1, 1, 1, 1), 1e-6)
    assert.near(6, y:get(1, 1, 2, 3), 1e-6) -- beyond the corner: the border's value
    local z = cj.affine_sample(x, matrix { { 1, 0, 0 }, { 0, 1, 0.25 } }, "zero")
    assert.near(0.75 * 3, z:get(1, 1, 1, 3), 1e-6)
  end)

  it("reads far away, infinite and undefined points as outside", function()
    for _, far in ipairs { 1e30, -1e30, 1 / 0, -1 / 0, 0 / 0 } do
      local y = cj.affine_sample(x, matrix { { 1, 0, far }, { 0, 1, 0 } }, "zero")
      assert.equal(0, y:abs():max():item())
      y = cj.affine_sample(x, matrix { { 1, 0, far }, { 0, 1, 0 } })
      assert.same(far == 1 / 0 and { 4, 5, 6 } or far == 1e30 and { 4, 5, 6 } or { 1, 2, 3 },
        y[1][1][1]:table())
    end
  end)

  it("has the gradients of central differences", function()
    local values = cj.randn({ 2, 2, 4, 5 }, "float64")
    local moves = cj.tensor({
      { { 0.9, 0.13, 0.21 }, { -0.17, 1.1, 0.33 } }, { { 1.2, -0.3, -0.77 }, { 0.1, 0.8, 1.43 } },
    }, "float64")
    local weights = cj.randn({ 2, 2, 4, 5 }, "float64")
    for _, border in ipairs { "nearest", "zero" } do
      local a, m = values:clone(), moves:clone()
      a.requires_grad, m.requires_grad = true, true;
      (cj.affine_sample(a, m, border) * weights):sum():backward()
      local function loss(v, w)
        return (cj.affine_sample(v, w, border) * weights):sum():item()
      end
      local function check(t, grad, f)
        local flat, g = t:reshape { t:numel() }, grad:reshape { t:numel() }
        for i = 1, flat:size(1) do
          local old, h = flat[i], 1e-6
          flat[i] = old + h
          local high = f()
          flat[i] = old - h
          local low = f()
          flat[i] = old
          assert.near((high - low) / (2 * h), g[i], 1e-6 * math.max(1, math.abs(g[i])))
        end
      end
      check(values, a.grad, function() return loss(values, moves) end)
      check(moves, m.grad, function() return loss(values, moves) end)
    end
  end)

  it("refuses wrong calls", function()
    raises("affine_sample: expected matrix [1, 2, 3], got [2, 2, 3]", cj.affine_sample, x,
      matrix(identity, 2))
    raises("affine_sample:", cj.affine_sample, x, matrix(identity):to "float64")
    raises("affine_sample:", cj.affine_sample, x[1], matrix(identity))
    raises("affine_sample:", cj.affine_sample, x, matrix(identity), "wrap")
  end)
end)

describe("augmentation", function()
  local augment = cj.data.augment
  local some = cj.tensor({ 3, 1, 4, 15, 9, 2, 6 }, "int64")

  it("without moves is the identity", function()
    local m = augment.matrices(some, {}, 28, 28, 7, 1)
    assert.same(matrix(identity, 7):table(), m:table())
  end)

  it("gives a sample the same move in every batch", function()
    local all = augment.matrices(some, "ygcnn", 28, 28, 7, 1)
    local one = augment.matrices(cj.tensor({ 15 }, "int64"), "ygcnn", 28, 28, 7, 1)
    assert.same(one[1]:table(), all[4]:table())
    assert.are_not.same(all:table(), augment.matrices(some, "ygcnn", 28, 28, 7, 2):table())
    assert.are_not.same(all:table(), augment.matrices(some, "ygcnn", 28, 28, 8, 1):table())
  end)

  it("of the ygcnn recipe stays within its ranges", function()
    local n = 2000
    local m = augment.matrices(cj.arange(1, n + 1):to "int64", "ygcnn", 28, 28, 1, 1)
    local most_turn, most_zoom, most_shift = 0, 0, 0
    for i = 1, n do
      local a, b, c, d = m:get(i, 1, 1), m:get(i, 1, 2), m:get(i, 2, 1), m:get(i, 2, 2)
      local row_zoom, col_zoom = math.sqrt(a * a + c * c), math.sqrt(b * b + d * d)
      most_zoom = math.max(most_zoom, math.abs(row_zoom - 1), math.abs(col_zoom - 1))
      most_turn = math.max(most_turn, math.abs(math.deg(math.atan2(c, a))))
      -- where the centre is read from, turned back, is the shift
      local row = a * 13.5 + b * 13.5 + m:get(i, 1, 3) - 13.5
      local col = c * 13.5 + d * 13.5 + m:get(i, 2, 3) - 13.5
      most_shift = math.max(most_shift, math.sqrt(row * row + col * col))
    end
    assert.is_true(most_turn > 9.9 and most_turn <= 10.001, most_turn)
    assert.is_true(most_zoom > 0.099 and most_zoom <= 0.10001, most_zoom)
    assert.is_true(most_shift > 3.5 and most_shift <= 2.8 * math.sqrt(2) + 1e-3, most_shift)
  end)

  it("of the cifar recipe moves by whole pixels, up to 4, and mirrors half", function()
    local n = 1000
    local m = augment.matrices(cj.arange(1, n + 1):to "int64", "cifar", 32, 32, 1, 1)
    local mirrored, rows, cols = 0, {}, {}
    for i = 1, n do
      local mirror = m:get(i, 2, 2) == -1
      assert.same({ 1, 0, 0 }, { m:get(i, 1, 1), m:get(i, 1, 2), m:get(i, 2, 1) })
      if mirror then mirrored = mirrored + 1 end
      local col = m:get(i, 2, 3) - (mirror and 31 or 0)
      rows[m:get(i, 1, 3)], cols[col] = true, true
    end
    for _, seen in ipairs { rows, cols } do
      for shift = -4, 4 do
        assert.is_true(seen[shift])
        seen[shift] = nil
      end
      assert.is_nil(next(seen))
    end
    assert.is_true(mirrored > 430 and mirrored < 570, mirrored)
  end)

  it("of the cifar recipe is pad, crop and flip", function()
    local x = cj.rand { 7, 3, 8, 8 }
    local y = augment.apply(x, some, "cifar", 5, 3)
    local m = augment.matrices(some, "cifar", 8, 8, 5, 3)
    for b = 1, 7 do
      for i = 0, 7 do
        for j = 0, 7 do
          local r, c = i + m:get(b, 1, 3), m:get(b, 2, 2) * j + m:get(b, 2, 3)
          local inside = r >= 0 and r < 8 and c >= 0 and c < 8
          assert.equal(inside and x:get(b, 2, r + 1, c + 1) or 0, y:get(b, 2, i + 1, j + 1))
        end
      end
    end
  end)

  it("does not depend on the number of threads", function()
    local x, threads = cj.rand { 7, 3, 8, 8 }, cj.threads()
    cj.threads(1)
    local one = augment.apply(x, some, "ygcnn", 5, 3)
    cj.threads(2)
    assert.same(one:table(), augment.apply(x, some, "ygcnn", 5, 3):table())
    cj.threads(threads)
  end)

  it("refuses wrong recipes", function()
    local m = augment.matrices
    raises('augment: expected one of "cifar", "ygcnn" for recipe', m, some, "x", 8, 8, 1, 1)
    raises("augment: expected a number from 0 to 1 for shift, got 2", m, some, { shift = 2 }, 8, 8,
      1, 1)
    raises('augment: there is no option "shifts"', m, some, { shifts = 2 }, 8, 8, 1, 1)
    raises('augment: expected one of "nearest", "zero" for border', m, some, { border = "x" }, 8, 8,
      1, 1)
  end)
end)
