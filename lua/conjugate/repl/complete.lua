--- Completes names at the prompt: globals, fields after `.`, methods after `:`, keywords, commands.
-- @module conjugate.repl.complete
local core = require "conjugate.core"

local M = {}

local KEYWORDS = {
  "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in",
  "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
}

local function add_keys(found, t)
  if type(t) ~= "table" then return end
  for key in pairs(t) do
    if type(key) == "string" and key:match "^[%a_][%w_]*$" then found[key] = true end
  end
end

-- Names reachable from a value: its own, and those behind __index as far as it consists of tables.
-- A module that loads its parts on first use lists them in its field _lazy.
local function names_of(value)
  local found = {}
  if core.is_tensor(value) then
    add_keys(found, core.methods)
    return found
  end
  add_keys(found, value)
  add_keys(found, type(value) == "table" and rawget(value, "_lazy"))
  local meta = getmetatable(value)
  for _ = 1, 8 do
    if type(meta) ~= "table" then break end
    local index = meta.__index
    add_keys(found, index)
    meta = type(index) == "table" and getmetatable(index) or nil
  end
  return found
end

-- Only plain fields are followed: completing must not call anything a user wrote.
local function resolve(env, path)
  local value = env
  for name in path:gmatch "[^.:]+" do
    if type(value) ~= "table" and type(value) ~= "userdata" then return nil end
    local ok, inner = pcall(function() return value[name] end)
    if not ok then return nil end
    value = inner
  end
  return value
end

local function matching(found, prefix, before)
  local list = {}
  for name in pairs(found) do
    if name:sub(1, #prefix) == prefix and (prefix ~= "" or name:sub(1, 1) ~= "_") then
      list[#list + 1] = before .. name
    end
  end
  table.sort(list)
  return list
end

--- Whole words that text may be the beginning of.
-- @tparam string text the word before the cursor, such as `cj.attacks.p` or `x:re` or `:he`
-- @tparam table env where names are looked up
-- @tparam[opt] {string,...} commands names of prompt commands, without the colon
-- @treturn {string,...} sorted
function M.candidates(text, env, commands)
  if text:sub(1, 1) == ":" then
    local found = {}
    for _, name in ipairs(commands or {}) do found[name] = true end
    return matching(found, text:sub(2), ":")
  end
  local path, separator, prefix = text:match "^([%a_][%w_.]*)([.:])([%w_]*)$"
  if path then
    local value = resolve(env, path)
    return value == nil and {} or matching(names_of(value), prefix, path .. separator)
  end
  if not text:match "^[%a_]?[%w_]*$" then return {} end
  local found = names_of(env)
  for _, word in ipairs(KEYWORDS) do found[word] = true end
  return matching(found, text, "")
end

return M
