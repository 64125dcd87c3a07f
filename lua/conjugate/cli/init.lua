--- The command line: finds the command, reads its options, prints its result.
--
-- A command is a file of this folder that returns a table: `summary` (one line), `description`,
-- `examples` (list of { command line, what it does }), `define(parser)` (adds arguments and options
-- to an argparse parser), `run(options)` (does the work; gives a table for --json and a text for
-- people, or nil and a message). `out` describes the option --out where a command gives it a
-- meaning of its own; otherwise the result is also written there as JSON.
-- @module conjugate.cli
local argparse = require "argparse"
local json = require "conjugate.run.json"

local M = {}

--- The commands in the order of the help text.
M.commands = {
  "run", "train", "attack", "metrics", "packet", "ifa", "reproduce", "list", "data", "selftest",
  "doctor", "bench",
}

local OK, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130

--- Reads a number that may be a fraction, such as 8/255.
-- @tparam string text what was typed
-- @treturn number or nil and a message
function M.number(text)
  local above, below = text:match "^([^/]+)/([^/]+)$"
  local value = above and tonumber(above) and tonumber(below) and tonumber(above) / tonumber(below)
  value = value or tonumber(text)
  if value and value == value then return value end
  return nil, ("expected a number or a fraction such as 8/255, got %s"):format(text)
end

--- Reads a number, or several with commas between them.
-- @tparam string text what was typed
-- @return a number, a list of numbers, or nil and a message
function M.numbers(text)
  local list = {}
  for part in (text .. ","):gmatch "([^,]*)," do
    local value, message = M.number(part)
    if not value then return nil, message end
    list[#list + 1] = value
  end
  return #list == 1 and list[1] or list
end

--- Splits a list of words with commas between them; words that are numbers become such.
-- @param text what was typed; a number is a list of one
-- @string[opt] otherwise the text that counts when nothing was typed
-- @treturn table words and numbers
function M.words(text, otherwise)
  local list = {}
  for word in tostring(text or otherwise or ""):gmatch "[^,]+" do
    list[#list + 1] = tonumber(word) or word
  end
  return list
end

--- Reads a whole number.
-- @tparam integer low smallest value allowed
-- @treturn function for argparse's convert
function M.integer(low)
  return function(text)
    local value = tonumber(text)
    local whole = value and value == math.floor(value) and value < 2 ^ 53
    if whole and value >= low then return value end
    return nil, ("expected a whole number, %d or more, got %s"):format(low, text)
  end
end

-- The module of a command, or nil when there is no such command.
local function find(name)
  for _, known in ipairs(M.commands) do
    if known == name then return require("conjugate.cli." .. name) end
  end
  return nil
end

local function add_common(parser, command)
  parser:option("--seed", "Seed of all random numbers."):argname "<n>"
    :convert(M.integer(0)):default "1"
  parser:option("--threads", "Threads to use; the result does not depend on it."):argname "<n>"
    :convert(M.integer(1))
  parser:option("--out", command.out or "Also write the result there, as JSON."):argname "<path>"
  parser:flag("--json", "Print the result as one JSON object.")
  parser:flag("--quiet", "Show no progress.")
  parser:flag("--debug", "Show where an error came from.")
end

local function examples_text(command)
  local lines = { "Examples:" }
  for _, example in ipairs(command.examples) do
    lines[#lines + 1] = "   conjugate " .. example[1]
    lines[#lines + 1] = "       " .. example[2]
  end
  return table.concat(lines, "\n")
end

--- The parser of one command.
-- @tparam string name name of the command
-- @tparam table command its module
-- @treturn argparse.Parser
function M.parser(name, command)
  local parser = argparse("conjugate " .. name, command.description)
  parser:add_help(false)
  parser:help_max_width(96)
  if command.define then command.define(parser, M) end
  add_common(parser, command)
  parser:flag("-h --help", "Show this text.")
  parser:epilog(examples_text(command))
  return parser
end

--- The text of `conjugate --help`.
-- @treturn string
function M.help()
  local lines = {
    "Usage: conjugate [command] [options]",
    "",
    "A workbench for accuracy against robustness in neural networks.",
    "Without a command it is a prompt.",
    "",
    "Commands:",
  }
  for _, name in ipairs(M.commands) do
    lines[#lines + 1] = ("   %-10s %s"):format(name, find(name).summary)
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = "Every command takes --seed, --threads, --out, --json, --quiet and --debug;"
  lines[#lines + 1] = "conjugate COMMAND --help tells more."
  return table.concat(lines, "\n")
end

local function complain(text)
  require("conjugate.run.progress").clear()
  io.stderr:write("conjugate: ", text, "\n")
end

-- A line of the package or of its launcher tells a user nothing; a line of the user's script does.
local function without_position(message)
  local text = tostring(message)
  text = text:gsub("^[^\n:]-conjugate/[%w_/]+%.lua:%d+: ", "")
  return (text:gsub("^[^\n:]-conjugate:%d+: ", ""))
end

local function wants_help(args, last)
  for i = 1, last do
    if args[i] == "-h" or args[i] == "--help" then return true end
  end
  return false
end

local function set_up(options)
  local cj = require "conjugate"
  if options.threads then cj.threads(options.threads) end
  cj.seed(options.seed)
  require("conjugate.core").interrupt_arm(true)
end

-- Answers whether the text reached standard output; a full disk is noticed when flushing at the
-- latest.
local function print_whole(text)
  if text ~= "" and text:sub(-1) ~= "\n" then text = text .. "\n" end
  local ok, message = io.stdout:write(text)
  if ok then ok, message = io.stdout:flush() end
  if not ok then complain("cannot write the result: " .. tostring(message)) end
  return ok
end

-- Writes and prints what a command gave; answers the exit code.
local function deliver(command, options, result, text)
  if options.out and not command.out then
    local files = require "conjugate.run.files"
    local ok, message = files.write_json(options.out, result, command.order)
    if not ok then
      complain(message)
      return FAILED
    end
  end
  local shown = options.json and json.encode(result, { order = command.order }) or text or ""
  if not print_whole(shown) then return FAILED end
  return result.failed and FAILED or OK
end

local function execute(command, options)
  local ok, result, text
  if options.debug then
    ok, result, text = xpcall(function()
      set_up(options)
      return command.run(options)
    end, debug.traceback)
  else
    ok, result, text = pcall(function()
      set_up(options)
      return command.run(options)
    end)
  end
  if ok and result then return deliver(command, options, result, text) end
  local message = ok and text or result
  local stopped = tostring(message):find("interrupted", 1, true)
  if stopped then message = tostring(message):match "interrupted: .*" or "interrupted" end
  if not options.debug then message = without_position(message) end
  complain(message or "failed")
  return stopped and INTERRUPTED or FAILED
end

--- Runs the command line.
-- @tparam {string,...} args the words after the program's name
-- @treturn integer exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted
function M.main(args)
  local name = args[1]
  if name == nil then return require("conjugate.repl").run() or OK end
  if name == "-h" or name == "--help" or name == "help" then
    print(M.help())
    return OK
  end
  if name == "--version" then
    print(require("conjugate")._VERSION)
    return OK
  end
  local command = find(name)
  if not command then
    complain(("there is no command '%s'; conjugate --help lists them"):format(name))
    return MISUSED
  end
  local rest = {}
  for i = 2, #args do rest[#rest + 1] = args[i] end
  local own, passed = rest, nil
  if command.split then own, passed = command.split(rest) end
  local parser = M.parser(name, command)
  if wants_help(own, #own) then
    print(parser:get_help())
    return OK
  end
  local ok, options = parser:pparse(own)
  if not ok then
    complain(("%s; conjugate %s --help tells more"):format(options, name))
    return MISUSED
  end
  options.passed = passed
  return execute(command, options)
end

return M
