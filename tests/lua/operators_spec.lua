-- Every operator of the core must be callable from Lua, documented and tested.
local core = require "conjugate.core"
local cj = require "conjugate"
local def = require "conjugate.ops.define"

local function read_all(pattern)
  local list = io.popen("ls " .. pattern .. " 2>/dev/null")
  local text = {}
  for path in list:lines() do
    local f = assert(io.open(path))
    text[#text + 1] = f:read "*a"
    f:close()
  end
  list:close()
  return table.concat(text, "\n")
end

local entries = read_all "lua/conjugate/ops/*.lua"
local specs = read_all "tests/lua/ops/*_spec.lua tests/lua/ops/*/*_spec.lua"

local missing_block = {}
-- Blocks: runs of comment lines that begin with three dashes.
for block in ("\n" .. entries):gmatch "\n(%-%-%- .-)\n[^%-]" do
  local name = block:match "@function ([%w_]+)"
  if name then
    for _, tag in ipairs { "@treturn", "@raise", "@source" } do
      if not block:find(tag, 1, true) then
        missing_block[#missing_block + 1] = name .. " lacks " .. tag
      end
    end
  end
end

local function lacking(test)
  local list = {}
  for _, name in ipairs(core.operators()) do
    if not test(name) then list[#list + 1] = name end
  end
  return list
end

describe("every operator of the core", function()
  it("exists at all", function()
    assert.is_true(#core.operators() > 40)
  end)

  it("has an entry in Lua", function()
    assert.same({}, lacking(function(name) return def.definitions[name] end))
    assert.same({}, lacking(function(name)
      return type(cj[def.definitions[name].as or name]) == "function"
    end))
  end)

  it("has a documented function", function()
    assert.same({}, lacking(function(name)
      local as = def.definitions[name] and def.definitions[name].as or name
      return entries:find("@function " .. as .. "\n", 1, true)
    end))
    assert.same({}, missing_block)
  end)

  it("has a spec", function()
    assert.same({}, lacking(function(name)
      local as = def.definitions[name] and def.definitions[name].as or name
      return specs:find('"' .. as .. '"', 1, true) or specs:find("cj%." .. as .. "[ (]")
    end))
  end)

  it("says what it takes", function()
    for _, name in ipairs(core.operators()) do
      local info = core.operator_info(name)
      assert.is_true(#info.types > 0)
      assert.is_boolean(info.view)
    end
    assert.is_nil(core.operator_info "no such thing")
  end)
end)
