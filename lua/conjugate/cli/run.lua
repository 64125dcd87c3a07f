--- `conjugate run FILE`: runs a script of the user's.
-- @module conjugate.cli.run
local M = {}

M.summary = "run a Lua script with options"
M.description = "Runs a Lua script. Words after FILE become a table that the script gets as its "
  .. "first argument: --eps 8/255 gives eps = 0.0314, --fast gives fast = true, other words are "
  .. "numbered. A table that the script returns is the command's result."
M.examples = {
  { "run scripts/experiments/curve.lua --eps 0.1 --out runs/curve",
    "the script starts with `local opts = ...` and reads opts.eps and opts.out" },
}
M.out = "Passed on to the script as opts.out."

local takes_value = { seed = true, threads = true, out = true }
local is_flag = { json = true, quiet = true, debug = true }

function M.define(parser)
  parser:argument("file", "The script."):argname "FILE"
end

local function value_of(text)
  if text == "true" then return true end
  if text == "false" then return false end
  return require("conjugate.cli").number(text) or text
end

-- Reads one option of the script at position i; answers its name, its value as text or nil for a
-- flag, and the position behind it.
local function read_option(words, i)
  local key, value = words[i]:match "^%-%-([%w_%-]+)=(.*)$"
  if key then return key, value, i + 1 end
  key = words[i]:match "^%-%-([%w_%-]+)$"
  local following = words[i + 1]
  if not key then return nil, nil, i + 1 end
  local has_value = following and not following:find "^%-%-" and not is_flag[key]
  return key, has_value and following or nil, i + (has_value and 2 or 1)
end

-- The words before FILE are for the command alone; answers FILE's place.
local function before_file(words, own)
  local i = 1
  while words[i] and words[i]:find "^%-" do
    local _, _, following = read_option(words, i)
    for k = i, following - 1 do own[#own + 1] = words[k] end
    i = following
  end
  return i
end

-- The command hears of the options that every command takes.
local function pass_back(own, key, value)
  if not takes_value[key] and not is_flag[key] then return end
  own[#own + 1] = "--" .. key
  if takes_value[key] then own[#own + 1] = value end
end

--- Divides the words into those for the command and the options for the script.
-- @tparam {string,...} words all words after `run`
-- @treturn {string,...} words for the command
-- @treturn table options for the script
function M.split(words)
  local own, options = {}, {}
  local i = before_file(words, own)
  own[#own + 1] = words[i]
  i = i + 1
  while i <= #words do
    local key, value, following = read_option(words, i)
    if key then
      options[key:gsub("-", "_")] = value == nil and true or value_of(value)
      pass_back(own, key, value)
    else
      options[#options + 1] = value_of(words[i])
    end
    i = following
  end
  return own, options
end

function M.run(options)
  local chunk, message = loadfile(options.file)
  if not chunk then return nil, message end
  local passed = options.passed or {}
  for _, key in ipairs { "seed", "out", "json", "quiet", "threads" } do
    if passed[key] == nil then passed[key] = options[key] end
  end
  local result = chunk(passed)
  if type(result) ~= "table" then result = { done = true } end
  return result
end

return M
