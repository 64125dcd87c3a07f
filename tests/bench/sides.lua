--- The processes that take turns: started when first asked for, one for each number of threads, so
-- that each keeps its own threads.
local Side = require "bench.side"
local forms = require "bench.forms"

local M = {}

local LOG = "build/bench/log.txt"
local running = {}

local function kept(key, command)
  if running[key] == nil then running[key] = Side.start(command, LOG) or false end
  return running[key] or nil
end

local OURS = "luajit tests/bench/ours.lua"

local function peer_command(form)
  return forms.prefix((forms.split(form))) .. " python3 tests/bench/torch_peer.py"
end

--- Ours.
-- @number threads
-- @treturn Side
function M.ours(threads)
  return assert(kept("ours " .. threads, OURS), "bench: no answer of ours: see " .. LOG)
end

--- PyTorch in the environment of a form.
-- @string form
-- @number threads
-- @treturn ?Side nil when it does not start
function M.peer(form, threads)
  local environment = forms.split(form)
  if not forms.known(environment) then return nil end
  return kept(environment .. " " .. threads, peer_command(form))
end

--- The loop of multiply-adds.
-- @number threads
-- @treturn Side
function M.peak(threads)
  return assert(kept("peak " .. threads, "build/bench/peak " .. threads))
end

--- A process of its own, to be stopped by the caller.
-- @treturn Side
function M.new_ours()
  return Side.start(OURS, LOG)
end

--- A process of its own, to be stopped by the caller.
-- @string form
-- @treturn ?Side
function M.new_peer(form)
  return Side.start(peer_command(form), LOG)
end

--- Which PyTorch there is.
-- @treturn ?string such as "PyTorch 2.13.0+cpu"; nil without
function M.peer_name()
  local side = M.peer(forms.DEFAULT, 1)
  return side and side.greeting.name
end

--- Ends all processes.
function M.stop()
  for key, side in pairs(running) do
    if side then side:stop() end
    running[key] = nil
  end
end

return M
