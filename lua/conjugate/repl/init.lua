--- The prompt: read, run, show, and keep the session whatever happens.
-- @module conjugate.repl
local chunk = require "conjugate.repl.chunk"
local complete = require "conjugate.repl.complete"
local core = require "conjugate.core"
local help = require "conjugate.repl.help"
local line = require "conjugate.repl.line"
local show = require "conjugate.repl.show"

local M = {}

local COMMANDS = { "help", "quit", "time" }

local function history_path()
  local home = os.getenv "HOME"
  local base = os.getenv "XDG_DATA_HOME" or home and home .. "/.local/share"
  if not base then return nil end
  local folder = base .. "/conjugate"
  os.execute(("mkdir -p '%s' 2>/dev/null"):format(folder:gsub("'", "'\\''")))
  return folder .. "/history"
end

-- The prompt's own frames say nothing to its user.
local function traceback(message)
  if type(message) == "string" then
    if message:find "interrupted$" then return "interrupted" end
    if message:find "^interrupted:" then return message end
  end
  local text = debug.traceback(tostring(message), 2)
  return (text:gsub("\n[^\n]*%[C%]: in function 'xpcall'.*$", ""))
end

local function print_results(session, count, ...)
  for i = 1, count do session.write(show.text((select(i, ...))) .. "\n") end
end

-- Runs f with Ctrl-C turned into an error that ends f alone.
local function run_guarded(session, f)
  local function finish(ok, ...)
    if ok then
      local shown, message = xpcall(print_results, traceback, session, select("#", ...), ...)
      if not shown then session.write(message .. "\n") end
    else
      session.write(tostring((...)) .. "\n")
    end
    return ok
  end
  return finish(core.interrupt_call(false, traceback, f))
end

local function run_source(session, source)
  local f, message = chunk.compile(source, session.env)
  if not f then
    session.write((message == "more" and "unfinished input" or message) .. "\n")
    return false
  end
  return run_guarded(session, f)
end

local function time_source(session, source)
  local begin = core.clock()
  run_source(session, source)
  session.write(("%.3f s\n"):format(core.clock() - begin))
end

-- True when the text was a command. `:quit` sets session.over.
local function run_command(session, text)
  local name, rest = text:match "^%s*:(%a+)%s*(.*)$"
  if name == "quit" or name == "q" then
    session.over = true
  elseif name == "help" or name == "h" then
    session.write(help.text((rest:gsub("%s+$", "")), session.env) .. "\n")
  elseif name == "time" then
    time_source(session, rest)
  elseif name then
    session.write((":%s is no command; there are :%s\n"):format(name,
      table.concat(COMMANDS, ", :")))
  end
  return name ~= nil
end

-- Reads on while the text ends too early; an empty line gives up and shows the syntax error.
local function read_rest(session, source)
  while true do
    local _, message = chunk.compile(source, session.env)
    if message ~= "more" then return source end
    local next_line = session.reader.read ">> "
    if not next_line or next_line == "" then return source end
    source = source .. "\n" .. next_line
  end
end

local function greet(session)
  session.write(("%s  %s, %d threads  :help for help, :quit to leave\n"):format(
    session.env.cj._VERSION or "", core.isa(), core.threads()))
end

-- One round; false when the session is over.
local function turn(session)
  local source = session.reader.read "> "
  if not source then
    if core.interrupt_taken() then
      session.write "\n"
      return true
    end
    return false
  end
  if source:match "^%s*$" then return true end
  if source:match "^%s*=" then source = source:gsub("^%s*=", "", 1) end
  if source:match "^%s*:%a" then
    run_command(session, source)
  else
    source = read_rest(session, source)
    run_source(session, source)
  end
  session.reader.remember(source)
  return not session.over
end

--- Runs the prompt until `:quit` or the end of input.
-- @tparam[opt] table options plain: no line editing; env: global names (default _G with cj);
--   write: function(text) for output; quiet: no greeting
function M.run(options)
  options = options or {}
  local env = options.env or _G
  env.cj = env.cj or require "conjugate"
  local session = {
    env = env,
    write = options.write or function(text)
      io.stdout:write(text)
      io.stdout:flush()
    end,
  }
  session.reader = options.reader or line.open {
    history = history_path(),
    plain = options.plain,
    complete = function(text) return complete.candidates(text, env, COMMANDS) end,
  }
  if not options.quiet then greet(session) end
  core.interrupt_note(true) -- Ctrl-C at the prompt drops the line, not the session
  while turn(session) do end
  core.interrupt_note(false)
  session.reader.close()
end

return M
