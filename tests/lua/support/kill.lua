--- Kills a command at random moments, starts it again each time, and lets the last start finish.
local system = require "conjugate.run.system"

local M = {}

local function quoted(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- A command line of this source tree's `conjugate`.
-- @tparam {string,...} words its arguments
-- @treturn string for a shell
function M.command(words)
  local list = { "luajit", "scripts/conjugate" }
  for _, word in ipairs(words) do list[#list + 1] = quoted(word) end
  return table.concat(list, " ")
end

--- Runs a command line to its end.
-- @tparam string command for a shell
-- @treturn integer exit code
-- @treturn string what it wrote, both outputs
function M.run(command)
  local path = os.tmpname()
  local code = system.exit_code(os.execute(("%s >%s 2>&1"):format(command, path)))
  local text = system.read(path)
  os.remove(path)
  return code, text
end

-- Starts a command in the background; its output goes to a file.
local function start(command, log)
  local pipe = io.popen(("%s >>%s 2>&1 & echo $!"):format(command, quoted(log)))
  local pid = pipe:read "*n"
  pipe:close()
  return pid
end

local function alive(pid)
  return system.exit_code(os.execute(("kill -0 %d 2>/dev/null"):format(pid))) == 0
end

-- A small generator of our own: math.random repeats itself in every process.
local function generator(seed)
  local state = seed % 2147483647 + 1
  return function()
    state = state * 16807 % 2147483647
    return state / 2147483647
  end
end

--- Kills a command `kills` times, each time after a random part of `seconds`, then runs it to its
-- end.
-- @tparam string command for a shell
-- @tparam table opts `kills`, `seconds` (longest wait before a kill), `seed`, `log` (file that gets
-- the output), `on_kill` (function of number, seconds waited and whether it was still running)
-- @treturn integer exit code of the last, undisturbed start
-- @treturn integer starts that were still running when they were killed
function M.torture(command, opts)
  local random, hits = generator(opts.seed), 0
  for i = 1, opts.kills do
    local pid = start(command, opts.log)
    local wait = random() * opts.seconds
    os.execute(("sleep %.3f"):format(wait))
    local running = alive(pid)
    os.execute(("kill -9 %d 2>/dev/null"):format(pid))
    while alive(pid) do os.execute "sleep 0.01" end
    hits = hits + (running and 1 or 0)
    if opts.on_kill then opts.on_kill(i, wait, running) end
  end
  local code, text = M.run(command)
  local file = io.open(opts.log, "ab")
  file:write(text)
  file:close()
  return code, hits
end

return M
