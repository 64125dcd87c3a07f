--- JSON for records and configurations: keys in order, numbers exact.
--
-- Equal values give equal bytes: keys are sorted (those named in `order` come first) and a number
-- is written with the fewest of 14 to 17 digits that read back as the same number. NaN and the
-- infinities have no JSON form and become null. Reading is dkjson's.
-- @module conjugate.run.json
local dkjson = require "dkjson"

local M = {}

--- Stands for null inside tables, where nil would be a hole.
M.null = dkjson.null

local array_mark = { __jsontype = "array" }
local object_mark = { __jsontype = "object" }

--- Marks a table as an array, so that an empty one is written as `[]`.
-- @tparam[opt] table t the elements
-- @treturn table the same table
function M.array(t)
  return setmetatable(t or {}, array_mark)
end

--- Marks a table as an object, so that an empty one is written as `{}`.
-- @tparam[opt] table t the fields
-- @treturn table the same table
function M.object(t)
  return setmetatable(t or {}, object_mark)
end

--- A number as text that reads back as the same number.
-- @tparam number x any number
-- @treturn string "null" for NaN and the infinities
function M.number(x)
  if x ~= x or x == math.huge or x == -math.huge then return "null" end
  if x == math.floor(x) and math.abs(x) < 2 ^ 53 then
    return x == 0 and "0" or ("%.0f"):format(x)
  end
  for digits = 14, 16 do
    local text = ("%." .. digits .. "g"):format(x)
    if tonumber(text) == x then return text end
  end
  return ("%.17g"):format(x)
end

local function is_array(t)
  local meta = getmetatable(t)
  local kind = type(meta) == "table" and meta.__jsontype
  if kind then return kind == "array" end
  local count = 0
  for _ in pairs(t) do count = count + 1 end
  return count > 0 and count == #t
end

local function sorted_keys(t, rank)
  local keys = {}
  for key in pairs(t) do
    if type(key) ~= "string" then
      error(("json: expected text as a key of an object, got %s"):format(tostring(key)), 0)
    end
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b)
    local ra, rb = rank[a] or math.huge, rank[b] or math.huge
    if ra ~= rb then return ra < rb end
    return a < b
  end)
  return keys
end

local encode

-- Appends open, the items that write(i) produces for i = 1..count, and close.
local function list(out, state, depth, open, close, count, write)
  if count == 0 then
    out[#out + 1] = open .. close
    return
  end
  local newline = state.indent and "\n" .. ("  "):rep(depth + 1) or ""
  out[#out + 1] = open
  for i = 1, count do
    out[#out + 1] = (i > 1 and (state.indent and "," or ", ") or "") .. newline
    write(i)
  end
  out[#out + 1] = (state.indent and "\n" .. ("  "):rep(depth) or "") .. close
end

-- Arrays of plain values stay on one line.
local function is_plain(t)
  for i = 1, #t do
    if type(t[i]) == "table" and t[i] ~= M.null then return false end
  end
  return true
end

local function encode_table(t, out, state, depth)
  if state.open[t] then error("json: a table contains itself", 0) end
  state.open[t] = true
  if is_array(t) then
    if state.indent and is_plain(t) then
      state = { open = state.open, rank = state.rank }
    end
    list(out, state, depth, "[", "]", #t, function(i) encode(t[i], out, state, depth + 1) end)
  else
    local keys = sorted_keys(t, state.rank)
    list(out, state, depth, "{", "}", #keys, function(i)
      out[#out + 1] = dkjson.quotestring(keys[i]) .. ": "
      encode(t[keys[i]], out, state, depth + 1)
    end)
  end
  state.open[t] = nil
end

function encode(value, out, state, depth)
  local kind = type(value)
  if value == nil or value == M.null then
    out[#out + 1] = "null"
  elseif kind == "number" then
    out[#out + 1] = M.number(value)
  elseif kind == "boolean" then
    out[#out + 1] = tostring(value)
  elseif kind == "string" then
    out[#out + 1] = dkjson.quotestring(value)
  elseif kind == "table" then
    encode_table(value, out, state, depth)
  else
    error(("json: expected a number, text, boolean or table, got %s"):format(kind), 0)
  end
end

--- A value as JSON text.
-- @param value nil, boolean, number, string or table of these
-- @tparam[opt] table opts `indent` = true for one item a line, `order` = list of keys to come first
-- @treturn string one line without `indent`
-- @raise "json: expected a number, text, boolean or table, got function"
-- @usage json.encode({ n = 3, ta = 97.5 }, { order = { "ta" } }) --> {"ta": 97.5, "n": 3}
function M.encode(value, opts)
  opts = opts or {}
  local rank = {}
  for i, key in ipairs(opts.order or {}) do rank[key] = i end
  local out = {}
  encode(value, out, { indent = opts.indent, rank = rank, open = {} }, 0)
  return table.concat(out)
end

--- The value of a JSON text. null inside tables becomes `json.null`.
-- @tparam string text a whole JSON document
-- @return the value, or nil and a message
function M.decode(text)
  if type(text) ~= "string" then
    return nil, ("json: expected text, got %s"):format(type(text))
  end
  local ok, value, position, message = pcall(dkjson.decode, text, 1, M.null)
  if not ok then return nil, "json: " .. tostring(value) end
  if message then return nil, "json: " .. message end
  if text:find("%S", position) then
    return nil, ("json: more text after the value, at byte %d"):format(text:find("%S", position))
  end
  return value
end

return M
