local assert = require "luassert"
local sketch = require "conjugate.plot.sketch"

local function lines_of(text)
  local lines = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = line end
  return lines
end

local function rising()
  return { { name = "TA", x = { 0, 1, 2, 3 }, y = { 0, 1, 2, 3 } } }
end

describe("plot.sketch.curve", function()
  it("puts a rising line from the lower left to the upper right", function()
    local lines = lines_of(sketch.curve(rising(), { unicode = false, width = 4, height = 4 }))
    assert.same({ "   *** TA", "3 |   *", "2 |  *", "  | *", "0 |*", "  +----", "   0 3" }, {
      lines[1], lines[2], lines[3], lines[4], lines[5], lines[6],
      (lines[7]:gsub(" +", " "):gsub("^ ", "   ")),
    })
  end)

  it("uses ASCII only when asked to", function()
    local texts = { unicode = false, title = "t", x_label = "n", y_label = "%" }
    local text = sketch.curve(rising(), texts)
    assert.is_nil(text:find "[\128-\255]")
  end)

  it("draws braille dots otherwise", function()
    local text = sketch.curve(rising(), { unicode = true })
    assert.truthy(text:find "\226[\160-\163][\128-\191]")
  end)

  it("keeps every line within the asked width", function()
    local text = sketch.curve(rising(), { unicode = false, width = 30, height = 5 })
    for _, line in ipairs(lines_of(text)) do assert.is_true(#line <= 30 + 2 + #"1.5") end
  end)

  it("takes constant, empty and NaN series", function()
    for _, y in ipairs { { 5, 5, 5 }, {}, { 0 / 0, 1, 0 / 0 } } do
      local x = {}
      for i = 1, #y do x[i] = i end
      assert.is_string(sketch.curve({ { name = "a", x = x, y = y } }, { unicode = true }))
    end
  end)

  it("leaves out what lies outside a fixed range of y", function()
    local series = { { name = "a", x = { 0, 1 }, y = { 200, 200 } } }
    local opts = { unicode = false, y_range = { 0, 100 }, height = 3, width = 9 }
    local text = sketch.curve(series, opts)
    assert.equal(3, select(2, text:gsub("*", "*"))) -- only the legend's sample
  end)
end)

describe("plot.sketch.images", function()
  local image = { { 0, 1 }, { 1, 0 }, { 1, 1 } }

  it("draws two rows of pixels with one row of half blocks", function()
    assert.equal("▄▀\n▀▀", sketch.images({ image }, { unicode = true }))
  end)

  it("draws means of two rows as shades in ASCII", function()
    assert.equal("++  ++\n++  ++", sketch.images({ image, image }, { unicode = false }))
  end)

  it("takes images with a channel dimension, and captions", function()
    local opts = { unicode = true, captions = { "1", "2" } }
    local text = sketch.images({ { image }, { image } }, opts)
    assert.equal("▄▀  ▄▀\n▀▀  ▀▀\n1   2", text)
  end)

  it("gives an empty text for no images", function()
    assert.equal("", sketch.images({}, {}))
  end)
end)
