--- Runs a function with every one of its allocations failing in turn.
local core = require "conjugate.core"

local M = {}

-- Objects are collected before what only they held on to.
local function settle()
  local before
  repeat
    before = core.memory_used()
    collectgarbage()
    collectgarbage()
  until core.memory_used() == before
  return before
end

--- Native bytes in use, after everything dead was collected.
M.settle = settle

-- Bytes in use after one failed call; a second collection only if the first left something.
local function left(before)
  collectgarbage()
  if core.memory_used() ~= before then collectgarbage() end
  return core.memory_used()
end

local function check_nothing_left(before, n)
  local after = left(before)
  if after ~= before then
    error(("%d bytes left behind when allocation %d failed"):format(after - before, n), 3)
  end
end

-- Calls f() with the allocations from the n-th on failing: true when it passed. A failure must be
-- an error that says so.
local function passes(f, n)
  core.memory_fail_after(n, true)
  local ok, message = pcall(function() f() end)
  core.memory_fail_after(-1)
  if not ok and not tostring(message):find "memory" then
    error(("allocation %d failed with: %s"):format(n, tostring(message)), 3)
  end
  return ok
end

--- Calls f() with the allocations from the n-th on failing, n = 0, 1, 2 ... until it passes. Every
-- failure must be an error that says so, and leave no bytes behind.
-- @tparam function f the call; must not keep anything
-- @tparam[opt=200] number most give up after so many
-- @treturn number how many allocations f needs
function M.every_allocation(f, most)
  f() -- caches and lazily loaded parts are not what is tested
  local before = settle()
  for n = 0, most or 200 do
    local passed = passes(f, n)
    check_nothing_left(before, n)
    if passed then return n end
  end
  return error("the call never passed", 2)
end

--- The same for calls with many allocations: n grows by an eighth of itself, and bytes left behind
-- are looked for at the end only, when garbage from before may have gone too.
-- @tparam function f the call; must not keep anything
-- @treturn number how often f failed
function M.some_allocations(f)
  f()
  local before, n, failed = settle(), 0, 0
  while not passes(f, n) do
    n, failed = n + 1 + math.floor(n / 8), failed + 1
  end
  local more = left(before) - before
  if more > 0 then error(("%d bytes left behind by %d failures"):format(more, failed), 2) end
  return failed
end

--- Resident memory of this process in bytes.
function M.resident()
  local f = assert(io.open "/proc/self/statm")
  local _, pages = f:read("*n", "*n")
  f:close()
  return pages * 4096
end

return M
