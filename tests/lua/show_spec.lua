local cj = require "conjugate"

local function lines(text)
  local _, n = text:gsub("\n", "")
  return n + 1
end

describe("a tensor as text", function()
  it("shows small ones in full, then a line about them", function()
    assert.equal("[[1., 2.],\n [3., 4.]]\nfloat32 [2, 2], min 1, max 4",
      tostring(cj.tensor { { 1, 2 }, { 3, 4 } }))
    assert.equal("[0, 7]\nuint8 [2], min 0, max 7", tostring(cj.tensor({ 0, 7 }, "uint8")))
    assert.equal("2.5000\nfloat64 []", tostring(cj.tensor(2.5, "float64")))
    assert.equal("[]\nfloat32 [0, 3]", tostring(cj.zeros { 0, 3 }))
  end)

  it("lines up numbers and what is none", function()
    assert.equal("[ 1.5000,     nan,     inf, -2.0000]\n"
      .. "float32 [4], min -2, max inf, 1 NaN, 1 infinite",
      tostring(cj.tensor { 1.5, 0 / 0, math.huge, -2 }))
    assert.equal("[nan, nan]\nfloat32 [2], 2 NaN", tostring(cj.tensor { 0 / 0, 0 / 0 }))
  end)

  it("uses exponents when sizes differ much", function()
    assert.truthy(tostring(cj.tensor { 1e-9, 0.5 }):find("1.0000e-09", 1, true))
  end)

  it("never floods", function()
    for _, shape in ipairs {
      { 100000 }, { 1000, 1000 }, { 64, 28, 28 }, { 16, 3, 32, 32 }, { 4, 4, 4, 4, 8, 8 },
      { 300, 1 }, { 1, 300 }, { 199 },
    } do
      local text = tostring(cj.rand(shape))
      assert.is_true(lines(text) <= 80, table.concat(shape, "x") .. ": " .. lines(text))
      for line in text:gmatch "[^\n]+" do assert.is_true(#line <= 100, line) end
    end
  end)

  it("says whether a gradient is wanted", function()
    local x = cj.zeros { 1, requires_grad = true }
    assert.truthy(tostring(x):find("requires_grad", 1, true))
    assert.truthy(tostring(x + 1):find("on the tape", 1, true))
  end)

  it("summarises with the first and last of every dimension", function()
    local text = tostring(cj.arange(1000))
    assert.truthy(text:find("[  0.,   1.,   2., ..., 997., 998., 999.]", 1, true))
  end)
end)
