local cj = require "conjugate"
local damage = require "support.damage"
local folder = require "support.folder"
local starve = require "support.starve"

local RECORD = 3073

-- Record with this label; pixel i is (i + shift) % 256.
local function record(label, shift)
  local parts = { string.char(label) }
  for i = 0, RECORD - 2 do parts[#parts + 1] = string.char((i + shift) % 256) end
  return table.concat(parts)
end

describe("a CIFAR-10 batch", function()
  local dir, path, bytes
  setup(function()
    dir = folder.make()
    path = dir .. "/batch.bin"
    bytes = record(9, 0) .. record(0, 7)
  end)
  teardown(function()
    folder.remove(dir)
  end)

  it("gives planes red, green, blue and labels", function()
    folder.write(path, bytes)
    local x, y = cj.io.read_cifar(path)
    assert.same({ 2, 3, 32, 32 }, x.shape)
    assert.equal("uint8", x.dtype)
    assert.equal("int64", y.dtype)
    assert.same({ 9, 0 }, y:table())
    assert.equal((1024 + 33) % 256, x:get(1, 2, 2, 2))
    assert.equal((2048 + 31 + 7) % 256, x:get(2, 3, 1, 32))
  end)

  it("is read compressed too", function()
    folder.write(path, bytes)
    os.execute(("gzip -kf '%s'"):format(path))
    local x, y = cj.io.read_cifar(path .. ".gz")
    local x1, y1 = cj.io.read_cifar(path)
    assert.same(x1:table(), x:table())
    assert.same(y1:table(), y:table())
    damage.refuses_prefixes(cj.io.read_cifar, dir .. "/cut.gz", folder.read(path .. ".gz"), 17)
  end)

  it("with a label of 10 or a broken length is refused", function()
    damage.refuses(cj.io.read_cifar, path, damage.patch(bytes, 1 + RECORD, "\10"),
      "label of record 2: expected 0 to 9, found 10")
    for _, n in ipairs { 1, RECORD - 1, RECORD + 1, 2 * RECORD - 1 } do
      damage.refuses(cj.io.read_cifar, path, bytes:sub(1, n),
        "length: expected a multiple of 3073 bytes, found " .. n)
    end
    damage.refuses(cj.io.read_cifar, path, "", "length: expected a multiple of 3073")
  end)

  it("leaves nothing behind when it fails", function()
    local before, fd = starve.settle(), damage.free_descriptor()
    for _ = 1, 20 do
      damage.refuses(cj.io.read_cifar, path, bytes:sub(2), "length")
    end
    assert.equal(before, starve.settle())
    assert.equal(fd, damage.free_descriptor())
    folder.write(path, bytes)
    starve.every_allocation(function() assert(cj.io.read_cifar(path)) end)
  end)
end)
