--- Shows values at the prompt: tensors in their own way, tables to a limited depth and length.
-- @module conjugate.repl.show
local M = {}

local MOST_ENTRIES, MOST_DEPTH, WIDTH = 40, 3, 100

local show

local function is_plain(value)
  local meta = getmetatable(value)
  return not (type(meta) == "table" and meta.__tostring)
end

local function key_text(key)
  if type(key) == "string" and key:match "^[%a_][%w_]*$" then return key end
  return "[" .. show(key, MOST_DEPTH) .. "]"
end

local function sorted_keys(t, from)
  local keys = {}
  for key in pairs(t) do
    local in_list = type(key) == "number" and key >= 1 and key <= from and key % 1 == 0
    if not in_list then keys[#keys + 1] = key end
  end
  table.sort(keys, function(a, b)
    if type(a) == type(b) and (type(a) == "number" or type(a) == "string") then return a < b end
    return type(a) < type(b)
  end)
  return keys
end

local function entries(t, depth, seen)
  local list, count = {}, 0
  local function add(text)
    count = count + 1
    if count <= MOST_ENTRIES then list[count] = text() end
  end
  for i = 1, #t do
    add(function() return show(t[i], depth + 1, seen) end)
  end
  for _, key in ipairs(sorted_keys(t, #t)) do
    add(function() return key_text(key) .. " = " .. show(t[key], depth + 1, seen) end)
  end
  if count > MOST_ENTRIES then list[#list + 1] = ("... %d more"):format(count - MOST_ENTRIES) end
  return list
end

local function show_table(t, depth, seen)
  if seen[t] then return "(shown above)" end
  if depth > MOST_DEPTH then return next(t) == nil and "{}" or "{ ... }" end
  seen[t] = true
  local list = entries(t, depth, seen)
  seen[t] = nil
  if #list == 0 then return "{}" end
  local flat = "{ " .. table.concat(list, ", ") .. " }"
  local indent = ("  "):rep(depth)
  if #flat + #indent <= WIDTH and not flat:find "\n" then return flat end
  local inner = "\n" .. indent .. "  "
  return "{" .. inner .. table.concat(list, "," .. inner) .. ",\n" .. indent .. "}"
end

function show(value, depth, seen)
  if type(value) == "string" then return ("%q"):format(value):gsub("\\\n", "\\n") .. "" end
  if type(value) == "table" and is_plain(value) then return show_table(value, depth, seen or {}) end
  local ok, text = pcall(tostring, value)
  return ok and text or "(a value that cannot be shown: " .. tostring(text) .. ")"
end

--- The text of a value as the prompt prints it.
-- @param value anything
-- @treturn string never more than a screenful for tensors and tables; a string on its own is quoted
function M.text(value)
  return (show(value, 0))
end

return M
