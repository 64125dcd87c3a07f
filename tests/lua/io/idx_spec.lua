local cj = require "conjugate"
local core = require "conjugate.core"
local damage = require "support.damage"
local folder = require "support.folder"
local raises = require("support.misuse").raises
local starve = require "support.starve"

local function read3(path)
  return cj.io.read_idx(path, 3)
end

describe("an IDX file", function()
  local dir, path, bytes, x
  setup(function()
    dir = folder.make()
    path = dir .. "/images.idx"
    x = cj.arange(0, 24):reshape({ 2, 3, 4 }):to "uint8"
    assert(cj.io.write_idx(path, x))
    bytes = folder.read(path)
  end)
  teardown(function()
    folder.remove(dir)
  end)

  it("has the official header, big end first", function()
    assert.equal("\0\0\8\3\0\0\0\2\0\0\0\3\0\0\0\4", bytes:sub(1, 16))
    assert.equal(16 + 24, #bytes)
  end)

  it("comes back as it was, plain and compressed", function()
    for _, name in ipairs { "a.idx", "a.idx.gz" } do
      assert(cj.io.write_idx(dir .. "/" .. name, x))
      local y = assert(cj.io.read_idx(dir .. "/" .. name))
      assert.equal("uint8", y.dtype)
      assert.same(x:table(), y:table())
    end
  end)

  it("of a view is that of its elements", function()
    assert(cj.io.write_idx(dir .. "/v.idx", x:select(3, 2)))
    assert.same(x:select(3, 2):table(), cj.io.read_idx(dir .. "/v.idx"):table())
  end)

  it("compresses to the same bytes every time", function()
    assert(cj.io.write_idx(dir .. "/1.gz", x))
    assert(cj.io.write_idx(dir .. "/2.gz", x))
    assert.equal(folder.read(dir .. "/1.gz"), folder.read(dir .. "/2.gz"))
  end)

  it("with any header field changed is refused by name", function()
    local cases = {
      { 1, "\1", "magic number: expected two zero bytes" },
      { 2, "\1", "magic number: expected two zero bytes" },
      { 3, "\9", "element type: expected 0x08 (unsigned byte), found 0x09" },
      { 4, "\2", "number of dimensions: expected 3, found 2" },
      { 4, "\0", "number of dimensions: expected 3, found 0" },
      { 4, "\255", "number of dimensions: expected 3, found 255" },
      { 8, "\1", "length: expected 28 bytes, found more" },
      { 8, "\3", "elements: expected 36 bytes" },
      { 8, "\0", "size 1: expected at least 1, found 0" },
      { 12, "\0", "size 2: expected at least 1, found 0" },
      { 16, "\0", "size 3: expected at least 1, found 0" },
      { 5, ("\255"):rep(12), "sizes: expected a product below" },
      { 5, ("\127"):rep(4), "elements: expected" },
    }
    for _, case in ipairs(cases) do
      damage.refuses(read3, path, damage.patch(bytes, case[1], case[2]), case[3])
    end
    damage.refuses(cj.io.read_idx, path, damage.patch(bytes, 4, "\9"),
      "number of dimensions: expected 1 to 8, found 9")
  end)

  it("that is short is refused wherever it ends", function()
    damage.refuses_prefixes(read3, path, bytes)
    assert(cj.io.write_idx(dir .. "/a.gz", x))
    damage.refuses_prefixes(read3, dir .. "/a.gz", folder.read(dir .. "/a.gz"))
  end)

  it("that is long is refused, plain and compressed", function()
    damage.refuses(read3, path, bytes .. "x", "length: expected 40 bytes, found more")
    assert(cj.io.write_idx(dir .. "/a.gz", x))
    local packed = folder.read(dir .. "/a.gz")
    damage.refuses(read3, path, packed .. "x", "gzip data")
    damage.refuses(read3, path, packed .. packed, "found more")
  end)

  it("whose compressed sum is wrong is refused", function()
    assert(cj.io.write_idx(dir .. "/a.gz", x))
    local packed = folder.read(dir .. "/a.gz")
    damage.refuses(read3, path, damage.patch(packed, #packed - 7, "\0\0"), "damaged")
  end)

  it("with changed bytes never crashes, and nothing is left open or in memory", function()
    local before, fd = starve.settle(), damage.free_descriptor()
    damage.survives_changes(read3, path, bytes, 60)
    assert.equal(before, starve.settle())
    assert.equal(fd, damage.free_descriptor())
  end)

  it("that is missing, a folder or a pipe gives a message", function()
    local value, message = cj.io.read_idx(dir .. "/none")
    assert.is_nil(value)
    assert.truthy(message:find("none: cannot open: No such file", 1, true))
    assert.truthy(select(2, cj.io.read_idx(dir)):find("expected a regular file", 1, true))
    os.execute("mkfifo " .. dir .. "/pipe")
    assert.truthy(select(2, cj.io.read_idx(dir .. "/pipe")):find("regular file", 1, true))
  end)

  it("is read and written without leaks when memory runs out", function()
    assert(cj.io.write_idx(path, x))
    starve.every_allocation(function() assert(cj.io.read_idx(path)) end)
    starve.every_allocation(function() assert(cj.io.write_idx(path .. ".gz", x)) end)
    starve.every_allocation(function() assert(cj.io.read_idx(path .. ".gz")) end)
  end)

  it("is refused to wrong calls", function()
    raises("read_idx: expected a string for path, got nil", cj.io.read_idx, nil)
    raises("read_idx: expected a file name without zero bytes", cj.io.read_idx, "a\0b")
    raises("read_idx: expected a whole number from 1 to 8 for ndim, got 9", cj.io.read_idx, "a", 9)
    raises("write_idx: expected a uint8 tensor, got float32", cj.io.write_idx, path, cj.ones { 2 })
    raises("write_idx: expected sizes of 1", cj.io.write_idx, path, cj.zeros({ 0 }, "uint8"))
    assert.is_nil((cj.io.write_idx(dir .. "/none/a", x)))
  end)

  it("larger than memory is refused before memory is taken", function()
    local peak = core.memory_peak()
    damage.refuses(read3, path, damage.patch(bytes, 5, "\0\255\255\255\0\0\255\255"), "at most 24")
    assert.equal(peak, core.memory_peak())
  end)
end)
