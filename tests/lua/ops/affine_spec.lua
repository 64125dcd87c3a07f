local check_op = require "support.check_op"
local cj = require "conjugate"
local misuse = require "support.misuse"

-- Points away from pixel centres and borders, where the slopes jump.
local matrix = cj.tensor({
  { { 0.9, 0.11, 0.23 }, { -0.13, 0.87, 0.31 } },
  { { 1.1, -0.07, -0.41 }, { 0.21, 0.93, 0.17 } },
}, "float64")

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

  it("checks its arguments", function()
    misuse.raises("affine_sample: expected matrix [2, 2, 3], got [1, 2, 3]", cj.affine_sample, x,
      matrix:narrow(1, 1, 1))
    misuse.raises('affine_sample: expected one of nearest|zero for border, got the text "wrap"',
      cj.affine_sample, x, matrix, "wrap")
  end)
end)
