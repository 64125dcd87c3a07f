--- conjugate: a workbench for studying accuracy against robustness in neural networks.
-- Loading it gives the table of everything; parts such as `nn` are loaded when first used. Nothing
-- is printed.
-- @module conjugate
-- @usage local cj = require "conjugate"
-- local x = cj.tensor({ 1, 2, 3 }, { requires_grad = true });
-- (x * x):sum():backward()
-- print(x.grad)
if type(rawget(_G, "jit")) ~= "table" then
  error("conjugate needs LuaJIT 2.1: start it with `luajit`; this is " .. _VERSION, 0)
end
if jit.version_num < 20100 then error("conjugate needs LuaJIT 2.1; this is " .. jit.version, 0) end

local core = require "conjugate.core"

-- Errors name the first line outside this folder.
local here = debug.getinfo(1, "S").source:match "^@(.*)init%.lua$"
if here then core.set_home(here) end

local autograd = require "conjugate.autograd"
local check = require "conjugate.check"
local ops = require "conjugate.ops"
local random = require "conjugate.random"
local tensor = require "conjugate.tensor"

local M = { _VERSION = "conjugate 0.1.0" }

for name, f in pairs(ops) do M[name] = f end
for name, f in pairs(tensor) do M[name] = f end

M.random = random
M.seed = random.seed
M.randperm = random.randperm
M.no_grad = autograd.no_grad
M.enable_grad = autograd.enable_grad
M.grad = autograd.grad
M.func = autograd.func

--- The number of threads, after setting it when one is given. Results do not depend on it.
-- @tparam[opt] number count 1..256
-- @treturn number threads in use
-- @raise "threads: expected a whole number from 1 to 256 for count, got ..."
function M.threads(count)
  return core.threads(count)
end

--- Labels a model gives: the class of the largest logit, counted from 0.
-- @tparam function|table model anything callable, x -> logits [B, K]
-- @tparam Tensor x a batch
-- @treturn Tensor int64 [B], labels 0..K-1
function M.predict(model, x)
  check.callable("predict", "model", model)
  return autograd.no_grad(function()
    return ops.predict(model(x))
  end)
end

-- Loaded on first use: name -> module, and the field of it when it is not the whole.
local lazy = {
  attacks = { "conjugate.attacks" },
  battery = { "conjugate.metrics.battery", "battery" },
  blur = { "conjugate.attacks", "blur" },
  clever = { "conjugate.metrics", "clever" },
  compile = { "conjugate.plan", "compile" },
  conjugate = { "conjugate.attacks", "conjugate" },
  data = { "conjugate.data" },
  evaluate = { "conjugate.metrics", "evaluate" },
  fit = { "conjugate.train", "fit" },
  ifa = { "conjugate.ifa" },
  io = { "conjugate.io" },
  metrics = { "conjugate.metrics" },
  models = { "conjugate.models" },
  nn = { "conjugate.nn" },
  optim = { "conjugate.optim" },
  packet = { "conjugate.packet" },
  plot = { "conjugate.plot" },
  report = { "conjugate.report" },
  run = { "conjugate.run" },
  study = { "conjugate.study", "study" },
  train = { "conjugate.train" },
}

--- The parts that load on first use, for completion: name -> true.
M._lazy = {}
for name in pairs(lazy) do M._lazy[name] = true end

return setmetatable(M, {
  __index = function(t, name)
    local entry = lazy[name]
    if not entry then return nil end
    local value = require(entry[1])
    if entry[2] then value = value[entry[2]] end
    rawset(t, name, value)
    return value
  end,
})
