--- Files of a run directory, written whole or not at all.
-- @module conjugate.run.files
local json = require "conjugate.run.json"
local system = require "conjugate.run.system"

local M = {}

--- Writes a file under a temporary name, syncs it and renames it.
-- @tparam string path file name
-- @tparam string bytes the content
-- @treturn boolean true, or nil and a message
function M.write(path, bytes)
  return require("conjugate.core").write_file(path, bytes)
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

--- Removes what a killed process left half-written: files named .NAME.XXXXXXXX.tmp.
-- @tparam string dir folder name
function M.sweep(dir)
  for _, name in ipairs(system.list(dir) or {}) do
    if name:find "^%..+%.%x%x%x%x%x%x%x%x%.tmp$" then os.remove(dir .. "/" .. name) end
  end
end

return M
