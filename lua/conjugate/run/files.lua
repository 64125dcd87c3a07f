--- Files of a run directory, written whole or not at all.
-- @module conjugate.run.files
local core = require "conjugate.core"
local json = require "conjugate.run.json"
local system = require "conjugate.run.system"

local M = {}

--- Writes a file under a temporary name, syncs it and renames it.
-- @tparam string path file name
-- @tparam string bytes the content
-- @treturn boolean true, or nil and a message
function M.write(path, bytes)
  return core.write_file(path, bytes)
end

--- Writes a value as indented JSON.
-- @tparam string path file name
-- @param value what json.encode takes
-- @tparam[opt] {string,...} order keys that come first
-- @treturn boolean true, or nil and a message
function M.write_json(path, value, order)
  return M.write(path, json.encode(value, { indent = true, order = order }) .. "\n")
end

--- Reads a JSON file.
-- @tparam string path file name
-- @return the value, or nil and a message that names the file
function M.read_json(path)
  local text, message = system.read(path)
  if not text then return nil, message end
  local value, why = json.decode(text)
  if value == nil then return nil, ("%s: %s"):format(path, why) end
  return value
end

--- Writes tensors and texts as a .safetensors file; equal content gives equal bytes.
-- @tparam string path file name
-- @tparam {table,...} entries list of { name, tensor }, written in this order
-- @tparam[opt] table metadata texts by name, written in the order of the names
-- @treturn boolean true, or nil and a message
function M.write_tensors(path, entries, metadata)
  local names, tensors, keys, texts = {}, {}, {}, {}
  for i, entry in ipairs(entries) do names[i], tensors[i] = entry[1], entry[2]:detach() end
  for key in pairs(metadata or {}) do keys[#keys + 1] = key end
  table.sort(keys)
  for i, key in ipairs(keys) do texts[i] = metadata[key] end
  return core.io.write_safetensors(path, names, tensors, keys, texts)
end

--- Reads a .safetensors file.
-- @tparam string path file name
-- @treturn table tensors by name, or nil and a message
-- @treturn table metadata, texts by name
function M.read_tensors(path)
  local names, tensors, metadata = core.io.read_safetensors(path)
  if not names then return nil, tensors end
  local found = {}
  for i, name in ipairs(names) do found[name] = tensors[i] end
  return found, metadata or {}
end

--- Removes what a killed process left half-written: files named .NAME.XXXXXXXX.tmp.
-- @tparam string dir folder name
function M.sweep(dir)
  for _, name in ipairs(system.list(dir) or {}) do
    if name:find "^%..+%.%x%x%x%x%x%x%x%x%.tmp$" then os.remove(dir .. "/" .. name) end
  end
end

return M
