--- Checks of arguments, with errors that name the function, the argument, what was expected and
-- what came, and the line of the caller outside the package.
-- @module conjugate.check
local core = require "conjugate.core"

local M = {}

--- Raises "FN: TEXT" at the user's line.
-- @tparam string fn name of the function that was called
-- @tparam string text what is wrong
-- @param ... values for `text`, as for string.format
-- @raise always
function M.fail(fn, text, ...)
  if select("#", ...) > 0 then text = text:format(...) end
  error(core.where() .. fn .. ": " .. text, 0)
end

--- An error's text without the place where it was raised, for messages about something else.
-- @param message an error value
-- @treturn string
function M.without_place(message)
  return (tostring(message):gsub("^[^:\n]+:%d+: ", ""))
end

--- What a value is, in the words of the error messages.
-- @param v any value
-- @treturn string such as "a float32 tensor [2, 3]", "1.5", "nil"
M.describe = core.describe

--- Is v a tensor?
-- @param v any value
-- @treturn boolean true for tensors, released ones included
M.is_tensor = core.is_tensor

local function expected(fn, what, name, v)
  return M.fail(fn, "expected %s for %s, got %s", what, name, core.describe(v))
end

local function range_text(lo, hi)
  if lo and hi then return (" from %.14g to %.14g"):format(lo, hi) end
  if lo then return (" of at least %.14g"):format(lo) end
  if hi then return (" of at most %.14g"):format(hi) end
  return ""
end

--- A number, NaN excluded.
-- @tparam string fn function's name
-- @tparam string name argument's name
-- @param v the value
-- @tparam[opt] number lo smallest value allowed
-- @tparam[opt] number hi largest value allowed
-- @treturn number v
-- @raise "FN: expected a number from LO to HI for NAME, got V"
function M.number(fn, name, v, lo, hi)
  if type(v) ~= "number" or v ~= v or (lo and v < lo) or (hi and v > hi) then
    expected(fn, "a number" .. range_text(lo, hi), name, v)
  end
  return v
end

--- A whole number; 1.9 is not 1.
-- @tparam string fn function's name
-- @tparam string name argument's name
-- @param v the value
-- @tparam[opt] number lo smallest value allowed
-- @tparam[opt] number hi largest value allowed
-- @treturn number v
-- @raise "FN: expected a whole number from LO to HI for NAME, got V"
function M.integer(fn, name, v, lo, hi)
  local whole = type(v) == "number" and v == math.floor(v) and math.abs(v) <= 2 ^ 53
  if not whole or (lo and v < lo) or (hi and v > hi) then
    expected(fn, "a whole number" .. range_text(lo, hi), name, v)
  end
  return v
end

local function of_type(kind, words)
  return function(fn, name, v)
    if type(v) ~= kind then expected(fn, words, name, v) end
    return v
  end
end

--- true or false.
-- @function boolean
-- @tparam string fn function's name
-- @tparam string name argument's name
-- @param v the value
-- @treturn boolean v
-- @raise "FN: expected true or false for NAME, got V"
M.boolean = of_type("boolean", "true or false")

--- A string.
-- @function string
-- @tparam string fn function's name
-- @tparam string name argument's name
-- @param v the value
-- @treturn string v
-- @raise "FN: expected a string for NAME, got V"
M.string = of_type("string", "a string")

--- A table.
-- @function table
-- @tparam string fn function's name
-- @tparam string name argument's name
-- @param v the value
-- @treturn table v
-- @raise "FN: expected a table for NAME, got V"
M.table = of_type("table", "a table")

--- A function.
-- @function func
-- @tparam string fn function's name
-- @tparam string name argument's name
-- @param v the value
-- @treturn function v
-- @raise "FN: expected a function for NAME, got V"
M.func = of_type("function", "a function")

local function is_callable(v)
  local meta = getmetatable(v)
  return type(v) == "function" or (type(meta) == "table" and meta.__call ~= nil)
end

--- Something that can be called: a function or a table or userdata with `__call`.
-- @tparam string fn function's name
-- @tparam string name argument's name
-- @param v the value
-- @return v
-- @raise "FN: expected something callable for NAME, got V"
function M.callable(fn, name, v)
  if not is_callable(v) then expected(fn, "something callable", name, v) end
  return v
end

--- One of some strings.
-- @tparam string fn function's name
-- @tparam string name argument's name
-- @param v the value
-- @tparam {string,...} list the strings allowed
-- @treturn string v
-- @raise 'FN: expected one of "a", "b" for NAME, got V'
function M.one_of(fn, name, v, list)
  for _, allowed in ipairs(list) do
    if v == allowed then return v end
  end
  return expected(fn, 'one of "' .. table.concat(list, '", "') .. '"', name, v)
end

local function right_dtype(t, dtype)
  return not dtype or t.dtype == dtype or (dtype == "float" and t.dtype:find "^float" ~= nil)
end

local function tensor_words(dtype, ndim)
  local what = (dtype == "int64" and "an int64" or "a " .. (dtype or "")):gsub(" $", "")
  if not ndim then return what .. " tensor" end
  return ("%s tensor of %d dimension%s"):format(what, ndim, ndim == 1 and "" or "s")
end

--- A tensor.
-- @tparam string fn function's name
-- @tparam string name argument's name
-- @param v the value
-- @tparam[opt] string dtype element type; "float" allows float32 and float64
-- @tparam[opt] number ndim number of dimensions
-- @treturn Tensor v
-- @raise "FN: expected a float32 tensor of 2 dimensions for NAME, got an int64 tensor [3]"
function M.tensor(fn, name, v, dtype, ndim)
  if core.is_released(v) then M.fail(fn, "the tensor given for %s was released", name) end
  if core.is_tensor(v) and right_dtype(v, dtype) and (not ndim or v:dim() == ndim) then return v end
  return expected(fn, tensor_words(dtype, ndim), name, v)
end

-- Edit distance, for suggestions.
local function distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local diagonal, left = row[0], i
    row[0] = i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      left = math.min(left + 1, row[j] + 1, diagonal + cost)
      diagonal, row[j] = row[j], left
    end
  end
  return row[#b]
end

--- The name of `names` that is most like `word`, for messages.
-- @tparam string word what was typed
-- @tparam {[string]=any} names table whose string keys are the names
-- @treturn string ' (did you mean "NAME"?)', or "" when nothing is near
function M.suggest(word, names)
  local best, least = nil, math.max(2, math.floor(#word / 3)) + 1
  local sorted = {}
  for name in pairs(names) do
    if type(name) == "string" then sorted[#sorted + 1] = name end
  end
  table.sort(sorted)
  for _, name in ipairs(sorted) do
    local d = distance(word, name)
    if d < least then best, least = name, d end
  end
  return best and (' (did you mean "%s"?)'):format(best) or ""
end

local kind_words = {
  any = "a value", integer = "a whole number", boolean = "true or false",
  callable = "something callable",
}

-- Kinds of options beyond Lua's types.
local kinds = {
  any = function() return true end,
  tensor = core.is_tensor,
  integer = function(v) return type(v) == "number" and v == math.floor(v) end,
  callable = is_callable,
}

-- "a string or a whole number", for "string|integer".
local function rule_words(rule)
  local words = {}
  for kind in rule:gmatch "[^|]+" do words[#words + 1] = kind_words[kind] or "a " .. kind end
  return table.concat(words, " or ")
end

local function matches(v, rule)
  for kind in rule:gmatch "[^|]+" do
    if type(v) == kind or (kinds[kind] and kinds[kind](v)) then return true end
  end
  return false
end

local function rule_of(entry)
  if type(entry) == "table" and not core.is_tensor(entry) then
    return entry.type or entry[1] or "any", entry.default == nil and entry[2] or entry.default,
      entry.required
  end
  return type(entry), entry, false
end

--- Options of a function: a new table with every option, given or by default.
-- A rule is a default value (the option must be of its type), or a table
-- `{ "number|string", default }`, `{ type =, default =, required = true }`; types are those of Lua
-- and "integer", "tensor", "callable", "any".
-- @tparam string fn function's name
-- @tparam ?table opts what the caller gave; nil is an empty table
-- @tparam table rules option name -> rule
-- @treturn table option name -> value
-- @raise 'FN: there is no option "stesp" (did you mean "steps"?)',
--   "FN: expected a number for eps, got nil"
function M.options(fn, opts, rules)
  if opts ~= nil and type(opts) ~= "table" then expected(fn, "a table", "options", opts) end
  opts = opts or {}
  local out = {}
  for key in pairs(opts) do
    if rules[key] == nil then
      local hint = type(key) == "string" and M.suggest(key, rules) or ""
      M.fail(fn, '%s "%s"%s', "there is no option", tostring(key), hint)
    end
  end
  for key, entry in pairs(rules) do
    local kind, default, required = rule_of(entry)
    local v = opts[key]
    if v == nil then
      if required then
        M.fail(fn, "expected %s for %s, got nil", rule_words(kind), key)
      end
      v = default
    elseif not matches(v, kind) then
      expected(fn, rule_words(kind), key, v)
    end
    out[key] = v
  end
  return out
end

return M
