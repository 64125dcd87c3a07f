local cj = require "conjugate"
local damage = require "support.damage"
local folder = require "support.folder"
local raises = require("support.misuse").raises
local starve = require "support.starve"

-- A grey 4-bit, an RGBA and a grey picture with a transparent level, by other software.
local grey4 = "89504e470d0a1a0a0000000d4948445200000001000000010400000000ff8e76540000000a494441"
  .. "54789c63280000007200713bbf86030000000049454e44ae426082"
local rgba = "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d494441"
  .. "54789c63484c4a4e010003d9018b2381a0ec0000000049454e44ae426082"

local see_through = "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55000000"
  .. "0274524e530007e8f7589b0000000a49444154789c63600700000900082023c38c000000"
  .. "0049454e44ae426082"

local function unhex(text)
  return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

describe("a PNG file", function()
  local dir, path
  setup(function()
    dir = folder.make()
    path = dir .. "/a.png"
  end)
  teardown(function()
    folder.remove(dir)
  end)

  local function ramp(...)
    local n = 1
    for _, s in ipairs { ... } do n = n * s end
    return (cj.arange(0, n) * (255 / n)):to("uint8"):reshape { ... }
  end

  it("comes back as it was, grey and RGB", function()
    for _, x in ipairs { ramp(1, 5, 7), ramp(3, 5, 7), ramp(1, 1, 1) } do
      assert(cj.io.write_png(path, x))
      local y = assert(cj.io.read_png(path))
      assert.equal("uint8", y.dtype)
      assert.same(x.shape, y.shape)
      assert.same(x:table(), y:table())
    end
    assert(cj.io.write_png(path, ramp(4, 6)))
    assert.same({ 1, 4, 6 }, cj.io.read_png(path).shape)
  end)

  it("is the same in memory", function()
    for _, x in ipairs { ramp(1, 5, 7), ramp(3, 5, 7), cj.random.rand({ 4, 6 }, "float32", 1) } do
      assert(cj.io.write_png(path, x))
      local bytes = cj.io.encode_png(x)
      assert.equal("uint8", bytes.dtype)
      assert.is_true(folder.read(path) == bytes:bytes())
    end
    raises("encode_png: expected [H, W], [1, H, W] or [3, H, W], got [2, 4, 4]",
      cj.io.encode_png, cj.zeros { 2, 4, 4 })
    raises("expected a tensor for tensor, got nil", cj.io.encode_png, nil)
  end)

  it("of a view is that of its elements", function()
    local x = ramp(5, 7, 3):permute { 3, 1, 2 }
    assert(cj.io.write_png(path, x))
    assert.same(x:table(), cj.io.read_png(path):table())
  end)

  it("of floats clamps, scales and rounds", function()
    local x = cj.tensor { { -1, 0, 0.4999 / 255, 0.5001 / 255 }, { 1, 2, 0 / 0, 100 / 255 } }
    assert(cj.io.write_png(path, x))
    assert.same({ { { 0, 0, 0, 1 }, { 255, 255, 0, 100 } } }, cj.io.read_png(path):table())
    assert(cj.io.write_png(path, x:to "float64"))
    assert.same({ { { 0, 0, 0, 1 }, { 255, 255, 0, 100 } } }, cj.io.read_png(path):table())
  end)

  it("has the same bytes every time", function()
    assert(cj.io.write_png(path, ramp(3, 9, 9)))
    local first = folder.read(path)
    assert(cj.io.write_png(path, ramp(3, 9, 9)))
    assert.equal(first, folder.read(path))
  end)

  it("that is cut anywhere, too long or not a PNG is refused", function()
    assert(cj.io.write_png(path, ramp(3, 3, 4)))
    local bytes = folder.read(path)
    damage.refuses_prefixes(cj.io.read_png, path, bytes)
    damage.refuses(cj.io.read_png, path, bytes .. "x", "length: expected")
    damage.refuses(cj.io.read_png, path, "GIF89a" .. bytes, "PNG")
  end)

  it("with changed bytes never crashes and leaves nothing behind", function()
    assert(cj.io.write_png(path, ramp(3, 3, 4)))
    local bytes, before, fd = folder.read(path), starve.settle(), damage.free_descriptor()
    damage.survives_changes(cj.io.read_png, path, bytes, 60)
    assert.equal(before, starve.settle())
    assert.equal(fd, damage.free_descriptor())
  end)

  it("of a kind we do not read is refused by name", function()
    damage.refuses(cj.io.read_png, path, unhex(grey4), "bit depth: expected 8, found 4")
    damage.refuses(cj.io.read_png, path, unhex(rgba),
      "colour type: expected 0 (grey) or 2 (RGB), found 6")
    damage.refuses(cj.io.read_png, path, unhex(see_through), "transparency: expected none")
  end)

  it("is read and written without leaks when memory runs out", function()
    local x = ramp(3, 6, 5)
    starve.every_allocation(function() assert(cj.io.write_png(path, x)) end)
    starve.every_allocation(function() assert(cj.io.read_png(path)) end)
    starve.every_allocation(function() assert(cj.io.encode_png(x)) end)
  end)

  it("is refused to wrong calls", function()
    raises("write_png: expected [H, W], [1, H, W] or [3, H, W], got [2, 4, 4]", cj.io.write_png,
      path, cj.zeros { 2, 4, 4 })
    raises("write_png: expected uint8 or floats in 0..1, got int64", cj.io.write_png, path,
      cj.zeros({ 4, 4 }, "int64"))
    raises("write_png: expected sides of 1 to", cj.io.write_png, path, cj.zeros { 0, 4 })
    raises("write_png: expected a tensor for tensor, got nil", cj.io.write_png, path, nil)
  end)
end)
