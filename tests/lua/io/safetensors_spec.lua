local cj = require "conjugate"
local damage = require "support.damage"
local folder = require "support.folder"
local raises = require("support.misuse").raises
local starve = require "support.starve"

local load = cj.io.load_tensors

-- A file of this header and data; n: the length it claims.
local function file(header, data, n)
  n = n or #header
  local length = {}
  for i = 1, 8 do
    length[i] = string.char(n % 256)
    n = math.floor(n / 256)
  end
  return table.concat(length) .. header .. data
end

describe("a safetensors file", function()
  local dir, path
  setup(function()
    dir = folder.make()
    path = dir .. "/a.safetensors"
  end)
  teardown(function()
    folder.remove(dir)
  end)

  local function sample()
    return {
      { "z.bytes", cj.tensor({ 1, 2, 3 }, "uint8") },
      { "a.weight", cj.tensor { { 1, 2.5 }, { -3, 4 } } },
      { "none", cj.zeros { 0, 3 } },
      { "scalar", cj.tensor(7, "int64") },
      { "double", cj.tensor({ 0.1, 1e300 }, "float64") },
    }
  end

  it("comes back as it was, in order, with its metadata", function()
    local about = { model = "convnet", ["quote \" and \\ and \n"] = "\195\164 \t\1", empty = "" }
    assert(cj.io.save_tensors(path, sample(), about))
    local t, metadata = assert(load(path))
    assert.same(about, metadata)
    assert.equal(5, #t)
    for i, pair in ipairs(sample()) do
      assert.equal(pair[1], t[i])
      assert.equal(pair[2].dtype, t[pair[1]].dtype)
      assert.same(pair[2].shape, t[pair[1]].shape)
      assert.same(pair[2]:table(), t[pair[1]]:table())
    end
  end)

  it("has the bytes of the format", function()
    assert(cj.io.save_tensors(path, { b = cj.tensor({ 9 }, "uint8"), a = cj.tensor { 1 } },
      { k = "v" }))
    local header = '{"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
      .. '"b":{"dtype":"U8","shape":[1],"data_offsets":[4,5]}}'
    header = header .. (" "):rep(-#header % 8)
    assert.equal(file(header, "\0\0\128\63\9"), folder.read(path))
  end)

  it("has the same bytes for the same input, and tables are sorted", function()
    assert(cj.io.save_tensors(path, { a = cj.ones { 2 }, b = cj.ones { 3 } }, { x = "1", y = "2" }))
    local first = folder.read(path)
    assert(cj.io.save_tensors(path, { { "a", cj.ones { 2 } }, { "b", cj.ones { 3 } } },
      { y = "2", x = "1" }))
    assert.equal(first, folder.read(path))
  end)

  it("of views is that of their elements", function()
    local x = cj.arange(0, 12):reshape { 3, 4 }
    assert(cj.io.save_tensors(path, { x = x:transpose(1, 2), y = x:narrow(2, 2, 2) }))
    local t = assert(load(path))
    assert.same(x:transpose(1, 2):table(), t.x:table())
    assert.same(x:narrow(2, 2, 2):table(), t.y:table())
  end)

  it("may be empty", function()
    assert(cj.io.save_tensors(path, {}))
    local t, metadata = assert(load(path))
    assert.same({}, t)
    assert.same({}, metadata)
    assert.same({}, (assert(damage.read_bytes(load, path, file("{}", "")))))
  end)

  it("by other hands is read: blanks, any order, escapes", function()
    local header = ' { "b" : {"data_offsets":[1,3], "shape":[ 2 ],"dtype":"U8"},\n'
      .. '"\\u0061\\ud83d\\ude00\\/":{"dtype":"U8","shape":[],"data_offsets":[0,1]} }  '
    local t = assert(damage.read_bytes(load, path, file(header, "\1\2\3")))
    assert.same({ "b", "a\240\159\152\128/" }, { t[1], t[2] })
    assert.same({ 2, 3 }, t.b:table())
    assert.equal(1, t["a\240\159\152\128/"]:item())
  end)

  local function entry(name, dtype, shape, offsets)
    return ('"%s":{"dtype":"%s","shape":%s,"data_offsets":%s}'):format(name, dtype, shape, offsets)
  end

  it("with any field wrong is refused by name", function()
    local good = entry("a", "U8", "[2]", "[0,2]")
    assert.truthy(damage.read_bytes(load, path, file("{" .. good .. "}", "xy")))
    local cases = {
      { file("{" .. good .. "}", "x"), "data: expected 2 bytes, found 1" },
      { file("{" .. good .. "}", "xyz"), "data: expected 2 bytes, found 3" },
      { file("{" .. good .. "}", "xy", 1), "header length: expected 2 to 100000000, found 1" },
      { file("{" .. good .. "}", "xy", 100000001), "header length" },
      { file("{" .. good .. "}", "xy", 2 ^ 53), "header length" },
      { file("{" .. good .. "}", "xy", 500), "header: expected 500 bytes" },
      { file("{" .. entry("a", "F16", "[1]", "[0,2]") .. "}", "xy"),
        "dtype of 'a': expected F32, F64, I64 or U8, found 'F16'" },
      { file("{" .. entry("a", "U8", "[3]", "[0,2]") .. "}", "xy"),
        "data_offsets of 'a': expected 3 bytes, found 0 to 2" },
      { file("{" .. entry("a", "U8", "[2]", "[2,0]") .. "}", "xy"), "data_offsets of 'a'" },
      { file("{" .. entry("a", "U8", "[2]", "[1,3]") .. "}", "xyz"),
        "data_offsets of 'a': expected a beginning at 0, found 1" },
      { file("{" .. good .. "," .. entry("b", "U8", "[2]", "[1,3]") .. "}", "xyz"),
        "data_offsets of 'b': expected a beginning at 2, found 1" },
      { file("{" .. good .. "," .. entry("b", "U8", "[2]", "[3,5]") .. "}", "xyzuv"),
        "data_offsets of 'b': expected a beginning at 2, found 3" },
      { file("{" .. good .. "," .. entry("a", "U8", "[1]", "[2,3]") .. "}", "xyz"),
        "name 'a': expected once, found twice" },
      { file("{" .. entry("a", "U8", "[4611686018427387904,2]", "[0,2]") .. "}", "xy"),
        "shape of 'a'" },
      { file("{" .. entry("a", "U8", "[99999999999999999999]", "[0,2]") .. "}", "xy"), "2^63" },
      { file("{" .. entry("a", "U8", "[1,1,1,1,1,1,1,1,2]", "[0,2]") .. "}", "xy"), "at most 8" },
      { file("{" .. entry("a", "U8", "[-2]", "[0,2]") .. "}", "xy"), "a whole number" },
      { file("{" .. entry("a", "U8", "[2.0]", "[0,2]") .. "}", "xy"), "expected ']'" },
      { file("{" .. entry("a", "U8", "[02]", "[0,2]") .. "}", "xy"), "leading zeros" },
      { file("{" .. entry("a", "U8", "[2]", "[0,2,3]") .. "}", "xy"), "expected ']'" },
      { file('{"a":{"dtype":"U8","shape":[2]}}', "xy"), "found not all" },
      { file('{"a":{"dtype":"U8","dtype":"U8"}}', "xy"), "once each, found 'dtype'" },
      { file('{"a":{"type":"U8"}}', "xy"), "once each, found 'type'" },
      { file('{"a":[]}', "xy"), "header, byte 6: expected '{', found 0x5b" },
      { file("[]", ""), "header, byte 1: expected '{'" },
      { file("{" .. good .. "},", "xy"), "nothing but blanks" },
      { file("{" .. good .. ",}", "xy"), "expected '\"'" },
      { file("{" .. good, "xy"), "found the end" },
      { file('{"__metadata__":{"a":1}}', ""), "expected '\"'" },
      { file('{"__metadata__":{"a":"b","a":"c"}}', ""), "name 'a': expected once" },
      { file('{"__metadata__":{},"__metadata__":{}}', ""), "__metadata__: expected once" },
      { file('{"\255":{}}', ""), "UTF-8" },
      { file('{"\237\160\128":{}}', ""), "UTF-8" },
      { file('{"a\nb":{}}', ""), "control characters" },
      { file('{"\\ud800":{}}', ""), "a surrogate pair" },
      { file('{"\\x":{}}', ""), "an escape" },
    }
    for _, case in ipairs(cases) do damage.refuses(load, path, case[1], case[2]) end
  end)

  it("that is cut anywhere is refused", function()
    assert(cj.io.save_tensors(path, sample(), { k = "v" }))
    damage.refuses_prefixes(load, path, folder.read(path), 7)
  end)

  it("with changed bytes never crashes and leaves nothing behind", function()
    assert(cj.io.save_tensors(path, sample(), { k = "v" }))
    local bytes, before, fd = folder.read(path), starve.settle(), damage.free_descriptor()
    damage.survives_changes(load, path, bytes, 60)
    assert.equal(before, starve.settle())
    assert.equal(fd, damage.free_descriptor())
  end)

  it("is read and written without leaks when memory runs out", function()
    local tensors = sample()
    starve.every_allocation(function() assert(cj.io.save_tensors(path, tensors, { k = "v" })) end)
    starve.every_allocation(function() assert(load(path)) end)
  end)

  it("is refused to wrong calls", function()
    local save, one = cj.io.save_tensors, cj.ones { 1 }
    raises("save_tensors: expected a table for tensors, got nil", save, path)
    raises("save_tensors: expected a tensor for a, got 1", save, path, { a = 1 })
    raises("save_tensors: expected a string for a tensor's name, got 2", save, path, { { 2, one } })
    raises("save_tensors: expected a table for entry 1", save, path, { one })
    raises("name 'a': expected once, found twice", save, path, { { "a", one }, { "a", one } })
    raises("__metadata__", save, path, { __metadata__ = one })
    raises("save_tensors: expected a string for metadata.k, got 1", save, path, {}, { k = 1 })
    raises("expected a tensor's name in UTF-8, got byte 0xff", save, path, { ["\255"] = one })
    assert.is_nil((save(dir .. "/none/a", { a = one })))
    assert.is_nil((load(dir .. "/none")))
  end)
end)
