local cj = require "conjugate"
local damage = require "support.damage"
local folder = require "support.folder"
local starve = require "support.starve"

-- A file of version 1.0 around this dictionary and data.
local function npy(dictionary, data)
  return "\147NUMPY\1\0" .. string.char(#dictionary % 256, math.floor(#dictionary / 256))
    .. dictionary .. data
end

describe("an npy file", function()
  local dir, path
  setup(function()
    dir = folder.make()
    path = dir .. "/a.npy"
  end)
  teardown(function()
    folder.remove(dir)
  end)

  it("comes back as it was for every type and shape", function()
    for _, dtype in ipairs { "float32", "float64", "int64", "uint8" } do
      for _, shape in ipairs { {}, { 0 }, { 1 }, { 5 }, { 2, 3 }, { 2, 0, 3 }, { 1, 2, 3, 4 } } do
        local x = cj.zeros(shape, dtype)
        if x:numel() > 0 then x:fill_(7) end
        assert(cj.io.write_npy(path, x))
        local y = assert(cj.io.read_npy(path))
        assert.equal(dtype, y.dtype)
        assert.same(shape, y.shape)
        assert.same(x:table(), y:table())
      end
    end
  end)

  it("of a view is that of its elements", function()
    local x = cj.arange(0, 12):reshape({ 3, 4 }):transpose(1, 2)
    assert(cj.io.write_npy(path, x))
    assert.same(x:table(), cj.io.read_npy(path):table())
  end)

  it("has NumPy's own header", function()
    assert(cj.io.write_npy(path, cj.zeros { 2, 3 }))
    local bytes = folder.read(path)
    assert.equal(128 + 24, #bytes)
    assert.equal("\147NUMPY\1\0\118\0{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
      (bytes:sub(1, 128):gsub(" *\n$", "")))
    assert(cj.io.write_npy(path, cj.zeros { 3 }))
    assert.truthy(folder.read(path):find("'shape': (3,), }", 1, true))
    assert(cj.io.write_npy(path, cj.tensor(3)))
    assert.truthy(folder.read(path):find("'shape': (), }", 1, true))
  end)

  it("in Fortran order becomes a transposed view", function()
    local head = "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }\n"
    local x = assert(damage.read_bytes(cj.io.read_npy, path, npy(head, "\1\2\3\4\5\6")))
    assert.same({ { 1, 3, 5 }, { 2, 4, 6 } }, x:table())
  end)

  it("may be of version 2 and have its keys in any order", function()
    local head = "{\"shape\":(2,),\"fortran_order\":False,\"descr\":\"|b1\"}\n"
    local bytes = "\147NUMPY\2\0" .. string.char(#head) .. "\0\0\0" .. head .. "\1\0"
    local x = assert(damage.read_bytes(cj.io.read_npy, path, bytes))
    assert.equal("uint8", x.dtype)
    assert.same({ 1, 0 }, x:table())
  end)

  it("with any field wrong is refused by name", function()
    local function dictionary(descr, order, shape)
      return ("{'descr': %s, 'fortran_order': %s, 'shape': %s, }\n"):format(descr, order, shape)
    end
    local good = npy(dictionary("'|u1'", "False", "(2,)"), "ab")
    assert.truthy(damage.read_bytes(cj.io.read_npy, path, good))
    local cases = {
      { damage.patch(good, 1, "x"), "magic" },
      { damage.patch(good, 7, "\4"), "version: expected 1.0, 2.0 or 3.0, found 4.0" },
      { damage.patch(good, 8, "\1"), "version" },
      { damage.patch(good, 9, "\255\255"), "header: expected 65535 bytes" },
      { npy(dictionary("'>f4'", "False", "(2,)"), "ab"), "descr: expected '<f4'" },
      { npy(dictionary("'<U99999999999999999'", "False", "(2,)"), "ab"), "a short quoted word" },
      { npy(dictionary("'|u1'", "Maybe", "(2,)"), "ab"), "expected True or False" },
      { npy(dictionary("'|u1'", "False", "(2)"), "ab"), "expected a comma" },
      { npy(dictionary("'|u1'", "False", "[2]"), "ab"), "a tuple of sizes" },
      { npy(dictionary("'|u1'", "False", "(-2,)"), "ab"), "a size" },
      { npy(dictionary("'|u1'", "False", "(3,)"), "ab"), "elements: expected 3 bytes" },
      { npy(dictionary("'|u1'", "False", "(1,)"), "ab"), "length: expected" },
      { npy(dictionary("'|u1'", "False", "(99999999999999999999,)"), "ab"), "a size below 2^63" },
      { npy(dictionary("'|u1'", "False", "(4294967296, 4294967296)"), "ab"), "product below" },
      { npy(dictionary("'|u1'", "False", "(0, 4294967296, 4294967296)"), ""), "product below" },
      { npy(dictionary("'|u1'", "False", "(1,1,1,1,1,1,1,1,2)"), "ab"), "at most 8 dimensions" },
      { npy("{'descr': '|u1', 'shape': (2,)}\n", "ab"), "found not all" },
      { npy("{'descr': '|u1', 'descr': '|u1'}\n", "ab"), "once each, found 'descr'" },
      { npy("{'descr': '|u1', 'x': '|u1'}\n", "ab"), "once each, found 'x'" },
      { npy(dictionary("'|u1'", "False", "(2,)") .. "more", "ab"), "expected the end" },
      { npy(dictionary("'|u1'", "False", "(2,)") .. "\0", "ab"), "no zero bytes" },
    }
    for _, case in ipairs(cases) do damage.refuses(cj.io.read_npy, path, case[1], case[2]) end
  end)

  it("that is cut anywhere is refused", function()
    assert(cj.io.write_npy(path, cj.arange(0, 3)))
    damage.refuses_prefixes(cj.io.read_npy, path, folder.read(path))
  end)

  it("with changed bytes never crashes and leaves nothing behind", function()
    assert(cj.io.write_npy(path, cj.arange(0, 3)))
    local bytes, before, fd = folder.read(path), starve.settle(), damage.free_descriptor()
    damage.survives_changes(cj.io.read_npy, path, bytes, 60)
    assert.equal(before, starve.settle())
    assert.equal(fd, damage.free_descriptor())
  end)

  it("is read and written without leaks when memory runs out", function()
    local x = cj.arange(0, 12):reshape({ 3, 4 }):transpose(1, 2)
    starve.every_allocation(function() assert(cj.io.write_npy(path, x)) end)
    starve.every_allocation(function() assert(cj.io.read_npy(path)) end)
  end)
end)
