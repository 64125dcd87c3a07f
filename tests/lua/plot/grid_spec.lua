local assert = require "luassert"
local cj = require "conjugate"
local grid = require "conjugate.plot.grid"
local heatmap = require "conjugate.plot.heatmap"

local function count(picture, packed)
  local total = 0
  for _, pixel in ipairs(picture.pixels) do
    if pixel == packed then total = total + 1 end
  end
  return total
end

describe("plot.grid", function()
  it("draws each pixel enlarged, in grey, with the margin left white", function()
    local picture = grid.draw({ { title = "", images = { { { 0, 0 }, { 0, 0 } } } } }, { zoom = 5 })
    assert.equal(4 * 25, count(picture, 0x000000))
  end)

  it("draws signed images about white with the same scale on both sides", function()
    local picture = grid.draw({
      { title = "d", kind = "signed", images = { { { -0.1, 0.05 } } } },
    }, { zoom = 3 })
    assert.is_true(count(picture, 0x053061) >= 9)
  end)

  it("writes tensors of three channels in colour", function()
    local path = os.tmpname()
    local images = cj.zeros { 2, 3, 4, 4 }
    images:narrow(2, 1, 1):fill_(1) -- red
    assert(grid.save(path, { { title = "red", images = images, captions = { "a", "b" } } }))
    local back = assert(cj.io.read_png(path))
    os.remove(path)
    assert.equal(3, back.shape[1])
    local reds = back:select(1, 1):eq(255):to("float32"):sum():item()
    local greens = back:select(1, 2):eq(255):to("float32"):sum():item()
    assert.is_true(reds - greens >= 2 * 16 * 9)
  end)

  it("returns nil and why for a folder that does not exist", function()
    local ok, why = grid.save("/nonexistent/x.png", { { title = "", images = { { { 0 } } } } })
    assert.is_nil(ok)
    assert.is_string(why)
  end)
end)

describe("plot.heatmap", function()
  it("puts the ends of the data at the ends of the map", function()
    local picture = heatmap.draw({ { 0, 1 }, { 2, 3 } }, { zoom = 10 })
    assert.is_true(count(picture, 0x440154) >= 100)
    assert.is_true(count(picture, 0xfde725) >= 100)
  end)
end)
