-- Random calls of every operator, function and method: nothing may crash, every error must name the
-- function and the caller's line, and all memory must come back. CJ_FUZZ_CALLS and CJ_FUZZ_SEED
-- give more calls, for runs under the sanitizers.
local cj = require "conjugate"
local core = require "conjugate.core"
local define = require "conjugate.ops.define"
local starve = require "support.starve"

local CALLS = tonumber(os.getenv "CJ_FUZZ_CALLS") or 20000
local SEED = tonumber(os.getenv "CJ_FUZZ_SEED") or 1

-- A generator of its own, since what is called may seed the package's.
local state = SEED
local function random(n)
  state = (state * 16807) % 2147483647
  return state % n + 1
end

local function pick(list)
  return list[random(#list)]
end

-- --- values -------------------------------------------------------------------------------------

local dtypes = { "float32", "float32", "float32", "float64", "int64", "uint8" }
local small = { 0, 1, 1, 2, 2, 3, 3, 4, 5, -1, -2 }
local odd_numbers = {
  0 / 0, 1 / 0, -1 / 0, 1.5, -1, 0, 1e18, -1e18, 2 ^ 40, 2 ^ 53, 2 ^ 62, 2 ^ 63, 1e300, 1e-300, 256,
}

local function number()
  if random(8) == 1 then return pick(odd_numbers) end
  return pick(small)
end

local function sizes()
  local list = {}
  for d = 1, random(5) - 1 do list[d] = random(5) == 1 and random(3) - 1 or random(4) end
  if random(40) == 1 then
    for d = 1, 8 do list[d] = random(2) end
  end
  return list
end

local function filled(list, dtype)
  local t = core.new(list, nil, dtype)
  if dtype == "int64" or dtype == "uint8" then
    t:copy_(cj.arange(t:numel()):reshape(list))
    if random(3) == 1 then t:fill_(random(4) - 1) end
    return t
  end
  t:normal_(0, random(3) == 1 and 1e20 or 1)
  if random(12) == 1 and t:numel() > 0 then t:fill_(pick(odd_numbers)) end
  return t
end

-- Views of every kind: not contiguous, overlapping, of a part.
local views = {
  function(t) return t:transpose(1, -1) end,
  function(t) return t:narrow(random(t:dim()), 1, random(2)) end,
  function(t) return t:unsqueeze(random(t:dim())) end,
  function(t) return t:select(1, random(2)) end,
  function(t)
    local to = t.shape
    for d = 1, #to do
      if to[d] == 1 then to[d] = random(4) end
    end
    return t:expand(to)
  end,
  function(t) return t:detach() end,
  function(t) return t:reshape { -1 } end,
}

local function tensor()
  local t = filled(sizes(), pick(dtypes))
  for _ = 1, random(3) - 1 do
    local ok, view = pcall(pick(views), t)
    if ok then t = view end
  end
  if random(4) == 1 then pcall(t.requires_grad_, t) end
  return t
end

local pool = {}

local function any_tensor()
  if #pool < 30 or random(6) == 1 then pool[random(30)] = tensor() end
  for _ = 1, 20 do
    local t = pool[random(30)]
    if t then return t end
  end
  return tensor()
end

local function released()
  local t = cj.zeros { 2 }
  t:release()
  return t
end

local function list_of(make)
  return function()
    local list = {}
    for i = 1, random(5) - 1 do list[i] = make() end
    return list
  end
end

local anything = {
  function() return nil end, function() return true end, number, any_tensor, released,
  function() return "three" end, function() return {} end, function() return { x = 1 } end,
  function() return function() end end, function() return io.stdout end, list_of(number),
  list_of(any_tensor), function() return { {} } end, function() return pick(dtypes) end,
}

local by_kind = {
  tensor = function() return random(10) == 1 and number() or any_tensor() end,
  ["tensor?"] = function() return random(3) > 1 and any_tensor() or nil end,
  tensors = list_of(any_tensor),
  number = number,
  integer = number,
  boolean = function() return random(2) == 1 end,
  dim = function() return random(9) - 5 end,
  index = function() return random(9) - 5 end,
  dtype = function() return pick(dtypes) end,
  pair = function() return random(2) == 1 and number() or { number(), number() } end,
  sizes = list_of(number),
  dims = list_of(function() return random(9) - 5 end),
  numbers = list_of(number),
}

local function argument(entry)
  if random(12) == 1 then return pick(anything)() end
  if entry == nil then return pick(anything)() end
  local kind = type(entry) == "string" and "tensor" or entry[2]
  if type(entry) == "table" and entry[3] ~= nil and random(3) == 1 then return nil end
  if kind == "choice" then return pick(entry[4]) end
  return by_kind[kind]()
end

-- --- what is called -----------------------------------------------------------------------------

-- Not these: they change the machine or what this spec stands on.
local skipped = { threads = true, seed = true, release = true }

local function collect_targets()
  local targets = {}
  local function add(name, f, definition)
    targets[#targets + 1] = { name = name, f = f, args = definition and definition.args or {} }
  end
  for _, name in ipairs(define.order) do
    local d = define.definitions[name]
    local as = d.as or name
    for _ = 1, 3 do add(as, define.functions[as], d) end
    add("apply " .. name, function(...) return core.apply(name, ...) end, d)
    add("apply_into " .. name, function(...) return core.apply_into(name, ...) end, d)
    if core.methods[as .. "_"] then
      for _ = 1, 3 do add(as .. "_", core.methods[as .. "_"], d) end
    end
  end
  local names = {}
  for name, f in pairs(cj) do
    if type(f) == "function" then names[#names + 1] = { name, f } end
  end
  for name, f in pairs(core.methods) do names[#names + 1] = { name, f } end
  table.sort(names, function(a, b) return a[1] < b[1] end)
  for _, entry in ipairs(names) do
    if not skipped[entry[1]] then add(entry[1], entry[2]) end
  end
  add("index", function(i) return any_tensor()[i] end)
  add("assign", function(i, v) any_tensor()[i] = v end)
  add("assign grad", function(v) any_tensor().grad = v end)
  return targets
end

local function arguments(target)
  local n = #target.args > 0 and #target.args or random(4)
  if random(15) == 1 then n = random(6) - 1 end
  local list = { n = n }
  for i = 1, n do list[i] = argument(target.args[i]) end
  if #target.args == 0 and random(5) > 1 then list[1] = any_tensor() end
  return list
end

-- A message that a user can do nothing with: without the line, without the function, or from the
-- inside of the package.
local function is_clear(message)
  return type(message) == "string" and message:find "^%S*fuzz_api_spec%.lua:%d+: [%w_%.%[%]]+: "
    and not message:find("attempt to", 1, true)
end

local function in_words(list)
  local words = {}
  for i = 1, list.n do words[i] = core.describe(list[i]) end
  return table.concat(words, ", ")
end

-- Results become arguments; some are differentiated.
local function use(result)
  if not core.is_tensor(result) or core.is_released(result) then return end
  if result:numel() > 100000 then return end
  if random(3) == 1 then pool[random(30)] = result end
  if result.requires_grad and random(2) == 1 then
    local gy = filled(result.shape, result.dtype)
    result:backward(gy, random(4) == 1)
  end
  if random(50) == 1 then tostring(result) end
end

local function call(target, unclear)
  local list = arguments(target)
  if os.getenv "CJ_FUZZ_TRACE" then io.stderr:write(target.name, "(", in_words(list), ")\n") end
  local function run()
    local result = target.f(unpack(list, 1, list.n)) -- not a tail call: its line is looked for
    use(result)
    return true
  end
  local ok, message
  if random(3) == 1 then ok, message = pcall(cj.no_grad, run) else ok, message = pcall(run) end
  if not ok and not is_clear(message) and not unclear[target.name] then
    unclear[target.name] = ("%s(%s): %s"):format(target.name, in_words(list), tostring(message))
  end
end

describe("random calls", function()
  it("are refused clearly or done, and leave nothing behind", function()
    local generator = cj.random.state()
    local before = starve.settle()
    local targets, unclear = collect_targets(), {}
    for n = 1, CALLS do
      call(pick(targets), unclear)
      if n % 1000 == 0 then pool = {} end
    end
    pool = {}
    cj.random.restore(generator)
    assert.same({}, unclear)
    assert.is_true(core.grad_enabled(true))
    assert.is_true(starve.settle() <= before)
  end)
end)
