-- Directions: lengths, closed forms, signs, and what is refused.
local cj = require "conjugate"
local misuse = require "support.misuse"

local directions = cj.packet.directions

local function dots(d)
  return d.vectors:matmul(d.vectors:t():contiguous()):table()
end

local function assert_orthonormal(d)
  for i, row in ipairs(dots(d)) do
    for j, v in ipairs(row) do assert.near(i == j and 1 or 0, v, 1e-12) end
  end
end

describe("directions", function()
  it("of given vectors are normalised and keep their names", function()
    local d = directions.unit({ cj.tensor { { 3, 0 }, { 0, 4 } }, cj.tensor { 0, -2, 0, 0 } },
      { "a", "b" })
    assert.same({ "a", "b" }, d.names)
    assert.equal("float64", d.vectors.dtype)
    assert.same({ { 0.6, 0, 0, 0.8 }, { 0, -1, 0, 0 } }, d.vectors:table())
    assert.same({ "direction 1" }, directions.unit({ cj.tensor { 1, 1 } }).names)
  end)

  it("of pixels are rows of the unit matrix", function()
    local d = directions.pixels({ 1, 2, 2 }, { 4, 2 })
    assert.same({ { 0, 0, 0, 1 }, { 0, 1, 0, 0 } }, d.vectors:table())
    assert.same({ "pixel 4", "pixel 2" }, d.names)
  end)

  it("stand one after the other when joined", function()
    local d = directions.pixels({ 2 }, { 2 })
      .. directions.line(cj.tensor { 1, 0 }, cj.tensor { -1, 0 })
    assert.same({ "pixel 2", "line" }, d.names)
    assert.same({ { 0, 1 }, { -1, 0 } }, d.vectors:table())
  end)
end)

describe("cosines", function()
  it("are a complete orthonormal set", function()
    local d = directions.dct({ 3, 4 }, 12)
    assert.equal(12, d.vectors:size(1))
    assert_orthonormal(d)
    assert_orthonormal(directions.dct({ 2, 3, 3 }, { { 0, 1, 1 }, { 0, 1, 2 }, { 2, 0 } }))
  end)

  it("have the closed form of the DCT-II, down and across", function()
    local d = directions.dct({ 4, 2 }, { { 1, 0 }, { 0, 1 }, { 3, 1 } })
    for y = 0, 3 do
      for x = 0, 1 do
        local i, down = 2 * y + x + 1, math.cos(math.pi * (2 * y + 1) / 8) / math.sqrt(2)
        local across = x == 0 and math.sqrt(0.5) or -math.sqrt(0.5)
        assert.near(down * math.sqrt(0.5), d.vectors:get(1, i), 1e-14)
        assert.near(0.5 * across, d.vectors:get(2, i), 1e-14)
        assert.near(math.cos(3 * math.pi * (2 * y + 1) / 8) / math.sqrt(2) * across,
          d.vectors:get(3, i), 1e-14)
      end
    end
  end)

  it("come lowest first, and grey unless a channel is named", function()
    assert.same({ "dct 0,0", "dct 0,1", "dct 1,0", "dct 0,2", "dct 1,1" },
      directions.dct({ 3, 5, 5 }, 5).names)
    local d = directions.dct({ 2, 1, 2 }, { { 0, 0 }, { 0, 0, 2 } })
    assert.same({ "dct 0,0", "dct 0,0 of 2" }, d.names)
    for i, v in ipairs { 0.5, 0.5, 0.5, 0.5 } do assert.near(v, d.vectors:get(1, i), 1e-15) end
    for i, v in ipairs { 0, 0, 0.5 ^ 0.5, 0.5 ^ 0.5 } do
      assert.near(v, d.vectors:get(2, i), 1e-15)
    end
  end)
end)

describe("principal axes", function()
  -- n images of three pixels, exactly uncorrelated along known axes with known variances
  local function known(more)
    local rows = {}
    for _, c in ipairs { { 1, 1 }, { 1, -1 }, { -1, 1 }, { -1, -1 } } do
      local row = { 3 * c[1] * 0.6 + 1 * c[2] * 0.8, 3 * c[1] * 0.8 - 1 * c[2] * 0.6, 5 }
      for i = 4, more or 3 do row[i] = 7 end
      rows[#rows + 1] = row
    end
    return cj.tensor(rows, "float64")
  end

  it("are those of a known covariance, from either Gram matrix", function()
    for _, pixels in ipairs { 3, 9 } do -- fewer pixels than images, and more
      local d = directions.pca(known(pixels), 2)
      assert.same({ "pca 1", "pca 2" }, d.names)
      assert.near(12, d.variances[1], 1e-12)
      assert.near(4 / 3, d.variances[2], 1e-12)
      for i, v in ipairs { 0.6, 0.8, 0 } do assert.near(v, d.vectors:get(1, i), 1e-12) end
      for i, v in ipairs { 0.8, -0.6, 0 } do assert.near(v, d.vectors:get(2, i), 1e-12) end
    end
  end)

  it("are eigenvectors of the covariance of random images, the same each time", function()
    cj.seed(3)
    local x = cj.rand({ 40, 3, 5 }, "float64")
    local d, again = directions.pca(x, 15), directions.pca(x, 15)
    assert_orthonormal(d)
    assert.equal(d.vectors:bytes(), again.vectors:bytes())
    local rows = x:reshape { 40, 15 }
    rows = rows - rows:mean(1):reshape { 1, 15 }
    local scores = rows:matmul(d.vectors:t():contiguous())
    local cov = (scores:t():contiguous():matmul(scores) / 39):table()
    for i = 1, 15 do
      for j = 1, 15 do assert.near(i == j and d.variances[i] or 0, cov[i][j], 1e-12) end
      assert.is_true(i == 1 or d.variances[i] < d.variances[i - 1])
    end
  end)

  it("do not depend on the sign or order of the images", function()
    local a, b = directions.pca(known(), 2), directions.pca(-known():flip { 1 }, 2)
    for i = 1, 3 do assert.near(a.vectors:get(1, i), b.vectors:get(1, i), 1e-12) end
  end)
end)

describe("wrong directions", function()
  local t = cj.tensor { 1, 2 }
  local cases = {
    { "for list[1], got length 0", directions.unit, { cj.zeros { 3 } } },
    { "for list[1], got length nan", directions.unit, { cj.tensor { 0 / 0, 1 } } },
    { "at least one vector", directions.unit, {} },
    { "expected 2 elements for list[2], got 3", directions.unit, { t, cj.zeros { 3 } + 1 } },
    { "expected 1 names, got 2", directions.unit, { t }, { "a", "b" } },
    { "for list[1], got 5", directions.pixels, { 2, 2 }, { 5 } },
    { "at least one pixel", directions.pixels, { 2, 2 }, {} },
    { "expected shape {H, W}", directions.dct, { 4 }, 1 },
    { "for which, got 5", directions.dct, { 2, 2 }, 5 },
    { "for which[1][1], got 2", directions.dct, { 2, 2 }, { { 2, 0 } } },
    { "for which[1][3], got 2", directions.dct, { 1, 2, 2 }, { { 0, 0, 2 } } },
    { "for count, got 3", directions.pca, cj.rand { 3, 4 }, 3 },
    { "at least two images", directions.pca, cj.rand { 1, 4 }, 1 },
    { "at most 1, got 2", directions.pca, cj.tensor { { 0, 0 }, { 1, 1 }, { 2, 2 } }, 2 },
    { "for x1 - x0", directions.line, t, t },
    { "expected 2 elements for x1, got 3", directions.line, t, cj.zeros { 3 } },
  }
  for _, case in ipairs(cases) do
    it("say: " .. case[1], function() misuse.raises(case[1], case[2], case[3], case[4]) end)
  end

  it("cannot be joined to others of other images, nor to anything else", function()
    local d = directions.pixels({ 2 }, { 1 })
    misuse.raises("equally many pixels", function()
      return d .. directions.pixels({ 3 }, { 1 })
    end)
    misuse.raises("expected directions for operand 2", function() return d .. {} end)
  end)

  it("are refused by a measurement", function()
    local p = cj.packet { model = function(x) return x:sum(2) end, loss = "value", shape = { 2 } }
    local function measure(d, matrix)
      return function()
        return p:measure { samples = 10, quiet = true, directions = d, matrix = matrix }
      end
    end
    misuse.raises("expected float64 [1, 2]", measure(directions.pixels({ 3 }, { 1 })))
    misuse.raises("vectors of length 1",
      measure { names = { "a" }, vectors = cj.tensor({ { 1, 1 } }, "float64") })
    misuse.raises("for directions.names", measure {})
    misuse.raises("for matrix", measure(directions.pixels({ 2 }, { 1 }), 3))
  end)
end)
