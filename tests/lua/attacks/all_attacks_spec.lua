-- Every attack must be documented, listed, held to the laws and measured on a golden case.
local cj = require "conjugate"
local golden = require "conjugate.selftest.golden"
local system = require "conjugate.run.system"

local LUA, SPECS, METHODS = "lua/conjugate/attacks", "tests/lua/attacks", "csrc/attacks/methods"

-- Attacks whose spec is that of something else.
local spec_of = { follow = "conjugate" }
-- Methods of several attacks.
local shared = { ascent = true, fab = true }
-- Attacks that need not gain from a larger budget: of one step, or toward the label.
local may_lose = { fgsm = true, fgm = true, target1 = true, ofgsm = true, ifa = true }
-- Where the Lua file of a method may be.
local homes = { LUA, "lua/conjugate/metrics" }

local function read(path)
  local f = io.open(path)
  if not f then return "" end
  local text = f:read "*a"
  f:close()
  return text
end

-- The block of comments a file begins with.
local function header(path)
  return read(path):match "^(%-%-%-.-)\n[^%-]" or ""
end

local function has_case(name)
  for _, case in ipairs(golden.cases) do
    if case.attack == name and next(case.expected) then return true end
  end
  return false
end

-- What an attack lacks, in words.
local function lacks(name)
  local list = {}
  local function need(there, what)
    if not there then list[#list + 1] = name .. " lacks " .. what end
  end
  local block = header(("%s/%s.lua"):format(LUA, name))
  local spec = read(("%s/%s_spec.lua"):format(SPECS, spec_of[name] or name))
  need(spec ~= "", "a spec")
  need(spec:find("check_attack.laws(it", 1, true), "the laws in its spec")
  need(may_lose[name] or spec:find "monotone = {", "growing budgets in its spec")
  need(block:find("@module conjugate.attacks." .. name .. "\n", 1, true), "@module")
  need(block:find("\n-- @usage %S"), "@usage")
  need(block:find("\n-- @source %S"), "@source")
  need(has_case(name), "a golden case in lua/conjugate/selftest/golden.lua")
  for _, field in ipairs { "summary", "formula", "conjugate", "source" } do
    local value = cj.attacks[name] and cj.attacks[name][field]
    need(type(value) == "string" and value ~= "", field)
  end
  return list
end

-- Names of the files of a folder that end so.
local function files(folder, ending)
  local names = {}
  for _, file in ipairs(system.list(folder) or {}) do
    names[#names + 1] = file:match("^(.*)%." .. ending .. "$")
  end
  return names
end

-- Files of methods that no Lua file is named after.
local function without_lua(methods)
  local list = {}
  for _, name in ipairs(methods) do
    local found = shared[name]
    for _, home in ipairs(homes) do
      found = found or read(("%s/%s.lua"):format(home, name)) ~= ""
    end
    if not found then list[#list + 1] = name end
  end
  return list
end

describe("every attack", function()
  it("has a spec with the laws, documentation and a golden case", function()
    local list = {}
    for _, name in ipairs(cj.attacks.names()) do
      for _, text in ipairs(lacks(name)) do list[#list + 1] = text end
    end
    assert.same({}, list)
  end)

  it("is listed: no file of the folder is missing", function()
    local listed = { init = true, define = true, conjugate = true }
    for _, name in ipairs(cj.attacks.names()) do listed[name] = true end
    for _, name in ipairs(files(LUA, "lua")) do assert.is_true(listed[name], name) end
  end)

  it("is there for every method of the core", function()
    local methods = files(METHODS, "c")
    assert.is_true(#methods >= 1)
    assert.same({}, without_lua(methods))
  end)

  it("of an unknown name is nil", function()
    assert.is_nil(cj.attacks.pdg)
    assert.is_nil(cj.attacks[1])
  end)

  it("would be missed", function()
    assert.equal(11, #lacks "nonesuch")
    assert.same({ "nonesuch" }, without_lua { "ascent", "nonesuch" })
  end)
end)

describe("golden cases", function()
  for _, case in ipairs(golden.cases) do
    it(("of %s hold in float32 too"):format(golden.name(case)), function()
      local found = golden.run(case, "float32")
      for key, expected in pairs(case.expected) do
        if type(expected) == "number" then
          assert.near(expected, found[key], (case.within or 0) + 1e-6, key)
        elseif type(expected) == "table" then
          for i, v in ipairs(expected) do
            assert.near(v, found[key][i], (case.within or 0) + 1e-6, key)
          end
        else
          assert.equal(expected, found[key], key)
        end
      end
    end)
  end
end)
