local cj = require "conjugate"
local damage = require "support.damage"
local folder = require "support.folder"
local raises = require("support.misuse").raises
local starve = require "support.starve"

-- numpy.savez_compressed(file, a=uint8 [1, 2, 3], b=float32 zeros [300]), NumPy 2.
local deflated = "504b03042d0000000800000021002ae38eb1ffffffffffffffff05001400612e6e70790100100083"
  .. "0000000000000047000000000000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a05e536aa8"
  .. "aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91ac63a9a3a0ab50a14"
  .. "002e46266600504b03042d000000080000002100e93ab434ffffffffffffffff05001400622e6e70"
  .. "7901001000300500000000000050000000000000009bec17ea1b10c9c850c650ad9e925a9c5ca46e"
  .. "a5a06e9366a2aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91ac606"
  .. "063a9a3a0ab50a64032e8651300a46c12818220000504b01022d032d0000000800000021002ae38e"
  .. "b14700000083000000050000000000000000000000800100000000612e6e7079504b01022d032d00"
  .. "0000080000002100e93ab434500000003005000005000000000000000000000080017e000000622e"
  .. "6e7079504b0506000000000200020066000000050100000000"

local function unhex(text)
  return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

describe("an npz file", function()
  local dir, path
  setup(function()
    dir = folder.make()
    path = dir .. "/a.npz"
  end)
  teardown(function()
    folder.remove(dir)
  end)

  local function sample()
    return {
      { "z", cj.tensor({ 1, 2, 3 }, "uint8") }, { "a/b", cj.arange(0, 6):reshape { 2, 3 } },
      { "none", cj.zeros { 0, 3 } }, { "scalar", cj.tensor(7, "int64") },
    }
  end

  it("comes back as it was, in order", function()
    assert(cj.io.write_npz(path, sample()))
    local t = assert(cj.io.read_npz(path))
    for i, pair in ipairs(sample()) do
      assert.equal(pair[1], t[i])
      assert.equal(pair[2].dtype, t[pair[1]].dtype)
      assert.same(pair[2].shape, t[pair[1]].shape)
      assert.same(pair[2]:table(), t[pair[1]]:table())
    end
    assert(cj.io.write_npz(path, {}))
    assert.same({}, (assert(cj.io.read_npz(path))))
  end)

  it("has the same bytes for the same input", function()
    assert(cj.io.write_npz(path, { a = cj.ones { 2 }, b = cj.ones { 3 } }))
    local first = folder.read(path)
    assert(cj.io.write_npz(path, { { "a", cj.ones { 2 } }, { "b", cj.ones { 3 } } }))
    assert.equal(first, folder.read(path))
  end)

  it("compressed by NumPy is read", function()
    local t = assert(damage.read_bytes(cj.io.read_npz, path, unhex(deflated)))
    assert.same({ "a", "b" }, { t[1], t[2] })
    assert.same({ 1, 2, 3 }, t.a:table())
    assert.same({ 300 }, t.b.shape)
    assert.equal(0, t.b:abs():max():item())
  end)

  it("with any field wrong is refused by name", function()
    assert(cj.io.write_npz(path, { a = cj.tensor({ 1, 2, 3 }, "uint8") }))
    local good = folder.read(path)
    local line, last = good:find("PK\1\2", 1, true), #good - 21
    local cases = {
      { 1, "x", "member 'a': expected its header at byte 0, found none" },
      { last - 1, "x", "member name: expected NAME.npy" },
      { 34 + 128, "x", "member 'a': sum: expected" },
      { line, "x", "directory: expected 1 members, found fewer" },
      { line + 8, "\1", "flags: expected no encryption" },
      { line + 10, "\12", "expected method 0 or 8, found 12" },
      { line + 16, "xx", "member 'a': sum: expected" },
      { line + 20, "\1", "expected method 0 or 8, found 0" },
      { line + 24, "\1", "expected method 0 or 8, found 0" },
      { line + 20, "\255\255\255\127\255\255\255\127", "member 'a': expected 2147483647 bytes" },
      { line + 28, "\255", "directory: expected" },
      { line + 42, "\1", "expected its header at byte 1" },
      { line + 42, "\255\255\255\255", "expected its header at byte 4294967295" },
      { last, "x", "end of a ZIP directory" },
      { last + 4, "\1", "expected one disk" },
      { last + 8, "\2\0\2", "expected 2 members, found fewer" },
      { last + 8, "\0\0\0", "directory: expected 0 bytes" },
      { last + 12, "\1", "directory: expected to end at byte" },
      { last + 16, "\1", "directory: expected to end at byte" },
      { last + 20, "\1", "end of a ZIP directory" },
    }
    for _, case in ipairs(cases) do
      damage.refuses(cj.io.read_npz, path, damage.patch(good, case[1], case[2]), case[3])
    end
    damage.refuses(cj.io.read_npz, path, damage.patch(unhex(deflated), 60, "\0\0\0"), "damaged")
  end)

  it("that is cut anywhere is refused", function()
    assert(cj.io.write_npz(path, sample()))
    damage.refuses_prefixes(cj.io.read_npz, path, folder.read(path), 7)
  end)

  it("with changed bytes never crashes and leaves nothing behind", function()
    local before, fd = starve.settle(), damage.free_descriptor()
    damage.survives_changes(cj.io.read_npz, path, unhex(deflated), 60)
    assert.equal(before, starve.settle())
    assert.equal(fd, damage.free_descriptor())
  end)

  it("is read and written without leaks when memory runs out", function()
    local tensors = sample()
    starve.every_allocation(function() assert(cj.io.write_npz(path, tensors)) end)
    starve.every_allocation(function() assert(cj.io.read_npz(path)) end)
    folder.write(path, unhex(deflated))
    starve.every_allocation(function() assert(cj.io.read_npz(path)) end)
  end)

  it("is refused to wrong calls", function()
    raises("write_npz: expected a tensor for a, got 1", cj.io.write_npz, path, { a = 1 })
    raises("write_npz: expected names of 1 to 1000 bytes", cj.io.write_npz, path,
      { { "", cj.ones { 1 } } })
    raises("write_npz: name 'a': expected once", cj.io.write_npz, path,
      { { "a", cj.ones { 1 } }, { "a", cj.ones { 1 } } })
    raises("write_npz: expected a table for tensors", cj.io.write_npz, path, nil)
  end)
end)
