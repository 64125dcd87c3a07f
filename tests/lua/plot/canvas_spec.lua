local assert = require "luassert"
local canvas = require "conjugate.plot.canvas"
local colour = require "conjugate.plot.colour"
local font = require "conjugate.plot.font"

local function count(picture, packed)
  local total = 0
  for _, pixel in ipairs(picture.pixels) do
    if pixel == packed then total = total + 1 end
  end
  return total
end

describe("plot.canvas", function()
  it("fills rectangles and cuts them at the edges", function()
    local picture = canvas.new(4, 3, 0)
    picture:fill(-1, -1, 3, 2, 7)
    picture:fill(3, 2, 9, 9, 8)
    assert.same({ 7, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8 }, picture.pixels)
  end)

  it("enlarges images by whole pixels", function()
    local picture = canvas.new(4, 2, 0)
    picture:image(0, 0, { { 1, 2 } }, 2)
    assert.same({ 1, 1, 2, 2, 1, 1, 2, 2 }, picture.pixels)
  end)

  it("gives the bytes of red, then green, then blue", function()
    assert.equal("\1\1\2\2\255\255", canvas.new(2, 1, 0x0102ff):bytes())
  end)

  it("writes text inside the measured width", function()
    local picture = canvas.new(40, 10, 0)
    picture:text(40, 1, "7a", { zoom = 1, align = "right", colour = 5 })
    assert.is_true(count(picture, 5) > 10)
    for y = 0, 9 do
      for x = 0, 40 - font.measure("7a", 1) - 1 do
        assert.equal(0, picture.pixels[y * 40 + x + 1])
      end
    end
  end)
end)

describe("plot.font", function()
  it("has a glyph for every printable ASCII sign, all but the space with ink", function()
    for code = 33, 126 do
      local sum = 0
      for _, bits in ipairs(font.glyph(string.char(code))) do sum = sum + bits end
      assert.is_true(sum > 0, string.char(code))
    end
  end)

  it("counts UTF-8 signs, not bytes", function()
    assert.equal(3, #font.signs "aεΔ")
    assert.equal(2 * 17, font.measure("aεΔ", 2))
    assert.equal(0, font.measure "")
  end)
end)

describe("plot.colour", function()
  it("puts white at zero of the diverging map and its ends at the ends", function()
    local r, g, b = colour.parts(colour.map("diverging", 0, -1, 1))
    assert.is_true(r > 245 and g > 245 and b > 245)
    assert.equal(0x053061, colour.map("diverging", -9, -1, 1))
    assert.equal(0x67001f, colour.map("diverging", 9, -1, 1))
  end)

  it("shows NaN and takes an empty range", function()
    assert.equal(0xff00ff, colour.map("grey", 0 / 0, 0, 1))
    assert.equal(colour.map("grey", 0.5, 0, 1), colour.map("grey", 3, 3, 3))
  end)

  it("raises for a map it does not know", function()
    assert.error_matches(function() colour.map("rainbow", 0, 0, 1) end, "no map named rainbow")
  end)
end)
