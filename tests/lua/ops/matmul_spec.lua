local check_op = require "support.check_op"
local cj = require "conjugate"

-- [M, K] x [K, N] by the definition.
local function product(x, y)
  local z = cj.zeros({ x:size(1), y:size(2) }, "float64")
  for i = 1, x:size(1) do
    for j = 1, y:size(2) do
      local sum = 0
      for k = 1, x:size(2) do sum = sum + x:get(i, k) * y:get(k, j) end
      z:set(i, j, sum)
    end
  end
  return z
end

local function numbers(sizes, key)
  return check_op.numbers(sizes, -1, 1, key)
end

describe("matmul", function()
  it("multiplies matrices of any size", function()
    for _, s in ipairs { { 1, 1, 1 }, { 2, 3, 4 }, { 17, 5, 9 }, { 64, 3, 2 }, { 65, 2, 3 },
      { 130, 7, 5 }, { 3, 4, 515 } } do
      local x, y = numbers({ s[1], s[2] }), numbers({ s[2], s[3] }, 2)
      check_op.same(product(x, y), x:matmul(y), 1e-13)
      check_op.same(product(x, y):to "float32", x:to("float32"):matmul(y:to "float32"), 1e-5)
      check_op.same(product(x, y), x:t():contiguous():t():matmul(y:t():contiguous():t()), 1e-13)
    end
  end)

  it("broadcasts leading dimensions", function()
    local function check(sizes_x, sizes_y, expected)
      local x, y = numbers(sizes_x), numbers(sizes_y, 2)
      local z = x:matmul(y)
      assert.same(expected, z.shape)
      local space = { unpack(expected, 1, #expected - 2) }
      local function spread(t)
        local sizes = { unpack(space) }
        sizes[#sizes + 1], sizes[#sizes + 2] = t:size(-2), t:size(-1)
        return t:expand(sizes):reshape(-1, t:size(-2), t:size(-1))
      end
      local xs, ys, zs = spread(x), spread(y), z:reshape(-1, z:size(-2), z:size(-1))
      for i = 1, #zs do check_op.same(product(xs[i], ys[i]), zs[i]:contiguous(), 1e-13) end
    end
    check({ 4, 2, 3 }, { 4, 3, 5 }, { 4, 2, 5 })
    check({ 4, 2, 3 }, { 3, 5 }, { 4, 2, 5 })
    check({ 2, 3 }, { 4, 3, 5 }, { 4, 2, 5 })
    check({ 2, 1, 2, 3 }, { 4, 3, 5 }, { 2, 4, 2, 5 })
    check({ 1, 2, 3 }, { 4, 3, 1 }, { 4, 2, 1 })
    check({ 2, 3 }, { 1, 3, 5 }, { 1, 2, 5 })
    check({ 3, 70, 2 }, { 2, 5 }, { 3, 70, 5 })
    check({ 3, 70, 2 }, { 3, 2, 5 }, { 3, 70, 5 })
  end)

  it("takes vectors", function()
    local x = cj.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
    local v, w = cj.tensor { 1, 0, 2 }, cj.tensor { 1, 2 }
    assert.same({ 7, 16 }, x:matmul(v):table())
    assert.same({ 9, 12, 15 }, w:matmul(x):table())
    assert.equal(5, v:matmul(v):item())
    assert.same({}, v:matmul(v).shape)
    assert.same({ 4, 2 }, numbers({ 4, 2, 3 }):matmul(numbers { 3 }).shape)
    assert.same({ 4, 3 }, numbers({ 2 }):matmul(numbers { 4, 2, 3 }).shape)
  end)

  it("copes with nothing", function()
    assert.same({ { 0, 0 } }, cj.zeros({ 1, 0 }):matmul(cj.zeros { 0, 2 }):table())
    assert.same({ 0, 2 }, cj.zeros({ 0, 3 }):matmul(cj.zeros { 3, 2 }).shape)
    assert.same({ 0, 2, 4 }, cj.zeros({ 0, 2, 3 }):matmul(cj.zeros { 3, 4 }).shape)
    local x = cj.zeros({ 1, 0 }):requires_grad_(true)
    x:matmul(cj.zeros { 0, 2 }):sum():backward()
    assert.same({ 1, 0 }, x.grad.shape)
  end)

  it("keeps all laws", function()
    local function laws(sizes_x, sizes_y)
      check_op.laws(function(x, y) return cj.matmul(x, y) end,
        { numbers(sizes_x), numbers(sizes_y, 2) },
        { views = 1e-14 }) -- other strides, other order of the sum over rows
    end
    laws({ 3, 4 }, { 4, 5 })
    laws({ 2, 3, 4 }, { 4, 5 })
    laws({ 3, 4 }, { 2, 4, 5 })
    laws({ 2, 1, 3, 4 }, { 3, 4, 2 })
    laws({ 2, 3, 4 }, { 2, 4, 2 })
    laws({ 4 }, { 4, 2 })
    laws({ 5, 1 }, { 1, 3 }) -- a single row or column: all strides may be 1
    laws({ 1, 5 }, { 5, 1 })
    laws({ 3, 1, 5 }, { 5, 2 })
    laws({ 1, 1 }, { 1, 1 })
  end)

  it("has the same bytes for any number of threads", function()
    local function check(sizes_x, sizes_y)
      check_op.threads(function(x, y) return cj.matmul(x, y) end,
        { numbers(sizes_x), numbers(sizes_y, 2) })
    end
    check({ 200, 300 }, { 300, 600 })
    check({ 5, 130, 30 }, { 5, 30, 40 })
    check({ 5, 1, 70, 30 }, { 4, 30, 40 })
  end)

  -- A row alone, in a small batch, in a large one, first or last: always the same bytes, and so is
  -- its gradient.
  it("gives a row that does not depend on the others", function()
    for _, dtype in ipairs { "float32", "float64" } do
      for _, s in ipairs { { 300, 20 }, { 64, 64 }, { 784, 600 }, { 37, 1 } } do
        local x = numbers({ 200, s[1] }):to(dtype)
        local y = numbers({ s[1], s[2] }, 2):to(dtype)
        local g = numbers({ 200, s[2] }, 3):to(dtype)
        local function rows(from, count)
          local part = x:narrow(1, from, count):clone():requires_grad_(true)
          local z = part:matmul(y)
          z:backward(g:narrow(1, from, count):contiguous())
          return z:detach(), part.grad
        end
        local all, slopes = rows(1, 200)
        for _, part in ipairs { { 1, 1 }, { 200, 1 }, { 3, 17 }, { 60, 64 }, { 2, 65 } } do
          local z, slope = rows(part[1], part[2])
          check_op.same(all:narrow(1, part[1], part[2]):contiguous(), z)
          check_op.same(slopes:narrow(1, part[1], part[2]):contiguous(), slope)
        end
      end
    end
  end)

  it("keeps NaN and infinities", function()
    local z = cj.tensor({ { 0, 1 }, { 2, 3 } }):matmul(cj.tensor { { 0 / 0 }, { math.huge } })
    assert.same({ { 1 }, { 1 } }, z:isnan():table())
  end)

  it("says what does not fit", function()
    assert.error_matches(function() cj.zeros({ 2, 3 }):matmul(cj.zeros { 4, 5 }) end,
      "matmul: inner sizes differ, %[2, 3%] x %[4, 5%]")
    assert.error_matches(function() cj.zeros({ 2, 2, 3 }):matmul(cj.zeros { 3, 3, 5 }) end,
      "matmul: sizes %[2%] and %[3%] do not broadcast")
    assert.error_matches(function() cj.zeros({ 2, 3 }):matmul(cj.zeros({ 3, 1 }, "float64")) end,
      "matmul: expected tensors of one type")
    assert.error_matches(function() cj.tensor(1):matmul(cj.zeros { 1, 1 }) end,
      "matmul: expected two or more dimensions")
  end)
end)

describe("bmm, dot and outer", function()
  it("are products of lists of matrices and of vectors", function()
    local x, y = numbers { 3, 2, 4 }, numbers({ 3, 4, 5 }, 2)
    check_op.same(x:matmul(y), cj.bmm(x, y))
    assert.error_matches(function() cj.bmm(x, y[1]) end,
      "bmm: expected a tensor of 3 dimensions for y")
    local v, w = cj.tensor { 1, 2 }, cj.tensor { 3, 4 }
    assert.equal(11, cj.dot(v, w):item())
    assert.same({ { 3, 4 }, { 6, 8 } }, cj.outer(v, w):table())
    assert.error_matches(function() cj.dot(v, cj.tensor { 1 }) end, "dot: expected equal sizes")
  end)
end)
