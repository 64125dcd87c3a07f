local check_op = require "support.check_op"
local cj = require "conjugate"
local misuse = require "support.misuse"

-- Points away from pixel centres and borders, where the slopes jump.
local matrix = cj.tensor({
  { { 0.9, 0.11, 0.23 }, { -0.13, 0.87, 0.31 } },
  { { 1.1, -0.07, -0.41 }, { 0.21, 0.93, 0.17 } },
}, "float64")

-- The pixel at (r, c), from 0, of a picture given as a table of rows.
local function pixel(picture, r, c, border)
  local h, w = #picture, #picture[1]
  if border == "nearest" then
    r, c = math.max(0, math.min(h - 1, r)), math.max(0, math.min(w - 1, c))
  elseif r < 0 or c < 0 or r >= h or c >= w then
    return 0
  end
  return picture[r + 1][c + 1]
end

-- A coordinate within -1..size or, for the nearest border, 0..size - 1; what is no number is first.
local function clamp(at, size, border)
  local low, high = border == "zero" and -1 or 0, border == "zero" and size or size - 1
  return at > low and math.min(at, high) or low
end

local function sampled(picture, m, i, j, border)
  local at_row = clamp(m[1][1] * i + m[1][2] * j + m[1][3], #picture, border)
  local at_col = clamp(m[2][1] * i + m[2][2] * j + m[2][3], #picture[1], border)
  local r, c = math.floor(at_row), math.floor(at_col)
  local u, v = at_row - r, at_col - c
  local top = (1 - v) * pixel(picture, r, c, border) + v * pixel(picture, r, c + 1, border)
  local bottom = (1 - v) * pixel(picture, r + 1, c, border)
    + v * pixel(picture, r + 1, c + 1, border)
  return (1 - u) * top + u * bottom
end

describe("affine_sample", function()
  local x = check_op.numbers({ 2, 2, 4, 5 })

  for _, border in ipairs { "nearest", "zero" } do
    it("obeys the laws of every operator, border " .. border, function()
      check_op.laws(function(z, m) return cj.affine_sample(z, m, border) end, { x, matrix })
    end)
  end

  it("moves pictures by whole pixels exactly", function()
    local picture = cj.tensor { { { { 1, 2, 3 }, { 4, 5, 6 } } } }
    local right = cj.tensor { { { 1, 0, 0 }, { 0, 1, -1 } } }
    assert.same({ { { { 1, 1, 2 }, { 4, 4, 5 } } } }, cj.affine_sample(picture, right):table())
    assert.same({ { { { 0, 1, 2 }, { 0, 4, 5 } } } },
      cj.affine_sample(picture, right, "zero"):table())
  end)

  for _, border in ipairs { "nearest", "zero" } do
    it("follows the formula for every point, border " .. border, function()
      cj.seed(4)
      local nan, inf = 0 / 0, 1 / 0
      local m = cj.tensor({
        { { 1, 0, 0 }, { 0, 1, 0 } }, { { 0.7, 0.1, -2 }, { -0.2, 1.3, -9 } },
        { { 1, 0, -1e-30 }, { 0, -1, 40 } }, { { 1, 0, nan }, { 0, 1, 0.5 } },
        { { 0, 0, inf }, { 0, 1, -inf } }, { { 3e9, 0, -5e9 }, { 0, -4e9, 7e9 } },
      }, "float64")
      for _, size in ipairs { { 1, 1 }, { 3, 70 }, { 5, 32 }, { 33, 4 } } do
        local picture = cj.randn({ 6, 2, size[1], size[2] }, "float64")
        local y = cj.affine_sample(picture, m, border):table()
        local planes, matrices = picture:table(), m:table()
        for b = 1, 6 do
          for ch = 1, 2 do
            for i = 1, size[1] do
              for j = 1, size[2] do
                local expected = sampled(planes[b][ch], matrices[b], i - 1, j - 1, border)
                assert.equal(expected, y[b][ch][i][j])
              end
            end
          end
        end
      end
    end)
  end

  it("checks its arguments", function()
    misuse.raises("affine_sample: expected matrix [2, 2, 3], got [1, 2, 3]", cj.affine_sample, x,
      matrix:narrow(1, 1, 1))
    misuse.raises('affine_sample: expected one of nearest|zero for border, got the text "wrap"',
      cj.affine_sample, x, matrix, "wrap")
  end)
end)
