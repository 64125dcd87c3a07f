local cj = require "conjugate"
local damage = require "support.damage"
local folder = require "support.folder"
local raises = require("support.misuse").raises

local function names_in(dir)
  local list, pipe = {}, io.popen("ls -A '" .. dir .. "'")
  for name in pipe:lines() do list[#list + 1] = name end
  pipe:close()
  return list
end

describe("writing a file", function()
  local dir
  before_each(function()
    dir = folder.make()
  end)
  after_each(function()
    folder.remove(dir)
  end)

  it("keeps every byte and leaves no temporary file", function()
    local bytes = "a\0b\r\n\255"
    assert.is_true(cj.io.write_file(dir .. "/x", bytes))
    assert.equal(bytes, folder.read(dir .. "/x"))
    assert.is_true(cj.io.write_file(dir .. "/x", ""))
    assert.equal("", folder.read(dir .. "/x"))
    assert.same({ "x" }, names_in(dir))
  end)

  it("that fails leaves the old content and says why", function()
    assert(cj.io.make_folder(dir .. "/sub"))
    local fd = damage.free_descriptor()
    local ok, message = cj.io.write_file(dir .. "/sub", "x")
    assert.is_nil(ok)
    assert.truthy(message:find("/sub: cannot rename", 1, true))
    ok, message = cj.io.write_file(dir .. "/none/x", "x")
    assert.is_nil(ok)
    assert.truthy(message:find("none/x: cannot create: No such file", 1, true))
    assert.same({ "sub" }, names_in(dir))
    assert.equal(fd, damage.free_descriptor())
  end)

  it("replaces a link's name, not its target", function()
    assert(cj.io.write_file(dir .. "/target", "old"))
    os.execute(("ln -s target '%s/link'"):format(dir))
    assert(cj.io.write_file(dir .. "/link", "new"))
    assert.equal("old", folder.read(dir .. "/target"))
    assert.equal("new", folder.read(dir .. "/link"))
  end)

  it("takes names relative to the current folder", function()
    local name = ("conjugate-test-%d.tmp"):format(os.time())
    assert(cj.io.write_file(name, "x"))
    assert.equal("x", folder.read(name))
    os.remove(name)
  end)

  it("makes folders and those above them", function()
    assert.is_true(cj.io.make_folder(dir .. "/a/b//c/"))
    assert.is_true(cj.io.make_folder(dir .. "/a/b/c"))
    assert(cj.io.write_file(dir .. "/a/b/c/f", ""))
    local ok, message = cj.io.make_folder(dir .. "/a/b/c/f/g")
    assert.is_nil(ok)
    assert.truthy(message:find("cannot make the folder", 1, true))
  end)

  it("is refused to wrong calls", function()
    raises("write_file: expected a string for bytes, got nil", cj.io.write_file, dir .. "/x", nil)
    raises("write_file: expected a file name without zero bytes", cj.io.write_file, "", "x")
    raises("make_folder: expected a string for path", cj.io.make_folder, {})
  end)
end)
