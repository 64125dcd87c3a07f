--- A log of one JSON object a line that can be cut back to a known length.
--
-- A killed process may leave a torn last line, or lines that are younger than the last checkpoint.
-- Both are cut off on opening, because the checkpoint says how many bytes belong to it.
-- @module conjugate.run.log
local json = require "conjugate.run.json"
local system = require "conjugate.run.system"

local Log = {}
Log.__index = Log

local M = {}

--- Opens a log and keeps its first bytes only.
-- @tparam string path file name, by habit ending in .jsonl
-- @tparam[opt=0] integer bytes what is kept of an existing file
-- @treturn Log or nil and a message: the file is shorter than that, or cannot be written
function M.open(path, bytes)
  bytes = bytes or 0
  local held = system.size(path) or 0
  if held < bytes then
    return nil, ("%s has %d bytes where the checkpoint counts %d: it was changed from outside")
      :format(path, held, bytes)
  end
  if held > bytes then
    local ok, message = system.truncate(path, bytes)
    if not ok then return nil, message end
  end
  local file, message = io.open(path, "ab")
  if not file then return nil, message end
  return setmetatable({ path = path, file = file, bytes = bytes }, Log)
end

--- Adds one record as a line.
-- @tparam table record what json.encode takes
-- @tparam[opt] {string,...} order keys that come first
-- @treturn boolean true, or nil and a message
function Log:append(record, order)
  local line = json.encode(record, { order = order }) .. "\n"
  local ok, message = self.file:write(line)
  if ok then ok, message = self.file:flush() end
  if not ok then return nil, ("cannot write %s: %s"):format(self.path, message) end
  self.bytes = self.bytes + #line
  return true
end

--- Waits until all lines are on the disk.
-- @treturn integer length of the log in bytes, or nil and a message
function Log:sync()
  local ok, message = system.sync(self.file)
  if not ok then return nil, message end
  return self.bytes
end

--- Closes the file; the log is done.
function Log:close()
  if self.file then self.file:close() end
  self.file = nil
end

--- All whole records of a log; a torn last line is left out.
-- @tparam string path file name
-- @treturn {table,...} records, or nil and a message
function M.read(path)
  local text, message = system.read(path)
  if not text then return nil, message end
  local records = {}
  for line in text:gmatch "([^\n]*)\n" do
    local record, why = json.decode(line)
    if record == nil then return nil, ("%s, line %d: %s"):format(path, #records + 1, why) end
    records[#records + 1] = record
  end
  return records
end

return M
