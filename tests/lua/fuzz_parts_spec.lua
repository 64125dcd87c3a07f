-- Random calls of the functions of all parts (layers, optimisers, attacks, files ...): errors must
-- be in our words, not Lua's. CJ_FUZZ_CALLS and CJ_FUZZ_SEED as in fuzz_api_spec.lua.
local cj = require "conjugate"
local core = require "conjugate.core"
local ffi = require "ffi"
local folder = require "support.folder"
local toy = require "support.toy"

ffi.cdef "int chdir(const char *path); char *getcwd(char *text, size_t room);"

local CALLS = tonumber(os.getenv "CJ_FUZZ_CALLS") or 3000

local state = tonumber(os.getenv "CJ_FUZZ_SEED") or 1
local function random(n)
  state = (state * 16807) % 2147483647
  return state % n + 1
end

local function pick(list)
  return list[random(#list)]
end

local numbers = { 0, 1, 2, 3, -1, 0.5, 1.5, 0 / 0, 1 / 0, -1 / 0, 1e18, 2 ^ 40, 8 }
local values = {
  function() return nil end, function() return true end, function() return pick(numbers) end,
  function() return "three" end, function() return "" end, function() return {} end,
  function() return { 1, 2, 3 } end, function() return { x = 1 } end, function() return { {} } end,
  function() return { eps = 0.1 } end, function() return { { 1, 2 }, { 3, 4 } } end,
  function() return function(x) return x end end, function() return io.stdout end,
  function() return coroutine.create(function() end) end,
  function() return cj.rand { 3, 1, 2, 2 } end, function() return cj.rand { 4 } end,
  function() return cj.zeros({ 3 }, "int64") end, function() return cj.rand { 2, 8, 8 } end,
  function() return { cj.rand { 2, 2 }, cj.rand { 2, 2 } } end,
  function() return toy.set(20, 5) end, function() return cj.nn.linear(4, 2) end,
  function()
    local t = cj.zeros { 1 }
    t:release()
    return t
  end,
}

-- Not called: what a class defines for its objects, the network, the folders of others.
local skipped = {
  forward = true, extra = true, description = true, fetch = true, sweep = true, differences = true,
}

local function public_names(t, depth)
  local names = {}
  for key in pairs(t) do
    local public = type(key) == "string" and key:sub(1, 1) ~= "_" and not skipped[key]
    if public and not (key == "init" and depth > 0) then names[#names + 1] = key end
  end
  table.sort(names)
  return names
end

local function is_callable(v)
  local meta = getmetatable(v)
  return type(v) == "function" or (type(meta) == "table" and meta.__call ~= nil)
end

local function collect(prefix, t, depth, targets, seen)
  if seen[t] or depth > 2 then return end
  seen[t] = true
  for _, key in ipairs(public_names(t, depth)) do
    local v = t[key]
    if is_callable(v) then targets[#targets + 1] = { prefix .. key, v } end
    if type(v) == "table" then collect(prefix .. key .. ".", v, depth + 1, targets, seen) end
  end
end

local function all_targets()
  local targets, seen = {}, {}
  for _, name in ipairs(cj.attacks.names()) do assert(cj.attacks[name]) end
  for _, name in ipairs { "lab", "overlap", "quadrature", "slices" } do assert(cj.packet[name]) end
  for _, part in ipairs {
    "nn", "optim", "models", "attacks", "io", "metrics", "plot", "data", "run", "random", "ifa",
    "train", "report", "packet",
  } do
    collect(part .. ".", cj[part], 0, targets, seen)
  end
  for _, name in ipairs {
    "evaluate", "fit", "study", "battery", "blur", "conjugate", "predict",
  } do
    targets[#targets + 1] = { name, cj[name] }
  end
  return targets
end

-- What was made is called and shown, too.
local function use(result)
  if type(result) == "table" and is_callable(result) and random(2) == 1 then
    result(pick(values)(), pick(values)(), pick(values)())
  end
  if random(4) == 1 then tostring(result) end
end

local function is_unclear(message)
  message = tostring(message)
  return message:find("attempt to", 1, true) or message:find("bad argument", 1, true)
    or message:find("table overflow", 1, true)
end

local function call(target, unclear)
  local list, words = { n = random(4) - 1 }, {}
  for i = 1, list.n do
    list[i] = pick(values)()
    words[i] = core.describe(list[i])
  end
  local ok, message = pcall(function()
    use(target[2](unpack(list, 1, list.n)))
    return true
  end)
  if not ok and is_unclear(message) then
    unclear[target[1]] = ("%s(%s): %s"):format(target[1], table.concat(words, ", "), message)
  end
end

describe("random calls of the parts", function()
  it("are refused in our words or done", function()
    local generator, dir, unclear = cj.random.state(), folder.make(), {}
    local before = ffi.string(ffi.C.getcwd(ffi.new "char[4096]", 4096))
    local targets = all_targets()
    ffi.C.chdir(dir) -- some of them write files
    local ok, message = pcall(function()
      for _ = 1, CALLS do call(pick(targets), unclear) end
    end)
    ffi.C.chdir(before)
    folder.remove(dir)
    cj.random.restore(generator)
    assert(ok, message)
    assert.same({}, unclear)
    assert.is_true(core.grad_enabled(true))
    assert.is_false(core.interrupt_hold(false))
  end)
end)
