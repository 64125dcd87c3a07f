-- Trains once undisturbed and once killed again and again, and compares every byte of both runs.
--
--   luajit tests/kill_resume.lua [kills] [data] [epochs] [longest wait in seconds] [seed]
--
-- Run it from the root of the source tree, after scripts/build.
package.path = "./lua/?.lua;./lua/?/init.lua;./tests/lua/?.lua;" .. package.path
package.cpath = (os.getenv "CJ_BUILD" or "./build") .. "/lib/?.so;" .. package.cpath
local folder = require "support.folder"
local kill = require "support.kill"
local system = require "conjugate.run.system"

local kills, data, epochs = tonumber(arg[1] or 10), arg[2] or "mini", arg[3] or "3"
local seconds, seed = tonumber(arg[4]), tonumber(arg[5] or os.time())

local dir = folder.make()
local function command(name)
  return kill.command {
    "train", "--data", data, "--epochs", epochs, "--seed", "1", "--checkpoint-seconds", "0.5",
    "--keep", "all", "--quiet", "--out", dir .. "/" .. name,
  }
end

local function compare()
  local names = system.list(dir .. "/whole")
  local same = table.concat(names, " ") == table.concat(system.list(dir .. "/killed"), " ")
  for _, name in ipairs(names) do
    local equal = folder.read(dir .. "/whole/" .. name) == folder.read(dir .. "/killed/" .. name)
    print(("%-28s %s"):format(name, equal and "identical" or "DIFFERENT"))
    same = same and equal
  end
  return same
end

local function run_whole()
  local code, text = kill.run(command "whole")
  if code ~= 0 then error("the undisturbed run failed: " .. text, 0) end
end

local started = system.now()
run_whole()
local whole = system.now() - started
print(("undisturbed run: %.1f s; seed of the kills: %d"):format(whole, seed))
local code, hits = kill.torture(command "killed", {
  kills = kills, seconds = seconds or 1.5 * whole / kills, seed = seed, log = dir .. "/log",
  on_kill = function(i, wait, running)
    print(("kill %d after %.2f s%s"):format(i, wait, running and "" or " (was done already)"))
  end,
})
local same = compare()
print(("%d kills while running, last exit code %d: %s"):format(hits, code,
  same and "identical" or "DIFFERENT"))
folder.remove(dir)
os.exit(same and code == 0 and 0 or 1)
