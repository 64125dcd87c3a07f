-- Every public function has documentation. (operators_spec.lua asks more of operators.)
local assert = require "luassert"
local folder = require "support.folder"

local function undocumented(files)
  return io.popen("luajit scripts/undocumented.lua " .. files):read "*a"
end

describe("documentation", function()
  it("is there for every public function", function()
    assert.equal("", undocumented "$(find lua -name '*.lua')")
  end)

  it("is missed where it is missing", function()
    local dir = folder.make()
    folder.write(dir .. "/a.lua", table.concat({
      "--- Told.", "-- @tparam number x one", "function M.told(x) end", "",
      "-- Not for the reference.", "function M.untold(x) end", "",
      "M.value = function() end", "local function own() end", "function M._own() end",
    }, "\n"))
    local text = undocumented(dir .. "/a.lua")
    folder.remove(dir)
    assert.matches("a.lua:6: M.untold has no documentation\n", text)
    assert.matches("a.lua:8: M.value has no documentation\n", text)
    assert.equal(2, select(2, text:gsub("\n", "")))
  end)
end)
